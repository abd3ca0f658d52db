//! The task that owns the image: it decides, commits, follows and answers, one round at a time.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::config::{BrokerConfig, StaticConfig};
use millrace_core::limits::{METADATA_COMMANDS_QUEUED_MAX, METADATA_WRITE_BYTES};
use millrace_core::metadata::decide::Context;
use millrace_core::metadata::record::encode_all;
use millrace_core::metadata::{Delta, Image, Record, Touched};
use millrace_types::BrokerId;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::store::{Store, StoreError};
use super::{Change, Follow, Job, Staged, Unavailable, with_causes};

/// How long after a failed write it is tried whether the disk takes one again.
const RETRY: Duration = Duration::from_secs(1);

/// The owner of the metadata.
pub struct Driver<F> {
    pub broker: BrokerId,
    pub file: StaticConfig,
    pub config: Arc<BrokerConfig>,
    /// All that is committed.
    pub image: Image,
    pub store: Store,
    pub follower: F,
    /// Whether the last write failed.
    pub is_failing: bool,
}

impl<F: Follow> Driver<F> {
    /// Serves commands until the broker stops. After one that failed it looks from time to time
    /// whether the disk does its work again: nobody may ask for a change as long as it does not.
    pub async fn drive(mut self, mut jobs: mpsc::Receiver<Job>, stopping: CancellationToken) {
        loop {
            let retry = self.is_failing;
            let job = tokio::select! { biased;
                () = stopping.cancelled() => break,
                job = jobs.recv() => job,
                () = sleep(RETRY), if retry => {
                    // Raft starts again, and its term begins with an entry.
                    let outcome = self.commit(&[]).await;
                    self.note(outcome.err());
                    continue;
                }
            };
            let Some(first) = job else { break };
            self.round(first, &mut jobs).await;
        }
    }

    /// Lets the follower hear what became of the last write. Returns why it failed.
    fn note(&mut self, error: Option<StoreError>) -> Option<String> {
        let trouble = error.map(|error| with_causes(&error).to_string());
        if self.is_failing || trouble.is_some() {
            self.is_failing = trouble.is_some();
            self.follower.hear(trouble.as_deref());
        }
        trouble
    }

    /// Decides on what waits, makes it durable at once, and answers.
    async fn round(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) {
        // Each command is decided on what the ones before it leave.
        let mut image = self.image.clone();
        let (mut decisions, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(job) = next {
            let Staged { records, answer } = job(&image, self.context());
            for record in &records {
                image.apply(record, &mut Touched::default());
            }
            bytes += encode_all(&records).len();
            decisions.push(records);
            answers.push(answer);
            let has_room =
                bytes < METADATA_WRITE_BYTES && answers.len() < METADATA_COMMANDS_QUEUED_MAX;
            next = if has_room { jobs.try_recv().ok() } else { None };
        }
        let changes_nothing = decisions.iter().all(Vec::is_empty);
        let failed = if changes_nothing {
            None
        } else {
            let outcome = self.commit(&decisions).await;
            self.note(outcome.err())
        };
        let done = match failed {
            None => Ok(()),
            Some(reason) => {
                tracing::error!(error = reason, "metadata cannot be written");
                Err(Unavailable::Storage { reason: reason.into() })
            }
        };
        answers.into_iter().for_each(|answer| answer(done.clone()));
    }

    /// Makes decisions durable and follows them.
    pub async fn commit(&mut self, decisions: &[Vec<Record>]) -> Result<(), StoreError> {
        let committed = self.store.commit(decisions).await?;
        if committed.is_empty() {
            return Ok(());
        }
        let before = self.image.clone();
        let mut touched = Touched::default();
        for record in &committed {
            self.image.apply(record, &mut touched);
        }
        let delta = Delta::between(&before, &self.image, &touched, self.broker);
        self.follow(delta).await;
        if let Err(error) = self.store.snapshot_if_due(&self.image).await {
            tracing::warn!(error = %with_causes(&error), "no snapshot of the metadata");
        }
        Ok(())
    }

    /// Lets the follower do what the delta says.
    pub async fn follow(&mut self, delta: Delta) {
        let config = self.changed_config(&delta);
        let image = Arc::new(self.image.clone());
        self.follower.follow(Change { image, delta, config }).await;
    }

    fn changed_config(&mut self, delta: &Delta) -> Option<Arc<BrokerConfig>> {
        if !delta.is_broker_reconfigured {
            return None;
        }
        match BrokerConfig::resolve(&self.image.layers(self.broker, &self.file)) {
            Ok(config) => {
                self.config = Arc::new(config);
                Some(Arc::clone(&self.config))
            }
            // Each change was checked; only a start with another file can lead here.
            Err(error) => {
                tracing::error!(%error, "dynamic configs do not fit and are left out");
                None
            }
        }
    }

    pub fn context(&self) -> Context<'_> {
        Context { broker: self.broker, file: &self.file, config: &self.config }
    }
}
