//! What one partition remembers of one producer, and the rules by which its next batch is judged.
//!
//! Source: Kafka's `ProducerStateEntry` and `ProducerAppendInfo`.

use std::collections::VecDeque;

use millrace_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

/// How many of a producer's last batches are remembered. A client may have as many in flight
/// (`max.in.flight.requests.per.connection` of idempotent producers is at most 5), so that a
/// repetition of any of them is recognized.
pub const BATCHES_REMEMBERED_MAX: usize = 5;

/// The facts of a batch that the rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// The writer's incarnation.
    pub epoch: ProducerEpoch,
    /// Number of the first record; `None` for batches of coordinators, which do not count.
    pub first_sequence: Option<Sequence>,
    /// Where the batch stands or will stand.
    pub base_offset: Offset,
    /// Offset of the last record the batch was written with.
    pub last_offset: Offset,
    /// The largest timestamp in the batch.
    pub timestamp: Option<TimestampMs>,
    /// What the batch is for.
    pub kind: ProducerBatchKind,
}

/// What a producer's batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerBatchKind {
    /// Records outside any transaction.
    Plain,
    /// Records of a transaction.
    Transactional,
    /// The end of a transaction.
    Marker(Marker),
    /// A control batch whose marker was compacted away: it says nothing any more.
    EmptyControl,
}

/// The end of a transaction, as its coordinator wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whether the transaction's records are void.
    pub is_abort: bool,
    /// The coordinator's own epoch; `None` if negative in the record.
    pub coordinator_epoch: Option<u32>,
}

impl ProducerBatch {
    /// Records the batch was written with, less one.
    fn offset_delta(&self) -> u32 {
        u32::try_from(self.last_offset.since(self.base_offset)).unwrap_or(u32::MAX)
    }

    /// Number of the last record; `None` where there is no first one.
    pub fn last_sequence(&self) -> Option<Sequence> {
        self.first_sequence.map(|first| first.plus(self.offset_delta()))
    }
}

/// One of the last batches of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEntry {
    /// Number of the last record.
    pub last_sequence: Option<Sequence>,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Records less one.
    pub offset_delta: u32,
    /// The largest timestamp.
    pub timestamp: Option<TimestampMs>,
}

impl BatchEntry {
    /// Number of the first record.
    pub fn first_sequence(&self) -> Option<Sequence> {
        // Going back by `delta` is going on by the rest of the circle of 2^31 numbers.
        let back = (1_u32 << 31).saturating_sub(self.offset_delta);
        self.last_sequence.map(|last| last.plus(back))
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> Offset {
        Offset::new(self.last_offset.get().saturating_sub(u64::from(self.offset_delta)))
    }
}

/// What a partition remembers of one producer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The newest incarnation seen; `None` before the first batch.
    pub epoch: Option<ProducerEpoch>,
    /// The epoch of the coordinator that last ended a transaction here.
    pub coordinator_epoch: Option<u32>,
    /// Where the open transaction began in this partition.
    pub transaction_first_offset: Option<Offset>,
    /// When the producer was last heard of, by the broker's clock or by its records' timestamps,
    /// whichever is later.
    pub seen: TimestampMs,
    batches: VecDeque<BatchEntry>,
}

/// The judgement of a batch that a producer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It continues the producer's stream: append it.
    New,
    /// It is there already, as this one: answer with the original's offset and timestamp.
    Duplicate(BatchEntry),
}

/// Why a producer's batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// A later incarnation of the producer has written already.
    #[error("producer {producer_id} has epoch {current}, the batch comes from its epoch {given}")]
    InvalidEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// Epoch of the batch.
        given: ProducerEpoch,
        /// Epoch of the partition's last batch of that producer.
        current: ProducerEpoch,
    },
    /// The batch does not follow the last one.
    #[error(
        "producer {producer_id} must go on at sequence {expected}, the batch begins at {given}"
    )]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// First sequence of the batch; 0 where it had none.
        given: Sequence,
        /// The only one that would do.
        expected: Sequence,
    },
    /// A batch outside a transaction while one is open.
    #[error(
        "producer {producer_id} has a transaction open since offset {first_offset}, the batch is none of it"
    )]
    InvalidTransactionState {
        /// The producer.
        producer_id: ProducerId,
        /// Where the open transaction began.
        first_offset: Offset,
    },
}

