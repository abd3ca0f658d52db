//! The long poll: reads the partitions of a fetch, waits until there is enough, and reads again what
//! has moved. Never polls: partitions wake it.

use std::sync::Arc;

use millrace_core::replication::fetch_session::{FetchOutcome, FetchWant};
use millrace_core::replication::last_stable::Reader;
use millrace_log::disk::Patience;
use millrace_types::ErrorCode;
use tokio::time::{Instant, sleep_until};

use crate::env::Env;
use crate::partition::{Partition, PartitionError, PartitionRead, ReadWant, Waiter};

/// How much a fetch wants and how long it waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Who reads; `None` for a replica that is none.
    pub(super) reader: Option<Reader>,
    /// Enough bytes to answer before the deadline.
    pub(super) bytes_min: i64,
    /// Most bytes to answer, but for a first batch that is larger.
    pub(super) bytes_max: usize,
    /// When to answer with what there is.
    pub(super) deadline: Instant,
    /// Whether to wait at all.
    pub(super) waits: bool,
}

/// One partition of a fetch.
#[derive(Debug)]
pub(super) struct Target {
    /// The partition, if it is here.
    pub(super) partition: Result<Arc<Partition>, ErrorCode>,
    /// What the client wants of it.
    pub(super) want: FetchWant,
}

/// What was read of a partition last.
pub(super) type Read = Result<PartitionRead, ErrorCode>;

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Poll {
    env: Env,
    limits: Limits,
    targets: Vec<Target>,
    reads: Vec<Read>,
    /// Bytes of records in `reads`.
    bytes: usize,
    /// What of `reads` counts towards the least that is wanted, in bytes.
    counted_bytes: usize,
    has_urgent: bool,
}

impl Poll {
    pub(super) fn new(env: Env, limits: Limits, targets: Vec<Target>) -> Poll {
        let reads = Vec::new();
        Poll { env, limits, targets, reads, bytes: 0, counted_bytes: 0, has_urgent: false }
    }

    /// What was read of each partition, in the order of the fetch.
    pub(super) fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Reads all partitions as long as that does not mean to wait for the disk; returns whether it
    /// did not. Else nothing is read.
    pub(super) fn read_from_memory(&mut self) -> bool {
        let is_done = self.read_all(Patience::Never);
        if !is_done {
            self.reads.clear();
        }
        is_done
    }

    /// Reads all partitions anew; returns whether all could be read with so much patience.
    fn read_all(&mut self, patience: Patience) -> bool {
        (self.bytes, self.counted_bytes, self.has_urgent) = (0, 0, false);
        self.reads.clear();
        for place in 0..self.targets.len() {
            let Some(read) = self.read(place, patience) else { return false };
            self.reads.push(read);
        }
        true
    }

    /// Whether there is an answer that needs no more waiting.
    pub(super) fn is_satisfied(&self) -> bool {
        !self.limits.waits
            || self.targets.is_empty()
            || self.has_urgent
            || self.missing_bytes() <= 0
    }

    /// Waits until there is enough, or it has lasted too long, or the broker stops.
    pub(super) async fn wait(&mut self) {
        if self.reads.is_empty() {
            self.read_where_it_may_block().await;
        }
        if self.is_satisfied() {
            return;
        }
        let standing = Standing::new(&self.targets);
        let stopping = self.env.tasks.stopping().clone();
        // What has moved since it was read tells nobody: look again, now that we stand there.
        self.read_all(Patience::Waits);
        while !self.is_satisfied() {
            let moved = standing.waiter.lack(self.missing_bytes());
            if !moved.is_empty() {
                moved.into_iter().for_each(|place| self.read_again(place));
                continue;
            }
            tokio::select! { biased;
                () = stopping.cancelled() => return,
                () = standing.waiter.woken() => {}
                () = sleep_until(self.limits.deadline) => return self.read_rest(&standing),
            }
        }
    }

