//! Opens a log again that has failed, in place: its readers keep their handles.
//!
//! ```text
//! let job = log.prepare_reopen(now);     // under the writer's lock
//! let outcome = job.run();               // recovery, one fsync: outside of it
//! log.reopened(&job, outcome)?;          // the log takes writes again
//! ```
//! A log that has failed takes no writes, so nothing changes under the job. What a failed write left
//! behind the end is cut: nobody was told that it is there. What was not synced is written once
//! more before it is synced: after a sync that failed the system may take pages for clean that never
//! reached the disk, and the next sync would pass them over. Then the log is recovered as after a
//! crash, from the same files by the same code.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::{Failure, Log, LogOptions};
use crate::config::LogConfig;
use crate::disk::{Disk, OpenMode, Patience};
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::reader::{LogReader, Shared};
use crate::segment::Segment;

/// How much is read and written again at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// What opens a failed log again, gathered under the writer's lock to be run outside of it.
#[derive(Debug)]
pub struct ReopenJob {
    shared: Arc<Shared>,
    config: LogConfig,
    expiration_ms: i64,
    recovery_point: Offset,
    new_files: Vec<PathBuf>,
    now: TimestampMs,
}

impl Log {
    /// Gathers what opens the log again; `None` if it has not failed, or was closed. No flush may
    /// be under way, and none is begun before [`Log::reopened`].
    pub fn prepare_reopen(&self, now: TimestampMs) -> Option<ReopenJob> {
        match self.failure {
            Some(Failure::Disk { .. }) => Some(ReopenJob {
                shared: Arc::clone(&self.shared),
                config: self.config.clone(),
                expiration_ms: self.expiration_ms,
                recovery_point: self.recovery_point,
                new_files: self.unsynced.new_files().to_vec(),
                now,
            }),
            Some(Failure::Closed) | None => None,
        }
    }

    /// Goes on with what the job has opened.
    ///
    /// # Errors
    /// The job's own error: the log is as failed as before.
    pub fn reopened(&mut self, outcome: Result<Log, LogError>) -> Result<(), LogError> {
        let opened = outcome?;
        let (before, after) = (self.end_offset(), opened.end_offset());
        if after < before {
            tracing::error!(dir = %self.dir().display(), %before, %after,
                "the disk has lost records that were not flushed");
            self.lower_offsets(after);
        }
        let latest_epoch = self.reader().latest_epoch();
        self.unsynced = opened.unsynced.behind(&self.unsynced);
        self.shared.adopt(&opened.shared, self.unsynced.epochs_version());
        self.writer = opened.writer;
        self.producers = opened.producers;
        self.snapshots = opened.snapshots;
        self.recovery_point = opened.recovery_point;
        self.is_epoch_empty = false;
        self.failure = None;
        self.set_high_watermark(self.reader().high_watermark());
        if let Some(epoch) = latest_epoch {
            // The files do not know of a leader that has not written anything yet.
            self.begin_epoch(epoch);
        }
        tracing::info!(dir = %self.dir().display(), end = %after, "log takes writes again");
        Ok(())
    }
}

impl ReopenJob {
    /// Recovers the log and makes all of it durable; takes as long as the disk needs.
    ///
    /// # Errors
    /// The disk still fails. To be tried again later.
    pub fn run(&self) -> Result<Log, LogError> {
        for segment in self.shared.segments_from(self.recovery_point) {
            self.restore(&segment)?;
        }
        for path in &self.new_files {
            write_again(self.shared.home.disk(), path)?;
        }
        let reader = LogReader::new(Arc::clone(&self.shared));
        let options = LogOptions {
            pool: Arc::clone(&self.shared.home.pool),
            dir: self.shared.home.dir.clone(),
            config: self.config.clone(),
            producer_id_expiration_ms: self.expiration_ms,
            start_offset: reader.start_offset(),
            recovery_point: self.recovery_point,
            high_watermark: reader.high_watermark(),
            was_closed: false,
            now: self.now,
        };
        let mut log = Log::open(options, &mut |_| {})?;
        // What was renamed or begun before the failure may not be durable either.
        log.unsynced.names_changed();
        log.unsynced.epochs_changed();
        log.flush()?;
        Ok(log)
    }

    /// Cuts what is behind the segment's end, and writes again what was not synced.
    fn restore(&self, segment: &Segment) -> Result<(), LogError> {
        let path = segment.path(FileKind::Log);
        let file = match segment.file(FileKind::Log) {
            // It was on its way out of the log.
            Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            other => other?,
        };
        let size_bytes = segment.size_bytes();
        if file.len().at("measure", &path)? > size_bytes {
            file.set_len(size_bytes).at("cut", &path)?;
        }
        let first =
            segment.first_batch_reaching(self.recovery_point, size_bytes, Patience::Waits)?;
        let mut position = first.map_or(size_bytes, |batch| batch.position);
        let mut chunk = Vec::new();
        while position < size_bytes {
            let length = (size_bytes - position).min(CHUNK_BYTES);
            chunk.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
            file.read_exact_at(&mut chunk, position).at("read", &path)?;
            file.write_all_at(&[IoSlice::new(&chunk)], position).at("write again", &path)?;
            position += length;
        }
        Ok(())
    }
}

/// Writes a small file's content over itself. One that is gone needs it no more.
fn write_again(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let file = match disk.open(path, OpenMode::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.at("open", path)?,
    };
    let length = file.len().at("measure", path)?;
    let mut content = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut content, 0).at("read", path)?;
    file.write_all_at(&[IoSlice::new(&content)], 0).at("write again", path)
}