impl ProducerError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            // Not PRODUCER_FENCED, which is fatal to clients (since Kafka 2.7).
            ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
        }
    }
}

impl ProducerEntry {
    /// The batches remembered, oldest first; at most [`BATCHES_REMEMBERED_MAX`].
    pub fn batches(&self) -> impl ExactSizeIterator<Item = &BatchEntry> + DoubleEndedIterator {
        self.batches.iter()
    }

    /// The newest batch.
    pub fn last_batch(&self) -> Option<&BatchEntry> {
        self.batches.back()
    }

    /// Number of the newest record.
    pub fn last_sequence(&self) -> Option<Sequence> {
        self.last_batch().and_then(|batch| batch.last_sequence)
    }

    /// Judges a client's batch against what is remembered; changes nothing.
    ///
    /// A repetition of one of the last batches (same epoch, same first and last sequence) is a
    /// duplicate. Otherwise its epoch must not be older; a newer epoch begins at sequence 0; the
    /// same epoch goes on without a gap, wrapping after `i32::MAX`. An older repetition counts as
    /// out of order, as in Kafka.
    pub(crate) fn check(&self, batch: &ProducerBatch) -> Result<Verdict, ProducerError> {
        let Some(current) = self.epoch else {
            // All that this producer wrote is gone (or never was): any sequence will do.
            return Ok(Verdict::New);
        };
        if let Some(original) = self.duplicate_of(batch) {
            return Ok(Verdict::Duplicate(*original));
        }
        let producer_id = batch.producer_id;
        if batch.epoch < current {
            return Err(ProducerError::InvalidEpoch { producer_id, given: batch.epoch, current });
        }
        let expected = match self.last_sequence() {
            Some(last) if batch.epoch == current => last.plus(1),
            Some(_) | None => Sequence::ZERO,
        };
        let given = batch.first_sequence.unwrap_or_default();
        if given != expected {
            return Err(ProducerError::OutOfOrderSequence { producer_id, given, expected });
        }
        match self.transaction_first_offset {
            Some(first_offset) if batch.kind == ProducerBatchKind::Plain => {
                Err(ProducerError::InvalidTransactionState { producer_id, first_offset })
            }
            Some(_) | None => Ok(Verdict::New),
        }
    }

    fn duplicate_of(&self, batch: &ProducerBatch) -> Option<&BatchEntry> {
        if self.epoch != Some(batch.epoch) || batch.first_sequence.is_none() {
            return None;
        }
        self.batches.iter().find(|known| {
            known.first_sequence() == batch.first_sequence
                && known.last_sequence == batch.last_sequence()
        })
    }

    /// Takes in a batch of records that was appended or read back.
    pub(crate) fn add_data(&mut self, batch: &ProducerBatch) {
        self.begin_epoch(batch.epoch);
        self.remember(BatchEntry {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset,
            offset_delta: batch.offset_delta(),
            timestamp: batch.timestamp,
        });
        if batch.kind == ProducerBatchKind::Transactional {
            self.transaction_first_offset.get_or_insert(batch.base_offset);
        }
    }

    /// Takes in the end of a transaction; gives back where it began, if it wrote anything here.
    pub(crate) fn add_marker(&mut self, epoch: ProducerEpoch, marker: Marker) -> Option<Offset> {
        self.begin_epoch(epoch);
        self.coordinator_epoch = marker.coordinator_epoch;
        self.transaction_first_offset.take()
    }

    pub(crate) fn begin_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != Some(epoch) {
            self.batches.clear();
            self.epoch = Some(epoch);
        }
    }

    pub(crate) fn remember(&mut self, batch: BatchEntry) {
        if self.batches.len() == BATCHES_REMEMBERED_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }

    #[cfg(test)]
    pub(crate) fn replace_last(&mut self, batch: BatchEntry) {
        self.batches.pop_back();
        self.remember(batch);
    }
}
