//! Storage of one partition in Kafka's own format: segments, indexes, recovery, retention,
//! compaction. Synchronous; everything goes through [`disk::Disk`].

pub mod checkpoint;
pub mod disk;
pub mod epoch_cache;
pub mod producer_state;
pub mod txn_index;
