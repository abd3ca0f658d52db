//! Opens a log: sorts its directory, recovers if need be, and finds where everything stands.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::recovery::{Recovery, RecoveryProgress, replay};
use super::{Log, Unsynced, stray};
use crate::checkpoint::{CheckpointError, PARTITION_METADATA};
use crate::config::LogConfig;
use crate::epoch_cache::EpochCache;
use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileStage};
use crate::file_pool::FilePool;
use crate::producer_state::{ProducerSnapshots, ProducerState};
use crate::reader::Shared;
use crate::segment::{Home, Segment, SegmentWriter};

/// How to open a log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Where its files are opened.
    pub pool: Arc<FilePool>,
    /// The directory of the partition.
    pub dir: PathBuf,
    /// The topic's settings.
    pub config: LogConfig,
    /// `producer.id.expiration.ms`: producers silent for so long are not loaded.
    pub producer_id_expiration_ms: i64,
    /// From the checkpoint: the first offset that may be read; 0 if there is none.
    pub start_offset: Offset,
    /// From the checkpoint: everything below is on disk; 0 if there is none.
    pub recovery_point: Offset,
    /// From the checkpoint: what was committed; 0 if there is none.
    pub high_watermark: Offset,
    /// Whether the log was closed properly: then it needs no recovery.
    pub was_closed: bool,
    /// The present time.
    pub now: TimestampMs,
}

impl Log {
    /// Opens the log in a directory, which must exist; an empty directory is an empty log.
    /// `progress` is called while the log is recovered, at least once.
    ///
    /// # Errors
    /// The disk failed. A log that a crash or rot left incomplete is no error: it is cut.
    pub fn open(
        options: LogOptions,
        progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<Log, LogError> {
        let LogOptions { pool, dir, config, mut recovery_point, mut was_closed, now, .. } = options;
        let was_flushed = recovery_point > Offset::ZERO;
        let home = Arc::new(Home { pool, dir });
        let sorted = stray::sort(&home)?;
        let mut segments = Vec::new();
        let mut without_index = BTreeSet::new();
        for (&base, &files) in &sorted.segments {
            let segment = Segment::open(Arc::clone(&home), base, FileStage::Live, files)?;
            if !files.has_index && segment.size_bytes() > 0 {
                without_index.insert(base);
            }
            segments.push(Arc::new(segment));
        }
        let epochs = load_epochs(&home)?;
        if epochs.is_none() {
            (recovery_point, was_closed) = (Offset::ZERO, false);
        }
        let disk = Arc::clone(home.pool.disk());
        let snapshots = ProducerSnapshots::of(disk, &home.dir, sorted.snapshots);
        let mut recovery = Recovery {
            home: &home,
            config: &config,
            expiration_ms: options.producer_id_expiration_ms,
            recovery_point,
            start_offset: options.start_offset,
            high_watermark: options.high_watermark,
            now,
            segments,
            without_index,
            snapshots,
            epochs: epochs.clone().unwrap_or_default(),
            producers: ProducerState::default(),
            touched: Vec::new(),
            has_new_names: sorted.has_changed,
            progress: RecoveryProgress::default(),
            report: progress,
        };
        let is_recovered = !was_closed || !recovery.load_closed()?;
        if is_recovered {
            recovery.run()?;
        }
        let mut loaded = recovery.finish(epochs.as_ref())?;
        let unsynced = unsynced_of(&home, &loaded, was_flushed);
        if is_recovered && loaded.end_offset < recovery_point {
            // A truncation was under way. It must not be undone once something stands behind it.
            let path = loaded.active.path(FileKind::Log);
            loaded.active.file(FileKind::Log)?.sync().at("sync", path)?;
            recovery_point = loaded.end_offset;
        } else if !is_recovered {
            recovery_point = loaded.end_offset;
        }
        let writer = SegmentWriter::resume(Arc::clone(&loaded.active), now)?;
        let shared = Arc::new(Shared::new(Arc::clone(&home), loaded.segments, loaded.epochs));
        shared.set_start(loaded.start_offset);
        shared.set_end(loaded.end_offset);
        let high_watermark = options.high_watermark.clamp(loaded.start_offset, loaded.end_offset);
        shared.set_high_watermark(high_watermark);
        loaded.producers.set_high_watermark(high_watermark);
        shared.set_first_unstable(loaded.producers.first_unstable_offset());
        Ok(Log {
            shared,
            config,
            expiration_ms: options.producer_id_expiration_ms,
            writer,
            producers: loaded.producers,
            snapshots: loaded.snapshots,
            recovery_point,
            unsynced,
            is_epoch_empty: false,
            failure: None,
        })
    }

    /// Makes an empty log in a directory that was just made; `files` are those that stand in it
    /// already. They are synced with the first flush.
    pub(crate) fn create(options: LogOptions, files: Vec<PathBuf>) -> Result<Log, LogError> {
        let LogOptions { pool, dir, config, producer_id_expiration_ms, now, .. } = options;
        let home = Arc::new(Home { pool, dir });
        let disk = Arc::clone(home.pool.disk());
        let snapshots = ProducerSnapshots::of(disk, &home.dir, BTreeSet::new());
        let segment = Arc::new(Segment::create(Arc::clone(&home), Offset::ZERO, FileStage::Live)?);
        let writer = SegmentWriter::resume(Arc::clone(&segment), now)?;
        let shared = Arc::new(Shared::new(home, vec![segment], EpochCache::default()));
        let mut unsynced = Unsynced::default();
        unsynced.created(files);
        Ok(Log {
            shared,
            config,
            expiration_ms: producer_id_expiration_ms,
            writer,
            producers: ProducerState::default(),
            snapshots,
            recovery_point: Offset::ZERO,
            unsynced,
            is_epoch_empty: false,
            failure: None,
        })
    }
}

/// What the first flush of an opened log has to make durable.
fn unsynced_of(home: &Home, loaded: &Loaded, was_flushed: bool) -> Unsynced {
    let mut unsynced = Unsynced::default();
    if !was_flushed {
        // The process that made the directory may have ended before its first flush.
        unsynced.created(vec![home.dir.join(PARTITION_METADATA)]);
    }
    unsynced.recovered(loaded.touched.clone(), loaded.has_new_names);
    if loaded.has_new_epochs {
        unsynced.epochs_changed();
    }
    unsynced
}

/// `None` if the file is damaged: then they are read from the whole log.
fn load_epochs(home: &Home) -> Result<Option<EpochCache>, LogError> {
    match EpochCache::load(home.disk(), &home.dir) {
        Ok(epochs) => Ok(Some(epochs)),
        Err(error @ CheckpointError::Disk { .. }) => Err(error.into()),
        Err(error @ (CheckpointError::Malformed { .. } | CheckpointError::Count { .. })) => {
            tracing::warn!(%error, "reading the leaders' epochs from the whole log");
            Ok(None)
        }
    }
}

/// What a log is made of once it is whole.
struct Loaded {
    segments: Vec<Arc<Segment>>,
    active: Arc<Segment>,
    snapshots: ProducerSnapshots,
    epochs: EpochCache,
    producers: ProducerState,
    start_offset: Offset,
    end_offset: Offset,
    touched: Vec<Arc<Segment>>,
    has_new_names: bool,
    has_new_epochs: bool,
}

impl Recovery<'_> {
    /// Loads a log that was closed properly. Returns whether it is as it should be then.
    fn load_closed(&mut self) -> Result<bool, LogError> {
        self.make_indexes(|_| true)?;
        let end_offset = match self.segments.last().map(|last| last.end_offset()) {
            Some(Ok(end_offset)) => end_offset,
            None => self.start_offset,
            Some(Err(LogError::Corrupt { path, position, reason })) => {
                tracing::warn!(path = %path.display(), position, reason,
                    "a log that was closed is not whole");
                self.recovery_point =
                    self.segments.last().map_or(Offset::ZERO, |at| at.base_offset());
                return Ok(false);
            }
            Some(Err(error)) => return Err(error),
        };
        if self.snapshots.offsets().next().is_none() {
            // Reading the whole log for producers that a closed log would have noted is no use.
            self.producers.advance_to(end_offset);
            return Ok(true);
        }
        self.producers = self
            .snapshots
            .load(self.start_offset, end_offset, self.now, self.expiration_ms)
            .at("load snapshots of", &self.home.dir)?;
        self.producers.set_high_watermark(self.high_watermark);
        replay(&self.segments, &mut self.producers, end_offset, self.now)?;
        Ok(true)
    }

