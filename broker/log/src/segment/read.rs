//! Finds batches in a segment.

use std::sync::Arc;

use millrace_types::Offset;

use super::walk::Walk;
use super::{BatchPlace, Segment, Tail};
use crate::disk::{File, Patience};
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::offset_index::OffsetEntry;
use crate::sparse_index::{self, Found};

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
    /// Whether the upper bound lies in a later segment: all that is still to come in this one, if
    /// anything, is there already.
    pub has_later_segment: bool,
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
    /// Whether the reader may wait for the disk.
    pub patience: Patience,
}

/// What a segment has for a reader.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// These batches.
    Slice(Slice),
    /// The next batch is here, but the request does not allow it.
    Withheld,
    /// Nothing from the offset on: go on with the next segment.
    Beyond,
}

/// An [`Outcome`] before the file is opened.
enum Search {
    Span(Span),
    Withheld,
    Beyond,
}

/// Whole batches in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    position: u64,
    end: u64,
    base_offset: Offset,
    next_offset: Offset,
}

impl Segment {
    /// Whole batches from the first that reaches to `request.offset` on. `next_base` is where the
    /// next segment begins.
    pub(crate) fn read(
        &self,
        request: &ReadRequest,
        next_base: Option<Offset>,
    ) -> Result<Outcome, LogError> {
        let (hot, end, end_offset) = {
            let tail = self.lock();
            (tail.read_recent(request), tail.size_bytes, tail.end_offset)
        };
        let found = match hot {
            Some(found) => found,
            None => self.find_span(request, end, end_offset.or(next_base))?,
        };
        let span = match found {
            Search::Span(span) => span,
            Search::Withheld => return Ok(Outcome::Withheld),
            Search::Beyond => return Ok(Outcome::Beyond),
        };
        Ok(Outcome::Slice(Slice {
            file: self.file_for(FileKind::Log, request.patience)?,
            position: span.position,
            length: usize::try_from(span.end - span.position).unwrap_or(usize::MAX),
            base_offset: span.base_offset,
            next_offset: span.next_offset,
            has_later_segment: next_base.is_some_and(|base| base <= request.upper_bound),
        }))
    }

    fn find_span(
        &self,
        request: &ReadRequest,
        end: u64,
        end_offset: Option<Offset>,
    ) -> Result<Search, LogError> {
        let Some(first) = self.first_batch_reaching(request.offset, end, request.patience)? else {
            return Ok(Search::Beyond);
        };
        let Some(limit) = limit(request, &first) else {
            return Ok(Search::Withheld);
        };
        let all_fits = end_offset.is_some_and(|offset| offset <= request.upper_bound);
        let (end, next_offset) = match end_offset.filter(|_| all_fits && end <= limit) {
            Some(end_offset) => (end, end_offset),
            None => self.last_boundary(&first, limit.min(end), request, end)?,
        };
        Ok(Search::Span(Span {
            position: first.position,
            end,
            base_offset: first.base_offset,
            next_offset,
        }))
    }

