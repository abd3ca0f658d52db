//! Puts a segment that compaction wrote into the place of those it stands for.

use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::{Deletion, Log};
use crate::compaction::{Cleaned, LastRecord, Source};
use crate::error::LogError;
use crate::file_name::{FileKind, FileName, FileStage};
use crate::segment::{Files, Segment, remove_files};

impl Log {
    /// What compaction has to know of the log; see [`crate::compaction`]. Flush first: what is not
    /// flushed is not compacted.
    pub fn compaction_source(&self) -> Source {
        let reader = self.reader();
        let producers = self.producers.iter().filter_map(|(id, entry)| {
            let data_offset = entry.last_batch().map(|batch| batch.last_offset);
            entry.epoch.map(|epoch| (id, LastRecord { data_offset, epoch }))
        });
        Source {
            home: Arc::clone(&self.shared.home),
            config: self.config.clone(),
            start_offset: reader.start_offset(),
            stable_end: reader.last_stable_offset().min(self.recovery_point),
            segments: self.shared.segments(),
            producers: producers.collect(),
        }
    }

    /// Puts a cleaned segment into place. `None` if the log has changed so that it no longer fits
    /// (retention, truncation): then it is void and its compaction should end.
    ///
    /// # Errors
    /// The disk refused. As long as nothing of the log was touched, the log goes on without the
    /// segment; otherwise it takes no more writes, and opening it again completes the step.
    pub fn replace(
        &mut self,
        cleaned: &Cleaned,
        now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        self.check_working()?;
        if !self.still_holds(&cleaned.replaced) {
            self.remove_staged(&cleaned.segment, FileStage::Cleaned)?;
            return Ok(None);
        }
        if let Err(error) = self.commit(&cleaned.segment) {
            let removed = self
                .remove_staged(&cleaned.segment, FileStage::Swap)
                .and_then(|()| self.remove_staged(&cleaned.segment, FileStage::Cleaned))
                .and_then(|()| self.sync_names());
            // If it cannot be undone, a restart would bring the segment in later than now.
            return Err(match removed {
                Ok(()) => error,
                Err(_) => self.fail(&error),
            });
        }
        self.swap(cleaned, now).map(Some).map_err(|error| self.fail(&error))
    }

    /// Whether these segments are in the log, one behind the other, as long as they were, and none
    /// is being written to.
    fn still_holds(&self, replaced: &[(Arc<Segment>, u64)]) -> bool {
        let segments = self.shared.segments();
        let Some((first, _)) = replaced.first() else { return false };
        let Some(at) = segments.iter().position(|held| Arc::ptr_eq(held, first)) else {
            return false;
        };
        let held = segments.get(at..segments.len() - 1).unwrap_or_default();
        held.len() >= replaced.len()
            && held.iter().zip(replaced).all(|(held, (segment, size_bytes))| {
                Arc::ptr_eq(held, segment) && held.size_bytes() == *size_bytes
            })
    }

    /// From here on a restart completes the replacement.
    fn commit(&self, segment: &Segment) -> Result<(), LogError> {
        segment.rename(&FileKind::OF_SEGMENT, FileStage::Swap)?;
        self.sync_names()
    }

    fn swap(&mut self, cleaned: &Cleaned, now: TimestampMs) -> Result<Deletion, LogError> {
        let base_offset = cleaned.segment.base_offset();
        let files =
            Files { has_index: true, has_txn_index: cleaned.segment.txn_index()?.is_some() };
        let home = Arc::clone(&self.shared.home);
        let open = |stage| Segment::open(Arc::clone(&home), base_offset, stage, files);
        let swap = Arc::new(open(FileStage::Swap)?);
        let old: Vec<Arc<Segment>> =
            cleaned.replaced.iter().map(|(segment, _)| Arc::clone(segment)).collect();
        // Readers take the new segment first, so that none opens a file that is being renamed.
        self.shared.change_segments(|segments| {
            let is_old = |held: &Arc<Segment>| old.iter().any(|one| Arc::ptr_eq(held, one));
            let at = segments.iter().position(is_old).unwrap_or(0);
            segments.retain(|held| !is_old(held));
            segments.insert(at.min(segments.len()), Arc::clone(&swap));
        });
        // All at once: while the new segment waits to be swapped in, a restart removes what is left.
        let mut deletion = self.deletion(now);
        for segment in &old {
            self.unsynced.removed(|kept| !Arc::ptr_eq(kept, segment));
            deletion.paths.extend(segment.rename(&FileKind::OF_SEGMENT, FileStage::Deleted)?);
        }
        // None of the old segments may show up beside the new one after a power cut.
        self.sync_names()?;
        self.shared.change_segments(|segments| {
            swap.rename(&FileKind::OF_SEGMENT, FileStage::Live)?;
            let live = Arc::new(open(FileStage::Live)?);
            for held in segments.iter_mut().filter(|held| Arc::ptr_eq(held, &swap)) {
                *held = Arc::clone(&live);
            }
            Ok::<_, LogError>(())
        })?;
        self.sync_names()?;
        for old in old.iter().map(|old| old.base_offset()).filter(|&base| base != base_offset) {
            self.forget_snapshot(old);
        }
        Ok(deletion)
    }

    /// A snapshot at a base that is none any more would be swept as stray at the next start.
    fn forget_snapshot(&mut self, offset: Offset) {
        if let Err(error) = self.snapshots.remove(offset) {
            tracing::warn!(%error, %offset, "a producer snapshot stays behind");
        }
    }

    /// Removes what compaction wrote; the log file last, because with it the rest is whole.
    fn remove_staged(&self, segment: &Segment, stage: FileStage) -> Result<(), LogError> {
        let offset = segment.base_offset();
        let names = FileKind::OF_SEGMENT.into_iter().rev();
        let home = &self.shared.home;
        let paths: Vec<_> = names.map(|kind| home.path(FileName { offset, kind, stage })).collect();
        remove_files(home.disk(), &paths)
    }
}
