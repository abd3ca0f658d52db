//! The one writer of a segment: appends batches, makes index entries, says when to roll, cuts.

use std::io::IoSlice;
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::BatchHeader;

use super::walk::Walk;
use super::{BatchPlace, Indexes, RECENT_MAX, Segment, Tail};
use crate::config::LogConfig;
use crate::disk::Patience;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::offset_index::OffsetEntry;
use crate::sparse_index::{self, Entry, SparseIndex};
use crate::time_index::TimeEntry;

/// The writer's side of a segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Arc<Segment>,
    /// When this broker began to write to it.
    created: TimestampMs,
    /// The largest timestamp of the first batch; the outer `None` means not read yet.
    first_timestamp: Option<Option<TimestampMs>>,
    /// Bytes since the batch that the last entry of the offset index names.
    since_entry_bytes: u64,
}

/// What is about to be appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) size_bytes: u64,
    pub(crate) max_timestamp: Option<TimestampMs>,
    pub(crate) last_offset: Offset,
}

/// Why a write failed.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Nothing of it is left in the file.
    Undone(LogError),
    /// Part of it may be left behind the segment's end.
    Torn(LogError),
}

impl SegmentWriter {
    /// Writes on at the end of a segment. Its end offset must be known or readable.
    pub(crate) fn resume(
        segment: Arc<Segment>,
        now: TimestampMs,
    ) -> Result<SegmentWriter, LogError> {
        segment.load_indexes(Patience::Waits)?;
        segment.end_offset()?;
        let since_entry_bytes = {
            let tail = segment.lock();
            let last = tail.indexes.as_ref().and_then(|indexes| indexes.offsets.last());
            tail.size_bytes.saturating_sub(last.map_or(0, |entry| u64::from(entry.position)))
        };
        Ok(SegmentWriter { segment, created: now, first_timestamp: None, since_entry_bytes })
    }

    pub(crate) const fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Whether a new segment must be begun before `incoming` is appended.
    ///
    /// Source: `LogSegment.shouldRoll`.
    pub(crate) fn should_roll(
        &mut self,
        incoming: &Incoming,
        config: &LogConfig,
        jitter_ms: i64,
        now: TimestampMs,
    ) -> Result<bool, LogError> {
        let (size_bytes, offsets, times) = {
            let tail = self.segment.lock();
            let entries = tail.indexes.as_ref().map(|at| (at.offsets.len(), at.times.len()));
            let (offsets, times) = entries.unwrap_or_default();
            (tail.size_bytes, offsets, times)
        };
        let index_bytes = u64::from(config.segment_index_bytes);
        // The time index keeps room for the last entry.
        let is_index_full = offsets >= index_bytes / OffsetEntry::BYTES
            || times.saturating_add(1) >= index_bytes / TimeEntry::BYTES;
        if size_bytes.saturating_add(incoming.size_bytes) > u64::from(config.segment_bytes)
            || is_index_full
            || self.segment.relative(incoming.last_offset).is_none()
        {
            return Ok(true);
        }
        let waited_ms = self.waited_ms(incoming, now)?;
        Ok(size_bytes > 0 && waited_ms > config.segment_ms_max().saturating_sub(jitter_ms))
    }

    /// How long the segment has been written to: by the records' own time, or by the clock if they
    /// have none.
    fn waited_ms(&mut self, incoming: &Incoming, now: TimestampMs) -> Result<i64, LogError> {
        Ok(match (self.first_timestamp()?, incoming.max_timestamp) {
            (Some(first), Some(timestamp)) => timestamp.since_ms(first),
            (Some(_), None) => 0,
            (None, _) => now.since_ms(self.created),
        })
    }

    fn first_timestamp(&mut self) -> Result<Option<TimestampMs>, LogError> {
        if let Some(known) = self.first_timestamp {
            return Ok(known);
        }
        let first = self.segment.first_batch()?;
        // An empty segment has its first batch yet to come.
        if first.is_some() {
            self.first_timestamp = Some(first.and_then(|batch| batch.max_timestamp));
        }
        Ok(first.and_then(|batch| batch.max_timestamp))
    }

