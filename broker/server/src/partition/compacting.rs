//! Compaction from the partition's side: what it may read, and putting its segments into place.

use millrace_log::compaction::{Cleaned, Source};
use millrace_log::{Deletion, LogError};
use millrace_types::TimestampMs;

use super::Partition;

impl Partition {
    /// What compaction has to know of the log; `None` once the partition has left.
    pub fn compaction_source(&self) -> Option<Source> {
        self.lock_writer().as_ref().map(|writer| writer.log.compaction_source())
    }

    /// Puts a cleaned segment into place. `None` if it no longer fits: its compaction is void.
    ///
    /// # Errors
    /// The disk refused.
    pub fn replace(
        &self,
        cleaned: &Cleaned,
        now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        match self.lock_writer().as_mut() {
            Some(writer) => writer.log.replace(cleaned, now),
            None => Ok(None),
        }
    }
}
