//! A batch as a view over its bytes: split, verify, patch, open.

use std::borrow::Cow;

use millrace_types::{LeaderEpoch, Offset};

use super::compression::{Compression, CompressionError, decompress, glance};
use super::header::{BatchHeader, HEADER_BYTES, HeaderError, PREFIX_BYTES, patch};
use super::item::{RecordError, Records};
use super::scan::{RecordsSummary, scan};

/// Exactly one batch, header checked; the checksum only by [`Batch::verify_crc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

/// Why bytes are no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A field of the header is impossible.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The length field reaches behind what is there.
    #[error("batch of {size_bytes} bytes is cut off after {available_bytes}")]
    CutOff {
        /// Size that the header tells.
        size_bytes: usize,
        /// What is there.
        available_bytes: usize,
    },
    /// The checksum over the batch is not the one stored in it.
    #[error(
        "batch at offset {base_offset} has CRC32C {stored:#010x}, its bytes have {computed:#010x}"
    )]
    Crc {
        /// Where the batch says it stands.
        base_offset: Offset,
        /// The field's value.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The records do not decompress.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// The records are not those that the header counts.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl<'a> Batch<'a> {
    /// Takes the first batch off `bytes`; returns it and what follows it.
    ///
    /// # Errors
    /// Refuses an impossible header and a batch that is cut off.
    pub fn split_first(bytes: &'a [u8]) -> Result<(Batch<'a>, &'a [u8]), BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let Some((bytes, rest)) = bytes.split_at_checked(header.size_bytes) else {
            let (size_bytes, available_bytes) = (header.size_bytes, bytes.len());
            return Err(BatchError::CutOff { size_bytes, available_bytes });
        };
        Ok((Batch { header, bytes }, rest))
    }

    /// The fixed part, checked.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes of the batch, header included.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes behind the prefix that [`Batch::patched_prefix`] replaces.
    pub fn after_prefix(&self) -> &'a [u8] {
        &self.bytes[PREFIX_BYTES..]
    }

    /// The records as stored, perhaps compressed: the bytes behind the header.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Compares the stored checksum with the bytes that it covers.
    ///
    /// # Errors
    /// Names both checksums if they differ.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(&self.bytes[CRC_START..]);
        let (stored, base_offset) = (self.header.crc, self.header.base_offset);
        if computed == stored {
            Ok(())
        } else {
            Err(BatchError::Crc { base_offset, stored, computed })
        }
    }

    /// The first 16 bytes as they are stored by the leader of `epoch` at `base_offset`; written
    /// instead of the batch's own, in front of [`Batch::after_prefix`]. The checksum stays valid.
    pub fn patched_prefix(&self, base_offset: Offset, epoch: LeaderEpoch) -> [u8; PREFIX_BYTES] {
        let mut prefix = [0; PREFIX_BYTES];
        prefix.copy_from_slice(&self.bytes[..PREFIX_BYTES]);
        patch(&mut prefix, base_offset, epoch);
        prefix
    }

    /// Looks at the records without decompressing them; see [`glance`].
    ///
    /// # Errors
    /// Refuses what is certainly no stream of the batch's compression, or too short for its count.
    pub fn glance(&self) -> Result<(), CompressionError> {
        glance(self.header.compression(), self.payload(), self.header.records_count)
    }

    /// The records, decompressed into at most `limit_bytes` if they are compressed.
    ///
    /// # Errors
    /// Refuses records that do not decompress or that exceed the limit.
    pub fn open(&self, limit_bytes: usize) -> Result<OpenBatch<'a>, CompressionError> {
        let records = match self.header.compression() {
            Compression::None => Cow::Borrowed(self.payload()),
            compression @ (Compression::Gzip
            | Compression::Snappy
            | Compression::Lz4
            | Compression::Zstd) => {
                Cow::Owned(decompress(compression, self.payload(), limit_bytes)?)
            }
        };
        Ok(OpenBatch { header: self.header, records })
    }
}

/// A batch whose records are readable: borrowed if they were not compressed.
#[derive(Clone, Debug)]
pub struct OpenBatch<'a> {
    header: BatchHeader,
    records: Cow<'a, [u8]>,
}

impl OpenBatch<'_> {
    /// The fixed part, checked.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records one by one, each checked.
    pub fn records(&self) -> Records<'_> {
        Records::new(&self.header, &self.records)
    }

    /// The bytes of all records, not compressed.
    pub fn bytes(&self) -> &[u8] {
        &self.records
    }

    /// Walks through all records without stopping at any; `None` if they are not as they should be,
    /// or do not take all offsets of the batch. [`OpenBatch::check`] says what is wrong.
    pub fn summarize(&self) -> Option<RecordsSummary> {
        scan(&self.header, &self.records)
    }

    /// Reads all records and their fields.
    ///
    /// # Errors
    /// Says what is wrong with the first that is not as it should be.
    pub fn check(&self) -> Result<(), RecordError> {
        self.records().try_for_each(|record| record.map(|_| ()))
    }
}

/// Iterates over batches that stand one behind the other; ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// Reads `bytes` to their end.
    pub const fn new(bytes: &'a [u8]) -> Batches<'a> {
        Batches { rest: bytes }
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(match Batch::split_first(self.rest) {
            Ok((batch, rest)) => {
                self.rest = rest;
                Ok(batch)
            }
            Err(error) => {
                self.rest = &[];
                Err(error)
            }
        })
    }
}

/// The checksum covers the batch from its attributes on.
pub(super) const CRC_START: usize = 21;
