//! The log of a coordinator: one partition of an internal topic, replayed from its beginning and
//! appended to in batches.
//!
//! What the records mean is the coordinator's business (`core::group`); here they are keys and values.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use millrace_core::limits;
use millrace_core::replication::acks::Acks;
use millrace_core::replication::append::{AppendError, Candidate};
use millrace_log::disk::Patience;
use millrace_log::{LogReader, ReadError, ReadRequest, Slice};
use millrace_types::{LeaderEpoch, Offset, ProducerId, TimestampMs};
use millrace_wire::EncodeError;
use millrace_wire::record::{
    Batch, BatchBuilder, BatchError, Batches, BuildError, CompressionError, ControlRecord,
    NewRecord, OpenBatch, RecordError,
};

use crate::partition::{Answer, Drain, Partition};

/// A record as it stands in the log; without value it is a tombstone.
pub type KeyValue = (Vec<u8>, Option<Vec<u8>>);

/// Why records cannot be put into the log.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorLogError {
    /// A record cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The batch cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The batch is none.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What stands at the end of the log is not committed yet, and may be.
    #[error("log ends at {end}, but only what is below {high_watermark} is committed")]
    Unsettled {
        /// The high watermark.
        high_watermark: Offset,
        /// The end.
        end: Offset,
    },
    /// The log does not give its bytes.
    #[error("log cannot be read at offset {offset}")]
    Read {
        /// Where.
        offset: Offset,
        /// Why.
        source: ReadError,
    },
    /// The disk does not give its bytes.
    #[error("disk cannot be read at offset {offset}")]
    Disk {
        /// Where.
        offset: Offset,
        /// Why.
        source: io::Error,
    },
    /// There is no batch where one must be.
    #[error("no batch behind offset {offset}")]
    Batch {
        /// Where.
        offset: Offset,
        /// Why.
        source: BatchError,
    },
    /// A batch does not unfold.
    #[error("batch at offset {offset} cannot be unpacked")]
    Unpack {
        /// Where.
        offset: Offset,
        /// Why.
        source: CompressionError,
    },
    /// A record of a batch cannot be read.
    #[error("batch at offset {offset} has a record that cannot be read")]
    Record {
        /// Where.
        offset: Offset,
        /// Why.
        source: RecordError,
    },
}

/// An append that is on its way: the batches that it became.
#[derive(Debug, Default)]
pub struct Appending {
    /// What comes of each batch, in order.
    pub answers: Vec<Answer>,
    /// Duties to write that fell to the caller. See [`Drain`].
    pub drains: Vec<Drain>,
}

/// The partition that a coordinator writes to.
#[derive(Clone, Debug)]
pub struct CoordinatorLog {
    partition: Arc<Partition>,
    /// The term in which this broker leads it; another term is another coordinator.
    term: Option<LeaderEpoch>,
}

impl CoordinatorLog {
    /// The log in this partition, which this broker leads.
    pub fn new(partition: Arc<Partition>) -> CoordinatorLog {
        let term = partition.terms().leadership;
        CoordinatorLog { partition, term }
    }

    /// Whether it is in that very partition, and in its present term.
    pub fn is_of(&self, partition: &Arc<Partition>) -> bool {
        Arc::ptr_eq(&self.partition, partition) && self.term == partition.terms().leadership
    }

    /// The largest batch that the topic takes.
    pub fn batch_bytes_max(&self) -> usize {
        self.partition.terms().rules.message_bytes_max
    }

    /// Puts records behind all that were put before. Large amounts become several batches.
    ///
    /// # Errors
    /// A record that cannot be written; nothing was put into the log then.
    pub fn append(
        &self,
        records: &[KeyValue],
        now: TimestampMs,
    ) -> Result<Appending, CoordinatorLogError> {
        let mut candidates = Vec::with_capacity(1);
        let mut builder = BatchBuilder::new(Offset::ZERO);
        for (key, value) in records {
            let record_bytes = key.len().saturating_add(value.as_ref().map_or(0, Vec::len));
            let size_bytes = builder.size_bytes().saturating_add(record_bytes);
            let is_full = size_bytes.saturating_add(RECORD_OVERHEAD_BYTES) > self.batch_bytes_max();
            if is_full && builder.records_count() > 0 {
                let full = std::mem::replace(&mut builder, BatchBuilder::new(Offset::ZERO));
                candidates.push(candidate(full)?);
            }
            builder.push(&NewRecord {
                timestamp: Some(now),
                key: Some(key),
                value: value.as_deref(),
                headers: &[],
            })?;
        }
        candidates.push(candidate(builder)?);
        let size_bytes: usize = candidates.iter().map(Candidate::size_bytes).sum();
        let mut appending = Appending::default();
        for candidate in candidates {
            let (answer, drain) = self.partition.submit(candidate, Acks::All);
            appending.answers.push(answer);
            appending.drains.extend(drain);
        }
        if size_bytes > limits::APPEND_INLINE_BYTES_MAX {
            // Too much for this thread: dropped, the duty is done by another.
            appending.drains.clear();
        }
        Ok(appending)
    }

