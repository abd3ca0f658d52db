//! Makes the log durable, in such a way that the slow part needs no lock.
//!
//! The order within a job is what recovery relies on: batches before indexes, indexes before
//! snapshots are written at all. So a readable snapshot below the recovery point says that the
//! indexes are good up to its offset, and recovery starts there instead of at the segment's
//! beginning.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_types::Offset;

use super::{Failure, Log};
use crate::disk::{Disk, OpenMode};
use crate::epoch_cache::EpochCache;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::producer_state::UnwrittenSnapshot;
use crate::reader::Shared;
use crate::segment::Segment;

/// After so many bytes a flush also writes a snapshot and the indexes: what recovery reads of the
/// flushed part of a log is bounded by this.
const SNAPSHOT_EVERY_BYTES: u64 = 64 << 20;

/// What is not durable yet, besides the batches behind the recovery point.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Segments that are done with, whose index files were not synced since.
    rolled: Vec<Arc<Segment>>,
    /// Counts changes of names in the directory.
    names: Version,
    /// Counts changes of the epochs.
    epochs: Version,
    /// What the first flush of a new log syncs besides its segments.
    new_files: Vec<PathBuf>,
    /// Counts truncations: a job from before one says nothing about the log after it.
    generation: u64,
    bytes_since_snapshot: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Version {
    current: u64,
    synced: u64,
}

impl Version {
    const fn is_dirty(self) -> bool {
        self.synced < self.current
    }

    /// As dirty as this, but later than `before`.
    const fn behind(self, before: Version) -> Version {
        let current = before.current.saturating_add(1);
        Version { current, synced: if self.is_dirty() { before.current } else { current } }
    }
}

impl Unsynced {
    pub(super) const fn appended(&mut self, bytes: u64) {
        self.bytes_since_snapshot = self.bytes_since_snapshot.saturating_add(bytes);
    }

    pub(super) fn rolled(&mut self, done: Arc<Segment>) {
        self.rolled.push(done);
        self.bytes_since_snapshot = 0;
        self.names_changed();
    }

    pub(super) const fn names_changed(&mut self) {
        self.names.current += 1;
    }

    /// Notes that the directory itself is new, with `files` in it.
    pub(super) fn created(&mut self, files: Vec<PathBuf>) {
        self.new_files = files;
        self.names_changed();
    }

    /// Notes what recovery did: it wrote to `touched` segments and perhaps changed more.
    pub(super) fn recovered(&mut self, touched: Vec<Arc<Segment>>, has_new_names: bool) {
        if has_new_names || !touched.is_empty() {
            self.names_changed();
        }
        self.rolled = touched;
    }

    pub(super) const fn epochs_changed(&mut self) {
        self.epochs.current += 1;
    }

    /// Notes that the epochs are about to be saved; returns their version.
    pub(super) const fn saving_epochs(&mut self) -> u64 {
        self.epochs.current += 1;
        self.epochs.synced = self.epochs.current;
        self.epochs.current
    }

    /// What the first flush has to sync besides the segments.
    pub(super) fn new_files(&self) -> &[PathBuf] {
        &self.new_files
    }

    pub(super) const fn epochs_version(&self) -> u64 {
        self.epochs.current
    }

    /// The same, counted on from `before`: what a job from before says is void.
    pub(super) fn behind(mut self, before: &Unsynced) -> Unsynced {
        self.generation = before.generation.saturating_add(1);
        self.names = self.names.behind(before.names);
        self.epochs = self.epochs.behind(before.epochs);
        self
    }

    pub(super) const fn truncated(&mut self) {
        self.generation += 1;
        self.names.current += 1;
    }

    /// Notes that segments left the log.
    pub(super) fn removed(&mut self, is_kept: impl Fn(&Arc<Segment>) -> bool) {
        self.rolled.retain(is_kept);
    }
}

/// Why a flush did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// A sync of a file that is written in place has failed. What of it is on disk is not known, and
    /// a later sync would not tell: the system may have dropped what it could not write.
    #[error(transparent)]
    Lost(LogError),
    /// Something else was refused; all of it can be done again.
    #[error(transparent)]
    Refused(#[from] LogError),
}

