//! Why a produce is refused.

use millrace_log::producer_state::ProducerError;
use millrace_types::{ErrorCode, Offset, ProducerId};
use millrace_wire::record::{BatchError, BuildError, CompressionError, HeaderError};

/// Why a batch may not be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No records at all.
    #[error("the partition's records hold no batch")]
    NoBatch,
    /// More than one batch, or stray bytes behind it.
    #[error("{surplus_bytes} bytes follow the batch; a produce holds one batch a partition")]
    SeveralBatches {
        /// Bytes behind the first batch.
        surplus_bytes: usize,
    },
    /// The bytes are no batch, its checksum is wrong, or its records are not as its header says.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// zstd before all readers could know it.
    #[error("zstd needs Produce version 7 or later, the request has version {version}")]
    ZstdTooEarly {
        /// Version of the request.
        version: i16,
    },
    /// The batch is larger than the topic allows.
    #[error("batch of {size_bytes} bytes exceeds max.message.bytes={limit_bytes}")]
    TooLarge {
        /// Size of the whole batch, as it would be stored.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The batch does not fit into any segment.
    #[error("batch of {size_bytes} bytes exceeds segment.bytes={limit_bytes}")]
    LargerThanSegment {
        /// Size of the whole batch, as it would be stored.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Offsets are the broker's to give.
    #[error("batch begins at offset {base_offset}; producers begin each at 0")]
    BaseOffset {
        /// The field's value.
        base_offset: Offset,
    },
    /// Only brokers write control batches.
    #[error("clients may not write control batches")]
    Control,
    /// The batch is of a transaction, and no coordinator knows of it.
    #[error("transactional batches are not accepted: no transaction is open here")]
    Transactional,
    /// Only compaction stamps a delete horizon.
    #[error("clients may not set the delete horizon of a batch")]
    DeleteHorizon,
    /// Only the broker sets its own time.
    #[error("clients may not set the timestamp type of a batch to LogAppendTime")]
    TimestampType,
    /// Only compaction leaves gaps.
    #[error("batch counts {count} records, but its last offset delta is {last_offset_delta}")]
    Gaps {
        /// Records that the header counts.
        count: u32,
        /// The last offset less the first.
        last_offset_delta: u32,
    },
    /// An idempotent producer numbers its batches.
    #[error("batch of producer {producer_id} has no sequence number")]
    NoSequence {
        /// The producer.
        producer_id: ProducerId,
    },
    /// Single records break a rule of the topic.
    #[error("{}; first: record {} {}", rule.summary(), first.index, first.reason)]
    Records {
        /// The rule.
        rule: RecordRule,
        /// The first such record.
        first: RefusedRecord,
        /// Those that follow, up to a limit.
        others: Vec<RefusedRecord>,
    },
    /// The records cannot be compressed as the topic wants.
    #[error(transparent)]
    Recompress(#[from] BuildError),
    /// The producer's epoch or sequence does not fit what the partition knows.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The partition has no offsets left.
    #[error("{records_count} records do not fit behind offset {next_offset}")]
    OffsetsExhausted {
        /// Records of the batch.
        records_count: u32,
        /// Where they would begin.
        next_offset: u64,
    },
}

/// The rules for single records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordRule {
    /// Its timestamp must be near enough to the broker's clock.
    Timestamp,
    /// A compacted topic keeps one record of each key, so each needs one.
    Key,
}

/// A record that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Place of the record in its batch, from 0.
    pub index: u32,
    /// What is wrong with it.
    pub reason: String,
}

