//! Opening partitions when they come, closing them when the broker stops, deleting them when their
//! topic is gone. All of it touches the disk, so all of it runs where it may block.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millrace_core::metadata::{Image, PartitionState};
use millrace_log::{Log, LogConfig, LogError, LogOffsets, RecoveryProgress};
use millrace_types::{TopicId, TopicPartition};
use tokio::sync::mpsc;
use tokio::time::interval;

use super::{OpeningProgress, Partitions, Slot, TopicConfigs};
use crate::partition::{Partition, Terms, text_of};

/// How many logs are opened or closed at once: enough to keep a disk and the cores busy.
const AT_ONCE: usize = 4;

/// How often progress is told while a single log takes long.
const PROGRESS_TOLD_EACH: Duration = Duration::from_millis(500);

/// One partition to be opened.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) state: PartitionState,
    pub(super) terms: Terms,
}

impl Partitions {
    /// Opens partitions, makes those that are not on disk.
    pub(super) async fn open_all(
        self: &Arc<Self>,
        states: &[PartitionState],
        image: &Image,
        configs: &TopicConfigs<'_>,
        progress: &(dyn Fn(OpeningProgress) + Sync),
    ) {
        let mut openings = VecDeque::new();
        let mut config = None;
        for state in states {
            // Partitions of a topic stand together: one config for all of them.
            let topic = state.partition.topic.as_str();
            let known = config.take_if(|(id, _)| *id == state.topic_id);
            let (_, shared) = match known {
                Some(known) => known,
                None => match image.topic(topic) {
                    Some(topic) => (state.topic_id, Arc::new(configs(topic))),
                    None => continue,
                },
            };
            config = Some((state.topic_id, Arc::clone(&shared)));
            let terms = self.terms(state, image, shared);
            openings.push_back(Opening { state: state.clone(), terms });
        }
        let total = openings.len();
        let work = |partitions: &Partitions, opening| partitions.open(opening);
        let mut done = Arc::clone(self).each(openings, work);
        let mut count = 0;
        let mut tick = interval(PROGRESS_TOLD_EACH);
        loop {
            tokio::select! { biased;
                one = done.recv() => match one {
                    Some(()) => count += 1,
                    None => break,
                },
                _ = tick.tick() => {}
            }
            progress(OpeningProgress { done: count, total, scanned: *self.lock_scanned() });
        }
    }

    fn open(&self, opening: Opening) {
        let Opening { state, terms } = &opening;
        let (id, topic_id) = (state.partition.clone(), state.topic_id);
        let slot = match self.open_log(&id, topic_id, terms.config.log.clone()) {
            Ok(log) => {
                let env = self.env.clone();
                Slot::Open(Partition::new(env, id.clone(), topic_id, log, terms))
            }
            Err(error) => {
                let text = text_of(&error);
                tracing::error!(partition = %id, error = %text, "partition cannot be opened");
                self.env.ailing.report(&id, &text);
                Slot::Failed(Box::new(opening))
            }
        };
        self.put(&id, topic_id, slot);
    }

    pub(super) fn open_log(
        &self,
        id: &TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
    ) -> Result<Log, LogError> {
        let now = self.env.clock.now();
        let found = self.lock_found().remove(id);
        match found {
            None => self.dir.create_log(id, topic_id, config, now),
            Some(on_disk) if on_disk.is_none_or(|on_disk| on_disk == topic_id) => {
                if on_disk.is_none() {
                    self.dir.write_topic_id(id, topic_id)?;
                }
                let mut last = RecoveryProgress::default();
                let mut progress = |now: RecoveryProgress| {
                    let mut scanned = self.lock_scanned();
                    let more = |sum: u64, now: u64, last: u64| {
                        sum.saturating_add(now.saturating_sub(last))
                    };
                    scanned.bytes_done = more(scanned.bytes_done, now.bytes_done, last.bytes_done);
                    scanned.bytes_total =
                        more(scanned.bytes_total, now.bytes_total, last.bytes_total);
                    last = now;
                };
                self.dir.open_log(id, config, now, &mut progress)
            }
            Some(_) => {
                // What an older topic of the same name left.
                let log = self.dir.open_log(id, config.clone(), now, &mut |_| {})?;
                self.delete_log(id, log)?;
                self.dir.create_log(id, topic_id, config, now)
            }
        }
    }

