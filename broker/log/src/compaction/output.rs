//! Writes the segment that takes the place of a group, under names that mean nothing to a restart.

use std::io::IoSlice;
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::{Batch, BatchHeader};

use super::filter::{Content, Kept};
use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileStage};
use crate::segment::{Home, Segment, SegmentWriter, WriteError};

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A segment in the making: `<base offset>.log.cleaned` and its indexes.
pub(crate) struct Output {
    segment: Arc<Segment>,
    writer: SegmentWriter,
    index_interval_bytes: u32,
    bytes: Vec<u8>,
    headers: Vec<BatchHeader>,
    /// Whether any batch was dropped or changed.
    pub(crate) is_changed: bool,
}

impl Output {
    /// Makes the files, empty; what an earlier attempt left goes.
    pub(crate) fn create(
        home: &Arc<Home>,
        base_offset: Offset,
        index_interval_bytes: u32,
        now: TimestampMs,
    ) -> Result<Output, LogError> {
        let segment = Segment::create(Arc::clone(home), base_offset, FileStage::Cleaned)?;
        let segment = Arc::new(segment);
        let writer = SegmentWriter::resume(Arc::clone(&segment), now)?;
        Ok(Output {
            segment,
            writer,
            index_interval_bytes,
            bytes: Vec::new(),
            headers: Vec::new(),
            is_changed: false,
        })
    }

    /// Appends what is kept of a batch.
    pub(crate) fn append(&mut self, batch: &Batch<'_>, kept: &Kept) -> Result<(), LogError> {
        match &kept.content {
            Content::Whole => self.put(batch),
            Content::Instead(bytes) => {
                self.is_changed = true;
                let (batch, _) = Batch::split_first(bytes).map_err(|error| LogError::Corrupt {
                    path: self.segment.path(FileKind::Log),
                    position: self.segment.size_bytes(),
                    reason: error.to_string(),
                })?;
                self.put(&batch);
            }
            Content::Nothing => self.is_changed = true,
        }
        if let Some(aborted) = &kept.aborted {
            let index = self.segment.txn_index_or_new()?;
            index.append(aborted).at("append to", self.segment.path(FileKind::TxnIndex))?;
        }
        if self.bytes.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn put(&mut self, batch: &Batch<'_>) {
        self.bytes.extend_from_slice(batch.bytes());
        self.headers.push(*batch.header());
    }

    fn write(&mut self) -> Result<(), LogError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let end = self.segment.size_bytes().saturating_add(self.bytes.len() as u64);
        if end > u64::from(i32::MAX.unsigned_abs()) {
            // Recompressed a little worse than its producers had done it.
            let limit_bytes = u64::from(i32::MAX.unsigned_abs());
            return Err(LogError::LargerThanSegment { size_bytes: end, limit_bytes });
        }
        let parts = [IoSlice::new(&self.bytes)];
        let headers = self.headers.iter();
        self.writer.append(&parts, headers, self.index_interval_bytes).map_err(|error| {
            let (WriteError::Undone(error) | WriteError::Torn(error)) = error;
            error
        })?;
        self.bytes.clear();
        self.headers.clear();
        if self.writer.are_indexes_due() { self.writer.write_indexes() } else { Ok(()) }
    }

    /// Completes the segment and makes it durable, with the names of its files.
    pub(crate) fn finish(mut self, home: &Home) -> Result<Arc<Segment>, LogError> {
        self.write()?;
        self.writer.complete_indexes()?;
        for kind in [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex] {
            self.segment.file(kind)?.sync().at("sync", self.segment.path(kind))?;
        }
        if let Some(index) = self.segment.txn_index()? {
            index.sync().at("sync", self.segment.path(FileKind::TxnIndex))?;
        }
        home.disk().sync_dir(&home.dir).at("sync", &home.dir)?;
        Ok(self.segment)
    }
}
