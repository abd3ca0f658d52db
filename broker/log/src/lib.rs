//! Storage of one partition in Kafka's own format: segments, indexes, recovery, retention,
//! compaction. Synchronous; everything goes through [`disk::Disk`].
//!
//! [`LogDir`] opens the directory and its logs, [`Log`] is the writer's side of one, [`LogReader`]
//! everyone else's.

pub mod checkpoint;
pub mod config;
pub mod disk;
pub mod epoch_cache;
pub mod error;
pub mod file_name;
mod log;
mod log_dir;
pub mod producer_state;
mod reader;
pub mod txn_index;

pub use config::{CleanupPolicy, LogConfig};
pub use error::{LogError, ReadError};
pub use log::{AppendInfo, Deletion, FlushJob, Log, RecoveryProgress};
pub use log_dir::{FoundPartition, LogDir, LogDirError, LogDirOptions, LogOffsets, MetaProperties};
pub use reader::{FoundOffset, LogReader, ReadRequest, Slice};
