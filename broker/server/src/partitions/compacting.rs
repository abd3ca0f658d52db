//! Compaction of all partitions whose policy says so, by one task: the dirtiest log first, one at a
//! time, beside its writer.
//!
//! How a log is compacted is in `millrace_log::compaction`. A log that cannot be is left alone for a
//! while: trying again at once would fail again and keep the others waiting.
//! Differs from Kafka: there it is left alone until the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_core::config::broker::CleanerConfig;
use millrace_core::limits;
use millrace_log::checkpoint::{self, CheckpointError};
use millrace_log::compaction::{
    CLEANER_CHECKPOINT, Cleaning, CompactionError, CompactionOptions, Plan,
};
use millrace_types::{Offset, TopicId, TopicPartition};
use tokio::time::{Instant, sleep};

use super::Partitions;
use crate::partition::Partition;

/// What is known of the logs that compaction has seen.
struct Compactor {
    partitions: Arc<Partitions>,
    is_cancelled: Arc<AtomicBool>,
    /// Below which offset each log is clean, and of which topic.
    cleaned: BTreeMap<TopicPartition, (Option<TopicId>, Offset)>,
    /// Logs that could not be compacted, and when they are tried again.
    failed: BTreeMap<(TopicPartition, TopicId), Instant>,
}

/// What one turn has done.
enum Turn {
    /// No log was due.
    Idle,
    /// A log of this many bytes was compacted.
    Compacted(u64),
}

impl Partitions {
    /// How many logs could not be compacted when they were tried last.
    pub fn uncompactable(&self) -> usize {
        self.uncompactable.load(Ordering::Relaxed)
    }

    /// Compacts whatever is due until the broker stops. `config` is asked before each log.
    pub async fn keep_compact(self: Arc<Self>, config: impl Fn() -> CleanerConfig + Send) {
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let stopping = self.env.tasks.stopping().clone();
        self.env.tasks.spawn("compaction stop", {
            let (stopping, is_cancelled) = (stopping.clone(), Arc::clone(&is_cancelled));
            async move {
                stopping.cancelled().await;
                is_cancelled.store(true, Ordering::Relaxed);
            }
        });
        let mut compactor = Compactor {
            cleaned: BTreeMap::new(),
            failed: BTreeMap::new(),
            partitions: Arc::clone(&self),
            is_cancelled,
        };
        compactor.read_checkpoint();
        loop {
            let settings = config();
            let rest = self.env.blocking.run(move || {
                let turn = compactor.turn(&settings);
                let failed = compactor.failed.len();
                compactor.partitions.uncompactable.store(failed, Ordering::Relaxed);
                (compactor, settings, turn)
            });
            let (back, settings, turn) = rest.await;
            compactor = back;
            tokio::select! { biased;
                () = stopping.cancelled() => return,
                () = sleep(pause_after(&turn, &settings)) => {}
            }
        }
    }
}

/// How long to rest: so long that the bytes of the last log, read and written, keep to the limit.
fn pause_after(turn: &Turn, settings: &CleanerConfig) -> Duration {
    match turn {
        Turn::Idle => Duration::from_millis(settings.backoff_ms),
        Turn::Compacted(size_bytes) => {
            let limit = settings.io_bytes_per_second.filter(|limit| *limit > 0.0);
            #[expect(clippy::cast_precision_loss, reason = "a pause needs no more than 52 bits")]
            let seconds = limit.map_or(0.0, |limit| 2.0 * *size_bytes as f64 / limit);
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(PAUSE_MAX)
        }
    }
}

/// How long a log is left alone that could not be compacted.
const FAILED_REST: Duration = Duration::from_mins(5);

/// The longest rest after a log, whatever the limit is.
const PAUSE_MAX: Duration = Duration::from_mins(10);

