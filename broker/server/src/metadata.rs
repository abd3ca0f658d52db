//! Changes of the cluster's metadata: the only way to make one.
//!
//! ```text
//! handler ─ run(decide) ─┐                                              ┌─► answer
//! handler ─ run(decide) ─┼─► driver: decide ─► Raft ─► one fsync ─► image, delta ─► follower
//! handler ─ run(decide) ─┘           for all that wait                  opens, closes, publishes
//! ```
//! One task owns the image and its log. What is decided is in `millrace_core::metadata`; who reads
//! the image reads the one that the follower published. An answer is given once the change is
//! durable and this broker follows it: a topic that is acknowledged can be written to.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::config::BrokerConfig;
use millrace_core::limits::METADATA_COMMANDS_QUEUED_MAX;
use millrace_core::metadata::decide::automatic_topics::automatic_topic;
use millrace_core::metadata::decide::create_topics::{self, CreateTopics};
use millrace_core::metadata::decide::{Context, Decision, allocate_producer_ids};
use millrace_core::metadata::{Delta, Image, Record};
use millrace_types::{BrokerId, ErrorCode, ProducerId, TopicId};
use tokio::sync::{mpsc, oneshot};

use crate::random::Random;

mod driver;
mod start;
mod store;

pub use start::{MetadataOptions, OpenError, identity};

/// Where changes of the metadata are asked for.
pub struct Metadata {
    broker: BrokerId,
    jobs: mpsc::Sender<Job>,
    /// Blocks of producer ids that belong to this broker.
    producer_ids: Mutex<VecDeque<Range<u64>>>,
}

/// What is done with a change before its answer.
pub trait Follow: Send + 'static {
    /// Closes, opens and changes what the delta says, then publishes the image.
    fn follow(&mut self, change: Change) -> impl Future<Output = ()> + Send;

    /// Hears why no change can be made durable, and with `None` that one can be again.
    fn hear(&mut self, trouble: Option<&str>);
}

/// A change that is durable.
#[derive(Clone, Debug)]
pub struct Change {
    /// The image after it.
    pub image: Arc<Image>,
    /// What this broker has to do.
    pub delta: Delta,
    /// The broker's configs, if they changed.
    pub config: Option<Arc<BrokerConfig>>,
}

/// Why no change can be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// The broker is being closed.
    #[error("the broker is stopping")]
    Stopping,
    /// The change cannot be made durable; it is not made.
    #[error("metadata cannot be written: {reason}")]
    Storage {
        /// The error, with its causes.
        reason: Arc<str>,
    },
}

impl Unavailable {
    /// The code for the wire; both let a client try again.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Unavailable::Stopping => ErrorCode::NotController,
            Unavailable::Storage { .. } => ErrorCode::KafkaStorageError,
        }
    }
}

/// A command on its way to the driver.
type Job = Box<dyn FnOnce(&Image, Context<'_>) -> Staged + Send>;

/// A command that is decided.
struct Staged {
    records: Vec<Record>,
    answer: Box<dyn FnOnce(Result<(), Unavailable>) + Send>,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl Metadata {
    fn new(broker: BrokerId) -> (Metadata, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(METADATA_COMMANDS_QUEUED_MAX);
        (Metadata { broker, jobs, producer_ids: Mutex::default() }, queue)
    }

    /// Decides on the latest state, makes the decision durable, and returns its reply.
    ///
    /// A caller that stops waiting does not undo the change.
    ///
    /// # Errors
    /// See [`Unavailable`]; the change is not made then, or may be made if the process ends before
    /// its next start.
    pub async fn run<R, F>(&self, decide: F) -> Result<R, Unavailable>
    where
        R: Send + 'static,
        F: FnOnce(&Image, Context<'_>) -> Decision<R> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |image, context| {
            let Decision { records, reply } = decide(image, context);
            let answer = Box::new(move |done: Result<(), Unavailable>| {
                // Nobody may be waiting any more.
                drop(sender.send(done.map(|()| reply)));
            });
            Staged { records, answer }
        });
        self.jobs.send(job).await.map_err(|_| Unavailable::Stopping)?;
        receiver.await.unwrap_or(Err(Unavailable::Stopping))
    }

    /// Creates topics because somebody asks for them, with the broker's defaults; `__consumer_offsets`
    /// with its own. Tells of each what became of it.
    ///
    /// # Errors
    /// As [`Metadata::run`].
    pub async fn create_automatically(
        &self,
        names: Vec<String>,
        random: &Random,
    ) -> Result<create_topics::Reply, Unavailable> {
        let named: Vec<(String, TopicId)> =
            names.into_iter().map(|name| (name, random.uuid())).collect();
        self.run(move |image, context| {
            let topics = named.iter().map(|(name, id)| automatic_topic(name, *id, context.config));
            let command = CreateTopics { topics: topics.collect(), is_validate_only: false };
            create_topics::decide(image, &command, context)
        })
        .await
    }

    /// A producer id that no producer had before; `None` if there are no more.
    ///
    /// # Errors
    /// If a new block of ids is needed and cannot be had.
    pub async fn next_producer_id(&self) -> Result<Option<ProducerId>, Unavailable> {
        loop {
            if let Some(id) = self.take_producer_id() {
                return Ok(Some(id));
            }
            let broker = self.broker;
            let allocated = self
                .run(move |image, _| match allocate_producer_ids::decide(image, broker) {
                    Ok(Decision { records, reply }) => Decision { records, reply: Ok(reply) },
                    Err(error) => Decision { records: Vec::new(), reply: Err(error) },
                })
                .await?;
            match allocated {
                Ok(block) => self.lock_producer_ids().push_back(block),
                Err(error) => {
                    tracing::error!(%error, "no producer can be given an id");
                    return Ok(None);
                }
            }
        }
    }

    fn take_producer_id(&self) -> Option<ProducerId> {
        let mut blocks = self.lock_producer_ids();
        while let Some(block) = blocks.front_mut() {
            if let Some(id) = block.next() {
                return i64::try_from(id).ok().and_then(ProducerId::from_wire);
            }
            blocks.pop_front();
        }
        None
    }

    fn lock_producer_ids(&self) -> std::sync::MutexGuard<'_, VecDeque<Range<u64>>> {
        self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes, for a text that stands alone.
fn with_causes(error: &dyn std::error::Error) -> Arc<str> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text.into()
}

#[cfg(test)]
mod tests;
