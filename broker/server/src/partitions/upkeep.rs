//! What is done for all partitions from time to time, by one task: checkpoints, retention, forgotten
//! producers, files whose time has come, flushes that no config asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::config::broker::LogsConfig;
use millrace_log::LogOffsets;
use millrace_types::TopicPartition;
use tokio::time::{Instant, sleep_until};

use super::Partitions;

/// How often each thing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpkeepIntervals {
    /// Writing checkpoints.
    pub checkpoint: Duration,
    /// Flushing what no config asks to be flushed.
    pub flush: Duration,
    /// Retention, and forgetting producers with it.
    pub retention: Duration,
    /// How long a silent producer is remembered, in milliseconds.
    pub producer_id_expiration_ms: i64,
}

/// Files are removed at most so much later than they could be.
const DELETION_CHECK: Duration = Duration::from_secs(1);

impl UpkeepIntervals {
    /// As the broker is configured. One interval for all checkpoints: the files whose content does
    /// not change are not written.
    pub fn of(config: &LogsConfig) -> UpkeepIntervals {
        let checkpoint_ms = config
            .high_watermark_checkpoint_interval_ms
            .min(config.recovery_point_checkpoint_interval_ms)
            .min(config.log_start_checkpoint_interval_ms);
        UpkeepIntervals {
            checkpoint: Duration::from_millis(checkpoint_ms),
            flush: Duration::from_millis(config.recovery_point_checkpoint_interval_ms),
            retention: Duration::from_millis(config.retention_check_interval_ms),
            producer_id_expiration_ms: config.producer_id_expiration_ms,
        }
    }
}

impl Partitions {
    /// Looks after the partitions until the broker stops.
    /// `intervals` is asked each time: some are dynamic configs.
    pub async fn look_after(self: Arc<Self>, intervals: impl Fn() -> UpkeepIntervals + Send) {
        let stopping = self.env.tasks.stopping().clone();
        let start = Instant::now();
        let mut checkpoint_at = later(start, intervals().checkpoint);
        let mut flush_at = later(start, intervals().flush);
        let mut retention_at = later(start, intervals().retention);
        loop {
            let deletion_at = if self.lock_deletions().is_empty() {
                checkpoint_at
            } else {
                later(Instant::now(), DELETION_CHECK)
            };
            let next = checkpoint_at.min(flush_at).min(retention_at).min(deletion_at);
            tokio::select! { biased;
                () = stopping.cancelled() => return,
                () = sleep_until(next) => {}
            }
            let (now, intervals) = (Instant::now(), intervals());
            if now >= retention_at {
                retention_at = later(now, intervals.retention);
                self.run(move |this| this.retain(intervals.producer_id_expiration_ms)).await;
            }
            if now >= flush_at {
                flush_at = later(now, intervals.flush);
                // One after the other: nobody waits for it, others may need the disk.
                for partition in self.all() {
                    partition.bound_recovery().await;
                }
            }
            if now >= checkpoint_at {
                checkpoint_at = later(now, intervals.checkpoint);
                self.run(Partitions::checkpoint).await;
            }
            self.run(Partitions::delete_due).await;
        }
    }

    async fn run(self: &Arc<Self>, work: impl FnOnce(&Partitions) + Send + 'static) {
        let this = Arc::clone(self);
        self.env.blocking.run(move || work(&this)).await;
    }

    /// Writes down where each log stands.
    pub fn checkpoint(&self) {
        let mut offsets = self.offsets_of_failed();
        let all = self.all();
        offsets.extend(
            all.iter().filter_map(|partition| Some((partition.id().clone(), partition.offsets()?))),
        );
        if let Err(error) = self.dir.write_checkpoints(&offsets) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "checkpoints cannot be written");
        }
    }

    /// What is written down already of the logs that could not be opened: it holds on.
    pub(super) fn offsets_of_failed(&self) -> BTreeMap<TopicPartition, LogOffsets> {
        let failed = self.failed().into_iter();
        failed.map(|id| (id.clone(), self.dir.checkpointed(&id))).collect()
    }

    /// Removes what is too old or too much, and forgets who was silent for too long.
    fn retain(&self, producer_id_expiration_ms: i64) {
        let now = self.env.clock.now();
        for partition in self.all() {
            partition.expire_producers(now, producer_id_expiration_ms);
            match partition.retain(now) {
                Ok(Some(deletion)) => self.lock_deletions().push(deletion),
                Ok(None) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(partition = %partition.id(), error, "retention failed");
                }
            }
        }
    }

    /// Removes the files whose time has come, flushes that no config asks for.
    fn delete_due(&self) {
        let now = self.env.clock.now();
        let due: Vec<_> =
            self.lock_deletions().extract_if(.., |deletion| deletion.due <= now).collect();
        for deletion in due {
            if let Err(error) = deletion.run(&*self.env.disk) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "files of removed segments stay until the next start");
            }
        }
    }
}

fn later(instant: Instant, duration: Duration) -> Instant {
    // An interval that leaves the range of the clock is never over.
    let never = Duration::from_hours(24 * 365);
    instant.checked_add(duration.min(never)).unwrap_or(instant)
}
