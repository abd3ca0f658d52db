//! The fixed part of a batch: 61 bytes read once into a struct, each field checked.

use millrace_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use super::compression::Compression;

/// Bytes in front of the records of a batch.
pub const HEADER_BYTES: usize = 61;
/// Bytes that the broker writes anew for each batch: base offset, length, leader epoch.
pub const PREFIX_BYTES: usize = 16;
/// Bytes that the length field of a batch does not count: base offset and itself.
pub const SIZE_BYTES: usize = 12;

/// The smallest record: seven one-byte fields (length, attributes, two deltas, key, value, headers).
const RECORD_BYTES_MIN: usize = 7;
const MAGIC: i8 = 2;

/// The 16 attribute bits of a batch. Bits that Kafka does not use are kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(i16);

/// What the timestamps of a batch mean; Kafka's `message.timestamp.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer set one for each record.
    #[default]
    CreateTime,
    /// The broker set one for the whole batch when it was appended.
    LogAppendTime,
}

/// Who wrote a batch: an idempotent or transactional producer. Source: KIP-98.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchProducer {
    /// The id that the cluster gave out.
    pub id: ProducerId,
    /// The incarnation of the producer.
    pub epoch: ProducerEpoch,
    /// The number of the first record in the producer's stream; `None` in control batches.
    pub base_sequence: Option<Sequence>,
}

/// The fixed part of a batch, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the batch as it was appended: compaction may remove it).
    pub base_offset: Offset,
    /// Size of the whole batch in bytes, at least [`HEADER_BYTES`].
    pub size_bytes: usize,
    /// Epoch of the leader that appended the batch; `None` as it comes from a client.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The checksum as stored; see [`super::Batch::verify_crc`].
    pub crc: u32,
    /// Compression, kind of timestamp, transactional, control.
    pub attributes: Attributes,
    /// Offset of the last record less `base_offset`.
    pub last_offset_delta: u32,
    /// What the time deltas of the records are added to, in ms; the delete horizon if
    /// [`Attributes::has_delete_horizon`]. Raw, because -1 is a legal base of records without time.
    pub base_timestamp_ms: i64,
    /// The largest timestamp in the batch; `None` if its records have none.
    pub max_timestamp: Option<TimestampMs>,
    /// The idempotent producer, if one wrote it.
    pub producer: Option<BatchProducer>,
    /// Number of records, at most `last_offset_delta` + 1; fewer only after compaction.
    pub records_count: u32,
}

/// Why 61 bytes are no header of a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    #[error("batch of {available_bytes} bytes is shorter than a header of {HEADER_BYTES}")]
    Truncated {
        /// What is there.
        available_bytes: usize,
    },
    /// The length field is below the rest of the header.
    #[error("batch length {length} is below the {} of an empty batch", HEADER_BYTES - SIZE_BYTES)]
    Length {
        /// The field's value.
        length: i32,
    },
    /// Another format of messages: 0 and 1 are those before Kafka 0.11.
    #[error("batch has magic {magic}; only {MAGIC} is served")]
    Magic {
        /// The field's value.
        magic: i8,
    },
    /// The base offset, or the last offset with it, is outside 0 to 2^63 - 1.
    #[error(
        "batch at offset {base_offset} with last offset delta {last_offset_delta} leaves the range of offsets"
    )]
    Offsets {
        /// The field's value.
        base_offset: i64,
        /// The field's value.
        last_offset_delta: i32,
    },
    /// The lowest three attribute bits name no compression.
    #[error("batch has unknown compression {id}; known are 0 to 4")]
    Compression {
        /// The three bits.
        id: i16,
    },
    /// A producer id comes with a negative epoch.
    #[error("batch of producer {producer_id} has epoch {epoch}")]
    ProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The field's value.
        epoch: i16,
    },
    /// The record count is negative or above what the offsets or the bytes allow.
    #[error(
        "batch of {size_bytes} bytes with last offset delta {last_offset_delta} counts {count} records"
    )]
    Count {
        /// The field's value.
        count: i32,
        /// The field's value.
        last_offset_delta: i32,
        /// Size of the whole batch.
        size_bytes: usize,
    },
}

