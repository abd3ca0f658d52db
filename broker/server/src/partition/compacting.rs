//! Compaction from the partition's side: what it may read, and putting its segments into place.

use millrace_log::compaction::{Cleaned, Source};
use millrace_log::{Deletion, LogError};
use millrace_types::TimestampMs;

use super::Partition;

impl Partition {
    /// What compaction has to know of the log; `None` once the partition has left, or as long as
    /// its log has failed.
    pub fn compaction_source(&self) -> Option<Source> {
        let guard = self.lock_writer();
        // A log that has failed is opened again first: files may stand there half exchanged.
        let writer = guard.as_ref().filter(|writer| writer.log.failure().is_none())?;
        Some(writer.log.compaction_source())
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
            Some(writer) => {
                let replaced = writer.log.replace(cleaned, now);
                self.report_failure(writer);
                replaced
            }
            None => Ok(None),
        }
    }
}
