//! May this produce be appended? First the batch by itself ([`inspect`]), on whatever thread brought
//! it; then against its partition ([`Gathering`]), by the partition's one writer.
//!
//! ```text
//!  records of one partition ──inspect──► Candidate ──Gathering::admit──► Placement
//!    shape, CRC, size, times, keys,        queued        epoch, sequence,     written in one go with
//!    recompressed if the topic says so                   place in the log     what else was waiting
//! ```
//!
//! The server's `partition` is the driver. Source: Kafka's `LogValidator`, `UnifiedLog.append`,
//! `ProduceRequest.validateRecords`.

use bytes::Bytes;
use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::{
    Batch, BatchBuilder, BatchError, BatchHead, BatchHeader, Codec, Compression, OpenBatch,
    TimestampType,
};

use crate::config::topic::{CompressionType, TopicConfig};
use crate::{config, limits};

mod error;
mod gathering;
mod records;
#[cfg(test)]
mod tests;

pub use error::{AppendError, RecordRule, RefusedRecord};
pub use gathering::{Gathering, Placement};

/// The settings of a topic that an append must obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendRules {
    /// `max.message.bytes`: the largest batch, as it is stored.
    pub message_bytes_max: usize,
    /// `segment.bytes`: no batch is larger than a segment.
    pub segment_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a record may be; `i64::MAX` is any age.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` holds `compact`: each record needs a key.
    pub is_compacted: bool,
    /// `compression.type`; `None` is `producer`: stored as it came.
    pub codec: Option<Codec>,
}

/// A batch that may be appended as far as it can be told without its partition.
#[derive(Clone, Debug)]
pub struct Candidate {
    head: BatchHead,
    payload: Bytes,
}

impl AppendRules {
    /// What these rules are for a topic with this config.
    pub fn of(config: &TopicConfig) -> AppendRules {
        let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        AppendRules {
            message_bytes_max: bytes(config.max_message_bytes),
            segment_bytes: bytes(config.log.segment_bytes),
            timestamp_type: match config.timestamp_type {
                config::topic::TimestampType::CreateTime => TimestampType::CreateTime,
                config::topic::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: config.timestamp_before_max_ms.unwrap_or(i64::MAX),
            timestamp_after_max_ms: config.timestamp_after_max_ms.unwrap_or(i64::MAX),
            is_compacted: config.log.cleanup.compacts,
            codec: match config.compression {
                CompressionType::Producer => None,
                CompressionType::Uncompressed => Some(Codec::None),
                CompressionType::Gzip { level } => Some(Codec::Gzip { level }),
                CompressionType::Snappy => Some(Codec::Snappy),
                CompressionType::Lz4 { .. } => Some(Codec::Lz4),
                CompressionType::Zstd { level } => Some(Codec::Zstd { level }),
            },
        }
    }

    /// How far compressed records may unfold, in bytes.
    pub fn unpacked_bytes_max(&self) -> usize {
        self.message_bytes_max
            .saturating_mul(limits::UNPACKED_PER_MESSAGE_BYTES_MAX)
            .clamp(limits::UNPACKED_BYTES_MIN, limits::UNPACKED_BYTES_MAX)
    }

    /// Whether a batch must be unpacked or packed anew, which takes long.
    pub fn are_costly_for(&self, header: &BatchHeader, now: TimestampMs) -> bool {
        let compression = header.compression();
        match self.codec {
            Some(codec) if codec.compression() != compression => true,
            Some(_) | None => {
                let reads_records =
                    self.is_compacted || !records::are_times_plain(header, self, now);
                reads_records && compression != Compression::None
            }
        }
    }
}

impl Candidate {
    /// A batch that a broker itself made: a coordinator's records. Obeys no rule of the topic.
    ///
    /// # Errors
    /// Refuses what is not one batch with a good checksum.
    pub fn of_broker(bytes: &Bytes) -> Result<Candidate, AppendError> {
        let (batch, rest) = Batch::split_first(bytes)?;
        if !rest.is_empty() {
            return Err(AppendError::SeveralBatches { surplus_bytes: rest.len() });
        }
        batch.verify_crc()?;
        Ok(Candidate { head: BatchHead::of(&batch), payload: bytes.slice_ref(batch.payload()) })
    }

    /// The header as it will be stored; its place is right only once it was admitted.
    pub const fn head(&self) -> &BatchHead {
        &self.head
    }

    /// The bytes behind the header.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Size of the whole batch, in bytes.
    pub const fn size_bytes(&self) -> usize {
        self.head.header().size_bytes
    }
}

/// Where a produce comes from and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Version of the Produce request.
    pub version: i16,
    /// The broker's clock.
    pub now: TimestampMs,
}

/// Looks at what a client sent for one partition, without regard to the partition.
///
/// The batch's checksum is verified. Its records are read if they are not compressed; compressed
/// ones only where the topic's rules ask for something that the header does not tell.
///
/// # Errors
/// Says which rule the batch breaks.
///
/// Differs from Kafka: compressed records are not unpacked only to see whether they are well formed.
pub fn inspect(
    records: Option<&Bytes>,
    rules: &AppendRules,
    arrival: Arrival,
) -> Result<Candidate, AppendError> {
    let bytes = records.filter(|bytes| !bytes.is_empty()).ok_or(AppendError::NoBatch)?;
    let (batch, rest) = Batch::split_first(bytes)?;
    if !rest.is_empty() {
        return Err(AppendError::SeveralBatches { surplus_bytes: rest.len() });
    }
    if batch.header().compression() == Compression::Zstd && arrival.version < ZSTD_VERSION_MIN {
        return Err(AppendError::ZstdTooEarly { version: arrival.version });
    }
    let base_offset = batch.header().base_offset;
    if base_offset != Offset::ZERO {
        return Err(AppendError::BaseOffset { base_offset });
    }
    check_size(batch.header().size_bytes, rules)?;
    batch.verify_crc()?;
    check_header(batch.header())?;
    accept(bytes, &batch, rules, arrival.now)
}

/// The first version of Produce whose clients can all read zstd. Source: KIP-110.
const ZSTD_VERSION_MIN: i16 = 7;

fn check_size(size_bytes: usize, rules: &AppendRules) -> Result<(), AppendError> {
    if size_bytes > rules.message_bytes_max {
        return Err(AppendError::TooLarge { size_bytes, limit_bytes: rules.message_bytes_max });
    }
    if size_bytes > rules.segment_bytes {
        return Err(AppendError::LargerThanSegment {
            size_bytes,
            limit_bytes: rules.segment_bytes,
        });
    }
    Ok(())
}

/// What only brokers may write, and what every producer must.
fn check_header(header: &BatchHeader) -> Result<(), AppendError> {
    if header.attributes.is_control() {
        return Err(AppendError::Control);
    }
    if header.attributes.is_transactional() {
        return Err(AppendError::Transactional);
    }
    if header.attributes.has_delete_horizon() {
        return Err(AppendError::DeleteHorizon);
    }
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(AppendError::TimestampType);
    }
    if !header.is_dense() {
        let (count, last_offset_delta) = (header.records_count, header.last_offset_delta);
        return Err(AppendError::Gaps { count, last_offset_delta });
    }
    match header.producer {
        Some(producer) if producer.base_sequence.is_none() => {
            Err(AppendError::NoSequence { producer_id: producer.id })
        }
        Some(_) | None => Ok(()),
    }
}

/// Reads the records as far as needed and makes the batch what the topic wants to store.
fn accept(
    bytes: &Bytes,
    batch: &Batch<'_>,
    rules: &AppendRules,
    now: TimestampMs,
) -> Result<Candidate, AppendError> {
    let header = batch.header();
    batch.glance()?;
    let target = rules.codec.filter(|codec| codec.compression() != header.compression());
    let needs_records = target.is_some()
        || header.compression() == Compression::None
        || rules.is_compacted
        || !records::are_times_plain(header, rules, now);
    let mut max_timestamp = header.max_timestamp;
    let mut stored = bytes.clone();
    if needs_records {
        let open = batch.open(rules.unpacked_bytes_max())?;
        max_timestamp = records::check(&open, rules, now)?;
        if let Some(codec) = target {
            stored = recompress(&open, codec)?;
        }
    }
    let (batch, _) = Batch::split_first(&stored)?;
    check_size(batch.header().size_bytes, rules)?;
    let mut head = BatchHead::of(&batch);
    match rules.timestamp_type {
        TimestampType::LogAppendTime => {
            head.stamp(TimestampType::LogAppendTime, Some(now), batch.payload());
        }
        // The header must tell the truth: retention and look-ups by time go by it.
        TimestampType::CreateTime if head.header().max_timestamp != max_timestamp => {
            head.stamp(TimestampType::CreateTime, max_timestamp, batch.payload());
        }
        TimestampType::CreateTime => {}
    }
    let payload = stored.slice_ref(batch.payload());
    Ok(Candidate { head, payload })
}

fn recompress(open: &OpenBatch<'_>, codec: Codec) -> Result<Bytes, AppendError> {
    let mut builder = BatchBuilder::like(open.header(), codec);
    for record in open.records() {
        builder.retain(&record.map_err(BatchError::Record)?)?;
    }
    Ok(Bytes::from(builder.build()?))
}
