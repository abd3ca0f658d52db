//! One partition that this broker leads: its log, its one writer, and who waits for it.
//!
//! ```text
//!  Produce ─┐            ┌ judge: epoch, sequence, place   (core::replication::append)
//!  Produce ─┼─► queue ──►│ one vectored write              (millrace_log)
//!  groups  ─┘   whoever  │ fsync, if the topic wants it, off the worker threads
//!               comes    └ high watermark moves ─► acknowledgements, long polls
//!               first drains for all
//! ```
//!
//! Flat combining: there is no task for a partition. Who finds nobody draining the queue does it for
//! all who come meanwhile, so an idle partition has no task and no timer, and waiting batches are
//! written together. What may be appended is decided in `core::replication`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use millrace_core::config::TopicConfig;
use millrace_core::replication::acks::{AcksError, ReplicaCounts};
use millrace_core::replication::append::{AppendError, AppendRules};
use millrace_core::replication::delete_records::DeleteRecordsError;
use millrace_core::replication::last_stable::LogBounds;
use millrace_core::replication::leader_epoch::{LeaderEpochError, check_leader_epoch};
use millrace_core::replication::list_offsets::LeaderView;
use millrace_log::producer_state::ProducerState;
use millrace_log::{Log, LogError, LogReader, ReadError};
use millrace_types::{ErrorCode, LeaderEpoch, Offset, TopicId, TopicPartition};

use crate::env::Env;

mod appending;
mod compacting;
mod deleting;
mod describing;
mod flushing;
mod healing;
mod reading;
#[cfg(test)]
mod tests;
mod waiters;

pub use appending::{Answer, Appended, Drain};
pub use reading::{PartitionRead, ReadWant};
pub use waiters::Waiter;

use appending::Queue;
use flushing::Flushing;
use waiters::Waiters;

/// A partition that is open on this broker.
pub struct Partition {
    id: TopicPartition,
    topic_id: TopicId,
    env: Env,
    reader: LogReader,
    /// Exchanged as a whole when the topic's configs or the leadership change.
    terms: RwLock<Arc<Terms>>,
    queue: Mutex<Queue>,
    /// `None` once the partition has left this broker.
    writer: Mutex<Option<Writer>>,
    /// Held while the log is opened again; taken before `writer`.
    healing: Mutex<()>,
    waiters: Waiters,
    /// Where the log ended when this broker's term as leader began.
    epoch_start: AtomicU64,
}

/// What holds for a partition until its topic or its leader changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The topic's config.
    pub config: Arc<TopicConfig>,
    /// What may be appended by that config.
    pub rules: AppendRules,
    /// This broker's term as leader; `None` while another one leads, or none.
    pub leadership: Option<LeaderEpoch>,
    /// How many replicas there are, and how many in sync.
    pub counts: ReplicaCounts,
}

/// What only one may hold at a time.
struct Writer {
    log: Log,
    /// Answers that wait for the high watermark, by the order of their offsets.
    unsettled: VecDeque<appending::Unsettled>,
    flushing: Flushing,
    /// Bytes appended behind the high watermark: long polls were not told of them.
    unannounced_bytes: u64,
}

