//! How a shard learns its groups: by reading its log from the beginning, where waiting is allowed.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::group::{Coordinator, DeletedTopic, GroupConfig, GroupRecord, Input};
use millrace_core::limits;
use tokio::time::Instant;

use super::{Life, Serving, Shard, SteadyClock};
use crate::coordinator_log::{CoordinatorLog, ReplayError, ReplayedLog};

/// What came of the replay.
struct Loaded {
    coordinator: Coordinator,
    log: ReplayedLog,
    /// Records that make no sense, or are of protocols that are not served here.
    skipped: u64,
}

impl Shard {
    /// Starts to read the log.
    pub(super) fn load(self: &Arc<Self>) {
        let shard = Arc::clone(self);
        self.env.tasks.spawn("group load", async move { shard.run_load().await });
    }

    async fn run_load(self: Arc<Self>) {
        let started_at = Instant::now();
        loop {
            let mut retry_ms = limits::COORDINATOR_REPLAY_RETRY_MS;
            let (log, config) = (self.log.clone(), self.config.clone());
            match self.env.blocking.run(move || replay(&log, &config)).await {
                Ok(loaded) => return self.loaded(loaded, started_at.elapsed()),
                // A flush is under way, most likely.
                Err(ReplayError::Unsettled { .. }) => {
                    retry_ms = limits::COORDINATOR_SETTLE_RETRY_MS;
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(coordinator = %self.index, error, "groups cannot be loaded");
                }
            }
            let retry = Duration::from_millis(retry_ms);
            tokio::select! {
                biased;
                () = self.env.tasks.stopping().cancelled() => return,
                () = tokio::time::sleep(retry) => {}
            }
            if matches!(self.lock().life, Life::Closed) {
                return;
            }
        }
    }

    fn loaded(self: &Arc<Self>, loaded: Loaded, took: Duration) {
        let Loaded { coordinator, log, skipped } = loaded;
        if log.records > 0 {
            tracing::info!(
                coordinator = %self.index,
                records = log.records,
                skipped,
                from = %log.from,
                to = %log.to,
                took_ms = took.as_millis(),
                "groups loaded"
            );
        }
        let mut state = self.lock();
        if !matches!(state.life, Life::Loading) {
            return;
        }
        // A crash may have come between the end of a topic and that of its offsets.
        let known = coordinator.topics_with_offsets().into_iter();
        let gone = known.filter(|(_, id)| !id.is_zero() && self.image.topic_by_id(*id).is_none());
        state.forgotten.extend(gone.map(|(name, id)| DeletedTopic { name, id }));
        let clock = SteadyClock { base: self.env.clock.now(), origin: Instant::now() };
        state.life = Life::Serving(Box::new(Serving { coordinator, clock }));
        let effects = self.step(&mut state, Input::Loaded);
        let topics = std::mem::take(&mut state.forgotten);
        drop(state);
        self.finish(effects);
        if !topics.is_empty() {
            self.forget_topics(topics);
        }
    }
}

fn replay(log: &CoordinatorLog, config: &GroupConfig) -> Result<Loaded, ReplayError> {
    let batch_bytes_max = log.batch_bytes_max();
    let record_bytes_max = batch_bytes_max.saturating_sub(limits::GROUP_RECORD_OVERHEAD_BYTES);
    let mut coordinator = Coordinator::new(GroupConfig { record_bytes_max, ..config.clone() });
    let mut skipped = 0;
    let log =
        log.replay(|key, value| match GroupRecord::decode(key.unwrap_or_default(), value) {
            Ok(Some(record)) => coordinator.apply(&record),
            Ok(None) => skipped += 1,
            Err(error) => {
                skipped += 1;
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "record of the offsets topic is skipped");
            }
        })?;
    Ok(Loaded { coordinator, log, skipped })
}
