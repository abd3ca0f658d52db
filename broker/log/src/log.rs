//! The side of a log that has one owner: append, roll, flush, truncate, retain.
//!
//! One file per operation in this folder; what readers do is in [`crate::reader`].

use std::path::PathBuf;
use std::sync::Arc;

use millrace_types::{LeaderEpoch, Offset, TimestampMs};

use crate::config::LogConfig;
use crate::disk::Disk;
use crate::error::{IoContext, LogError};
use crate::producer_state::{ProducerSnapshots, ProducerState};
use crate::reader::{LogReader, Shared};
use crate::segment::{Segment, SegmentWriter};

mod append;
mod flush;
mod open;
mod recovery;
mod reopen;
mod replace;
mod retention;
mod roll;
mod stray;
mod truncation;

#[cfg(test)]
mod tests;

pub use append::AppendInfo;
pub use flush::{FlushError, FlushJob};
pub use open::LogOptions;
pub use recovery::RecoveryProgress;
pub use reopen::ReopenJob;

use flush::Unsynced;

/// The log of one partition, for its one writer. Readers get a [`LogReader`].
///
/// ```text
/// let stored = log.append(&batches, now)?;          // one vectored write
/// let job = log.prepare_flush()?;                   // under the writer's lock
/// let outcome = job.run();                          // the fsync: outside of it
/// log.flushed(&job, outcome)?;                      // recovery point moves
/// ```
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    config: LogConfig,
    /// `producer.id.expiration.ms`, as it was when producers were last expired.
    expiration_ms: i64,
    writer: SegmentWriter,
    producers: ProducerState,
    snapshots: ProducerSnapshots,
    /// Everything below is on disk for certain.
    recovery_point: Offset,
    unsynced: Unsynced,
    /// Whether the newest epoch has no record yet: then its file need not know of it.
    is_epoch_empty: bool,
    /// Why the log takes no more writes.
    failure: Option<Failure>,
}

/// Why a log takes no more writes.
#[derive(Debug)]
enum Failure {
    /// It was closed: for good.
    Closed,
    /// What is on disk is no longer what is in memory: until it is opened again.
    Disk { reason: String },
}

impl Failure {
    fn reason(&self) -> &str {
        match self {
            Failure::Closed => "it was closed",
            Failure::Disk { reason } => reason,
        }
    }
}

/// Files that were taken out of the log and are to be unlinked later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// When they may go: `file.delete.delay.ms` after they were taken out.
    pub due: TimestampMs,
    /// The files or directories, already renamed to what is swept at the next start.
    pub paths: Vec<PathBuf>,
}

impl Deletion {
    /// Unlinks the files. What is gone already is no error.
    ///
    /// # Errors
    /// Names the first path that the disk refused to remove; those after it are not tried.
    pub fn run(&self, disk: &dyn Disk) -> Result<(), LogError> {
        for path in &self.paths {
            let removed = match disk.remove_file(path) {
                Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                    disk.remove_dir_all(path)
                }
                other => other,
            };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).at("remove", path);
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Log {
    /// A handle for readers.
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// The producers as of the log's end: what the decision to append looks at.
    pub const fn producers(&self) -> &ProducerState {
        &self.producers
    }

    /// Forgets producers that were silent for `expiration_ms`, the broker's
    /// `producer.id.expiration.ms`. Returns how many.
    pub fn expire_producers(&mut self, now: TimestampMs, expiration_ms: i64) -> usize {
        self.expiration_ms = expiration_ms;
        self.producers.expire(now, expiration_ms)
    }

    /// The settings in force.
    pub const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Puts other settings in force.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// Why the log takes no more writes; `None` while it does.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_ref().map(Failure::reason)
    }

    /// The directory of the partition.
    pub fn dir(&self) -> &std::path::Path {
        &self.shared.home.dir
    }

    /// Notes that a leader of `epoch` begins at the log's end, before its first batch. Forgotten
    /// with the process if no batch follows.
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        let end = self.end_offset();
        self.is_epoch_empty |= self.shared.change_epochs(|epochs| epochs.assign(epoch, end));
    }

    /// Tells readers what is committed. Never moves back: only a truncation does that.
    pub fn set_high_watermark(&mut self, offset: Offset) {
        let reader = self.reader();
        let within = offset.clamp(reader.start_offset(), reader.end_offset());
        let high_watermark = within.max(reader.high_watermark());
        self.shared.set_high_watermark(high_watermark);
        // After it: what a marker has ended becomes readable once the marker is committed.
        self.producers.set_high_watermark(high_watermark);
        self.shared.set_first_unstable(self.producers.first_unstable_offset());
    }

    fn end_offset(&self) -> Offset {
        self.reader().end_offset()
    }

    fn active(&self) -> &Arc<Segment> {
        self.writer.segment()
    }

    /// Makes the names of the log's files durable.
    fn sync_names(&self) -> Result<(), LogError> {
        self.shared.home.disk().sync_dir(self.dir()).at("sync", self.dir())
    }

    fn check_working(&self) -> Result<(), LogError> {
        match &self.failure {
            None => Ok(()),
            Some(failure) => Err(LogError::Failed {
                dir: self.shared.home.dir.clone(),
                end_offset: self.end_offset(),
                reason: failure.reason().to_owned(),
            }),
        }
    }

    /// Stops all writing, until the log is opened again: what is on disk is no longer what is in
    /// memory.
    fn fail(&mut self, error: &LogError) -> LogError {
        let reason = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        tracing::error!(dir = %self.shared.home.dir.display(), reason, "log failed");
        let failed = LogError::Failed {
            dir: self.shared.home.dir.clone(),
            end_offset: self.end_offset(),
            reason: reason.clone(),
        };
        self.failure = Some(Failure::Disk { reason });
        failed
    }
}