    /// Writes whole batches behind the last: `parts` are their bytes, `headers` their headers as
    /// they stand in `parts`. After an error the segment is as before, for its readers.
    pub(crate) fn append<'a>(
        &mut self,
        parts: &[IoSlice<'_>],
        headers: impl Iterator<Item = &'a BatchHeader>,
        index_interval_bytes: u32,
    ) -> Result<(), WriteError> {
        let start = self.segment.size_bytes();
        let path = || self.segment.path(FileKind::Log);
        let file = self.segment.file(FileKind::Log).map_err(WriteError::Undone)?;
        if let Err(error) = file.write_all_at(parts, start).at_path("append to", path) {
            // For good: behind the next segment's begin nobody would look at it again.
            return Err(match file.set_len(start).and_then(|()| file.sync()) {
                Ok(()) => WriteError::Undone(error),
                Err(_) => WriteError::Torn(error),
            });
        }
        let mut position = start;
        for header in headers {
            let place = BatchPlace::new(header, position);
            position = place.end();
            self.note(&place, index_interval_bytes);
        }
        Ok(())
    }

    /// Takes in a batch that is in the file.
    pub(super) fn note(&mut self, place: &BatchPlace, index_interval_bytes: u32) {
        if place.position == 0 {
            self.first_timestamp = Some(place.max_timestamp);
        }
        let is_entry_due = self.since_entry_bytes > u64::from(index_interval_bytes);
        if self.segment.lock().add(&self.segment, place, is_entry_due) {
            self.since_entry_bytes = 0;
        }
        self.since_entry_bytes = self.since_entry_bytes.saturating_add(place.size_bytes);
    }

    /// Whether enough index entries are in memory to be written.
    pub(crate) fn are_indexes_due(&self) -> bool {
        let tail = self.segment.lock();
        tail.indexes.as_ref().is_some_and(|at| at.offsets.is_due() || at.times.is_due())
    }

    /// Writes the index entries that are in memory only.
    pub(crate) fn write_indexes(&self) -> Result<(), LogError> {
        self.write_index(FileKind::OffsetIndex, |indexes| &mut indexes.offsets)?;
        self.write_index(FileKind::TimeIndex, |indexes| &mut indexes.times)
    }

    fn write_index<E: Entry>(
        &self,
        kind: FileKind,
        select: impl Fn(&mut Indexes) -> &mut SparseIndex<E>,
    ) -> Result<(), LogError> {
        let unwritten = {
            let mut tail = self.segment.lock();
            tail.indexes.as_mut().and_then(|indexes| select(indexes).unwritten())
        };
        // Readers find the entries in memory until they are in the file.
        if let Some((bytes, position)) = unwritten {
            self.segment.make_index_files()?;
            let file = self.segment.file(kind)?;
            sparse_index::write(&*file, &bytes, position)
                .at("append to", self.segment.path(kind))?;
            if let Some(indexes) = self.segment.lock().indexes.as_mut() {
                select(indexes).written();
            }
        }
        Ok(())
    }

    /// Completes the indexes of a segment that gets no more batches, for now or for ever: the time
    /// index ends with the largest timestamp, by which retention goes.
    ///
    /// Source: `LogSegment.onBecomeInactiveSegment`.
    pub(crate) fn complete_indexes(&self) -> Result<(), LogError> {
        if let Some(indexes) = self.segment.lock().indexes.as_mut() {
            indexes.note_largest();
        }
        self.segment.make_index_files()?;
        self.write_indexes()
    }