impl Compactor {
    /// Compacts the log that is most in need of it.
    fn turn(&mut self, settings: &CleanerConfig) -> Turn {
        let Some((partition, plan)) = self.dirtiest() else {
            return Turn::Idle;
        };
        let size_bytes = partition.reader().size_bytes();
        let id = partition.id().clone();
        let key = (id.clone(), partition.topic_id());
        match self.compact(&partition, plan, settings) {
            Ok(Some(end)) => {
                tracing::debug!(partition = %id, %end, size_bytes, "log compacted");
                self.cleaned.insert(id, (Some(partition.topic_id()), end));
                self.failed.remove(&key);
                self.write_checkpoint();
            }
            Ok(None) | Err(CompactionError::Cancelled) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    partition = %id,
                    error,
                    retry_in_s = FAILED_REST.as_secs(),
                    "log cannot be compacted"
                );
                self.failed.insert(key, Instant::now() + FAILED_REST);
            }
        }
        Turn::Compacted(size_bytes)
    }

    /// The log with the largest share of records that were not looked at, of those that are due.
    fn dirtiest(&mut self) -> Option<(Arc<Partition>, Plan)> {
        let now = self.partitions.env.clock.now();
        let mut failed = BTreeMap::new();
        let mut dirtiest: Option<(Arc<Partition>, Plan)> = None;
        for partition in self.partitions.all() {
            if self.is_cancelled.load(Ordering::Relaxed) {
                return None;
            }
            if !partition.terms().config.log.cleanup.compacts {
                continue;
            }
            let key = (partition.id().clone(), partition.topic_id());
            let retry_at = self.failed.remove(&key);
            if let Some(retry_at) = retry_at.filter(|retry_at| *retry_at > Instant::now()) {
                failed.insert(key, retry_at);
                continue;
            }
            let checkpoint = self.checkpoint_of(&partition);
            let Some(source) = partition.compaction_source() else { continue };
            match Plan::new(source, checkpoint, now) {
                Ok(Some(plan)) if plan.is_due() => {
                    // It counts as failed until it has come through.
                    failed.extend(retry_at.map(|retry_at| (key, retry_at)));
                    let ratio = plan.dirty_ratio();
                    if dirtiest.as_ref().is_none_or(|(_, best)| ratio > best.dirty_ratio()) {
                        dirtiest = Some((partition, plan));
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    let retry_in_s = FAILED_REST.as_secs();
                    tracing::error!(partition = %key.0, error, retry_in_s, "log cannot be looked at");
                    failed.insert(key, Instant::now() + FAILED_REST);
                }
            }
        }
        // Logs that are gone, or are not to be compacted any more, are forgotten.
        self.failed = failed;
        dirtiest
    }

    /// Compacts one log; returns up to where it is clean, or `None` if it changed meanwhile.
    fn compact(
        &self,
        partition: &Partition,
        plan: Plan,
        settings: &CleanerConfig,
    ) -> Result<Option<Offset>, CompactionError> {
        let now = self.partitions.env.clock.now();
        let options = CompactionOptions {
            dedupe_bytes_max: usize::try_from(settings.dedupe_buffer_bytes).unwrap_or(usize::MAX),
            batch_bytes_max: limits::UNPACKED_BYTES_MAX,
            is_cancelled: &self.is_cancelled,
        };
        let mut cleaning = Cleaning::begin(plan, &options, now)?;
        while let Some(cleaned) = cleaning.next_segment()? {
            match partition.replace(&cleaned, now)? {
                Some(deletion) => self.partitions.lock_deletions().push(deletion),
                None => return Ok(None),
            }
        }
        Ok(Some(cleaning.end_offset()))
    }

    fn checkpoint_of(&self, partition: &Partition) -> Option<Offset> {
        let (topic_id, offset) = self.cleaned.get(partition.id())?;
        // What is known of an earlier topic of that name says nothing.
        topic_id.is_none_or(|id| id == partition.topic_id()).then_some(*offset)
    }

    fn path(&self) -> PathBuf {
        self.partitions.dir.root().join(CLEANER_CHECKPOINT)
    }

    /// Without its checkpoint compaction begins at each log's start: slower, but as good.
    fn read_checkpoint(&mut self) {
        match checkpoint::read_offsets(&*self.partitions.env.disk, &self.path()) {
            Ok(offsets) => {
                self.cleaned = offsets.into_iter().map(|(id, end)| (id, (None, end))).collect();
            }
            Err(error) => tell("read", &error),
        }
    }

    fn write_checkpoint(&mut self) {
        let here: BTreeSet<_> = self.partitions.all().iter().map(|one| one.id().clone()).collect();
        self.cleaned.retain(|id, _| here.contains(id));
        let offsets = self.cleaned.iter().map(|(id, (_, end))| (id.clone(), *end)).collect();
        let disk = &*self.partitions.env.disk;
        if let Err(error) = checkpoint::write_offsets(disk, &self.path(), &offsets) {
            tell("write", &error);
        }
    }
}

fn tell(what: &str, error: &CheckpointError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "cannot {what} the checkpoint of compaction");
}