/// Why a partition does not do what it is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PartitionError {
    /// Another broker leads, or none.
    #[error("{partition} is not led by this broker")]
    NotLeader {
        /// The partition.
        partition: TopicPartition,
    },
    /// The client knows another leader epoch.
    #[error(transparent)]
    LeaderEpoch(#[from] LeaderEpochError),
    /// The batch breaks a rule.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Too few replicas.
    #[error(transparent)]
    Acks(#[from] AcksError),
    /// The records may not be deleted.
    #[error(transparent)]
    DeleteRecords(#[from] DeleteRecordsError),
    /// The reader does not wait for the disk, and would have to.
    #[error("what was asked for is not in memory")]
    NotInMemory,
    /// The log cannot do it; the text has the cause in it.
    #[error("{text}")]
    Log {
        /// The code for the wire.
        code: ErrorCode,
        /// What happened.
        text: Arc<str>,
    },
    /// The replicas were too slow.
    #[error("not acknowledged within {timeout_ms} ms")]
    TimedOut {
        /// The client's limit.
        timeout_ms: i32,
    },
}

impl Partition {
    /// A partition on an open log. If this broker leads it, its epoch begins here.
    pub fn new(
        env: Env,
        id: TopicPartition,
        topic_id: TopicId,
        log: Log,
        terms: &Terms,
    ) -> Arc<Partition> {
        let reader = log.reader();
        let end = reader.end_offset();
        let writer = Writer {
            log,
            unsettled: VecDeque::new(),
            flushing: Flushing::default(),
            unannounced_bytes: 0,
        };
        let partition = Arc::new(Partition {
            id,
            topic_id,
            env,
            reader,
            terms: RwLock::new(Arc::new(Terms { leadership: None, ..terms.clone() })),
            queue: Mutex::default(),
            writer: Mutex::new(Some(writer)),
            healing: Mutex::default(),
            waiters: Waiters::default(),
            epoch_start: AtomicU64::new(end.get()),
        });
        partition.set_terms(terms);
        partition
    }

    /// Topic and number.
    pub const fn id(&self) -> &TopicPartition {
        &self.id
    }

    /// The topic's id.
    pub const fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The log, for reading.
    pub const fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// What holds for the partition now.
    pub fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the terms, and the log's settings with them. Waiting fetches look again.
    pub fn set_terms(self: &Arc<Self>, terms: &Terms) {
        let mut guard = self.lock_writer();
        if let Some(writer) = guard.as_mut() {
            if *writer.log.config() != terms.config.log {
                writer.log.set_config(terms.config.log.clone());
            }
            if let Some(epoch) = terms.leadership
                && self.terms().leadership != Some(epoch)
            {
                writer.log.begin_epoch(epoch);
                self.epoch_start.store(self.reader.end_offset().get(), Ordering::Relaxed);
            }
            *self.terms.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(terms.clone());
            writer.settle(self, terms);
            writer.start_flush(self);
        }
        drop(guard);
        self.waiters.wake();
    }

    /// Puts another config in force; all else stays.
    pub fn reconfigure(self: &Arc<Self>, config: &Arc<TopicConfig>) {
        self.set_terms(&self.terms().with_config(config));
    }

    /// The leader's epoch, if this broker leads and the client means it.
    ///
    /// # Errors
    /// See [`PartitionError`].
    pub fn check_leader(&self, given: Option<LeaderEpoch>) -> Result<LeaderEpoch, PartitionError> {
        let epoch = self.terms().leadership.ok_or_else(|| self.not_leader())?;
        check_leader_epoch(given, epoch)?;
        Ok(epoch)
    }

    /// What the log knows of producers, given to `look`; `None` once the partition has left.
    pub fn with_producers<T>(&self, look: impl FnOnce(&ProducerState) -> T) -> Option<T> {
        self.lock_writer().as_ref().map(|writer| look(writer.log.producers()))
    }

    /// The offsets that bound what is read.
    pub fn bounds(&self) -> LogBounds {
        // The end is read last: the others never pass it.
        let last_stable = self.reader.last_stable_offset();
        let high_watermark = self.reader.high_watermark();
        let start = self.reader.start_offset();
        LogBounds { start, last_stable, high_watermark, end: self.reader.end_offset() }
    }

    /// What ListOffsets has to know of the leader of `epoch`.
    pub fn view(&self, epoch: LeaderEpoch) -> LeaderView {
        let bounds = self.bounds();
        LeaderView {
            bounds,
            epoch,
            epoch_start: Offset::new(self.epoch_start.load(Ordering::Relaxed)),
            start_epoch: self.reader.epoch_at(bounds.start),
        }
    }

    /// Lets a waiting fetch stand here.
    pub fn add_waiter(&self, waiter: &Arc<Waiter>, place: usize) {
        self.waiters.add(waiter, place);
    }

    /// Lets it go.
    pub fn remove_waiter(&self, waiter: &Arc<Waiter>) {
        self.waiters.remove(waiter);
    }

    fn not_leader(&self) -> PartitionError {
        PartitionError::NotLeader { partition: self.id.clone() }
    }

    fn lock_writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Terms {
    /// The terms of a topic with this config.
    pub fn of(
        config: Arc<TopicConfig>,
        leadership: Option<LeaderEpoch>,
        replicas: usize,
        in_sync: usize,
    ) -> Terms {
        let min_in_sync = usize::try_from(config.min_insync_replicas).unwrap_or(usize::MAX);
        let rules = AppendRules::of(&config);
        let counts = ReplicaCounts { replicas, in_sync, min_in_sync };
        Terms { config, rules, leadership, counts }
    }

    /// The same with another config.
    #[must_use]
    pub fn with_config(&self, config: &Arc<TopicConfig>) -> Terms {
        let ReplicaCounts { replicas, in_sync, .. } = self.counts;
        Terms::of(Arc::clone(config), self.leadership, replicas, in_sync)
    }
}

impl PartitionError {
    /// The code for the wire.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            PartitionError::NotLeader { .. } => ErrorCode::NotLeaderOrFollower,
            PartitionError::LeaderEpoch(error) => error.error_code(),
            PartitionError::Append(error) => error.error_code(),
            PartitionError::Acks(error) => error.error_code(),
            PartitionError::DeleteRecords(error) => error.error_code(),
            PartitionError::NotInMemory => ErrorCode::KafkaStorageError,
            PartitionError::Log { code, .. } => *code,
            PartitionError::TimedOut { .. } => ErrorCode::RequestTimedOut,
        }
    }
}

impl From<LogError> for PartitionError {
    fn from(error: LogError) -> PartitionError {
        PartitionError::Log { code: error.error_code(), text: text_of(&error) }
    }
}

impl From<ReadError> for PartitionError {
    fn from(error: ReadError) -> PartitionError {
        match error {
            ReadError::NotInMemory => PartitionError::NotInMemory,
            ReadError::OutOfRange { .. } | ReadError::Log(_) => {
                PartitionError::Log { code: error.error_code(), text: text_of(&error) }
            }
        }
    }
}

/// The error with its causes, in one line.
pub(crate) fn text_of(error: &dyn std::error::Error) -> Arc<str> {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Arc::from(text)
}