impl BatchHeader {
    /// Reads and checks the first 61 of `bytes`; the batch itself may reach beyond them.
    ///
    /// # Errors
    /// Says which field is impossible and its value.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, HeaderError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderError::Truncated { available_bytes: bytes.len() });
        };
        // Magic before all else: the other formats have other fields in these places.
        let magic = i8::from_be_bytes(field(bytes, 16));
        if magic != MAGIC {
            return Err(HeaderError::Magic { magic });
        }
        let length = i32::from_be_bytes(field(bytes, 8));
        let size_bytes = match usize::try_from(length) {
            Ok(length) if length >= HEADER_BYTES - SIZE_BYTES => length + SIZE_BYTES,
            _ => return Err(HeaderError::Length { length }),
        };
        let attributes = Attributes(i16::from_be_bytes(field(bytes, 21)));
        attributes.parse_compression()?;
        let (base_offset, last_offset_delta) =
            offsets(i64::from_be_bytes(field(bytes, 0)), i32::from_be_bytes(field(bytes, 23)))?;
        let header = BatchHeader {
            base_offset,
            size_bytes,
            leader_epoch: LeaderEpoch::from_wire(i32::from_be_bytes(field(bytes, 12))),
            crc: u32::from_be_bytes(field(bytes, 17)),
            attributes,
            last_offset_delta,
            base_timestamp_ms: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: TimestampMs::from_wire(i64::from_be_bytes(field(bytes, 35))),
            producer: producer(bytes)?,
            records_count: 0,
        };
        let count = i32::from_be_bytes(field(bytes, 57));
        let records_count = header.check_count(count).ok_or(HeaderError::Count {
            count,
            last_offset_delta: last_offset_delta.cast_signed(),
            size_bytes,
        })?;
        Ok(BatchHeader { records_count, ..header })
    }

    /// Offset of the last record, also if compaction removed that record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(u64::from(self.last_offset_delta))
    }

    /// Offset that the batch after this one may start with.
    pub fn next_offset(&self) -> Offset {
        self.base_offset.plus(u64::from(self.last_offset_delta) + 1)
    }

    /// Whether each offset of the batch has its record: so it must come from a producer.
    pub fn is_dense(&self) -> bool {
        u64::from(self.records_count) == u64::from(self.last_offset_delta) + 1
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Compression {
        self.attributes.compression()
    }

    /// The number of the last record in its producer's stream.
    pub fn last_sequence(&self) -> Option<Sequence> {
        let base = self.producer?.base_sequence?;
        Some(base.plus(self.last_offset_delta))
    }

    /// The instant after which compaction may drop the batch's tombstones. Source: KIP-534.
    pub fn delete_horizon(&self) -> Option<TimestampMs> {
        if !self.attributes.has_delete_horizon() {
            return None;
        }
        TimestampMs::from_wire(self.base_timestamp_ms)
    }

    fn check_count(&self, count: i32) -> Option<u32> {
        let count = u32::try_from(count).ok()?;
        let fits_offsets = u64::from(count) <= u64::from(self.last_offset_delta) + 1;
        // Behind compression anything may hide: there the decoder's limit bounds the count.
        let fits_bytes = self.attributes.compression() != Compression::None
            || usize::try_from(count).ok()? <= (self.size_bytes - HEADER_BYTES) / RECORD_BYTES_MIN;
        (fits_offsets && fits_bytes).then_some(count)
    }
}

impl Attributes {
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// No bit but those of the compression.
    pub const fn new(compression: Compression) -> Attributes {
        Attributes(compression as i16)
    }

    /// The bits as they stand on the wire.
    pub const fn to_wire(self) -> i16 {
        self.0
    }

