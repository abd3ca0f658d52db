//! One coordinator at work: its log, its clients that wait, its timer.
//!
//! ```text
//!   Loading ──replayed──► Serving ──an append failed──► Draining ──all appends are over──► Loading
//!      └──────────────────────┴──────── closed ────────────┴──► Closed
//! ```
//! A step of the coordinator is taken under a lock and does not wait. What it hands out is put into
//! the log's queue under the same lock, so that the order is the coordinator's; it is written after.
//! There is a task only while an append is on its way that could not be finished at once, and one
//! for the timer only while a deadline exists.

mod appends;
mod loading;
mod timer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_core::group::{
    Change, Client, Coordinator, DeletedTopic, GroupConfig, GroupError, GroupRecord, Input, Output,
    Reply, Request, Ticket, Token,
};
use millrace_core::metadata::Image;
use millrace_types::{PartitionIndex, TimestampMs};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::coordinator_log::{Appending, CoordinatorLog, CoordinatorLogError, KeyValue};
use crate::env::Env;
use crate::partition::{Drain, Partition};
use appends::InFlight;

/// See the module.
pub(super) struct Shard {
    env: Env,
    index: PartitionIndex,
    log: CoordinatorLog,
    config: GroupConfig,
    /// The topics that there were when this broker began to lead.
    image: Arc<Image>,
    state: Mutex<State>,
    /// Wakes the timer when it is to look again.
    timer: Notify,
}

struct State {
    life: Life,
    waiting: BTreeMap<Token, oneshot::Sender<Reply>>,
    next_token: u64,
    in_flight: InFlight,
    /// Topics that were deleted while the log was read.
    forgotten: Vec<DeletedTopic>,
    /// What the timer sleeps until; `None` if there is no timer.
    timer_until: Option<TimestampMs>,
}

enum Life {
    Loading,
    Serving(Box<Serving>),
    Draining,
    Closed,
}

struct Serving {
    coordinator: Coordinator,
    clock: SteadyClock,
}

/// A clock that begins at the wall clock and then moves with the monotonic one, so that no session
/// ends because somebody set the clock.
#[derive(Clone, Copy, Debug)]
struct SteadyClock {
    base: TimestampMs,
    origin: Instant,
}

/// What is left to do of a step when the lock is released.
#[derive(Default)]
struct Effects {
    replies: Vec<(oneshot::Sender<Reply>, Reply)>,
    changes: Vec<Change>,
    drains: Vec<Drain>,
    failure: Option<CoordinatorLogError>,
}

impl SteadyClock {
    fn now(&self) -> TimestampMs {
        let passed_ms = i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base.plus_ms(passed_ms)
    }
}

impl Shard {
    /// A coordinator for this log, which is read first.
    pub(super) fn open(
        env: Env,
        index: PartitionIndex,
        log: CoordinatorLog,
        config: GroupConfig,
        image: Arc<Image>,
    ) -> Arc<Shard> {
        let state = State {
            life: Life::Loading,
            waiting: BTreeMap::new(),
            next_token: 0,
            in_flight: InFlight::default(),
            forgotten: Vec::new(),
            timer_until: None,
        };
        let timer = Notify::new();
        let shard = Shard { env, index, log, config, image, state: Mutex::new(state), timer };
        let shard = Arc::new(shard);
        shard.load();
        shard
    }

