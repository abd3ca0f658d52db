//! The words of the project as types: offsets, epochs, ids, names, error codes.
//!
//! Values are parsed once at the edge (`from_wire`, `parse`); inside, an invalid one cannot be
//! written. Nothing here does IO and nothing here knows a frame.

mod error_code;
mod id;
mod name;
mod offset;
mod time;

pub use error_code::ErrorCode;
pub use id::{BrokerId, ProducerEpoch, ProducerId, Sequence, TopicId, Uuid};
pub use name::{GroupId, InvalidTopicName, TopicName, TopicPartition};
pub use offset::{LeaderEpoch, Offset, PartitionIndex};
pub use time::TimestampMs;
