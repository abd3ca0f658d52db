//! Appending: who comes puts a batch into the queue; who finds nobody draining it drains it for all.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};

use millrace_core::limits;
use millrace_core::replication::acks::{Acknowledgement, Acks, ReplicaCounts};
use millrace_core::replication::append::{Candidate, Gathering, Placement};
use millrace_log::{LogError, NewBatch};
use millrace_types::{LeaderEpoch, Offset, TimestampMs};
use tokio::sync::oneshot;

use super::flushing;
use super::{Partition, PartitionError, Terms, Writer};

/// Where a batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The offset after its last record.
    pub next_offset: Offset,
    /// The time that the producer is told: the broker's, if the topic goes by it.
    pub log_append_time: Option<TimestampMs>,
    /// The first record of the log.
    pub log_start: Offset,
}

/// What comes of a batch, some time.
pub type Answer = oneshot::Receiver<Result<Appended, PartitionError>>;

/// Batches that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Vec<Entry>,
    /// Whether there is a [`Drain`].
    is_draining: bool,
}

/// One batch that waits to be written.
#[derive(Debug)]
struct Entry {
    candidate: Candidate,
    acks: Acks,
    answer: oneshot::Sender<Result<Appended, PartitionError>>,
}

/// An answer that waits for what was written to be durable or replicated.
pub(super) struct Unsettled {
    acks: Acks,
    appended: Appended,
    answer: oneshot::Sender<Result<Appended, PartitionError>>,
}

/// The duty to write what is in a partition's queue: whoever has it must fulfil it, on a thread
/// that may wait for the disk if there is much to write. Dropped, it fulfils itself elsewhere.
#[derive(Debug)]
#[must_use]
pub struct Drain {
    partition: Option<Arc<Partition>>,
}

impl Partition {
    /// Puts a batch into the queue, behind those that came before. The order is that of the calls;
    /// dropping the answer loses nothing else.
    ///
    /// The batch is written by whoever drains the queue: the caller, if a [`Drain`] is returned.
    pub fn submit(self: &Arc<Self>, candidate: Candidate, acks: Acks) -> (Answer, Option<Drain>) {
        let (answer, receiver) = oneshot::channel();
        let mut queue = self.lock_queue();
        queue.entries.push(Entry { candidate, acks, answer });
        let is_taken = std::mem::replace(&mut queue.is_draining, true);
        let drain = (!is_taken).then(|| Drain { partition: Some(Arc::clone(self)) });
        (receiver, drain)
    }

    /// Puts a batch into the queue and sees to it that it is written, at once if it is small.
    pub fn append(self: &Arc<Self>, candidate: Candidate, acks: Acks) -> Answer {
        let is_small = self.env.pace.allows(candidate.size_bytes());
        let (answer, drain) = self.submit(candidate, acks);
        match drain {
            Some(drain) if is_small => drain.run(),
            // Fulfils itself.
            Some(_) | None => {}
        }
        answer
    }

    /// Writes what is in the queue; returns whether it is empty now and nobody's duty any more.
    fn drain_once(self: &Arc<Self>) -> bool {
        let entries = {
            let mut queue = self.lock_queue();
            if queue.entries.is_empty() {
                queue.entries = Vec::new();
                queue.is_draining = false;
                return true;
            }
            std::mem::take(&mut queue.entries)
        };
        self.write(entries);
        false
    }

