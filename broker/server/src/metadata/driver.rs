//! The task that owns the image: it decides, commits, follows and answers, one round at a time.

use std::sync::Arc;

use millrace_core::config::{BrokerConfig, StaticConfig};
use millrace_core::limits::{METADATA_COMMANDS_QUEUED_MAX, METADATA_WRITE_BYTES};
use millrace_core::metadata::decide::Context;
use millrace_core::metadata::record::encode_all;
use millrace_core::metadata::{Delta, Image, Record, Touched};
use millrace_types::BrokerId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::store::{Store, StoreError};
use super::{Change, Follow, Job, Staged, Unavailable, with_causes};

/// The owner of the metadata.
pub struct Driver<F> {
    pub broker: BrokerId,
    pub file: StaticConfig,
    pub config: Arc<BrokerConfig>,
    /// All that is committed.
    pub image: Image,
    pub store: Store,
    pub follower: F,
}

impl<F: Follow> Driver<F> {
    /// Serves commands until the broker stops.
    pub async fn drive(mut self, mut jobs: mpsc::Receiver<Job>, stopping: CancellationToken) {
        loop {
            let job = tokio::select! { biased;
                () = stopping.cancelled() => break,
                job = jobs.recv() => job,
            };
            let Some(first) = job else { break };
            self.round(first, &mut jobs).await;
        }
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
        let done = self.commit(&decisions).await.map_err(|error| {
            tracing::error!(error = %with_causes(&error), "metadata cannot be written");
            Unavailable::Storage { reason: with_causes(&error) }
        });
        answers.into_iter().for_each(|answer| answer(done.clone()));
    }

    /// Makes decisions durable and follows them.
    pub async fn commit(&mut self, decisions: &[Vec<Record>]) -> Result<(), StoreError> {
        if decisions.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let committed = self.store.commit(decisions).await?;
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
