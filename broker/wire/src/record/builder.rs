//! Makes a batch of records: the broker's own, those that compaction keeps, those of tests.

use millrace_types::{LeaderEpoch, Offset, TimestampMs};

use super::compression::{Codec, Compression, CompressionError, compress};
use super::header::{
    Attributes, BatchHeader, BatchProducer, HEADER_BYTES, SIZE_BYTES, TimestampType,
};
use super::item::{Record, RecordHeader};
use super::varint;

/// A record to be written; its offset is the next of the batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// When it was made; `None` if it has no time.
    pub timestamp: Option<TimestampMs>,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: &'a [RecordHeader<'a>],
}

/// Why records do not fit into a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A batch, or a field of a record, would be longer than an `int32` tells.
    #[error("{size_bytes} bytes of records exceed the largest batch, {} bytes", i32::MAX)]
    TooLarge {
        /// What there is.
        size_bytes: usize,
    },
    /// A record's offset is not above the one before, or too far from the base.
    #[error(
        "record at offset {offset} does not fit behind delta {delta_min} of base offset {base_offset}"
    )]
    Offset {
        /// The record's offset.
        offset: Offset,
        /// Where the batch starts.
        base_offset: Offset,
        /// The smallest delta that is free.
        delta_min: u32,
    },
    /// A batch with neither records nor a range of offsets that it stands for.
    #[error("batch at offset {base_offset} has no record")]
    Empty {
        /// Where the batch starts.
        base_offset: Offset,
    },
    /// The encoder failed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

/// Gathers records and writes them as one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    base_offset: Offset,
    leader_epoch: Option<LeaderEpoch>,
    attributes: Attributes,
    codec: Codec,
    producer: Option<BatchProducer>,
    base_timestamp_ms: Option<i64>,
    /// Set: the batch's own largest timestamp stays, whatever its records say.
    fixed_max_timestamp: Option<TimestampMs>,
    max_timestamp: Option<TimestampMs>,
    /// Set: the batch stands for these offsets, whatever records it keeps.
    last_offset_delta: Option<u32>,
    delta_next: u32,
    records_count: u32,
    /// Room for the header, then the records.
    buffer: Vec<u8>,
}

impl BatchBuilder {
    /// A batch that starts at `base_offset`, without compression, of no producer.
    pub fn new(base_offset: Offset) -> BatchBuilder {
        BatchBuilder {
            base_offset,
            leader_epoch: None,
            attributes: Attributes::default(),
            codec: Codec::None,
            producer: None,
            base_timestamp_ms: None,
            fixed_max_timestamp: None,
            max_timestamp: None,
            last_offset_delta: None,
            delta_next: 0,
            records_count: 0,
            buffer: vec![0; HEADER_BYTES],
        }
    }

    /// A batch that stands for the one of this header, for those of its records that will be
    /// given to [`BatchBuilder::retain`]: same offsets, producer, leader epoch and kind of time.
    pub fn like(header: &BatchHeader, codec: Codec) -> BatchBuilder {
        // With the broker's time, and without records, the largest time is the header's alone.
        let fixed_max_timestamp = header.max_timestamp;
        BatchBuilder {
            leader_epoch: header.leader_epoch,
            attributes: header.attributes.with_delete_horizon(false),
            producer: header.producer,
            fixed_max_timestamp,
            last_offset_delta: Some(header.last_offset_delta),
            ..BatchBuilder::new(header.base_offset).with_codec(codec)
        }
    }

    /// Compresses the records.
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> BatchBuilder {
        self.codec = codec;
        self
    }

    /// Names the producer.
    #[must_use]
    pub fn with_producer(mut self, producer: BatchProducer) -> BatchBuilder {
        self.producer = Some(producer);
        self
    }

    /// Names the leader that appends the batch.
    #[must_use]
    pub fn with_leader_epoch(mut self, epoch: LeaderEpoch) -> BatchBuilder {
        self.leader_epoch = Some(epoch);
        self
    }

