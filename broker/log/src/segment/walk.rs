//! Goes from batch to batch by their headers, reading little.

use std::sync::Arc;

use millrace_wire::record::{BatchHeader, HEADER_BYTES};

use super::{BatchPlace, Segment};
use crate::disk::{File, Patience};
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;

/// What is read at once: the batches between two entries of the offset index, mostly.
const BLOCK_BYTES: usize = 4096 + HEADER_BYTES;

/// A walk over the headers of a segment's batches, from one known place on.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    segment: &'a Segment,
    file: Arc<dyn File>,
    position: u64,
    end: u64,
    block: Vec<u8>,
    block_start: u64,
}

impl<'a> Walk<'a> {
    /// Begins at `position`, where a batch must begin, and ends at `end`.
    pub(crate) fn new(segment: &'a Segment, position: u64, end: u64) -> Result<Walk<'a>, LogError> {
        Walk::with_patience(segment, position, end, Patience::Waits)
    }

    /// The same for a reader with so much patience.
    pub(crate) fn with_patience(
        segment: &'a Segment,
        position: u64,
        end: u64,
        patience: Patience,
    ) -> Result<Walk<'a>, LogError> {
        let file = segment.content_for(FileKind::Log, patience)?;
        Ok(Walk { segment, file, position, end, block: Vec::new(), block_start: 0 })
    }

    /// The next batch; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Option<BatchPlace>, LogError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let header = match self.header_in_block() {
            Some(header) => header,
            None => {
                self.read_block()?;
                self.header_in_block().ok_or_else(|| {
                    self.segment.corrupt(self.position, &"the file ends within a batch")
                })?
            }
        };
        let header = BatchHeader::parse(header)
            .map_err(|error| self.segment.corrupt(self.position, &error))?;
        let place = BatchPlace::new(&header, self.position);
        if place.end() > self.end {
            let (size, end) = (place.size_bytes, self.end);
            let reason = format!("batch of {size} bytes passes the segment's end at {end}");
            return Err(self.segment.corrupt(self.position, &reason));
        }
        self.position = place.end();
        Ok(Some(place))
    }

    fn header_in_block(&self) -> Option<&[u8]> {
        let start = usize::try_from(self.position.checked_sub(self.block_start)?).ok()?;
        self.block.get(start..)?.get(..HEADER_BYTES)
    }

    fn read_block(&mut self) -> Result<(), LogError> {
        let rest = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = rest.min(BLOCK_BYTES);
        if self.block.len() != wanted {
            self.block = vec![0; wanted];
        }
        self.block_start = self.position;
        self.file
            .read_exact_at(&mut self.block, self.position)
            .at_path("read", || self.segment.path(FileKind::Log))
    }
}
