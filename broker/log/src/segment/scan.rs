//! Reads a segment from one batch to the next with all bytes: for recovery and for what has to look
//! into records.

use std::fmt::Display;
use std::sync::Arc;

use millrace_wire::record::{Batch, BatchHeader, HEADER_BYTES};

use super::Segment;
use crate::disk::File;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;

/// What is read at once, unless a batch is larger.
const CHUNK_BYTES: u64 = 1 << 20;

/// A pass over whole batches.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    segment: &'a Segment,
    file: Arc<dyn File>,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    chunk_start: u64,
}

/// Where a pass ended.
#[derive(Debug)]
pub(crate) enum ScanEnd {
    /// At the end of the file, or the end it was given.
    Complete,
    /// At bytes that are no batch.
    Bad {
        /// Where they begin.
        position: u64,
        /// Why they are none.
        reason: String,
    },
}

impl<'a> Scanner<'a> {
    /// Begins at `position`, where a batch should begin, and reads to `end`.
    pub(crate) fn new(
        segment: &'a Segment,
        position: u64,
        end: u64,
    ) -> Result<Scanner<'a>, LogError> {
        let file = segment.file(FileKind::Log)?;
        Ok(Scanner { segment, file, position, end, chunk: Vec::new(), chunk_start: position })
    }

    /// Where the next batch begins.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The next batch, its checksum not verified.
    pub(crate) fn next_batch(&mut self) -> Result<Result<Batch<'_>, ScanEnd>, LogError> {
        if self.position >= self.end {
            return Ok(Err(ScanEnd::Complete));
        }
        if !self.has(HEADER_BYTES as u64) {
            self.read(HEADER_BYTES as u64)?;
        }
        let size = match BatchHeader::parse(self.ahead()) {
            Ok(header) => header.size_bytes as u64,
            Err(error) => return Ok(Err(self.bad(&error))),
        };
        let left = self.end - self.position;
        if size > left {
            return Ok(Err(self.bad(&format!("batch of {size} bytes, {left} are left"))));
        }
        if !self.has(size) {
            self.read(size)?;
        }
        let at = self.position;
        self.position = at.saturating_add(size);
        Ok(match Batch::split_first(self.from(at)) {
            Ok((batch, _)) => Ok(batch),
            Err(error) => Err(ScanEnd::Bad { position: at, reason: error.to_string() }),
        })
    }

    fn bad(&self, reason: &dyn Display) -> ScanEnd {
        ScanEnd::Bad { position: self.position, reason: reason.to_string() }
    }

    fn from(&self, position: u64) -> &[u8] {
        let skipped = usize::try_from(position.saturating_sub(self.chunk_start));
        skipped.ok().and_then(|skipped| self.chunk.get(skipped..)).unwrap_or_default()
    }

    fn ahead(&self) -> &[u8] {
        self.from(self.position)
    }

    fn has(&self, bytes: u64) -> bool {
        self.ahead().len() as u64 >= bytes
    }

    /// Reads at least `bytes` from the present position on, or all that is left.
    fn read(&mut self, bytes: u64) -> Result<(), LogError> {
        let left = self.end.saturating_sub(self.position);
        let wanted = bytes.max(CHUNK_BYTES).min(left);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if self.chunk.len() != wanted {
            self.chunk = vec![0; wanted];
        }
        self.chunk_start = self.position;
        self.file
            .read_exact_at(&mut self.chunk, self.position)
            .at_path("read", || self.segment.path(FileKind::Log))
    }
}
