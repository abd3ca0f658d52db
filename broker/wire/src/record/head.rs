//! The header of a batch as it is going to be stored: value and bytes, changed together.

use millrace_types::{LeaderEpoch, Offset, TimestampMs};

use super::batch::{Batch, CRC_START};
use super::header::{BatchHeader, HEADER_BYTES, TimestampType, patch};

/// The header of a batch, as value and as bytes; written in front of the batch's own payload, so
/// that placing a batch copies 61 bytes, however large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    header: BatchHeader,
    bytes: [u8; HEADER_BYTES],
}

impl BatchHead {
    /// The header as it stands in the batch.
    pub fn of(batch: &Batch<'_>) -> BatchHead {
        let bytes = batch.bytes().first_chunk().copied().unwrap_or([0; HEADER_BYTES]);
        BatchHead { header: *batch.header(), bytes }
    }

    /// The value.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; HEADER_BYTES] {
        &self.bytes
    }

    /// Gives the batch its place: the leader of `epoch` stores it at `base_offset`. The checksum
    /// does not cover these and stays valid.
    pub fn place(&mut self, base_offset: Offset, epoch: LeaderEpoch) {
        self.header.base_offset = base_offset;
        self.header.leader_epoch = Some(epoch);
        if let Some(prefix) = self.bytes.first_chunk_mut() {
            patch(prefix, base_offset, epoch);
        }
    }

    /// Sets the kind of the batch's time and its largest timestamp, and computes the checksum anew
    /// over `payload`, the bytes behind the header.
    pub fn stamp(&mut self, kind: TimestampType, max: Option<TimestampMs>, payload: &[u8]) {
        self.header.attributes = self.header.attributes.with_timestamp_type(kind);
        self.header.max_timestamp = max;
        let max = max.map_or(-1, TimestampMs::to_wire);
        self.bytes[21..23].copy_from_slice(&self.header.attributes.to_wire().to_be_bytes());
        self.bytes[35..43].copy_from_slice(&max.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.bytes[CRC_START..]), payload);
        self.header.crc = crc;
        self.bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}
