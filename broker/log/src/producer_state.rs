//! What a partition remembers of the producers that write to it: enough to refuse a gap, to answer
//! a repetition with the original's place, and to know which transactions are open.
//!
//! Kept in memory, made again from the log at recovery, and written to `<offset>.snapshot` files so
//! that recovery need not read the whole log. Nothing here decides whether to append: the decision
//! (`millrace_core`) asks [`Staged::check`], the log tells [`ProducerState::update`].
//!
//! Source: Kafka's `ProducerStateManager`.

use std::collections::BTreeMap;

use millrace_types::{Offset, ProducerId, TimestampMs};

mod entry;
mod files;
mod snapshot;

pub use entry::{
    BATCHES_REMEMBERED_MAX, BatchEntry, Marker, ProducerBatch, ProducerBatchKind, ProducerEntry,
    ProducerError, Verdict,
};
pub use files::{ProducerSnapshots, UnwrittenSnapshot};
pub use snapshot::SnapshotError;

/// The producers of one partition as of one offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerState {
    producers: BTreeMap<ProducerId, ProducerEntry>,
    /// Open transactions by where they began.
    open: BTreeMap<Offset, ProducerId>,
    /// Transactions that have ended, but with a marker that is not committed: from where they began
    /// to their marker.
    uncommitted: BTreeMap<Offset, Offset>,
    high_watermark: Offset,
    end_offset: Offset,
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// Its first record in this partition.
    pub first_offset: Offset,
    /// The marker.
    pub last_offset: Offset,
    /// Whether its records are void.
    pub is_aborted: bool,
    /// Below it, every transaction has ended once this one has.
    pub last_stable_offset: Offset,
}

/// Batches that were judged good but are not in the log yet, laid over a [`ProducerState`], so that
/// several batches can be judged before one write.
#[derive(Clone, Debug, Default)]
pub struct Staged {
    producers: BTreeMap<ProducerId, ProducerEntry>,
}

impl Staged {
    /// Judges a batch of a client as if the staged ones were appended; changes nothing.
    ///
    /// Fails as [`ProducerError`] says. Batches without a producer id need no judgement.
    pub fn check(
        &self,
        state: &ProducerState,
        batch: &ProducerBatch,
    ) -> Result<Verdict, ProducerError> {
        match self.producers.get(&batch.producer_id).or_else(|| state.get(batch.producer_id)) {
            Some(entry) => entry.check(batch),
            None => Ok(Verdict::New),
        }
    }

    /// Counts a batch as appended for the checks that follow.
    pub fn add(&mut self, state: &ProducerState, batch: &ProducerBatch) {
        let entry = self
            .producers
            .entry(batch.producer_id)
            .or_insert_with(|| state.get(batch.producer_id).cloned().unwrap_or_default());
        entry.add_data(batch);
    }
}

impl ProducerState {
    /// Judges one batch of a client by itself; see [`Staged::check`].
    pub fn check(&self, batch: &ProducerBatch) -> Result<Verdict, ProducerError> {
        Staged::default().check(self, batch)
    }

    /// Takes in a batch that the log holds: one just appended, or one read back at recovery.
    ///
    /// Refuses nothing: what is in the log is a fact. `now` is when the producer was heard of.
    pub fn update(
        &mut self,
        batch: &ProducerBatch,
        now: TimestampMs,
    ) -> Option<CompletedTransaction> {
        self.end_offset = self.end_offset.max(batch.last_offset.plus(1));
        let marker = match batch.kind {
            ProducerBatchKind::Plain | ProducerBatchKind::Transactional => None,
            ProducerBatchKind::Marker(marker) => Some(marker),
            ProducerBatchKind::EmptyControl => return None,
        };
        let entry = self.producers.entry(batch.producer_id).or_default();
        entry.seen = entry.seen.max(now).max(batch.timestamp.unwrap_or_default());
        let Some(marker) = marker else {
            entry.add_data(batch);
            if let Some(first_offset) = entry.transaction_first_offset {
                self.open.insert(first_offset, batch.producer_id);
            }
            return None;
        };
        // A marker without data before it concerns neither the stable offset nor the index.
        let first_offset = entry.add_marker(batch.epoch, marker)?;
        self.open.remove(&first_offset);
        if batch.last_offset >= self.high_watermark {
            self.uncommitted.insert(first_offset, batch.last_offset);
        }
        Some(CompletedTransaction {
            producer_id: batch.producer_id,
            first_offset,
            last_offset: batch.last_offset,
            is_aborted: marker.is_abort,
            last_stable_offset: self.first_open_offset().unwrap_or(batch.last_offset.plus(1)),
        })
    }

    /// Notes that the log reaches up to `end_offset`, whoever wrote the last records.
    pub fn advance_to(&mut self, end_offset: Offset) {
        self.end_offset = self.end_offset.max(end_offset);
    }

    /// The offset after the last batch taken in.
    pub const fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Where the oldest open transaction began.
    pub fn first_open_offset(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(&offset, _)| offset)
    }

    /// Where the oldest transaction began that is not decided for good, as it is open or its marker
    /// is not committed: consumers that read committed stop before it.
    ///
    /// Source: `ProducerStateManager.firstUnstableOffset`.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let uncommitted = self.uncommitted.first_key_value().map(|(&offset, _)| offset);
        self.first_open_offset().into_iter().chain(uncommitted).min()
    }

    /// Notes that everything below `offset` is committed, markers too.
    pub fn set_high_watermark(&mut self, offset: Offset) {
        self.high_watermark = offset;
        self.uncommitted.retain(|_, marker| *marker >= offset);
    }

    /// What is remembered of one producer.
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// All producers, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(&producer_id, entry)| (producer_id, entry))
    }

    /// Forgets the producers not heard of for `expiration_ms` (`producer.id.expiration.ms`), unless
    /// they have a transaction open. Returns how many.
    ///
    /// Differs from Kafka, which looks at the timestamps of the records alone and so forgets at
    /// once, with its dedup window, whoever writes old ones.
    pub fn expire(&mut self, now: TimestampMs, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, entry| {
            entry.transaction_first_offset.is_some() || now.since_ms(entry.seen) < expiration_ms
        });
        before - self.producers.len()
    }

    /// The state as of `end_offset` made of a snapshot's entries.
    fn from_entries(
        producers: BTreeMap<ProducerId, ProducerEntry>,
        end_offset: Offset,
    ) -> ProducerState {
        let open = producers
            .iter()
            .filter_map(|(&id, entry)| entry.transaction_first_offset.map(|offset| (offset, id)))
            .collect();
        ProducerState { producers, open, end_offset, ..ProducerState::default() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
