//! Makes the indexes of a segment anew from its batches, as far as they are not known to be good.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_types::{Offset, TimestampMs};

use super::walk::Walk;
use super::{BatchPlace, Indexes, Segment, SegmentWriter};
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
            // What stands before the first entry is read again anyway.
            return Ok((Vec::new(), Vec::new()));
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

    /// Whether the indexes of a segment that is done with reach to its end, as far as its last
    /// batches tell.
    pub(crate) fn are_indexes_complete(&self) -> Result<bool, LogError> {
        let everything = self.base_offset.plus(1 << 31);
        let (offsets, times) = self.indexes_before(everything)?;
        let file_size = self.file_size()?;
        if !self.has_index_files.load(Ordering::Relaxed) {
            return Ok(file_size == 0);
        }
        let has_size = |kind, expected: u64| -> Result<bool, LogError> {
            let size = self.file(kind)?.len().at("measure", self.path(kind))?;
            Ok(size == expected)
        };
        let offsets_bytes = (offsets.len() as u64).saturating_mul(OffsetEntry::BYTES);
        let times_bytes = (times.len() as u64).saturating_mul(TimeEntry::BYTES);
        if !has_size(FileKind::OffsetIndex, offsets_bytes)?
            || !has_size(FileKind::TimeIndex, times_bytes)?
        {
            return Ok(false);
        }
        let start = offsets.last().map_or(0, |entry| u64::from(entry.position));
        let mut walk = Walk::new(self, start, file_size)?;
        let mut largest = None;
        loop {
            match walk.next_batch() {
                Ok(Some(place)) => largest = largest.max(place.max_timestamp),
                Ok(None) => break,
                // Rot below the recovery point: new indexes would not help.
                Err(LogError::Corrupt { .. }) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        let known = times.last().map(|entry| entry.timestamp);
        let is_short = file_size.saturating_sub(start) <= UNINDEXED_BYTES_MAX;
        Ok(is_short && largest <= known)
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

/// More than this behind the last index entry means that entries are missing: the largest batch
/// that is usual, and more.
const UNINDEXED_BYTES_MAX: u64 = 4 << 20;
