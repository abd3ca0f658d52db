//! Takes old segments out of the log: by time, by size, by log start.

use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::{Deletion, Log};
use crate::error::LogError;
use crate::file_name::{FileKind, FileStage};
use crate::segment::Segment;

impl Log {
    /// Hides the records below `offset` (DeleteRecords); their segments go with the next retention.
    ///
    /// # Errors
    /// Refuses an offset past the high watermark.
    pub fn advance_start(&mut self, offset: Offset) -> Result<(), LogError> {
        let high_watermark = self.reader().high_watermark();
        if offset > high_watermark {
            return Err(LogError::PastHighWatermark { offset, high_watermark });
        }
        if offset > self.reader().start_offset() {
            self.shared.set_start(offset);
            // Their file may know more: it is cut to the log's start when it is read.
            self.shared.change_epochs(|epochs| epochs.truncate_from_start(offset));
        }
        Ok(())
    }

    /// Takes out the segments that retention has done with. Their files are renamed at once and may
    /// be unlinked when the returned [`Deletion`] is due. Never takes what is not committed; the
    /// active segment is rolled first if it goes too.
    ///
    /// Source: `UnifiedLog.deleteOldSegments`.
    ///
    /// # Errors
    /// The disk refused; what was renamed by then is out of the log.
    pub fn retain(&mut self, now: TimestampMs) -> Result<Option<Deletion>, LogError> {
        self.check_working()?;
        let mut count = self.count_below_start();
        if self.config.cleanup.deletes {
            count = count.max(self.count_over_size(count)).max(self.count_too_old(now)?);
        }
        let count = count.min(self.count_removable());
        if count == 0 {
            return Ok(None);
        }
        if count == self.shared.segments().len() {
            self.roll(now)?;
        }
        self.remove_oldest(count, now).map(Some)
    }

    /// Segments from the oldest on whose records are all committed. An empty active segment is not
    /// counted: another one would have to take its place.
    fn count_removable(&self) -> usize {
        let high_watermark = self.reader().high_watermark();
        let segments = self.shared.segments();
        let next_bases = segments.iter().skip(1).map(|segment| segment.base_offset());
        let ends: Vec<Offset> = next_bases.chain([self.end_offset()]).collect();
        let committed = ends.iter().take_while(|&&end| end <= high_watermark).count();
        match self.active().size_bytes() {
            0 => committed.min(segments.len().saturating_sub(1)),
            _ => committed,
        }
    }

    /// Segments that lie below the log's start.
    fn count_below_start(&self) -> usize {
        let start = self.reader().start_offset();
        let segments = self.shared.segments();
        segments.iter().skip(1).take_while(|next| next.base_offset() <= start).count()
    }

    /// Segments without which the log still has `retention.bytes`, after `gone` have gone anyway.
    fn count_over_size(&self, gone: usize) -> usize {
        let Some(limit) = self.config.retention_bytes else { return 0 };
        let segments = self.shared.segments();
        let rest = segments.get(gone..).unwrap_or_default();
        let mut size_bytes: u64 = rest.iter().map(|segment| segment.size_bytes()).sum();
        let mut count = gone;
        for segment in rest {
            size_bytes = size_bytes.saturating_sub(segment.size_bytes());
            if size_bytes < limit {
                break;
            }
            count += 1;
        }
        count
    }

    /// Segments whose records are all older than `retention.ms`.
    fn count_too_old(&self, now: TimestampMs) -> Result<usize, LogError> {
        let Some(limit_ms) = self.config.retention_ms else { return Ok(0) };
        let mut count = 0;
        for segment in self.shared.segments() {
            let newest = match segment.largest_timestamp()? {
                Some((timestamp, _)) => timestamp,
                None => segment.modified()?,
            };
            if now.since_ms(newest) <= limit_ms {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// A segment whose files cannot be renamed stays in the log, behind its start: what is there at
    /// the next start must be whole.
    fn remove_oldest(&mut self, count: usize, now: TimestampMs) -> Result<Deletion, LogError> {
        let segments = self.shared.segments();
        let (removed, kept) = segments.split_at_checked(count).unwrap_or_default();
        let first = kept.first().map(|segment| segment.base_offset());
        // Readers learn of the new start before the files are gone.
        let start = first.unwrap_or_default().max(self.reader().start_offset());
        self.advance_start(start)?;
        tracing::info!(dir = %self.dir().display(), count, %start, "removing old segments");
        let mut deletion = self.deletion(now);
        for segment in removed {
            self.discard(segment, &mut deletion)?;
            self.shared.change_segments(|held| held.retain(|at| !Arc::ptr_eq(at, segment)));
        }
        if let Some(first) = first
            && let Err(error) = self.snapshots.remove_below(first)
        {
            tracing::warn!(%error, "snapshots of removed segments stay");
        }
        Ok(deletion)
    }

    /// A deletion of nothing yet.
    pub(super) fn deletion(&self, now: TimestampMs) -> Deletion {
        Deletion { due: now.plus_ms(self.config.file_delete_delay_ms), paths: Vec::new() }
    }

    /// Renames the files of a segment that leaves the log: first its log file, for good. So a power
    /// cut brings back neither a segment without its index of aborted transactions nor, when several
    /// leave one after the other, a hole, which would end the log at the next start.
    pub(super) fn discard(
        &mut self,
        segment: &Arc<Segment>,
        deletion: &mut Deletion,
    ) -> Result<(), LogError> {
        self.unsynced.removed(|kept| !Arc::ptr_eq(kept, segment));
        self.unsynced.names_changed();
        deletion.paths.extend(segment.rename(&[FileKind::Log], FileStage::Deleted)?);
        self.sync_names().map_err(|error| self.fail(&error))?;
        match segment.rename(&FileKind::INDEXES, FileStage::Deleted) {
            Ok(paths) => deletion.paths.extend(paths),
            Err(error) => tracing::warn!(%error, "indexes without a log stay until the next start"),
        }
        Ok(())
    }
}
