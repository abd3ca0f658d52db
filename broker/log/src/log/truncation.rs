//! Removes records from the end of the log: what a follower has that its leader has not.

use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::{Deletion, Log};
use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileStage};
use crate::producer_state::ProducerState;
use crate::segment::{Segment, SegmentWriter};

impl Log {
    /// Removes the batches that reach to `offset` or beyond; the log's new end is at or before
    /// `offset`. Checkpoints must be written before the next append: the recovery point may have
    /// gone back.
    ///
    /// Source: `UnifiedLog.truncateTo`.
    ///
    /// # Errors
    /// After an error of the disk the log takes no more writes.
    pub fn truncate_to(
        &mut self,
        offset: Offset,
        now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        self.check_working()?;
        if offset >= self.end_offset() {
            // There may be an epoch that began here without a record.
            if self.shared.change_epochs(|epochs| epochs.truncate_from_end(offset)) {
                self.unsynced.epochs_changed();
            }
            return Ok(None);
        }
        let first_base = self.shared.segments().first().map(|first| first.base_offset());
        if first_base.is_none_or(|base| base > offset) {
            return self.truncate_fully(offset, now);
        }
        self.cut(offset, now).map_err(|error| self.fail(&error))
    }

    fn cut(&mut self, offset: Offset, now: TimestampMs) -> Result<Option<Deletion>, LogError> {
        // A snapshot vouches for the indexes below it: it goes before they change, and for good.
        self.snapshots.remove_above(offset).at("remove snapshots in", self.dir())?;
        self.sync_names()?;
        self.lower_offsets(offset);
        let removed = self.shared.change_segments(|segments| {
            let kept = segments.partition_point(|segment| segment.base_offset() <= offset);
            segments.split_off(kept)
        });
        let deletion = self.discard_from_end(&removed, now)?;
        if let Some(last) = self.shared.segments().pop() {
            self.writer = SegmentWriter::resume(last, now)?;
        }
        self.writer.truncate_to(offset, now)?;
        // A power cut must not bring back what is behind the end, beside what is written there next.
        let active = self.active();
        active.file(FileKind::Log)?.sync().at("sync", active.path(FileKind::Log))?;
        let end = self.active().end_offset()?.min(offset);
        self.lower_offsets(end);
        self.reload_producers(end, now)?;
        self.shared.change_epochs(|epochs| epochs.truncate_from_end(end));
        self.unsynced.truncated();
        let version = self.unsynced.saving_epochs();
        self.shared.save_epochs(&self.shared.epochs(), version)?;
        Ok((!deletion.paths.is_empty()).then_some(deletion))
    }

    /// Removes all records; the log goes on at `offset`.
    ///
    /// Source: `UnifiedLog.truncateFullyAndStartAt`.
    ///
    /// # Errors
    /// After an error of the disk the log takes no more writes.
    pub fn truncate_fully(
        &mut self,
        offset: Offset,
        now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        self.check_working()?;
        self.restart_at(offset, now).map_err(|error| self.fail(&error))
    }

    fn restart_at(
        &mut self,
        offset: Offset,
        now: TimestampMs,
    ) -> Result<Option<Deletion>, LogError> {
        let removed = self.shared.segments();
        let deletion = self.discard_from_end(&removed, now)?;
        let segment =
            Arc::new(Segment::create(Arc::clone(&self.shared.home), offset, FileStage::Live)?);
        self.writer = SegmentWriter::resume(Arc::clone(&segment), now)?;
        self.shared.change_segments(|segments| *segments = vec![segment]);
        self.shared.set_start(offset);
        self.shared.set_end(offset);
        self.shared.set_high_watermark(offset);
        self.recovery_point = offset;
        self.snapshots.remove_below(Offset::MAX).at("remove snapshots in", self.dir())?;
        self.producers = ProducerState::default();
        self.producers.set_high_watermark(offset);
        self.producers.advance_to(offset);
        self.shared.set_first_unstable(None);
        self.shared.change_epochs(|epochs| epochs.truncate_from_end(Offset::ZERO));
        self.unsynced.truncated();
        let version = self.unsynced.saving_epochs();
        self.shared.save_epochs(&self.shared.epochs(), version)?;
        Ok(Some(deletion))
    }

    /// Renames the files of segments that are out of the log, the last first: whatever happens
    /// meanwhile, there must be no hole.
    fn discard_from_end(
        &mut self,
        removed: &[Arc<Segment>],
        now: TimestampMs,
    ) -> Result<Deletion, LogError> {
        let mut deletion = self.deletion(now);
        for segment in removed.iter().rev() {
            self.discard(segment, &mut deletion)?;
        }
        Ok(deletion)
    }

    /// Nothing that is published may lie behind the end.
    pub(super) fn lower_offsets(&mut self, end: Offset) {
        let reader = self.reader();
        self.shared.set_end(end);
        self.shared.set_high_watermark(reader.high_watermark().min(end));
        self.shared.set_start(reader.start_offset().min(end));
        self.recovery_point = self.recovery_point.min(end);
    }

    /// Makes the producers' state anew as of `end`.
    fn reload_producers(&mut self, end: Offset, now: TimestampMs) -> Result<(), LogError> {
        let start = self.reader().start_offset();
        self.producers = self
            .snapshots
            .load(start, end, now, self.expiration_ms)
            .at("load snapshots of", self.dir())?;
        self.producers.set_high_watermark(self.reader().high_watermark());
        super::recovery::replay(&self.shared.segments(), &mut self.producers, end, now)?;
        self.producers.advance_to(end);
        self.shared.set_first_unstable(self.producers.first_unstable_offset());
        Ok(())
    }
}