    /// Takes partitions out of use whose topic is gone; their files go some time later.
    pub(super) async fn delete_all(self: &Arc<Self>, closed: &[(TopicPartition, TopicId)]) {
        let closed: VecDeque<_> = closed.iter().cloned().collect();
        let mut done = Arc::clone(self).each(closed, |partitions, (id, topic_id)| {
            partitions.delete(&id, topic_id);
        });
        while done.recv().await.is_some() {}
    }

    fn delete(&self, id: &TopicPartition, topic_id: TopicId) {
        let deleted = match self.take(id, topic_id) {
            Some(Slot::Open(partition)) => {
                partition.retire().map_or(Ok(()), |log| self.delete_log(id, log))
            }
            // The next partition of that name clears away what is there.
            Some(Slot::Failed(_)) => self.find_again(id),
            None => Ok(()),
        };
        self.env.ailing.is_well(id);
        if let Err(error) = deleted {
            let error: &dyn std::error::Error = &error;
            tracing::error!(partition = %id, error, "partition cannot be deleted");
        }
    }

    fn delete_log(&self, id: &TopicPartition, log: Log) -> Result<(), LogError> {
        let unique = self.env.random.uuid();
        let deletion = self.dir.delete_log(id, log, unique, self.env.clock.now())?;
        self.lock_deletions().push(deletion);
        Ok(())
    }

    /// Closes every partition and writes down where its log ends; then the directory is marked clean,
    /// if all went well with all of them. `broker_epoch` is told to the cluster at the next start.
    pub async fn close(self: &Arc<Self>, broker_epoch: Option<i64>) {
        let partitions: VecDeque<_> = self.all().into();
        let closed = Arc::new(Mutex::new(self.offsets_of_failed()));
        let are_clean = Arc::new(AtomicBool::new(self.failed().is_empty()));
        let (into, all_are_clean) = (Arc::clone(&closed), Arc::clone(&are_clean));
        let mut done = Arc::clone(self).each(partitions, move |_, partition: Arc<Partition>| {
            let Some(mut log) = partition.retire() else { return };
            if let Err(error) = log.close() {
                let error: &dyn std::error::Error = &error;
                tracing::error!(partition = %partition.id(), error, "partition cannot be closed");
                all_are_clean.store(false, Ordering::Relaxed);
            }
            let mut closed = into.lock().unwrap_or_else(PoisonError::into_inner);
            closed.insert(partition.id().clone(), offsets_of(&log));
        });
        while done.recv().await.is_some() {}
        let dir = Arc::clone(&self.dir);
        let outcome = self.env.blocking.run(move || {
            let closed = closed.lock().unwrap_or_else(PoisonError::into_inner);
            dir.write_checkpoints(&closed)?;
            if are_clean.load(Ordering::Relaxed) { dir.mark_clean(broker_epoch) } else { Ok(()) }
        });
        if let Err(error) = outcome.await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the next start will look through the logs");
        }
    }

    /// Does `work` for each item, several at once, where it may block. Something is received for each
    /// item that is done, and the end when all are and nobody holds on to `self` for it any more.
    fn each<T: Send + 'static>(
        self: Arc<Self>,
        items: VecDeque<T>,
        work: impl Fn(&Partitions, T) + Clone + Send + 'static,
    ) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel(items.len().max(1));
        let workers = items.len().min(AT_ONCE);
        let items = Arc::new(Mutex::new(items));
        for _ in 0..workers {
            let (partitions, items) = (Arc::clone(&self), Arc::clone(&items));
            let (sender, work) = (sender.clone(), work.clone());
            let blocking = self.env.blocking;
            self.env.tasks.spawn("logs", async move {
                let all = move || {
                    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    while let Some(item) = next() {
                        work(&partitions, item);
                        // There is room for all; nobody listens if the broker is given up.
                        let _ = sender.try_send(());
                    }
                    drop(partitions);
                    drop(sender);
                };
                blocking.run(all).await;
            });
        }
        receiver
    }
}

fn offsets_of(log: &Log) -> LogOffsets {
    let reader = log.reader();
    LogOffsets {
        recovery_point: log.recovery_point(),
        start_offset: reader.start_offset(),
        high_watermark: reader.high_watermark(),
    }
}
