//! What the cluster knows about itself: brokers, topics, configs, blocks of producer ids.
//!
//! ```text
//! command ──decide/*──▶ records ──raft──▶ committed records ──apply──▶ Image ──▶ Delta
//!            refuses                                          cannot fail        what to open, close
//! ```
//! `decide` looks at an [`Image`] and refuses or says which [`Record`]s make the change; whoever
//! drives them (`millrace-server`) logs the records and applies them once they are committed. Every
//! node applies the same records in the same order and so has the same image.

mod codec;
pub mod decide;
mod delta;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod histories;
mod image;
mod placement;
pub mod record;
mod record_error;
pub mod snapshot;
mod state;
mod topic_rules;
mod touched;

pub use delta::{Delta, PartitionState};
pub use image::Image;
pub use record::{ConfigOwner, Record};
pub use record_error::RecordError;
pub use state::{Broker, Partition, Topic};
pub use topic_rules::{CONSUMER_OFFSETS, is_internal};
pub use touched::Touched;
