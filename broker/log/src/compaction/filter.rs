//! What is kept of one batch.
//!
//! A record goes if a later one has its key, if it was aborted, if it has no key (none should be in
//! a compacted topic), or if it is a tombstone past its delete horizon. A batch without records goes
//! too, unless it tells the last sequence of a producer or where the segment ends. What stays
//! keeps its offsets; a batch that lost records is written anew with its own compression.
//!
//! Source: Kafka's `Cleaner.cleanInto`, `MemoryRecords.filterTo`; KIP-280, KIP-534.

use std::collections::BTreeMap;

use millrace_types::{Offset, ProducerEpoch, ProducerId, TimestampMs};
use millrace_wire::record::{
    Batch, BatchBuilder, BatchHeader, Codec, ControlRecord, OpenBatch, Record,
};

use super::offset_map::OffsetMap;
use super::transactions::{Ended, Transactions};
use crate::txn_index::AbortedTransaction;

/// The newest record of a producer: its batch stays, so that its next one can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRecord {
    /// Offset of its last data; `None` if only a marker is left.
    pub data_offset: Option<Offset>,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// The rules of one pass.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    /// The last offset of each key below `map_end`.
    pub(crate) map: &'a OffsetMap,
    /// Records from here on are not in the map and stay.
    pub(crate) map_end: Offset,
    /// Where the last batch of the group ends: that one stays, if only empty.
    pub(crate) group_end: Offset,
    pub(crate) producers: &'a BTreeMap<ProducerId, LastRecord>,
    pub(crate) now: TimestampMs,
    /// `delete.retention.ms`.
    pub(crate) delete_retention_ms: i64,
    /// Bound for the records of one batch, decompressed.
    pub(crate) batch_bytes_max: usize,
}

/// What is kept of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) content: Content,
    /// The aborted transaction that the batch, its marker, ends: its records are still there.
    pub(crate) aborted: Option<AbortedTransaction>,
}

/// The bytes that are kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The batch as it is.
    Whole,
    /// Another batch in its place.
    Instead(Vec<u8>),
    /// None.
    Nothing,
}

/// Why a batch cannot be read or written anew; where it stands the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) reason: String,
}

impl Damage {
    #[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
    pub(crate) fn of(error: impl ToString) -> Damage {
        Damage { reason: error.to_string() }
    }
}

/// What becomes of a batch without records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Stays,
    Goes,
}

impl Filter<'_> {
    /// Decides about the next batch of the log.
    pub(crate) fn keep(
        &self,
        batch: &Batch<'_>,
        transactions: &mut Transactions,
    ) -> Result<Kept, Damage> {
        let header = batch.header();
        let empty = if self.must_stay(header) { Empty::Stays } else { Empty::Goes };
        if header.attributes.is_control() {
            return self.keep_control(batch, empty, transactions);
        }
        let content = if transactions.on_data(header) {
            self.without_records(header, empty)?
        } else {
            self.keep_data(batch, empty)?
        };
        Ok(Kept { content, aborted: None })
    }

    /// Whether the batch stays even without records.
    fn must_stay(&self, header: &BatchHeader) -> bool {
        let is_last_of_producer = header.producer.is_some_and(|producer| {
            self.producers.get(&producer.id).is_some_and(|last| match last.data_offset {
                Some(offset) => header.last_offset() == offset,
                None => header.attributes.is_control() && producer.epoch == last.epoch,
            })
        });
        is_last_of_producer || header.next_offset() == self.group_end
    }

    fn keep_control(
        &self,
        batch: &Batch<'_>,
        empty: Empty,
        transactions: &mut Transactions,
    ) -> Result<Kept, Damage> {
        let header = batch.header();
        let open = open(batch, self.batch_bytes_max)?;
        let ended = transactions.on_control(header, control_record(&open)?);
        let content = match (ended, header.delete_horizon()) {
            (Ended::Nothing, Some(horizon)) if horizon <= self.now => {
                self.without_records(header, empty)?
            }
            (Ended::Nothing, None) if header.records_count > 0 => self.rebuild(&open, |_| true)?,
            (Ended::Nothing, None) => self.without_records(header, empty)?,
            (Ended::Nothing, Some(_)) | (Ended::Transaction(_) | Ended::Unknown, _) => {
                Content::Whole
            }
        };
        let aborted = match ended {
            Ended::Transaction(aborted) => aborted,
            Ended::Nothing | Ended::Unknown => None,
        };
        Ok(Kept { content, aborted })
    }

    fn keep_data(&self, batch: &Batch<'_>, empty: Empty) -> Result<Content, Damage> {
        let header = batch.header();
        let open = open(batch, self.batch_bytes_max)?;
        let (mut kept, mut has_tombstone) = (0, false);
        for record in open.records() {
            let record = record.map_err(Damage::of)?;
            if self.keeps(header, &record) {
                kept += 1;
                has_tombstone |= record.value.is_none();
            }
        }
        let needs_horizon = has_tombstone && header.delete_horizon().is_none();
        if kept == 0 {
            self.without_records(header, empty)
        } else if kept == header.records_count && !needs_horizon {
            Ok(Content::Whole)
        } else {
            self.rebuild(&open, |record| self.keeps(header, record))
        }
    }

    fn keeps(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        if record.offset >= self.map_end {
            return true;
        }
        let Some(key) = record.key else {
            return false;
        };
        let is_latest = self.map.get(key).is_none_or(|latest| record.offset >= latest);
        let is_due = header.delete_horizon().is_some_and(|horizon| horizon <= self.now);
        is_latest && (record.value.is_some() || !is_due)
    }

    /// The batch with those of its records that `keeps` names. A horizon is stamped if there is none
    /// and a tombstone or an idle marker asks for one.
    fn rebuild(
        &self,
        open: &OpenBatch<'_>,
        keeps: impl Fn(&Record<'_>) -> bool,
    ) -> Result<Content, Damage> {
        let header = open.header();
        let records = || open.records().flatten().filter(|record| keeps(record));
        let mut builder = BatchBuilder::like(header, Codec::from(header.compression()));
        let asks = header.attributes.is_control() || records().any(|record| record.value.is_none());
        let stamped = self.now.plus_ms(self.delete_retention_ms);
        if let Some(horizon) = header.delete_horizon().or(asks.then_some(stamped)) {
            builder = builder.with_delete_horizon(horizon);
        }
        let rebuilt = records().try_for_each(|record| builder.retain(&record));
        rebuilt.and_then(|()| builder.build()).map(Content::Instead).map_err(Damage::of)
    }

    fn without_records(&self, header: &BatchHeader, empty: Empty) -> Result<Content, Damage> {
        match empty {
            Empty::Goes => Ok(Content::Nothing),
            Empty::Stays if header.records_count == 0 => Ok(Content::Whole),
            Empty::Stays => BatchBuilder::like(header, Codec::None)
                .build()
                .map(Content::Instead)
                .map_err(Damage::of),
        }
    }
}

/// Decompresses a batch.
pub(crate) fn open<'a>(batch: &Batch<'a>, bytes_max: usize) -> Result<OpenBatch<'a>, Damage> {
    batch.open(bytes_max).map_err(Damage::of)
}

/// The record of a control batch; `None` if the batch is empty.
pub(crate) fn control_record(open: &OpenBatch<'_>) -> Result<Option<ControlRecord>, Damage> {
    let Some(record) = open.records().next() else {
        return Ok(None);
    };
    ControlRecord::parse(&record.map_err(Damage::of)?).map(Some).map_err(Damage::of)
}
