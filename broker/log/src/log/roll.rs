//! Begins new segments.

use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::Log;
use crate::error::LogError;
use crate::file_name::{FileKind, FileName, FileStage};
use crate::segment::{Incoming, Segment, SegmentWriter, remove_files};

impl Log {
    /// Begins a new segment at the log's end, unless the active one is empty.
    ///
    /// # Errors
    /// The disk refused; the log goes on with the active segment.
    pub fn roll(&mut self, now: TimestampMs) -> Result<(), LogError> {
        self.check_working()?;
        if self.active().size_bytes() == 0 {
            return Ok(());
        }
        self.roll_at(self.end_offset(), now).map(|_| ())
    }

    pub(super) fn should_roll(
        &mut self,
        incoming: &Incoming,
        now: TimestampMs,
    ) -> Result<bool, LogError> {
        let jitter_ms = self.jitter_ms();
        self.writer.should_roll(incoming, &self.config, jitter_ms, now)
    }

    /// Begins a segment whose first record may have the offset `base`, at or behind the log's end.
    /// Returns whether there was need.
    pub(super) fn roll_at(&mut self, base: Offset, now: TimestampMs) -> Result<bool, LogError> {
        if base == self.active().base_offset() {
            // Empty, as nothing of it is below its base: it serves as well as a new one.
            return Ok(false);
        }
        self.writer.complete_indexes()?;
        let (segment, writer) = match self.make_segment(base, now) {
            Ok(made) => made,
            Err(error) => return Err(self.unmake_segment(base, error)),
        };
        let done = std::mem::replace(&mut self.writer, writer);
        self.unsynced.rolled(Arc::clone(done.segment()));
        self.shared.change_segments(|segments| segments.push(segment));
        // The next record stands at the base, so that is the end now.
        self.shared.set_end(base);
        Ok(true)
    }

    fn make_segment(
        &mut self,
        base: Offset,
        now: TimestampMs,
    ) -> Result<(Arc<Segment>, SegmentWriter), LogError> {
        let segment =
            Arc::new(Segment::create(Arc::clone(&self.shared.home), base, FileStage::Live)?);
        self.producers.advance_to(base);
        self.snapshots.take(&self.producers);
        let writer = SegmentWriter::resume(Arc::clone(&segment), now)?;
        Ok((segment, writer))
    }

    /// Removes what a roll has made before it failed: at the next start an empty segment in the
    /// midst of the log would hide what the one before it holds from its base on.
    fn unmake_segment(&mut self, base: Offset, error: LogError) -> LogError {
        let home = &self.shared.home;
        let paths = FileKind::OF_SEGMENT.map(|kind| home.path(FileName::live(base, kind)));
        let removed = remove_files(home.disk(), &paths);
        self.unsynced.names_changed();
        match removed {
            Ok(()) => error,
            Err(_) => self.fail(&error),
        }
    }

    /// How much earlier than `segment.ms` the active segment is rolled: a number that differs from
    /// segment to segment and from log to log, so that not all roll at once.
    fn jitter_ms(&self) -> i64 {
        let Some(range) = u64::try_from(self.config.segment_jitter_ms).ok().filter(|&ms| ms > 0)
        else {
            return 0;
        };
        let name = self.shared.home.dir.as_os_str().as_encoded_bytes();
        let base = self.active().base_offset().get().to_be_bytes();
        // FNV-1a.
        let hash = name.iter().chain(&base).fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        i64::try_from(hash % range).unwrap_or(0)
    }
}
