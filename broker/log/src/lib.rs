//! Storage of one partition in Kafka's own format: segments, indexes, recovery, retention,
//! compaction. Synchronous; everything goes through [`disk::Disk`].
//!
//! [`LogDir`] opens the directory and its logs, [`Log`] is the writer's side of one, [`LogReader`]
//! everyone else's.

pub mod checkpoint;
pub mod compaction;
pub mod config;
pub mod disk;
pub mod epoch_cache;
pub mod error;
pub mod file_name;
mod file_pool;
mod log;
mod log_dir;
mod new_batch;
mod offset_index;
pub mod producer_state;
pub mod raft_log;
mod reader;
mod segment;
mod sparse_index;
mod time_index;
pub mod txn_index;

pub use config::{CleanupPolicy, LogConfig};
pub use error::{LogError, ReadError};
pub use file_pool::FilePool;
pub use log::{
    AppendInfo, Deletion, FlushError, FlushJob, Log, LogOptions, RecoveryProgress, ReopenJob,
};
pub use log_dir::{
    CleanShutdown, FoundPartition, LogDir, LogDirError, LogDirOptions, LogOffsets, MetaProperties,
};
pub use new_batch::NewBatch;
pub use reader::LogReader;
pub use segment::{FoundOffset, LOOK_UP_BYTES_MAX, ReadRequest, Slice};