/// What has to be synced, gathered under the writer's lock to be run outside of it.
#[derive(Debug)]
pub struct FlushJob {
    shared: Arc<Shared>,
    upto: Offset,
    generation: u64,
    /// Segments with batches that are not durable.
    logs: Vec<Arc<Segment>>,
    /// Segments that are done with and whose index entries are not durable.
    rolled: Vec<Arc<Segment>>,
    /// The active segment, if its index entries count: if there is a snapshot.
    active: Option<Arc<Segment>>,
    snapshots: Vec<UnwrittenSnapshot>,
    epochs: Option<EpochCache>,
    new_files: Vec<PathBuf>,
    names_version: u64,
    epochs_version: u64,
    syncs_names: bool,
}

impl Log {
    /// Everything below is on disk for certain.
    pub const fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Records that are not known to survive a power cut.
    pub fn unflushed_records(&self) -> u64 {
        self.end_offset().since(self.recovery_point)
    }

    /// Makes all that was appended durable.
    ///
    /// # Errors
    /// Not all is durable; after [`LogError::Failed`] it is not known what is.
    pub fn flush(&mut self) -> Result<(), LogError> {
        let Some(job) = self.prepare_flush()? else { return Ok(()) };
        let outcome = job.run();
        self.flushed(&job, outcome)
    }

    /// Gathers what [`Log::flush`] would sync; `None` if there is nothing.
    ///
    /// # Errors
    /// The log has failed, or the disk does not take the index entries or the snapshot.
    pub fn prepare_flush(&mut self) -> Result<Option<FlushJob>, LogError> {
        self.check_working()?;
        self.prepare(self.is_snapshot_due())
    }

    /// Whether so much was written since the last snapshot that a flush takes one: else a start after
    /// a crash would have all that to read.
    pub const fn is_snapshot_due(&self) -> bool {
        self.unsynced.bytes_since_snapshot >= SNAPSHOT_EVERY_BYTES
    }

    pub(super) fn prepare(&mut self, takes_snapshot: bool) -> Result<Option<FlushJob>, LogError> {
        if takes_snapshot {
            self.writer.write_indexes()?;
            self.producers.advance_to(self.end_offset());
            self.snapshots.take(&self.producers);
            self.unsynced.bytes_since_snapshot = 0;
        }
        let snapshots = self.snapshots.unwritten();
        let rolled = self.unsynced.rolled.clone();
        // The snapshot of a job that is still under way may be among them.
        let active = (!snapshots.is_empty()).then(|| Arc::clone(self.active()));
        let upto = self.end_offset();
        let is_clean = upto == self.recovery_point
            && rolled.is_empty()
            && snapshots.is_empty()
            && !self.unsynced.names.is_dirty()
            && !self.unsynced.epochs.is_dirty();
        if is_clean || self.is_unused() {
            return Ok(None);
        }
        // Not before: a partition that is never used costs as few files as possible.
        if self.active().make_index_files()? {
            self.unsynced.names_changed();
        }
        if !snapshots.is_empty() {
            self.unsynced.names_changed();
        }
        let epochs = self.unsynced.epochs.is_dirty().then(|| self.shared.epochs());
        Ok(Some(FlushJob {
            shared: Arc::clone(&self.shared),
            upto,
            generation: self.unsynced.generation,
            logs: self.shared.segments_from(self.recovery_point),
            rolled,
            active,
            snapshots,
            epochs,
            new_files: self.unsynced.new_files.clone(),
            names_version: self.unsynced.names.current,
            epochs_version: self.unsynced.epochs.current,
            syncs_names: self.unsynced.names.is_dirty(),
        }))
    }

    /// Whether nothing was ever written: then a power cut may take the directory, too. It costs
    /// little to make it again, and much to sync each of thousands.
    fn is_unused(&self) -> bool {
        self.end_offset() == Offset::ZERO && self.active().base_offset() == Offset::ZERO
    }

