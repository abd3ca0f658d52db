//! The candidates that wait for one partition, judged one after the other as if each were written
//! at once, so that all can be written together.

use millrace_log::producer_state::{
    BatchEntry, ProducerBatch, ProducerBatchKind, ProducerState, Staged, Verdict,
};
use millrace_types::{LeaderEpoch, Offset, TimestampMs};
use millrace_wire::record::{BatchHeader, TimestampType};

use super::Candidate;
use super::error::AppendError;

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It is to be written at this place.
    Append {
        /// Offset of its first record.
        base_offset: Offset,
        /// The offset after its last record.
        next_offset: Offset,
        /// The broker's time, if the topic goes by it.
        log_append_time: Option<TimestampMs>,
    },
    /// It was written before (or is to be, by this very gathering): the answer is the original's.
    Duplicate {
        /// Offset of the original's first record.
        base_offset: Offset,
        /// The offset after the original's last record.
        next_offset: Offset,
        /// The latest time of the original's records, whoever's clock that was. Source:
        /// `UnifiedLog.append`, which tells it also where the topic goes by the producer's.
        log_append_time: Option<TimestampMs>,
    },
}

/// Candidates admitted so far, none of them written yet.
#[derive(Debug)]
pub struct Gathering<'a> {
    producers: &'a ProducerState,
    staged: Staged,
    epoch: LeaderEpoch,
    next_offset: Offset,
}

impl<'a> Gathering<'a> {
    /// Begins at the end of the log of a leader of `epoch`.
    pub fn new(producers: &'a ProducerState, log_end: Offset, epoch: LeaderEpoch) -> Gathering<'a> {
        Gathering { producers, staged: Staged::default(), epoch, next_offset: log_end }
    }

    /// Where the next candidate will be placed.
    pub const fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Judges a candidate; if it is to be written, gives it its place.
    ///
    /// # Errors
    /// Refuses a producer that was fenced and a gap in its sequence; the gathering is as before.
    pub fn admit(&mut self, candidate: &mut Candidate) -> Result<Placement, AppendError> {
        let base_offset = self.next_offset;
        let records_count = candidate.head.header().records_count;
        if Offset::MAX.since(base_offset) <= u64::from(records_count) {
            let next_offset = base_offset.get();
            return Err(AppendError::OffsetsExhausted { records_count, next_offset });
        }
        candidate.head.place(base_offset, self.epoch);
        let placed = *candidate.head.header();
        if let Some(batch) = producer_batch(&placed) {
            match self.staged.check(self.producers, &batch)? {
                Verdict::New => self.staged.add(self.producers, &batch),
                Verdict::Duplicate(original) => return Ok(duplicate(&original)),
            }
        }
        self.next_offset = placed.next_offset();
        Ok(Placement::Append {
            base_offset,
            next_offset: self.next_offset,
            log_append_time: log_append_time(&placed, placed.max_timestamp),
        })
    }
}

impl Placement {
    /// The offset after the last record: what must be durable or committed before the answer.
    pub const fn next_offset(&self) -> Offset {
        match *self {
            Placement::Append { next_offset, .. } | Placement::Duplicate { next_offset, .. } => {
                next_offset
            }
        }
    }

    /// Whether the candidate is to be written.
    pub const fn is_append(&self) -> bool {
        matches!(self, Placement::Append { .. })
    }

    /// Offset of the first record and the time that is told with it: the answer.
    pub const fn answer(&self) -> (Offset, Option<TimestampMs>) {
        match *self {
            Placement::Append { base_offset, log_append_time, .. }
            | Placement::Duplicate { base_offset, log_append_time, .. } => {
                (base_offset, log_append_time)
            }
        }
    }
}

fn producer_batch(header: &BatchHeader) -> Option<ProducerBatch> {
    let producer = header.producer?;
    Some(ProducerBatch {
        producer_id: producer.id,
        epoch: producer.epoch,
        first_sequence: producer.base_sequence,
        base_offset: header.base_offset,
        last_offset: header.last_offset(),
        timestamp: header.max_timestamp,
        kind: ProducerBatchKind::Plain,
    })
}

fn duplicate(original: &BatchEntry) -> Placement {
    Placement::Duplicate {
        base_offset: original.base_offset(),
        next_offset: original.last_offset.plus(1),
        log_append_time: original.timestamp,
    }
}

/// Told to the producer only where the topic goes by the broker's time.
fn log_append_time(header: &BatchHeader, time: Option<TimestampMs>) -> Option<TimestampMs> {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => None,
        TimestampType::LogAppendTime => time,
    }
}
