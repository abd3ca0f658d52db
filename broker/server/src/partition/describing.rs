//! What is told about a partition, not about its records.

use millrace_log::producer_state::ProducerEntry;
use millrace_types::ProducerId;

use super::Partition;

impl Partition {
    /// The producers that the log remembers, by id; empty once the partition has left.
    pub fn producers(&self) -> Vec<(ProducerId, ProducerEntry)> {
        let guard = self.lock_writer();
        let producers = guard.as_ref().map(|writer| writer.log.producers().iter());
        producers.into_iter().flatten().map(|(id, entry)| (id, entry.clone())).collect()
    }
}