    /// At the deadline: what has moved but was not enough belongs into the answer.
    fn read_rest(&mut self, standing: &Standing) {
        let moved = standing.waiter.lack(0);
        moved.into_iter().for_each(|place| self.read_again(place));
    }

    async fn read_where_it_may_block(&mut self) {
        let targets = std::mem::take(&mut self.targets);
        let mut elsewhere = Poll::new(self.env.clone(), self.limits, targets);
        let blocking = self.env.blocking;
        *self = blocking
            .run(move || {
                elsewhere.read_all(Patience::Waits);
                elsewhere
            })
            .await;
    }

    fn read_again(&mut self, place: usize) {
        let Some(before) = self.reads.get_mut(place) else { return };
        if let Ok(before) = before {
            self.bytes = self.bytes.saturating_sub(before.size_bytes());
            self.counted_bytes = self.counted_bytes.saturating_sub(before.counted_bytes);
        }
        let read = self.read(place, Patience::Waits);
        if let Some((slot, read)) = self.reads.get_mut(place).zip(read) {
            *slot = read;
        }
    }

    /// Reads one partition and counts what was read; `None` if that takes more patience.
    fn read(&mut self, place: usize, patience: Patience) -> Option<Read> {
        let read = self.read_one(place, patience)?;
        match &read {
            Ok(read) => {
                self.bytes = self.bytes.saturating_add(read.size_bytes());
                self.counted_bytes = self.counted_bytes.saturating_add(read.counted_bytes);
                self.has_urgent |= read.is_urgent();
            }
            Err(_) => self.has_urgent = true,
        }
        Some(read)
    }

    fn read_one(&self, place: usize, patience: Patience) -> Option<Read> {
        let target = self.targets.get(place)?;
        let partition = match &target.partition {
            Ok(partition) => partition,
            Err(code) => return Some(Err(*code)),
        };
        let Some(reader) = self.limits.reader else {
            return Some(Err(ErrorCode::NotLeaderOrFollower));
        };
        let read = partition.read(&ReadWant {
            want: target.want,
            reader,
            bytes_max: self.limits.bytes_max.saturating_sub(self.bytes),
            needs_one_batch: self.bytes == 0,
            patience,
        });
        if let Err(PartitionError::NotInMemory) = &read {
            return None;
        }
        Some(read.map_err(|error| {
            if error.error_code() == ErrorCode::KafkaStorageError {
                tracing::error!(partition = %partition.id(), %error, "partition cannot be read");
            }
            error.error_code()
        }))
    }

    fn missing_bytes(&self) -> i64 {
        let counted_bytes = i64::try_from(self.counted_bytes).unwrap_or(i64::MAX);
        self.limits.bytes_min.saturating_sub(counted_bytes)
    }
}

/// What of a read decides whether it belongs into the answer of a session.
pub(super) fn outcome(read: &Read) -> FetchOutcome {
    match read {
        Ok(read) => FetchOutcome {
            high_watermark: Some(read.bounds.high_watermark),
            log_start: Some(read.bounds.start),
            has_records: read.size_bytes() > 0,
            is_urgent: read.diverging.is_some(),
        },
        Err(_) => FetchOutcome {
            high_watermark: None,
            log_start: None,
            has_records: false,
            is_urgent: true,
        },
    }
}

/// Stands with partitions as long as it lives.
struct Standing {
    waiter: Arc<Waiter>,
    partitions: Vec<Arc<Partition>>,
}

impl Standing {
    fn new(targets: &[Target]) -> Standing {
        let waiter = Arc::new(Waiter::default());
        let mut partitions = Vec::with_capacity(targets.len());
        for (place, target) in targets.iter().enumerate() {
            if let Ok(partition) = &target.partition {
                partition.add_waiter(&waiter, place);
                partitions.push(Arc::clone(partition));
            }
        }
        Standing { waiter, partitions }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        for partition in &self.partitions {
            partition.remove_waiter(&self.waiter);
        }
    }
}
