//! Makes the indexes of a segment anew from its batches, as far as they are not known to be good.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_types::{Offset, TimestampMs};

use super::walk::Walk;
use super::{BatchPlace, Indexes, ScanEnd, Scanner, Segment, SegmentWriter};
use crate::checkpoint;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::offset_index::OffsetEntry;
use crate::sparse_index::{self, Entry, SparseIndex};
use crate::time_index::TimeEntry;

impl SegmentWriter {
    /// Goes back to the last index entry before `from`; the segment ends there until the batches
    /// that follow in the file are taken in again with [`SegmentWriter::take_in`].
    pub(crate) fn rebuild(
        segment: Arc<Segment>,
        from: Offset,
        now: TimestampMs,
    ) -> Result<SegmentWriter, LogError> {
        if segment.file_size()? > 0 {
            segment.make_index_files()?;
        }
        let (offsets, times) = segment.indexes_before(from)?;
        let last = offsets.last().copied();
        let largest = times.last().copied();
        let cut = |kind, length| -> Result<(), LogError> {
            segment.file(kind)?.set_len(length).at("cut", segment.path(kind))
        };
        let (offsets, times) = (offsets.len() as u64, times.len() as u64);
        if segment.has_index_files.load(Ordering::Relaxed) {
            cut(FileKind::OffsetIndex, offsets.saturating_mul(OffsetEntry::BYTES))?;
            cut(FileKind::TimeIndex, times.saturating_mul(TimeEntry::BYTES))?;
        }
        {
            let mut tail = segment.lock();
            tail.size_bytes = last.map_or(0, |entry| u64::from(entry.position));
            tail.end_offset = Some(segment.base_offset);
            tail.recent.clear();
            tail.indexes = Some(Indexes {
                offsets: SparseIndex::new(offsets, last),
                times: SparseIndex::new(times, largest),
                largest,
            });
        }
        SegmentWriter::resume(segment, now)
    }

    /// Takes in a batch that stands in the file behind the last.
    pub(crate) fn take_in(
        &mut self,
        place: &BatchPlace,
        index_interval_bytes: u32,
    ) -> Result<(), LogError> {
        self.note(place, index_interval_bytes);
        if self.are_indexes_due() { self.write_indexes() } else { Ok(()) }
    }
}

impl Segment {
    /// Makes the indexes of a segment that is done with anew from all of its batches: durable, and
    /// each in one step, because the next start trusts what it finds. Returns where the batches end.
    pub(crate) fn remake_indexes(&self, index_interval_bytes: u32) -> Result<ScanEnd, LogError> {
        let mut indexes = Indexes::empty();
        let (mut since_entry_bytes, mut end_offset) = (0_u64, self.base_offset);
        let mut scanner = Scanner::new(self, 0, self.file_size()?)?;
        let (end_position, end) = loop {
            let position = scanner.position();
            let place = match scanner.next_batch()? {
                Ok(batch) => BatchPlace::new(batch.header(), position),
                Err(end) => break (position, end),
            };
            let is_entry_due = since_entry_bytes > u64::from(index_interval_bytes);
            if indexes.add(self, &place, is_entry_due) {
                since_entry_bytes = 0;
            }
            since_entry_bytes = since_entry_bytes.saturating_add(place.size_bytes);
            end_offset = place.next_offset();
        };
        indexes.note_largest();
        self.replace_index(FileKind::OffsetIndex, &mut indexes.offsets)?;
        self.replace_index(FileKind::TimeIndex, &mut indexes.times)?;
        let mut tail = self.lock();
        tail.size_bytes = end_position;
        tail.end_offset = Some(end_offset);
        tail.recent.clear();
        tail.indexes = Some(indexes);
        drop(tail);
        self.has_index_files.store(true, Ordering::Release);
        Ok(end)
    }

    fn replace_index<E: Entry>(
        &self,
        kind: FileKind,
        index: &mut SparseIndex<E>,
    ) -> Result<(), LogError> {
        let bytes = index.unwritten().map(|(bytes, _)| bytes).unwrap_or_default();
        checkpoint::write_atomic(self.home.disk(), &self.path(kind), &bytes)?;
        index.written();
        // Whoever opened the old file has another one.
        self.close_file(kind);
        Ok(())
    }

    /// The index entries below `from`, if they agree with the file.
    fn indexes_before(&self, from: Offset) -> Result<(Vec<OffsetEntry>, Vec<TimeEntry>), LogError> {
        let file_size = self.file_size()?;
        let is_before = |relative: u32| self.absolute(relative) < from;
        let offsets = self.read_index(FileKind::OffsetIndex, |previous, next: &OffsetEntry| {
            OffsetEntry::ascends(previous, next)
                && is_before(next.relative_offset)
                && u64::from(next.position) < file_size
        })?;
        let times = self.read_index(FileKind::TimeIndex, |previous, next: &TimeEntry| {
            TimeEntry::ascends(previous, next) && is_before(next.relative_offset)
        })?;
        let Some(last) = offsets.last() else {
            // What stands before the first entry is read again anyway. The times stay: a snapshot
            // may vouch for them, and does not know that they are written a second time.
            return Ok((Vec::new(), times));
        };
        let batch = Walk::new(self, u64::from(last.position), file_size)?.next_batch();
        let last_offset = self.absolute(last.relative_offset);
        match batch {
            Ok(Some(place)) if place.last_offset == last_offset => Ok((offsets, times)),
            Ok(_) | Err(LogError::Corrupt { .. }) => Ok((Vec::new(), Vec::new())),
            Err(error) => Err(error),
        }
    }

    fn read_index<E: Entry>(
        &self,
        kind: FileKind,
        ascends: impl Fn(Option<&E>, &E) -> bool,
    ) -> Result<Vec<E>, LogError> {
        if !self.has_index_files.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let file = self.file(kind)?;
        sparse_index::read_valid(&*file, ascends).at("read", self.path(kind))
    }

    /// The offset after the last batch, found without the indexes.
    pub(crate) fn walk_to_end(&self) -> Result<Offset, LogError> {
        let mut walk = Walk::new(self, 0, self.size_bytes())?;
        let mut offset = self.base_offset;
        while let Some(place) = walk.next_batch()? {
            offset = place.next_offset();
        }
        Ok(offset)
    }

    /// Bytes in the log file, whether or not they are good.
    pub(crate) fn file_size(&self) -> Result<u64, LogError> {
        self.file(FileKind::Log)?.len().at("measure", self.path(FileKind::Log))
    }

    /// Whether the indexes can name the offset.
    pub(crate) fn can_hold(&self, offset: Offset) -> bool {
        self.relative(offset).is_some()
    }
}
