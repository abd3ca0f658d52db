//! Appends batches: one vectored write, then what is known of the log follows.

use std::io::IoSlice;

use millrace_types::{Offset, TimestampMs};

use super::Log;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::new_batch::NewBatch;
use crate::producer_state::{CompletedTransaction, ProducerBatch};
use crate::segment::{Incoming, WriteError};
use crate::txn_index::AbortedTransaction;

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// How many of the batches were appended: all that fit into the segment, at least one.
    pub batches_count: usize,
    /// Offset of the first record.
    pub base_offset: Offset,
    /// The log's new end.
    pub next_offset: Offset,
    /// Bytes written.
    pub size_bytes: u64,
    /// Whether a new segment was begun.
    pub has_rolled: bool,
}

impl Log {
    /// Appends checked batches, all with one write. Those that belong into a further segment are
    /// left out: the caller appends the rest with another call, see [`AppendInfo::batches_count`].
    ///
    /// The first batch may begin behind the log's end (the leader's log may be compacted), each
    /// other one behind the one before.
    ///
    /// # Errors
    /// Nothing was appended. After [`LogError::Failed`] nothing will be until the log is opened again
    /// ([`Log::prepare_reopen`]).
    pub fn append(
        &mut self,
        batches: &[NewBatch<'_>],
        now: TimestampMs,
    ) -> Result<AppendInfo, LogError> {
        self.check_working()?;
        self.check_order(batches)?;
        let Some(first) = batches.first() else {
            let end = self.end_offset();
            return Ok(AppendInfo {
                batches_count: 0,
                base_offset: end,
                next_offset: end,
                size_bytes: 0,
                has_rolled: false,
            });
        };
        let incoming = self.check_size(first)?;
        let has_rolled =
            self.should_roll(&incoming, now)? && self.roll_at(first.header().base_offset, now)?;
        let count = self.count_fitting(batches, now)?;
        let batches = batches.get(..count).unwrap_or_default();
        self.write(batches)?;
        let next_offset = self.take_in(batches, now)?;
        let size_bytes = batches.iter().map(|batch| batch.header().size_bytes as u64).sum();
        self.unsynced.appended(size_bytes);
        if self.writer.are_indexes_due() {
            // Readers find the entries in memory as long as the disk does not take them.
            if let Err(error) = self.writer.write_indexes() {
                tracing::warn!(%error, "index entries stay in memory");
            }
        }
        Ok(AppendInfo {
            batches_count: count,
            base_offset: first.header().base_offset,
            next_offset,
            size_bytes,
            has_rolled,
        })
    }

    fn check_order(&self, batches: &[NewBatch<'_>]) -> Result<(), LogError> {
        let mut end_offset = self.end_offset();
        for batch in batches {
            let base_offset = batch.header().base_offset;
            if base_offset < end_offset {
                return Err(LogError::OutOfOrder { base_offset, end_offset });
            }
            end_offset = batch.header().next_offset();
        }
        Ok(())
    }

    fn check_size(&self, batch: &NewBatch<'_>) -> Result<Incoming, LogError> {
        let incoming = incoming(batch, 0);
        let limit_bytes = u64::from(self.config.segment_bytes);
        if incoming.size_bytes > limit_bytes {
            return Err(LogError::LargerThanSegment {
                size_bytes: incoming.size_bytes,
                limit_bytes,
            });
        }
        Ok(incoming)
    }

    /// How many of the batches go into the active segment before it must be rolled; at least one.
    fn count_fitting(
        &mut self,
        batches: &[NewBatch<'_>],
        now: TimestampMs,
    ) -> Result<usize, LogError> {
        let mut before_bytes = 0;
        let mut count = 0;
        for batch in batches {
            let incoming = incoming(batch, before_bytes);
            if count > 0 && self.should_roll(&incoming, now)? {
                break;
            }
            before_bytes = incoming.size_bytes;
            count += 1;
        }
        Ok(count)
    }

    fn write(&mut self, batches: &[NewBatch<'_>]) -> Result<(), LogError> {
        let parts: Vec<IoSlice<'_>> = batches
            .iter()
            .flat_map(|batch| [IoSlice::new(batch.head()), IoSlice::new(batch.payload())])
            .collect();
        let headers = batches.iter().map(NewBatch::header);
        match self.writer.append(&parts, headers, self.config.index_interval_bytes) {
            Ok(()) => Ok(()),
            Err(WriteError::Undone(error)) => Err(error),
            Err(WriteError::Torn(error)) => Err(self.fail(&error)),
        }
    }

    /// Follows up on batches that are in the file: epochs, producers, and last the new end, with
    /// which readers may see them.
    fn take_in(&mut self, batches: &[NewBatch<'_>], now: TimestampMs) -> Result<Offset, LogError> {
        let mut latest = self.reader().latest_epoch();
        let mut end_offset = self.end_offset();
        for batch in batches {
            let header = batch.header();
            if let Some(epoch) = header.leader_epoch
                && latest.is_none_or(|latest| epoch > latest)
            {
                self.shared.change_epochs(|epochs| epochs.assign(epoch, header.base_offset));
                latest = Some(epoch);
                self.is_epoch_empty = true;
            }
            if std::mem::take(&mut self.is_epoch_empty) {
                self.unsynced.epochs_changed();
            }
            if let Some(producer_batch) = batch.producer_batch()
                && let Err(error) = self.update_producers(&producer_batch, now)
            {
                return Err(self.fail(&error));
            }
            end_offset = header.next_offset();
        }
        self.producers.advance_to(end_offset);
        self.shared.set_first_unstable(self.producers.first_unstable_offset());
        self.shared.set_end(end_offset);
        Ok(end_offset)
    }

    /// Tells the producers' state and the index of aborted transactions of a batch in the log.
    pub(super) fn update_producers(
        &mut self,
        batch: &ProducerBatch,
        now: TimestampMs,
    ) -> Result<(), LogError> {
        let Some(completed) = self.producers.update(batch, now) else {
            return Ok(());
        };
        note_aborted(self.writer.segment(), &completed)
    }
}

/// Writes a transaction into the segment's index, if it was aborted.
pub(super) fn note_aborted(
    segment: &crate::segment::Segment,
    completed: &CompletedTransaction,
) -> Result<(), LogError> {
    if !completed.is_aborted {
        return Ok(());
    }
    let aborted = AbortedTransaction {
        first_offset: completed.first_offset,
        last_offset: completed.last_offset,
        producer_id: completed.producer_id,
        last_stable_offset: completed.last_stable_offset,
    };
    segment.txn_index_or_new()?.append(&aborted).at("append to", segment.path(FileKind::TxnIndex))
}

/// A batch that is to be written behind `before_bytes` others.
fn incoming(batch: &NewBatch<'_>, before_bytes: u64) -> Incoming {
    let header = batch.header();
    Incoming {
        size_bytes: before_bytes.saturating_add(header.size_bytes as u64),
        max_timestamp: header.max_timestamp,
        last_offset: header.last_offset(),
    }
}