    /// The first batch whose last offset is `offset` or later.
    pub(crate) fn first_batch_reaching(
        &self,
        offset: Offset,
        end: u64,
        patience: Patience,
    ) -> Result<Option<BatchPlace>, LogError> {
        let relative = self.relative(offset).unwrap_or(u32::MAX);
        let share = (offset.since(self.base_offset), self.span_records());
        let entry = self.find_entry(share, patience, |entry| entry.relative_offset <= relative)?;
        let start = entry.map_or(0, |entry| u64::from(entry.position));
        let mut walk = Walk::with_patience(self, start, end, patience)?;
        while let Some(place) = walk.next_batch()? {
            if place.last_offset >= offset {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The last boundary between batches that is not past `limit` and the request's bound, and the
    /// offset to read on from there. `first` must lie within both.
    fn last_boundary(
        &self,
        first: &BatchPlace,
        limit: u64,
        request: &ReadRequest,
        end: u64,
    ) -> Result<(u64, Offset), LogError> {
        let ReadRequest { upper_bound, patience, .. } = *request;
        // All batches before such an entry's lie within both.
        let entry = self.find_entry((limit, end), patience, |entry| {
            u64::from(entry.position) <= limit && self.absolute(entry.relative_offset) < upper_bound
        })?;
        let start = entry.map_or(0, |entry| u64::from(entry.position)).max(first.position);
        let mut walk = Walk::with_patience(self, start, end, patience)?;
        let mut boundary = (first.end(), first.next_offset());
        while let Some(place) = walk.next_batch()? {
            if place.end() > limit || place.next_offset() > upper_bound {
                if place.position > boundary.0 {
                    boundary = (place.position, place.base_offset);
                }
                break;
            }
            boundary = (place.end(), place.next_offset());
        }
        Ok(boundary)
    }

    /// How many offsets the index spans, about.
    fn span_records(&self) -> u64 {
        let tail = self.lock();
        let last = tail.indexes.as_ref().and_then(|indexes| indexes.offsets.last());
        last.map_or(1, |entry| u64::from(entry.relative_offset))
    }

    /// The last entry of the offset index for which `is_before` holds; expected to lie at this
    /// `share` (numerator, denominator) of the index.
    fn find_entry(
        &self,
        share: (u64, u64),
        patience: Patience,
        is_before: impl Fn(&OffsetEntry) -> bool,
    ) -> Result<Option<OffsetEntry>, LogError> {
        self.load_indexes(patience)?;
        let found = match &self.lock().indexes {
            Some(indexes) => indexes.offsets.find(&is_before),
            None => Found::InFile { stored: 0 },
        };
        match found {
            Found::Entry(entry) => Ok(Some(entry)),
            Found::InFile { stored: 0 } => Ok(None),
            Found::InFile { stored } => {
                let file = self.content_for(FileKind::OffsetIndex, patience)?;
                let guess = stored.saturating_mul(share.0) / share.1.max(1);
                sparse_index::search(&*file, stored, guess, is_before)
                    .at_path("read", || self.path(FileKind::OffsetIndex))
            }
        }
    }

    /// The offset after the last batch: read from the file if it is not known.
    pub(crate) fn end_offset(&self) -> Result<Offset, LogError> {
        let (known, end) = {
            let tail = self.lock();
            (tail.end_offset, tail.size_bytes)
        };
        if let Some(offset) = known {
            return Ok(offset);
        }
        let entry = self.find_entry((1, 1), Patience::Waits, |_| true)?;
        let mut walk = Walk::new(self, entry.map_or(0, |entry| u64::from(entry.position)), end)?;
        let mut offset = self.base_offset;
        while let Some(place) = walk.next_batch()? {
            offset = place.next_offset();
        }
        self.lock().end_offset = Some(offset);
        Ok(offset)
    }

    /// The first batch of the segment.
    pub(crate) fn first_batch(&self) -> Result<Option<BatchPlace>, LogError> {
        let end = self.size_bytes();
        Walk::new(self, 0, end)?.next_batch()
    }
}

impl Tail {
    /// Answers from the batches in memory; `None` if the first one wanted is not among them.
    fn read_recent(&self, request: &ReadRequest) -> Option<Search> {
        let index = self.recent.partition_point(|place| place.last_offset < request.offset);
        let first = self.recent.get(index)?;
        // Before the first place in memory there may be one that reaches to the offset.
        if index == 0 && request.offset < first.base_offset {
            return None;
        }
        let Some(limit) = limit(request, first) else {
            return Some(Search::Withheld);
        };
        let mut last = first;
        for place in self.recent.range(index..) {
            if place.end() > limit || place.next_offset() > request.upper_bound {
                break;
            }
            last = place;
        }
        Some(Search::Span(Span {
            position: first.position,
            end: last.end(),
            base_offset: first.base_offset,
            next_offset: last.next_offset(),
        }))
    }
}

/// The position that a read must not pass; `None` if not even the first batch may be delivered.
fn limit(request: &ReadRequest, first: &BatchPlace) -> Option<u64> {
    let bytes_max = request.bytes_max as u64;
    if first.next_offset() > request.upper_bound
        || (first.size_bytes > bytes_max && !request.needs_one_batch)
    {
        return None;
    }
    Some(first.position.saturating_add(bytes_max.max(first.size_bytes)))
}
