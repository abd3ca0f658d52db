//! Which transactions the cleaner is in the midst of, so that the records of aborted ones go and a
//! marker goes only after all that it marks.
//!
//! Source: Kafka's `CleanedTransactionMetadata`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use millrace_types::{Offset, ProducerId};
use millrace_wire::record::{BatchHeader, ControlRecord};

use crate::txn_index::AbortedTransaction;

/// The transactions open at the batch that was read last.
#[derive(Debug)]
pub(crate) struct Transactions {
    /// Aborted ones that begin later, by their first offset.
    to_come: VecDeque<AbortedTransaction>,
    aborted: BTreeMap<ProducerId, Aborted>,
    /// Producers with records of a transaction that was not aborted.
    committed: BTreeSet<ProducerId>,
}

#[derive(Debug)]
struct Aborted {
    transaction: AbortedTransaction,
    /// Whether any of its batches is still in the log.
    has_batch: bool,
}

/// What a control batch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A transaction of which batches are left; with it if it was aborted.
    Transaction(Option<AbortedTransaction>),
    /// One of which nothing is left: the marker has no use any more.
    Nothing,
    /// No transaction: a control record of another kind.
    Unknown,
}

impl Transactions {
    /// Nothing open yet; `aborted` are all transactions whose records may be met.
    pub(crate) fn new(mut aborted: Vec<AbortedTransaction>) -> Transactions {
        aborted.sort();
        aborted.dedup();
        Transactions {
            to_come: aborted.into(),
            aborted: BTreeMap::new(),
            committed: BTreeSet::new(),
        }
    }

    /// Takes in a batch of records. Returns whether they are void.
    pub(crate) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        let Some(producer) = header.producer.filter(|_| header.attributes.is_transactional())
        else {
            return false;
        };
        match self.aborted.get_mut(&producer.id) {
            Some(aborted) => {
                aborted.has_batch = true;
                true
            }
            None => {
                self.committed.insert(producer.id);
                false
            }
        }
    }

    /// Takes in a control batch; `record` is `None` if the batch was emptied earlier.
    pub(crate) fn on_control(
        &mut self,
        header: &BatchHeader,
        record: Option<ControlRecord>,
    ) -> Ended {
        self.begin_up_to(header.last_offset());
        let marker = match record {
            Some(ControlRecord::EndTxn(marker)) => marker,
            Some(ControlRecord::Other { .. }) => return Ended::Unknown,
            None => return Ended::Nothing,
        };
        let Some(producer) = header.producer else {
            return Ended::Unknown;
        };
        if marker.is_commit {
            let is_known = self.committed.remove(&producer.id);
            return if is_known { Ended::Transaction(None) } else { Ended::Nothing };
        }
        match self.aborted.remove(&producer.id) {
            Some(Aborted { transaction, has_batch: true }) => Ended::Transaction(Some(transaction)),
            Some(Aborted { has_batch: false, .. }) | None => Ended::Nothing,
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(transaction) =
            self.to_come.pop_front_if(|transaction| transaction.first_offset <= offset)
        {
            self.aborted
                .entry(transaction.producer_id)
                .or_insert(Aborted { transaction, has_batch: false });
        }
    }
}
