//! The bytes of a producer snapshot file, `<offset>.snapshot`; the files themselves are the
//! business of the module above.
//!
//! ```text
//! version i16 = 1 | crc u32 (CRC-32C of all that follows) | count i32 | count x 46 bytes:
//!   producer_id i64 | epoch i16 | last_sequence i32 | last_offset i64 | offset_delta i32
//!   | timestamp i64 | coordinator_epoch i32 | current_txn_first_offset i64
//! ```
//!
//! Source: Kafka's `ProducerStateManager.readSnapshot`.
//!
//! Differs from Kafka: Kafka writes one entry for each producer, so its window of five batches
//! shrinks to one at a restart. We write one entry for each batch remembered, oldest first. Kafka
//! reads such a file as its own, because there a later entry of a producer replaces an earlier one.

use std::collections::BTreeMap;

use millrace_types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use super::entry::{BatchEntry, ProducerEntry};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 2 + 4 + 4;
const CRC_ENDS_AT: usize = 2 + 4;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// Why a snapshot cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Cut short, or with a tail.
    #[error("snapshot of {size_bytes} bytes announces {entries} entries of 46 bytes")]
    Length {
        /// Size of the file.
        size_bytes: usize,
        /// Entries by its header; -1 if it has none.
        entries: i32,
    },
    /// A version of the future, or no snapshot.
    #[error("snapshot has version {version}, known is 1")]
    Version {
        /// What the file says.
        version: i16,
    },
    /// The bytes are not those that were written.
    #[error("snapshot has CRC {stored:#010x}, its content has {computed:#010x}")]
    Crc {
        /// In the header.
        stored: u32,
        /// Of the content.
        computed: u32,
    },
    /// A number that Kafka never writes.
    #[error("snapshot names producer {producer_id} with epoch {epoch}")]
    Entry {
        /// As found.
        producer_id: i64,
        /// As found.
        epoch: i16,
    },
}

/// The content of a snapshot file.
pub(crate) fn encode(producers: &BTreeMap<ProducerId, ProducerEntry>) -> Vec<u8> {
    let mut content = Vec::new();
    let mut count = 0_i32;
    for (&producer_id, entry) in producers {
        let last = entry.batches().len().saturating_sub(1);
        if entry.batches().len() == 0 {
            put_entry(&mut content, producer_id, entry, None, entry.seen.to_wire());
            count = count.saturating_add(1);
        }
        for (position, batch) in entry.batches().enumerate() {
            // The last one's timestamp is what decides about expiry.
            let own = batch.timestamp.map_or(-1, TimestampMs::to_wire);
            let timestamp = if position == last { entry.seen.to_wire() } else { own };
            put_entry(&mut content, producer_id, entry, Some(batch), timestamp);
            count = count.saturating_add(1);
        }
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&count.to_be_bytes()), &content);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + content.len());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(&content);
    bytes
}