impl AppendError {
    /// The code for the wire.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            AppendError::Batch(error) => batch_code(error),
            AppendError::Recompress(_) => ErrorCode::InvalidRecord,
            AppendError::NoBatch
            | AppendError::SeveralBatches { .. }
            | AppendError::BaseOffset { .. }
            | AppendError::Control
            | AppendError::DeleteHorizon
            | AppendError::Gaps { .. }
            | AppendError::NoSequence { .. } => ErrorCode::InvalidRecord,
            AppendError::ZstdTooEarly { .. } => ErrorCode::UnsupportedCompressionType,
            AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendError::Transactional => ErrorCode::InvalidTxnState,
            AppendError::TimestampType => ErrorCode::InvalidTimestamp,
            AppendError::Records { rule: RecordRule::Timestamp, .. } => ErrorCode::InvalidTimestamp,
            AppendError::Records { rule: RecordRule::Key, .. } => ErrorCode::InvalidRecord,
            AppendError::Producer(error) => error.error_code(),
            AppendError::OffsetsExhausted { .. } => ErrorCode::InvalidRecord,
        }
    }

    /// Whether the answer tells where the log begins: what is wrong with the request itself is found
    /// before its partition is. Source: `ProduceRequest.validateRecords`,
    /// `ReplicaManager.appendRecordsToLeader`.
    pub const fn tells_log_start(&self) -> bool {
        match self {
            AppendError::NoBatch
            | AppendError::SeveralBatches { .. }
            | AppendError::ZstdTooEarly { .. }
            | AppendError::TooLarge { .. }
            | AppendError::LargerThanSegment { .. }
            | AppendError::Batch(
                BatchError::Header(_) | BatchError::CutOff { .. } | BatchError::Crc { .. },
            ) => false,
            AppendError::Batch(BatchError::Compression(_) | BatchError::Record(_))
            | AppendError::BaseOffset { .. }
            | AppendError::Control
            | AppendError::Transactional
            | AppendError::DeleteHorizon
            | AppendError::TimestampType
            | AppendError::Gaps { .. }
            | AppendError::NoSequence { .. }
            | AppendError::Records { .. }
            | AppendError::Recompress(_)
            | AppendError::Producer(_)
            | AppendError::OffsetsExhausted { .. } => true,
        }
    }

    /// The single records at fault, for Produce version 8 and later. Source: KIP-467.
    pub fn records(&self) -> impl Iterator<Item = &RefusedRecord> {
        let (first, others) = match self {
            AppendError::Records { first, others, .. } => (Some(first), others.as_slice()),
            AppendError::NoBatch
            | AppendError::SeveralBatches { .. }
            | AppendError::Batch(_)
            | AppendError::ZstdTooEarly { .. }
            | AppendError::TooLarge { .. }
            | AppendError::LargerThanSegment { .. }
            | AppendError::BaseOffset { .. }
            | AppendError::Control
            | AppendError::Transactional
            | AppendError::DeleteHorizon
            | AppendError::TimestampType
            | AppendError::Gaps { .. }
            | AppendError::NoSequence { .. }
            | AppendError::Recompress(_)
            | AppendError::Producer(_)
            | AppendError::OffsetsExhausted { .. } => (None, &[][..]),
        };
        first.into_iter().chain(others)
    }
}

/// A wrong checksum, length or unknown magic may be the network's fault, so the client may try again
/// (`CORRUPT_MESSAGE` is retriable); what the client meant to send is refused for good. To Kafka a
/// batch that is cut off is no batch at all. Source: `ProduceRequest.validateRecords`.
fn batch_code(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::Header(HeaderError::Compression { .. }) => {
            ErrorCode::UnsupportedCompressionType
        }
        BatchError::Header(
            HeaderError::Truncated { .. }
            | HeaderError::Magic { magic: 0 | 1 }
            | HeaderError::Count { .. }
            | HeaderError::Offsets { .. }
            | HeaderError::ProducerEpoch { .. },
        )
        | BatchError::Compression(
            CompressionError::Corrupt { .. }
            | CompressionError::TooShort { .. }
            | CompressionError::Encoder { .. },
        )
        | BatchError::CutOff { .. }
        | BatchError::Record(_) => ErrorCode::InvalidRecord,
        BatchError::Header(HeaderError::Magic { .. } | HeaderError::Length { .. })
        | BatchError::Crc { .. } => ErrorCode::CorruptMessage,
        // Lets the producer split the batch, as for one that is too large as it came.
        BatchError::Compression(CompressionError::LimitExceeded { .. }) => {
            ErrorCode::MessageTooLarge
        }
    }
}

impl From<CompressionError> for AppendError {
    fn from(error: CompressionError) -> AppendError {
        AppendError::Batch(BatchError::Compression(error))
    }
}

impl RecordRule {
    const fn summary(self) -> &'static str {
        match self {
            RecordRule::Timestamp => "one or more records have a timestamp that is out of range",
            RecordRule::Key => "a compacted topic takes no records without key",
        }
    }
}