    /// How the records are compressed.
    pub fn compression(self) -> Compression {
        // Parsing refused every other id.
        Compression::from_id(self.0 & 7).unwrap_or_default()
    }

    /// What the timestamps mean.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Attributes::LOG_APPEND_TIME != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub const fn is_transactional(self) -> bool {
        self.0 & Attributes::TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record, which consumers never see.
    pub const fn is_control(self) -> bool {
        self.0 & Attributes::CONTROL != 0
    }

    /// Whether the base timestamp is the delete horizon.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Attributes::DELETE_HORIZON != 0
    }

    /// The same with the kind of timestamp changed.
    #[must_use]
    pub const fn with_timestamp_type(self, kind: TimestampType) -> Attributes {
        match kind {
            TimestampType::CreateTime => Attributes(self.0 & !Attributes::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Attributes(self.0 | Attributes::LOG_APPEND_TIME),
        }
    }

    /// The same, marked as part of a transaction.
    #[must_use]
    pub const fn transactional(self) -> Attributes {
        Attributes(self.0 | Attributes::TRANSACTIONAL)
    }

    /// The same, marked as control batch.
    #[must_use]
    pub const fn control(self) -> Attributes {
        Attributes(self.0 | Attributes::CONTROL)
    }

    /// The same, with the base timestamp marked as delete horizon, or no longer.
    #[must_use]
    pub const fn with_delete_horizon(self, is_set: bool) -> Attributes {
        if is_set {
            Attributes(self.0 | Attributes::DELETE_HORIZON)
        } else {
            Attributes(self.0 & !Attributes::DELETE_HORIZON)
        }
    }

    /// The same with another compression.
    #[must_use]
    pub const fn with_compression(self, compression: Compression) -> Attributes {
        Attributes((self.0 & !7) | compression as i16)
    }

    fn parse_compression(self) -> Result<Compression, HeaderError> {
        let id = self.0 & 7;
        Compression::from_id(id).ok_or(HeaderError::Compression { id })
    }
}

/// `N` bytes of the header from `start` on; the places are constants inside it.
pub(super) fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], start: usize) -> [u8; N] {
    bytes.get(start..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn offsets(base_offset: i64, last_offset_delta: i32) -> Result<(Offset, u32), HeaderError> {
    let refused = HeaderError::Offsets { base_offset, last_offset_delta };
    let (Some(base), Ok(delta)) =
        (Offset::from_wire(base_offset), u32::try_from(last_offset_delta))
    else {
        return Err(refused);
    };
    // Below the largest, not up to it: the offset after the batch must exist too.
    match base_offset.checked_add(i64::from(last_offset_delta)) {
        Some(last) if last < i64::MAX => Ok((base, delta)),
        _ => Err(refused),
    }
}

fn producer(bytes: &[u8; HEADER_BYTES]) -> Result<Option<BatchProducer>, HeaderError> {
    let Some(id) = ProducerId::from_wire(i64::from_be_bytes(field(bytes, 43))) else {
        return Ok(None);
    };
    let epoch = i16::from_be_bytes(field(bytes, 51));
    let epoch = ProducerEpoch::from_wire(epoch)
        .ok_or(HeaderError::ProducerEpoch { producer_id: id, epoch })?;
    let base_sequence = Sequence::from_wire(i32::from_be_bytes(field(bytes, 53)));
    Ok(Some(BatchProducer { id, epoch, base_sequence }))
}

/// Writes base offset and leader epoch into the first bytes of a batch.
pub(super) fn patch(prefix: &mut [u8; PREFIX_BYTES], base_offset: Offset, epoch: LeaderEpoch) {
    prefix[..8].copy_from_slice(&base_offset.to_wire().to_be_bytes());
    prefix[SIZE_BYTES..].copy_from_slice(&epoch.to_wire().to_be_bytes());
}