fn put_entry(
    out: &mut Vec<u8>,
    producer_id: ProducerId,
    entry: &ProducerEntry,
    batch: Option<&BatchEntry>,
    timestamp: i64,
) {
    let sequence = batch.and_then(|batch| batch.last_sequence);
    let delta = batch.map_or(0, |batch| i32::try_from(batch.offset_delta).unwrap_or(i32::MAX));
    out.extend_from_slice(&producer_id.to_wire().to_be_bytes());
    out.extend_from_slice(&entry.epoch.map_or(-1, ProducerEpoch::to_wire).to_be_bytes());
    out.extend_from_slice(&sequence.map_or(-1, Sequence::to_wire).to_be_bytes());
    out.extend_from_slice(&batch.map_or(-1, |batch| batch.last_offset.to_wire()).to_be_bytes());
    out.extend_from_slice(&delta.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
    let coordinator_epoch =
        entry.coordinator_epoch.map_or(-1, |epoch| i32::try_from(epoch).unwrap_or(i32::MAX));
    out.extend_from_slice(&coordinator_epoch.to_be_bytes());
    let first_offset = entry.transaction_first_offset.map_or(-1, Offset::to_wire);
    out.extend_from_slice(&first_offset.to_be_bytes());
}

/// Reads the content of a snapshot file, ours or Kafka's.
pub(crate) fn decode(bytes: &[u8]) -> Result<BTreeMap<ProducerId, ProducerEntry>, SnapshotError> {
    let length = |entries| SnapshotError::Length { size_bytes: bytes.len(), entries };
    let mut reader = Fields(bytes);
    let version = reader.i16().ok_or(length(-1))?;
    if version != VERSION {
        return Err(SnapshotError::Version { version });
    }
    let stored = reader.i32().ok_or(length(-1))?.cast_unsigned();
    let computed = crc32c::crc32c(bytes.get(CRC_ENDS_AT..).unwrap_or_default());
    let count = reader.i32().ok_or(length(-1))?;
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    let announced = usize::try_from(count).ok().and_then(|count| count.checked_mul(ENTRY_BYTES));
    if announced != Some(reader.0.len()) {
        return Err(length(count));
    }
    let mut producers = BTreeMap::new();
    while !reader.0.is_empty() {
        take_entry(&mut reader, &mut producers).ok_or(length(count))??;
    }
    Ok(producers)
}

fn take_entry(
    reader: &mut Fields<'_>,
    producers: &mut BTreeMap<ProducerId, ProducerEntry>,
) -> Option<Result<(), SnapshotError>> {
    let (wire_id, wire_epoch) = (reader.i64()?, reader.i16()?);
    let last_sequence = Sequence::from_wire(reader.i32()?);
    let last_offset = Offset::from_wire(reader.i64()?);
    let offset_delta = u32::try_from(reader.i32()?).unwrap_or(0);
    let timestamp = TimestampMs::from_wire(reader.i64()?);
    let coordinator_epoch = u32::try_from(reader.i32()?).ok();
    let transaction_first_offset = Offset::from_wire(reader.i64()?);
    let ids = (ProducerId::from_wire(wire_id), ProducerEpoch::from_wire(wire_epoch));
    let (Some(producer_id), Some(epoch)) = ids else {
        return Some(Err(SnapshotError::Entry { producer_id: wire_id, epoch: wire_epoch }));
    };
    let entry: &mut ProducerEntry = producers.entry(producer_id).or_default();
    entry.begin_epoch(epoch);
    if let Some(last_offset) = last_offset {
        entry.remember(BatchEntry { last_sequence, last_offset, offset_delta, timestamp });
    }
    entry.seen = timestamp.unwrap_or_default();
    entry.coordinator_epoch = coordinator_epoch;
    entry.transaction_first_offset = transaction_first_offset;
    Some(Ok(()))
}

/// Takes big-endian numbers off the front; `None` where too little is left.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{SnapshotError, decode, encode};
    use crate::producer_state::entry::{BatchEntry, ProducerEntry};
    use crate::producer_state::tests::{batch, producer};
    use millrace_types::TimestampMs;
    use std::collections::BTreeMap;

    #[test]
    fn all_batches_remembered_survive() {
        let mut entry = ProducerEntry::default();
        for round in 0..7_u32 {
            entry.add_data(&batch(7, 3, (round * 2).cast_signed(), u64::from(round) * 10, 2));
        }
        entry.seen = TimestampMs::new(1_000_070);
        // The newest batch's own timestamp gives way to the time of expiry.
        let mut expected = entry.clone();
        let newest = *expected.last_batch().unwrap();
        expected.replace_last(BatchEntry { timestamp: Some(entry.seen), ..newest });
        let producers = BTreeMap::from([(producer(7), entry)]);
        let bytes = encode(&producers);
        assert_eq!(bytes.len(), 10 + 5 * 46);
        assert_eq!(decode(&bytes), Ok(BTreeMap::from([(producer(7), expected)])));
    }

    #[test]
    fn the_bytes_are_those_that_kafka_writes() {
        // One idempotent producer; the layout of ProducerStateManager, put together by hand.
        let mut entry = ProducerEntry::default();
        entry.add_data(&batch(1, 0, 0, 0, 3));
        entry.seen = TimestampMs::new(5);
        let bytes = encode(&BTreeMap::from([(producer(1), entry)]));
        assert_eq!(bytes[..2], [0, 1]);
        assert_eq!(bytes[2..6], crc32c::crc32c(&bytes[6..]).to_be_bytes());
        assert_eq!(bytes[6..10], [0, 0, 0, 1]);
        let mut expected = Vec::new();
        expected.extend_from_slice(&1_i64.to_be_bytes());
        expected.extend_from_slice(&0_i16.to_be_bytes());
        expected.extend_from_slice(&2_i32.to_be_bytes());
        expected.extend_from_slice(&2_i64.to_be_bytes());
        expected.extend_from_slice(&2_i32.to_be_bytes());
        expected.extend_from_slice(&5_i64.to_be_bytes());
        expected.extend_from_slice(&(-1_i32).to_be_bytes());
        expected.extend_from_slice(&(-1_i64).to_be_bytes());
        assert_eq!(bytes[10..], expected);
    }

    #[test]
    fn a_damaged_snapshot_is_refused() {
        let mut entry = ProducerEntry::default();
        entry.add_data(&batch(1, 0, 0, 0, 3));
        let good = encode(&BTreeMap::from([(producer(1), entry)]));
        for cut in 0..good.len() {
            assert!(decode(&good[..cut]).is_err(), "cut at {cut}");
        }
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            assert!(decode(&bad).is_err(), "flipped at {position}");
        }
        let mut long = good.clone();
        long.push(0);
        assert!(matches!(decode(&long), Err(SnapshotError::Crc { .. })));
    }
}