    fn write(self: &Arc<Self>, entries: Vec<Entry>) {
        let terms = self.terms();
        let mut guard = self.lock_writer();
        let (Some(writer), Some(epoch)) = (guard.as_mut(), terms.leadership) else {
            entries.into_iter().for_each(|entry| entry.refuse(self.not_leader()));
            return;
        };
        writer.append(self, &terms, epoch, entries);
        self.report_failure(writer);
        let moved = writer.settle(self, &terms);
        writer.start_flush(self);
        drop(guard);
        if let Some(bytes) = moved {
            self.waiters.tell(bytes);
        }
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drain {
    /// Writes what is in the queue, and what comes meanwhile, but not for ever: what comes later is
    /// then written elsewhere.
    pub fn run(mut self) {
        if let Some(partition) = self.partition.take() {
            let is_done = (0..limits::APPEND_TURNS_MAX).any(|_| partition.drain_once());
            if !is_done {
                self.partition = Some(partition);
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if let Some(partition) = self.partition.take() {
            let env = partition.env.clone();
            env.tasks.spawn("append", async move {
                env.blocking.run(move || while !partition.drain_once() {}).await;
            });
        }
    }
}

impl Writer {
    /// Judges and writes the entries; those that were written become unsettled.
    fn append(
        &mut self,
        partition: &Partition,
        terms: &Terms,
        epoch: LeaderEpoch,
        entries: Vec<Entry>,
    ) {
        let admitted = self.judge(entries, terms, epoch);
        let batches: Vec<_> = admitted
            .iter()
            .filter(|(_, placement)| placement.is_append())
            .map(|(entry, _)| NewBatch::placed(*entry.candidate.head(), entry.candidate.payload()))
            .collect();
        let now = partition.env.clock.now();
        let failure = self.write_all(partition, &batches, now).err().map(PartitionError::from);
        let log_start = partition.reader.start_offset();
        let end = partition.reader.end_offset();
        for (entry, placement) in admitted {
            match &failure {
                // What a failed write leaves out may be any of them, and the originals of repetitions.
                Some(error) if placement.next_offset() > end => entry.refuse(error.clone()),
                Some(_) | None => self.accept(entry, placement, log_start),
            }
        }
    }

    fn judge(
        &mut self,
        entries: Vec<Entry>,
        terms: &Terms,
        epoch: LeaderEpoch,
    ) -> Vec<(Entry, Placement)> {
        let end = self.log.reader().end_offset();
        let mut gathering = Gathering::new(self.log.producers(), end, epoch);
        let mut admitted = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let placement = entry.acks.check_before_append(terms.counts);
            let placement = placement
                .map_err(PartitionError::from)
                .and_then(|()| gathering.admit(&mut entry.candidate).map_err(PartitionError::from));
            match placement {
                Ok(placement) => admitted.push((entry, placement)),
                Err(error) => entry.refuse(error),
            }
        }
        admitted
    }

    /// Writes the batches, as many at a time as a segment takes.
    fn write_all(
        &mut self,
        partition: &Partition,
        batches: &[NewBatch<'_>],
        now: TimestampMs,
    ) -> Result<(), LogError> {
        let mut rest = batches;
        while !rest.is_empty() {
            let info = partition.env.pace.measure(|| self.log.append(rest, now))?;
            self.unannounced_bytes = self.unannounced_bytes.saturating_add(info.size_bytes);
            // What is done with is made durable: it need not be read again after a crash.
            self.flushing.is_wanted |= info.has_rolled;
            rest = rest.get(info.batches_count.max(1)..).unwrap_or_default();
        }
        Ok(())
    }

    fn accept(&mut self, entry: Entry, placement: Placement, log_start: Offset) {
        let (base_offset, log_append_time) = placement.answer();
        let next_offset = placement.next_offset();
        let appended = Appended { base_offset, next_offset, log_append_time, log_start };
        let Entry { acks, answer, .. } = entry;
        self.unsettled.push_back(Unsettled { acks, appended, answer });
    }

    /// Moves the high watermark as far as it may, and answers whom that allows. Returns the bytes
    /// that have become readable, if any have.
    pub(super) fn settle(&mut self, partition: &Partition, terms: &Terms) -> Option<u64> {
        let reader = &partition.reader;
        let before = reader.high_watermark();
        let ready = flushing::ready_end(&self.log, reader.end_offset());
        if ready > before {
            self.log.set_high_watermark(ready);
        }
        let high_watermark = reader.high_watermark();
        let mut waiting = VecDeque::new();
        for unsettled in std::mem::take(&mut self.unsettled) {
            if let Some(unsettled) = unsettled.settle(terms.counts, ready, high_watermark) {
                waiting.push_back(unsettled);
            }
        }
        self.unsettled = waiting;
        (high_watermark > before).then(|| std::mem::take(&mut self.unannounced_bytes))
    }

    /// Tells everybody who waits that it went wrong.
    pub(super) fn refuse_unsettled(&mut self, error: &PartitionError) {
        for unsettled in std::mem::take(&mut self.unsettled) {
            let _ = unsettled.answer.send(Err(error.clone()));
        }
    }
}

impl Entry {
    fn refuse(self, error: PartitionError) {
        // Nobody listens if the client is gone.
        let _ = self.answer.send(Err(error));
    }
}

impl Unsettled {
    /// Answers if it can be; else gives itself back.
    fn settle(
        self,
        counts: ReplicaCounts,
        ready: Offset,
        high_watermark: Offset,
    ) -> Option<Unsettled> {
        let end = self.appended.next_offset;
        if self.acks != Acks::None && end > ready {
            return Some(self);
        }
        let answer = match self.acks.check_after_append(counts, end, high_watermark) {
            Ok(Acknowledgement::Pending) => return Some(self),
            Ok(Acknowledgement::Given) => Ok(self.appended),
            Err(error) => Err(PartitionError::from(error)),
        };
        let _ = self.answer.send(answer);
        None
    }
}
