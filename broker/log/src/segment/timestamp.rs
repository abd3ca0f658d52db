//! Finds records of a segment by their time.

use millrace_types::{LeaderEpoch, Offset, TimestampMs};
use millrace_wire::record::{Batch, Record};

use super::walk::Walk;
use super::{BatchPlace, Segment};
use crate::disk::Patience;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::sparse_index::{self, Found};
use crate::time_index::TimeEntry;

/// How far a batch is decompressed to find a record in it, in bytes.
pub const LOOK_UP_BYTES_MAX: usize = 32 << 20;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The record.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: TimestampMs,
    /// The epoch of the leader that wrote it; `None` if the batch does not tell.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Segment {
    /// The first record from `from_offset` on that is not older than `timestamp`.
    ///
    /// Source: `LogSegment.findOffsetByTimestamp`.
    pub(crate) fn find_by_timestamp(
        &self,
        timestamp: TimestampMs,
        from_offset: Offset,
    ) -> Result<Option<FoundOffset>, LogError> {
        let end = self.size_bytes();
        // Up to that batch, none is as late; it may be so itself.
        let entry = self.find_time_entry(timestamp)?;
        let start = entry.map_or(self.base_offset, |entry| self.absolute(entry.relative_offset));
        let Some(first) =
            self.first_batch_reaching(start.max(from_offset), end, Patience::Waits)?
        else {
            return Ok(None);
        };
        let mut walk = Walk::new(self, first.position, end)?;
        while let Some(place) = walk.next_batch()? {
            if place.max_timestamp.is_none_or(|largest| largest < timestamp) {
                continue;
            }
            let found = self.find_record(&place, |record| {
                record.offset >= from_offset
                    && record.timestamp.is_some_and(|record| record >= timestamp)
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record that has the largest timestamp of the segment.
    pub(crate) fn find_largest_timestamp(&self) -> Result<Option<FoundOffset>, LogError> {
        let Some((timestamp, offset)) = self.largest_timestamp()? else {
            return Ok(None);
        };
        match self.first_batch_reaching(offset, self.size_bytes(), Patience::Waits)? {
            Some(place) => self.find_record(&place, |record| record.timestamp == Some(timestamp)),
            None => Ok(None),
        }
    }

    fn find_time_entry(&self, timestamp: TimestampMs) -> Result<Option<TimeEntry>, LogError> {
        self.load_indexes(Patience::Waits)?;
        let is_before = |entry: &TimeEntry| entry.timestamp <= timestamp;
        let found = match &self.lock().indexes {
            Some(indexes) => indexes.times.find(is_before),
            None => Found::InFile { stored: 0 },
        };
        match found {
            Found::Entry(entry) => Ok(Some(entry)),
            Found::InFile { stored: 0 } => Ok(None),
            Found::InFile { stored } => {
                let file = self.file(FileKind::TimeIndex)?;
                sparse_index::search(&*file, stored, stored / 2, is_before)
                    .at("read", self.path(FileKind::TimeIndex))
            }
        }
    }

    fn find_record(
        &self,
        place: &BatchPlace,
        is_wanted: impl Fn(&Record<'_>) -> bool,
    ) -> Result<Option<FoundOffset>, LogError> {
        let mut bytes = vec![0; usize::try_from(place.size_bytes).unwrap_or(usize::MAX)];
        self.file(FileKind::Log)?
            .read_exact_at(&mut bytes, place.position)
            .at("read", self.path(FileKind::Log))?;
        let (batch, _) =
            Batch::split_first(&bytes).map_err(|error| self.corrupt(place.position, &error))?;
        let leader_epoch = batch.header().leader_epoch;
        let Ok(open) = batch.open(LOOK_UP_BYTES_MAX) else {
            // A batch that does not open, or opens to too much, is good for its header only.
            return Ok(place.max_timestamp.map(|timestamp| FoundOffset {
                offset: place.base_offset,
                timestamp,
                leader_epoch,
            }));
        };
        let mut records = open.records().map_while(Result::ok);
        let found = records.find(is_wanted);
        Ok(found.and_then(|record| {
            let timestamp = record.timestamp?;
            Some(FoundOffset { offset: record.offset, timestamp, leader_epoch })
        }))
    }
}