    /// Moves the recovery point after a job ran.
    ///
    /// # Errors
    /// The job's own error: of [`FlushError::Lost`] the log fails, of [`FlushError::Refused`] it goes
    /// on with the recovery point where it was.
    pub fn flushed(
        &mut self,
        job: &FlushJob,
        outcome: Result<(), FlushError>,
    ) -> Result<(), LogError> {
        match outcome {
            Ok(()) => {}
            Err(FlushError::Lost(error)) => return Err(self.fail(&error)),
            Err(FlushError::Refused(error)) => return Err(error),
        }
        for snapshot in &job.snapshots {
            let written = self.snapshots.written(snapshot).at("remove a snapshot in", self.dir());
            written.map_err(|error| self.fail(&error))?;
        }
        self.unsynced
            .rolled
            .retain(|segment| !job.rolled.iter().any(|synced| Arc::ptr_eq(segment, synced)));
        self.unsynced.names.synced = self.unsynced.names.synced.max(job.names_version);
        self.unsynced.new_files.retain(|path| !job.new_files.contains(path));
        if job.generation != self.unsynced.generation {
            return Ok(());
        }
        if job.epochs.is_some() {
            self.unsynced.epochs.synced = self.unsynced.epochs.synced.max(job.epochs_version);
        }
        self.recovery_point = self.recovery_point.max(job.upto);
        if !job.snapshots.is_empty() {
            // Of those taken within segments, the newest is enough from now on.
            let bases = self.shared.segments().iter().map(|at| at.base_offset()).collect();
            if let Err(error) = self.snapshots.remove_stray(&bases) {
                tracing::warn!(%error, dir = %self.dir().display(), "snapshots of no use stay");
            }
        }
        Ok(())
    }

    /// Flushes all and writes what a start without recovery needs. The log takes no more writes.
    ///
    /// # Errors
    /// The log must be recovered at the next start: its directory must not be marked clean.
    pub fn close(&mut self) -> Result<(), LogError> {
        self.check_working()?;
        if self.active().make_index_files()? {
            self.unsynced.names_changed();
        }
        let end = self.end_offset();
        let has_snapshot = end == Offset::ZERO || self.snapshots.offsets().next_back() == Some(end);
        // Most partitions of a broker were not written to since they were opened.
        if self.prepare(false)?.is_some() || !has_snapshot {
            self.writer.complete_indexes()?;
            self.unsynced.rolled(Arc::clone(self.writer.segment()));
            if let Some(job) = self.prepare(!has_snapshot)? {
                let outcome = job.run();
                self.flushed(&job, outcome)?;
            }
        }
        self.failure = Some(Failure::Closed);
        Ok(())
    }
}

impl FlushJob {
    /// The offset up to which the log is durable once the job ran.
    pub const fn upto(&self) -> Offset {
        self.upto
    }

    /// Syncs the files; takes as long as the disk needs. Needs no lock.
    ///
    /// # Errors
    /// Names the file that could not be synced or written.
    pub fn run(&self) -> Result<(), FlushError> {
        for segment in &self.logs {
            sync(segment, FileKind::Log)?;
        }
        for segment in self.rolled.iter().chain(&self.active) {
            sync(segment, FileKind::OffsetIndex)?;
            sync(segment, FileKind::TimeIndex)?;
        }
        // Recovery may have made that of a segment anew whose batches were flushed before.
        for segment in self.logs.iter().chain(&self.rolled) {
            if let Some(index) = segment.txn_index()? {
                let path = segment.path(FileKind::TxnIndex);
                index.sync().at("sync", path).map_err(FlushError::Lost)?;
            }
        }
        let home = &self.shared.home;
        for path in &self.new_files {
            sync_other(home.disk(), path)?;
        }
        // From here on nothing is written in place: what fails is written anew the next time. Names
        // are kept in the file system's journal, which does not forget them as it does pages.
        for snapshot in &self.snapshots {
            snapshot.write(home.disk()).at("write a snapshot in", &home.dir)?;
        }
        if let Some(epochs) = &self.epochs {
            self.shared.save_epochs(epochs, self.epochs_version)?;
        }
        if self.syncs_names {
            home.disk().sync_dir(&home.dir).at("sync", &home.dir)?;
        }
        if let Some(parent) = home.dir.parent().filter(|_| !self.new_files.is_empty()) {
            home.disk().sync_dir(parent).at("sync", parent)?;
        }
        Ok(())
    }
}

/// Syncs a file that belongs to no segment. One that was removed meanwhile needs it no more.
fn sync_other(disk: &dyn Disk, path: &Path) -> Result<(), FlushError> {
    match disk.open(path, OpenMode::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at("open", path)?.sync().at("sync", path).map_err(FlushError::Lost),
    }
}

/// Syncs one file of a segment. A segment that was removed meanwhile needs it no more.
fn sync(segment: &Segment, kind: FileKind) -> Result<(), FlushError> {
    match segment.file(kind) {
        Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        file => file?.sync().at("sync", segment.path(kind)).map_err(FlushError::Lost),
    }
}