    /// Makes the parts agree with each other.
    fn finish(mut self, epochs_before: Option<&EpochCache>) -> Result<Loaded, LogError> {
        let mut end_offset = match self.segments.last() {
            Some(last) => last.end_offset()?,
            None => self.start_offset,
        };
        if end_offset < self.start_offset {
            tracing::warn!(dir = %self.home.dir.display(), %end_offset, start_offset = %self.start_offset,
                "removing all segments, as they end before the log's start");
            self.drop_from(0)?;
            end_offset = self.start_offset;
            self.producers = ProducerState::default();
        }
        let active = match self.segments.last() {
            Some(last) => Arc::clone(last),
            None => {
                let home = Arc::clone(self.home);
                let made = Arc::new(Segment::create(home, end_offset, FileStage::Live)?);
                self.segments.push(Arc::clone(&made));
                self.has_new_names = true;
                made
            }
        };
        let first_base = self.segments.first().map_or(end_offset, |first| first.base_offset());
        let start_offset = self.start_offset.max(first_base);
        self.epochs.truncate_from_end(end_offset);
        self.epochs.truncate_from_start(start_offset);
        for segment in self.segments.iter().filter(|segment| !Arc::ptr_eq(segment, &active)) {
            segment.make_index_files()?;
        }
        let bases = self.segments.iter().map(|segment| segment.base_offset()).collect();
        self.snapshots.remove_stray(&bases).at("remove snapshots in", &self.home.dir)?;
        self.producers.advance_to(end_offset);
        Ok(Loaded {
            active,
            touched: self.touched,
            has_new_names: self.has_new_names,
            has_new_epochs: epochs_before != Some(&self.epochs),
            segments: self.segments,
            snapshots: self.snapshots,
            epochs: self.epochs,
            producers: self.producers,
            start_offset,
            end_offset,
        })
    }
}