    /// Asks the coordinator; the answer may take as long as a rebalance.
    pub(super) fn ask(
        self: &Arc<Self>,
        client: Client,
        request: Request,
    ) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if let Some(error) = state.life.refusal() {
            drop(state);
            // Nobody listens if the client is gone.
            let _ = sender.send(Reply::refuse(&request, error));
            return receiver;
        }
        let token = Token(state.next_token);
        state.next_token = state.next_token.saturating_add(1);
        state.waiting.insert(token, sender);
        let effects = self.step(&mut state, Input::Request { token, client, request });
        drop(state);
        self.finish(effects);
        receiver
    }

    /// Lets groups forget their offsets in topics that are gone.
    pub(super) fn forget_topics(self: &Arc<Self>, topics: Vec<DeletedTopic>) {
        let mut state = self.lock();
        if matches!(state.life, Life::Serving(_)) {
            let effects = self.step(&mut state, Input::TopicsDeleted { topics });
            drop(state);
            self.finish(effects);
        } else {
            state.forgotten.extend(topics);
        }
    }

    /// Serves no more: everybody who waits is sent to look for another coordinator.
    pub(super) fn close(self: &Arc<Self>) {
        let mut state = self.lock();
        let effects =
            self.step(&mut state, Input::AppendFailed { error: GroupError::NotCoordinator });
        state.life = Life::Closed;
        drop(state);
        self.timer.notify_one();
        self.finish(effects);
    }

    /// Whether this is the coordinator of that very partition, in the same term of this leader.
    pub(super) fn is_of(&self, partition: &Arc<Partition>) -> bool {
        self.log.is_of(partition)
    }

    /// Whether its groups are not known yet.
    pub(super) fn is_loading(&self) -> bool {
        matches!(self.lock().life, Life::Loading | Life::Draining)
    }

    /// How many groups are known; none while they are read.
    pub(super) fn groups_count(&self) -> usize {
        match &self.lock().life {
            Life::Serving(serving) => serving.coordinator.groups_count(),
            Life::Loading | Life::Draining | Life::Closed => 0,
        }
    }

    /// Takes a step, if there is a coordinator to take it.
    fn step(self: &Arc<Self>, state: &mut State, input: Input) -> Effects {
        let mut effects = Effects::default();
        let Life::Serving(serving) = &mut state.life else { return effects };
        let mut outputs = Vec::new();
        serving.coordinator.step(serving.clock.now(), input, &mut outputs);
        for output in outputs {
            match output {
                Output::Reply { token, reply } => {
                    effects.replies.extend(state.waiting.remove(&token).map(|to| (to, reply)));
                }
                Output::Changed(change) => effects.changes.push(change),
                Output::Append { ticket, records } => match self.append(&records) {
                    Ok(Appending { answers, drains }) => {
                        state.in_flight.push(ticket, answers);
                        effects.drains.extend(drains);
                    }
                    Err(error) => {
                        state.in_flight.push_failed(ticket);
                        effects.failure = Some(error);
                    }
                },
            }
        }
        self.arm_timer(state);
        effects
    }

    fn append(&self, records: &[GroupRecord]) -> Result<Appending, CoordinatorLogError> {
        let records: Result<Vec<KeyValue>, _> = records.iter().map(GroupRecord::encode).collect();
        self.log.append(&records?, self.env.clock.now())
    }

    /// Does what a step left to do, and what follows from appends that are over by then.
    fn finish(self: &Arc<Self>, effects: Effects) {
        self.execute(effects);
        self.follow_appends();
    }

    fn execute(&self, effects: Effects) {
        if let Some(error) = effects.failure {
            let error: &dyn std::error::Error = &error;
            tracing::error!(partition = %self.index, error, "group records cannot be written");
        }
        for change in effects.changes {
            if change.is_warning() {
                tracing::warn!(coordinator = %self.index, "{change}");
            } else {
                tracing::info!(coordinator = %self.index, "{change}");
            }
        }
        for drain in effects.drains {
            drain.run();
        }
        for (client, reply) in effects.replies {
            // Nobody listens if the client is gone.
            let _ = client.send(reply);
        }
    }

    /// The coordinator hears that its records are durable, or is dropped because they are not.
    fn settle(self: &Arc<Self>, ticket: Ticket, outcome: Result<(), GroupError>) {
        let mut state = self.lock();
        let effects = match outcome {
            Ok(()) => self.step(&mut state, Input::Committed { ticket }),
            Err(error) => {
                let effects = self.step(&mut state, Input::AppendFailed { error });
                if matches!(state.life, Life::Serving(_)) {
                    // What is in memory is ahead of the log, which counts: it is read again as soon
                    // as nothing more is on its way into it.
                    state.life = Life::Draining;
                }
                // The coordinator has answered everybody; should it have missed one, it ends here.
                state.waiting.clear();
                effects
            }
        };
        drop(state);
        self.execute(effects);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    /// Why nothing can be asked now.
    fn refusal(&self) -> Option<GroupError> {
        match self {
            Life::Serving(_) => None,
            Life::Loading | Life::Draining => Some(GroupError::LoadInProgress),
            Life::Closed => Some(GroupError::NotCoordinator),
        }
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("index", &self.index).finish_non_exhaustive()
    }
}
