//! Looking after the partitions that the disk has let down: what failed is tried again, less and
//! less often, until the disk does its work.

use std::sync::Arc;
use std::time::Duration;

use millrace_log::LogError;
use millrace_types::TopicPartition;
use tokio::time::sleep;

use super::opening::Opening;
use super::{Partitions, Slot};
use crate::partition::Partition;

/// The rest before the first attempt, doubled after each that was in vain.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15);

impl Partitions {
    /// Heals what can be healed until the broker stops. `opened` hears of each partition that could
    /// not be opened before.
    pub async fn keep_well(self: Arc<Self>, opened: impl Fn(&Arc<Partition>) + Send) {
        let stopping = self.env.tasks.stopping().clone();
        let mut pause = PAUSE_MIN;
        loop {
            tokio::select! { biased;
                () = stopping.cancelled() => return,
                () = self.env.ailing.wait() => {}
            }
            tokio::select! { biased;
                () = stopping.cancelled() => return,
                () = sleep(pause) => {}
            }
            for id in self.env.ailing.all() {
                if stopping.is_cancelled() {
                    return;
                }
                self.tend(id, &opened).await;
            }
            let are_well = self.env.ailing.all().is_empty();
            pause = if are_well { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        }
    }

    async fn tend(
        self: &Arc<Self>,
        id: TopicPartition,
        opened: &(impl Fn(&Arc<Partition>) + Send),
    ) {
        let outcome = match self.slot(&id) {
            None => Ok(true),
            Some(Slot::Open(partition)) => self.env.blocking.run(move || partition.heal()).await,
            Some(Slot::Failed(_)) => self.open_again(&id, opened).await,
        };
        match outcome {
            Ok(true) => {
                tracing::info!(partition = %id, "partition is well again");
                self.env.ailing.is_well(&id);
                // It may have failed once more just before that.
                if let Some(partition) = self.get(&id) {
                    partition.report_ailment();
                }
            }
            Ok(false) => {}
            Err(error) => {
                let text = crate::partition::text_of(&error);
                tracing::warn!(partition = %id, error = %text, "partition is still held up");
                self.env.ailing.report(&id, &text);
            }
        }
    }

    /// Opens a partition that could not be opened.
    async fn open_again(
        self: &Arc<Self>,
        id: &TopicPartition,
        opened: &(impl Fn(&Arc<Partition>) + Send),
    ) -> Result<bool, LogError> {
        // The image must not be followed meanwhile: the topic may go, and come again.
        let _alone = self.following.lock().await;
        let Some(Slot::Failed(opening)) = self.slot(id) else { return Ok(true) };
        let this = Arc::clone(self);
        let outcome = self.env.blocking.run(move || {
            let Opening { state, terms } = *opening;
            let (id, topic_id) = (state.partition, state.topic_id);
            this.find_again(&id)?;
            let log = this.open_log(&id, topic_id, terms.config.log.clone())?;
            let partition = Partition::new(this.env.clone(), id.clone(), topic_id, log, &terms);
            this.put(&id, topic_id, Slot::Open(Arc::clone(&partition)));
            Ok::<_, LogError>(partition)
        });
        opened(&outcome.await?);
        Ok(true)
    }

    /// Looks whether a partition has left something on the disk, for when it is opened next.
    pub(super) fn find_again(&self, id: &TopicPartition) -> Result<(), LogError> {
        if let Some(found) = self.dir.find(id)? {
            self.lock_found().insert(found.partition, found.topic_id);
        }
        Ok(())
    }

    fn slot(&self, id: &TopicPartition) -> Option<Slot> {
        let directory = self.read();
        directory.topics.get(directory.ids.get(&id.topic)?)?.get(&id.partition).cloned()
    }
}
