//! The side of a log that has one owner: append, roll, flush, truncate, retain.

use std::path::PathBuf;

use millrace_types::{LeaderEpoch, Offset, TimestampMs};

use crate::config::LogConfig;
use crate::error::LogError;
use crate::producer_state::ProducerState;
use crate::reader::LogReader;

/// The log of one partition, for its one writer. Readers get a [`LogReader`].
///
/// ```text
/// let stored = log.append(&batches, now)?;          // one vectored write
/// let job = log.prepare_flush()?;                   // under the writer's lock
/// job.run()?;                                       // the fsync: outside of it
/// log.flushed(&job);                                // recovery point moves
/// ```
#[derive(Debug)]
pub struct Log;

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// The log's new end.
    pub next_offset: Offset,
    /// Bytes written.
    pub size_bytes: u64,
    /// Whether a new segment was begun.
    pub has_rolled: bool,
}

/// What has to be synced, gathered under the writer's lock to be run outside of it.
#[derive(Debug)]
pub struct FlushJob;

/// Files that were taken out of the log and are to be unlinked later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When they may go: `file.delete.delay.ms` after they were taken out.
    pub due: TimestampMs,
    /// The files or directories, already renamed to what is swept at the next start.
    pub paths: Vec<PathBuf>,
}

/// How far the opening of a log got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Bytes read so far.
    pub bytes_done: u64,
    /// Bytes to read in all.
    pub bytes_total: u64,
}

#[expect(clippy::todo, reason = "interface first")]
impl Log {
    // append(&mut self, batches: &[NewBatch<'_>], now) -> Result<AppendInfo, LogError> comes with
    // millrace_wire::record: NewBatch { head: BatchHead, payload: &[u8] }. The caller places and
    // stamps the head (BatchHead::of, place, stamp); a follower leaves it as it came.

    /// A handle for readers.
    pub fn reader(&self) -> LogReader {
        todo!()
    }
    /// The producers as of the log's end: what the decision to append looks at.
    pub fn producers(&self) -> &ProducerState {
        todo!()
    }
    /// Forgets producers that were silent for `expiration_ms`.
    pub fn expire_producers(&mut self, _now: TimestampMs, _expiration_ms: i64) {
        todo!()
    }
    /// The settings in force.
    pub fn config(&self) -> &LogConfig {
        todo!()
    }
    /// Puts other settings in force.
    pub fn set_config(&mut self, _config: LogConfig) {
        todo!()
    }
    /// Notes that a leader of `epoch` begins at the log's end, before its first batch.
    pub fn begin_epoch(&mut self, _epoch: LeaderEpoch) -> Result<(), LogError> {
        todo!()
    }
    /// Tells readers what is committed; never moves back but by a truncation.
    pub fn set_high_watermark(&mut self, _offset: Offset) {
        todo!()
    }
    /// Begins a new segment at the log's end, unless the active one is empty.
    pub fn roll(&mut self, _now: TimestampMs) -> Result<(), LogError> {
        todo!()
    }
    /// Records that are not known to survive a power cut.
    pub fn unflushed_records(&self) -> u64 {
        todo!()
    }
    /// Everything below is on disk for certain.
    pub fn recovery_point(&self) -> Offset {
        todo!()
    }
    /// Makes all that was appended durable.
    pub fn flush(&mut self) -> Result<(), LogError> {
        todo!()
    }
    /// Gathers what [`Log::flush`] would sync; `None` if there is nothing.
    pub fn prepare_flush(&mut self) -> Result<Option<FlushJob>, LogError> {
        todo!()
    }
    /// Moves the recovery point after a job ran without error.
    pub fn flushed(&mut self, _job: &FlushJob) {
        todo!()
    }
    /// Removes the records from `offset` on.
    pub fn truncate_to(
        &mut self,
        _offset: Offset,
        _now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        todo!()
    }
    /// Removes all records; the log goes on at `offset`.
    pub fn truncate_fully(
        &mut self,
        _offset: Offset,
        _now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        todo!()
    }
    /// Hides the records below `offset` (DeleteRecords); their segments go with the next retention.
    pub fn advance_start(&mut self, _offset: Offset) -> Result<(), LogError> {
        todo!()
    }
    /// Takes out the segments that retention has done with: by time, size and log start.
    pub fn retain(&mut self, _now: TimestampMs) -> Result<Option<Deletion>, LogError> {
        todo!()
    }
    /// Flushes all and writes what a clean start needs. The log takes no more writes.
    pub fn close(&mut self) -> Result<(), LogError> {
        todo!()
    }
}

#[expect(clippy::todo, reason = "interface first")]
impl FlushJob {
    /// Syncs the files; takes as long as the disk needs. Needs no lock.
    pub fn run(&self) -> Result<(), LogError> {
        todo!()
    }
}
