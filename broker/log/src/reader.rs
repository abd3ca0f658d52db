//! The side of a log that many share: reads, look-ups, and the offsets that bound them.
//!
//! A reader never waits for a writer's disk write: the offsets are atomics, the list of segments
//! is behind a lock that is held for a copy of one pointer.

use std::sync::Arc;

use millrace_types::{LeaderEpoch, Offset, TimestampMs};

use crate::disk::File;
use crate::error::{LogError, ReadError};

/// Whole batches that stand one behind the other in one file: what `sendfile` sends.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The segment's file; stays readable even if the segment is removed meanwhile.
    pub file: Arc<dyn File>,
    /// Where the first batch begins in the file.
    pub position: u64,
    /// Bytes of all batches.
    pub length: usize,
    /// Base offset of the first batch; may be below the offset that was asked for.
    pub base_offset: Offset,
    /// The offset after the last batch's last: where to read on.
    pub next_offset: Offset,
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The first record wanted; the batch that holds it is delivered whole.
    pub offset: Offset,
    /// No more bytes than this, but for `needs_one_batch`.
    pub bytes_max: usize,
    /// Only batches that end below this: high watermark, last stable offset or log end.
    pub upper_bound: Offset,
    /// The first batch is delivered even if it is larger than `bytes_max`. Source: KIP-74.
    pub needs_one_batch: bool,
}

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

/// A handle for reading one log. Cheap to clone; lives on when the writer is gone.
#[derive(Clone, Debug)]
pub struct LogReader;

#[expect(clippy::todo, reason = "interface first")]
impl LogReader {
    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        todo!()
    }
    /// The offset of the next record to be appended.
    pub fn end_offset(&self) -> Offset {
        todo!()
    }
    /// The offset below which every record is committed, as far as this broker knows.
    pub fn high_watermark(&self) -> Offset {
        todo!()
    }
    /// The offset below which every transaction has ended; at most the high watermark.
    pub fn last_stable_offset(&self) -> Offset {
        todo!()
    }
    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }
    /// Whole batches from the one that holds `request.offset` on; `None` if none ends below the
    /// bound or fits. Never spans two segments: who wants more asks again at `next_offset`.
    pub fn read(&self, _request: &ReadRequest) -> Result<Option<Slice>, ReadError> {
        todo!()
    }
    /// The first record at or after `timestamp`, below `upper_bound`.
    pub fn offset_by_timestamp(
        &self,
        _timestamp: TimestampMs,
        _upper_bound: Offset,
    ) -> Result<Option<FoundOffset>, LogError> {
        todo!()
    }
    /// The first of the records with the largest timestamp. Source: KIP-734.
    pub fn max_timestamp(&self, _upper_bound: Offset) -> Result<Option<FoundOffset>, LogError> {
        todo!()
    }
    /// The largest known epoch that is at most `epoch`, and where it ends. Source: KIP-101, KIP-279.
    pub fn epoch_end(&self, _epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        todo!()
    }
    /// The newest epoch in the log.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        todo!()
    }
    /// The epoch of the leader that wrote the record at `offset`.
    pub fn epoch_at(&self, _offset: Offset) -> Option<LeaderEpoch> {
        todo!()
    }
}
