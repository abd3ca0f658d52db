//! Removing the oldest records, and leaving the broker.

use millrace_core::replication::delete_records;
use millrace_log::{Deletion, Log, LogError, LogOffsets};
use millrace_types::{Offset, TimestampMs};

use super::{Partition, PartitionError};

impl Partition {
    /// Removes the records below `offset`, or below the high watermark if it is -1. Returns where the
    /// log begins then.
    ///
    /// # Errors
    /// See [`PartitionError`].
    pub fn delete_records(&self, offset: i64) -> Result<Offset, PartitionError> {
        self.check_leader(None)?;
        let policy = self.terms().config.log.cleanup;
        {
            let mut guard = self.lock_writer();
            let writer = guard.as_mut().ok_or_else(|| self.not_leader())?;
            let topic = &self.id.topic;
            let start = delete_records::decide(topic, policy, &self.bounds(), offset)?;
            writer.log.advance_start(start)?;
        }
        // A fetch below the new start has to hear of it.
        self.waiters.wake();
        Ok(self.reader.start_offset())
    }

    /// Takes out the segments that retention is done with; the caller removes their files in time.
    ///
    /// # Errors
    /// The disk refused.
    pub fn retain(&self, now: TimestampMs) -> Result<Option<Deletion>, LogError> {
        let before = self.reader.start_offset();
        let deletion = match self.lock_writer().as_mut() {
            Some(writer) => {
                let deletion = writer.log.retain(now);
                self.report_failure(writer);
                deletion?
            }
            None => None,
        };
        if self.reader.start_offset() != before {
            self.waiters.wake();
        }
        Ok(deletion)
    }

    /// Forgets producers that were silent for `expiration_ms`; returns how many.
    pub fn expire_producers(&self, now: TimestampMs, expiration_ms: i64) -> usize {
        let mut guard = self.lock_writer();
        guard.as_mut().map_or(0, |writer| writer.log.expire_producers(now, expiration_ms))
    }

    /// The offsets to be written down from time to time; `None` once the partition has left.
    pub fn offsets(&self) -> Option<LogOffsets> {
        let recovery_point = self.lock_writer().as_ref()?.log.recovery_point();
        Some(LogOffsets {
            recovery_point,
            start_offset: self.reader.start_offset(),
            high_watermark: self.reader.high_watermark(),
        })
    }

    /// Gives the log away: no batch is taken any more, and all who wait hear of it. `None` if it was
    /// given away before. Waits for the disk if the log is just being opened again.
    pub fn retire(&self) -> Option<Log> {
        let _alone = self.lock_healing();
        let writer = self.lock_writer().take().map(|mut writer| {
            writer.refuse_unsettled(&self.not_leader());
            writer.log
        });
        self.waiters.wake();
        writer
    }
}
