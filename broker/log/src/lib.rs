//! Storage of one partition in Kafka's own format: segments, indexes, recovery, retention,
//! compaction. Synchronous; everything goes through [`disk::Disk`].

pub mod disk;
pub mod producer_state;