    /// Removes the batches that reach to `offset` or beyond. Readers see the new end first.
    pub(crate) fn truncate_to(&mut self, offset: Offset, now: TimestampMs) -> Result<(), LogError> {
        let segment = Arc::clone(&self.segment);
        let end = segment.size_bytes();
        let Some(first) = segment.first_batch_reaching(offset, end, Patience::Waits)? else {
            return Ok(());
        };
        self.segment.make_index_files()?;
        self.write_indexes()?;
        let valid = |entry: &OffsetEntry| segment.absolute(entry.relative_offset) < offset;
        let (offsets, last) = count_while(&segment, FileKind::OffsetIndex, valid)?;
        let valid = |entry: &TimeEntry| segment.absolute(entry.relative_offset) < offset;
        let (times, largest) = count_while(&segment, FileKind::TimeIndex, valid)?;
        {
            let mut tail = segment.lock();
            tail.size_bytes = first.position;
            tail.end_offset = None;
            tail.recent.clear();
            if let Some(indexes) = tail.indexes.as_mut() {
                indexes.offsets.reset(offsets, last);
                indexes.times.reset(times, largest);
                indexes.largest = largest;
            }
        }
        let cut = |kind, length| segment.file(kind)?.set_len(length).at("cut", segment.path(kind));
        cut(FileKind::OffsetIndex, offsets.saturating_mul(OffsetEntry::BYTES))?;
        cut(FileKind::TimeIndex, times.saturating_mul(TimeEntry::BYTES))?;
        if let Some(index) = segment.txn_index()? {
            index.truncate(offset).at("cut", segment.path(FileKind::TxnIndex))?;
        }
        cut(FileKind::Log, first.position)?;
        self.find_largest(last)?;
        *self = SegmentWriter::resume(segment, now)?;
        Ok(())
    }

    /// Looks behind the last index entry for a larger timestamp than the time index knows.
    fn find_largest(&self, last: Option<OffsetEntry>) -> Result<(), LogError> {
        let start = last.map_or(0, |entry| u64::from(entry.position));
        let mut walk = Walk::new(&self.segment, start, self.segment.size_bytes())?;
        while let Some(place) = walk.next_batch()? {
            if let Some(indexes) = self.segment.lock().indexes.as_mut() {
                indexes.see(&self.segment, &place);
            }
        }
        Ok(())
    }
}

impl Tail {
    /// Takes in a batch that was written at the end. Returns whether an index entry was made.
    pub(super) fn add(
        &mut self,
        segment: &Segment,
        place: &BatchPlace,
        is_entry_due: bool,
    ) -> bool {
        self.size_bytes = place.end();
        self.end_offset = Some(place.next_offset());
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(*place);
        self.indexes.as_mut().is_some_and(|indexes| indexes.add(segment, place, is_entry_due))
    }
}

impl Indexes {
    /// Takes in the batch behind the last. Returns whether entries were made.
    pub(super) fn add(
        &mut self,
        segment: &Segment,
        place: &BatchPlace,
        is_entry_due: bool,
    ) -> bool {
        self.see(segment, place);
        let position = u32::try_from(place.position).ok();
        let entry = segment.relative(place.last_offset).zip(position).filter(|_| is_entry_due);
        let Some((relative_offset, position)) = entry else {
            return false;
        };
        self.offsets.push(OffsetEntry { relative_offset, position });
        self.note_largest();
        true
    }

    /// Remembers the batch if its timestamp is the largest so far.
    pub(super) fn see(&mut self, segment: &Segment, place: &BatchPlace) {
        let larger = place
            .max_timestamp
            .filter(|&timestamp| self.largest.is_none_or(|largest| timestamp > largest.timestamp));
        if let Some((timestamp, relative_offset)) = larger.zip(segment.relative(place.last_offset))
        {
            self.largest = Some(TimeEntry { timestamp, relative_offset });
        }
    }

    /// Makes an entry of the largest timestamp, unless the last one is it.
    pub(super) fn note_largest(&mut self) {
        if let Some(largest) = self.largest
            && self.times.last().is_none_or(|last| largest.timestamp > last.timestamp)
        {
            self.times.push(largest);
        }
    }
}

/// The number of entries of a file for which `is_valid` holds, and the last of them.
fn count_while<E: Entry>(
    segment: &Segment,
    kind: FileKind,
    is_valid: impl Fn(&E) -> bool,
) -> Result<(u64, Option<E>), LogError> {
    let file = segment.file(kind)?;
    let entries = sparse_index::read_valid(&*file, |_, entry: &E| is_valid(entry))
        .at("read", segment.path(kind))?;
    Ok((entries.len() as u64, entries.last().copied()))
}