    /// Reads everything in order; what an aborted transaction wrote is left out. All of it has to be
    /// committed: what is committed later would be missing in the coordinator and come up at the
    /// next start. Waits for the disk: to be called where that is allowed.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn replay(
        &self,
        mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
    ) -> Result<ReplayedLog, ReplayError> {
        let reader = self.partition.reader();
        let upper_bound = reader.high_watermark();
        let end = reader.end_offset();
        if upper_bound < end {
            return Err(ReplayError::Unsettled { high_watermark: upper_bound, end });
        }
        let mut replayed = ReplayedLog { from: reader.start_offset(), to: upper_bound, records: 0 };
        let mut transactions = Transactions::default();
        let mut offset = replayed.from;
        while offset < upper_bound {
            let Some(slice) = read(reader, offset, upper_bound)? else { break };
            let bytes = read_slice(&slice)?;
            for batch in Batches::new(&bytes) {
                let batch = batch.map_err(|source| ReplayError::Batch { offset, source })?;
                offset = batch.header().next_offset();
                let open = open(&batch)?;
                replayed.records += replay_batch(&open, &mut transactions, &mut each)?;
            }
            offset = offset.max(slice.next_offset);
        }
        Ok(replayed)
    }
}

/// What was read of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayedLog {
    /// Where it began.
    pub from: Offset,
    /// Where it ended.
    pub to: Offset,
    /// How many records there were.
    pub records: u64,
}

/// What a record takes beside its key and value, at most: six numbers of varying length.
const RECORD_OVERHEAD_BYTES: usize = 6 * 10;

/// What open transactions of a foreign coordinator have written so far.
type Transactions = BTreeMap<ProducerId, Vec<KeyValue>>;

fn candidate(builder: BatchBuilder) -> Result<Candidate, CoordinatorLogError> {
    Ok(Candidate::of_broker(&Bytes::from(builder.build()?))?)
}

fn read(
    reader: &LogReader,
    offset: Offset,
    upper_bound: Offset,
) -> Result<Option<Slice>, ReplayError> {
    let bytes_max = limits::COORDINATOR_REPLAY_READ_BYTES;
    let patience = Patience::Waits;
    let request = ReadRequest { offset, bytes_max, upper_bound, needs_one_batch: true, patience };
    reader.read(&request).map_err(|source| ReplayError::Read { offset, source })
}

fn read_slice(slice: &Slice) -> Result<Vec<u8>, ReplayError> {
    let offset = slice.base_offset;
    let mut bytes = vec![0; slice.length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let position = slice.position.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match slice.file.read_at(rest, position) {
            Ok(0) => {
                let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(ReplayError::Disk { offset, source });
            }
            Ok(read_bytes) => filled += read_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(ReplayError::Disk { offset, source }),
        }
    }
    Ok(bytes)
}

fn open<'a>(batch: &Batch<'a>) -> Result<OpenBatch<'a>, ReplayError> {
    let offset = batch.header().base_offset;
    batch.verify_crc().map_err(|source| ReplayError::Batch { offset, source })?;
    batch.open(limits::UNPACKED_BYTES_MAX).map_err(|source| ReplayError::Unpack { offset, source })
}

fn replay_batch(
    batch: &OpenBatch<'_>,
    transactions: &mut Transactions,
    each: &mut impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<u64, ReplayError> {
    let header = batch.header();
    let offset = header.base_offset;
    let producer = header.producer.map(|producer| producer.id);
    let in_transaction = producer.filter(|_| header.attributes.is_transactional());
    let mut records = 0;
    for record in batch.records() {
        let record = record.map_err(|source| ReplayError::Record { offset, source })?;
        if header.attributes.is_control() {
            if let (Ok(ControlRecord::EndTxn(end)), Some(producer)) =
                (ControlRecord::parse(&record), producer)
            {
                let written = transactions.remove(&producer).unwrap_or_default();
                let counts = written.iter().filter(|_| end.is_commit);
                counts.for_each(|(key, value)| each(Some(key), value.as_deref()));
            }
            continue;
        }
        records += 1;
        match in_transaction {
            // Counts only once its transaction is committed, and then from there on.
            Some(producer) => {
                let key = record.key.unwrap_or_default().to_vec();
                let value = record.value.map(<[u8]>::to_vec);
                transactions.entry(producer).or_default().push((key, value));
            }
            None => each(record.key, record.value),
        }
    }
    Ok(records)
}