    /// Makes the batch part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes = self.attributes.transactional();
        self
    }

    /// Makes the batch a control batch.
    #[must_use]
    pub fn control(mut self) -> BatchBuilder {
        self.attributes = self.attributes.control();
        self
    }

    /// Gives all records the time `now`, the broker's.
    #[must_use]
    pub fn with_log_append_time(mut self, now: TimestampMs) -> BatchBuilder {
        self.attributes = self.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.fixed_max_timestamp = Some(now);
        self
    }

    /// Stamps when compaction may drop the tombstones of the batch; before the first record.
    #[must_use]
    pub fn with_delete_horizon(mut self, horizon: TimestampMs) -> BatchBuilder {
        self.attributes = self.attributes.with_delete_horizon(true);
        self.base_timestamp_ms = Some(horizon.to_wire());
        self
    }

    /// Number of records so far.
    pub const fn records_count(&self) -> u32 {
        self.records_count
    }

    /// Size of the batch so far, before compression.
    pub fn size_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Appends a record at the next offset.
    ///
    /// # Errors
    /// Refuses a record that an `int32` cannot measure; the builder is as before.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<Offset, BuildError> {
        let offset = self.base_offset.plus(u64::from(self.delta_next));
        let headers_bytes: usize = record.headers.iter().map(RecordHeader::size_bytes).sum();
        let headers_count = u32::try_from(record.headers.len()).unwrap_or(u32::MAX);
        let fields = Fields { offset, key: record.key, value: record.value, headers_count };
        self.write(record.timestamp, &fields, headers_bytes, |buffer| {
            for header in record.headers {
                put_nullable(buffer, Some(header.key));
                put_nullable(buffer, header.value);
            }
        })?;
        Ok(offset)
    }

    /// Appends a record of another batch at its own offset.
    ///
    /// # Errors
    /// Refuses an offset that is not above the one before.
    pub fn retain(&mut self, record: &Record<'_>) -> Result<(), BuildError> {
        let headers = record.headers.as_bytes();
        let fields = Fields {
            offset: record.offset,
            key: record.key,
            value: record.value,
            headers_count: record.headers.len(),
        };
        self.write(record.timestamp, &fields, headers.len(), |buffer| {
            buffer.extend_from_slice(headers);
        })
    }

    /// Writes the batch, checksum included.
    ///
    /// # Errors
    /// Refuses a batch with nothing in it and one that an `int32` cannot measure.
    pub fn build(mut self) -> Result<Vec<u8>, BuildError> {
        let base_offset = self.base_offset;
        let last_offset_delta = self.last_offset_delta.or(self.delta_next.checked_sub(1));
        let last_offset_delta = last_offset_delta.ok_or(BuildError::Empty { base_offset })?;
        let codec = if self.records_count == 0 { Codec::None } else { self.codec };
        if codec.compression() != Compression::None {
            let records = compress(codec, self.buffer.get(HEADER_BYTES..).unwrap_or_default())?;
            self.buffer.truncate(HEADER_BYTES);
            self.buffer.extend_from_slice(&records);
        }
        self.attributes = self.attributes.with_compression(codec.compression());
        let header = self.header(last_offset_delta)?;
        self.buffer[..HEADER_BYTES].copy_from_slice(&header);
        let crc = crc32c::crc32c(&self.buffer[21..]);
        self.buffer[17..21].copy_from_slice(&crc.to_be_bytes());
        Ok(self.buffer)
    }

    fn write(
        &mut self,
        timestamp: Option<TimestampMs>,
        fields: &Fields<'_>,
        headers_bytes: usize,
        put_headers: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), BuildError> {
        let offset_delta = self.accept_offset(fields.offset)?;
        let raw_timestamp = timestamp.map_or(-1, TimestampMs::to_wire);
        let base = *self.base_timestamp_ms.get_or_insert(raw_timestamp);
        let time_delta = raw_timestamp.wrapping_sub(base);
        let headers_count = as_i32(fields.headers_count as usize)?;
        let body_bytes = 1
            + varint::size_i64(time_delta)
            + varint::size_i32(offset_delta)
            + nullable_size_bytes(fields.key)
            + nullable_size_bytes(fields.value)
            + varint::size_i32(headers_count)
            + headers_bytes;
        as_i32(self.buffer.len().saturating_add(body_bytes).saturating_add(5))?;
        let buffer = &mut self.buffer;
        varint::put_i32(buffer, as_i32(body_bytes)?);
        buffer.push(0);
        varint::put_i64(buffer, time_delta);
        varint::put_i32(buffer, offset_delta);
        put_nullable(buffer, fields.key);
        put_nullable(buffer, fields.value);
        varint::put_i32(buffer, headers_count);
        put_headers(buffer);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.records_count += 1;
        self.delta_next = offset_delta.unsigned_abs() + 1;
        Ok(())
    }

    fn accept_offset(&self, offset: Offset) -> Result<i32, BuildError> {
        let delta_max = u64::from(self.last_offset_delta.unwrap_or(i32::MAX.unsigned_abs() - 1));
        let delta = offset.since(self.base_offset);
        if offset < self.base_offset || delta < u64::from(self.delta_next) || delta > delta_max {
            let (base_offset, delta_min) = (self.base_offset, self.delta_next);
            return Err(BuildError::Offset { offset, base_offset, delta_min });
        }
        i32::try_from(delta).map_err(|_| BuildError::Offset {
            offset,
            base_offset: self.base_offset,
            delta_min: self.delta_next,
        })
    }

    fn header(&self, last_offset_delta: u32) -> Result<[u8; HEADER_BYTES], BuildError> {
        let length = as_i32(self.buffer.len() - SIZE_BYTES)?;
        let keeps_fixed = self.records_count == 0
            || self.attributes.timestamp_type() == TimestampType::LogAppendTime;
        let max_timestamp = if keeps_fixed { self.fixed_max_timestamp } else { self.max_timestamp };
        let producer = self.producer;
        let sequence = producer.and_then(|producer| producer.base_sequence);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&self.base_offset.to_wire().to_be_bytes());
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&self.leader_epoch.map_or(-1, LeaderEpoch::to_wire).to_be_bytes());
        header.push(2);
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&self.attributes.to_wire().to_be_bytes());
        header.extend_from_slice(&last_offset_delta.to_be_bytes());
        header.extend_from_slice(&self.base_timestamp_ms.unwrap_or(-1).to_be_bytes());
        header.extend_from_slice(&max_timestamp.map_or(-1, TimestampMs::to_wire).to_be_bytes());
        header.extend_from_slice(&producer.map_or(-1, |one| one.id.to_wire()).to_be_bytes());
        header.extend_from_slice(&producer.map_or(-1, |one| one.epoch.to_wire()).to_be_bytes());
        header.extend_from_slice(&sequence.map_or(-1, |one| one.to_wire()).to_be_bytes());
        header.extend_from_slice(&self.records_count.to_be_bytes());
        Ok(header.first_chunk().copied().unwrap_or([0; HEADER_BYTES]))
    }
}

/// What stands in a record besides its time and the bytes of its headers.
struct Fields<'a> {
    offset: Offset,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers_count: u32,
}

impl RecordHeader<'_> {
    fn size_bytes(&self) -> usize {
        nullable_size_bytes(Some(self.key)) + nullable_size_bytes(self.value)
    }
}

fn nullable_size_bytes(bytes: Option<&[u8]>) -> usize {
    // A length above an int32 is refused by the size of the whole.
    bytes.map_or(1, |bytes| {
        varint::size_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX)) + bytes.len()
    })
}

fn put_nullable(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put_i32(buffer, -1),
        Some(bytes) => {
            varint::put_i32(buffer, i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            buffer.extend_from_slice(bytes);
        }
    }
}

fn as_i32(size_bytes: usize) -> Result<i32, BuildError> {
    i32::try_from(size_bytes).map_err(|_| BuildError::TooLarge { size_bytes })
}
