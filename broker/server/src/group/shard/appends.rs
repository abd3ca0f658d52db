//! The appends of a shard that are on their way, in order.
//!
//! Mostly an append is over by the time its writer has returned, and is settled there and then. If
//! not, one task follows all that are on their way until none is left.

use std::collections::VecDeque;
use std::sync::Arc;

use millrace_core::group::{GroupError, Ticket};
use millrace_types::ErrorCode;
use tokio::sync::oneshot::error::TryRecvError;

use super::{Life, Shard, State};
use crate::partition::{Answer, PartitionError};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    appends: VecDeque<Append>,
    /// Somebody settles them; whom a task waits for is not among them.
    is_followed: bool,
}

#[derive(Debug)]
struct Append {
    ticket: Ticket,
    /// What is not known yet of its batches.
    answers: VecDeque<Answer>,
    /// It never reached the log.
    has_failed: bool,
}

impl InFlight {
    /// An append whose batches are in the queue of the log.
    pub(super) fn push(&mut self, ticket: Ticket, answers: Vec<Answer>) {
        self.appends.push_back(Append { ticket, answers: answers.into(), has_failed: false });
    }

    /// An append that never reached the log.
    pub(super) fn push_failed(&mut self, ticket: Ticket) {
        let answers = VecDeque::new();
        self.appends.push_back(Append { ticket, answers, has_failed: true });
    }
}

impl Append {
    /// What came of it; `None` if that is not known yet.
    fn try_outcome(&mut self) -> Option<Result<(), GroupError>> {
        if self.has_failed {
            return Some(Err(GroupError::NotAvailable));
        }
        while let Some(answer) = self.answers.front_mut() {
            match answer.try_recv() {
                Ok(Ok(_)) => self.answers.pop_front(),
                Ok(Err(error)) => return Some(Err(refusal(&error))),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Closed) => return Some(Err(GroupError::NotCoordinator)),
            };
        }
        Some(Ok(()))
    }

    async fn outcome(self) -> (Ticket, Result<(), GroupError>) {
        if self.has_failed {
            return (self.ticket, Err(GroupError::NotAvailable));
        }
        for answer in self.answers {
            match answer.await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return (self.ticket, Err(refusal(&error))),
                Err(_) => return (self.ticket, Err(GroupError::NotCoordinator)),
            }
        }
        (self.ticket, Ok(()))
    }
}

/// What those who wait are told when the log refuses.
///
/// Source: `GroupMetadataManager.appendGroupMetadataErrorToResponseError`.
fn refusal(error: &PartitionError) -> GroupError {
    let lost = [ErrorCode::NotLeaderOrFollower, ErrorCode::KafkaStorageError];
    if lost.contains(&error.error_code()) {
        GroupError::NotCoordinator
    } else {
        GroupError::NotAvailable
    }
}

/// What is to be done about the first append.
enum Next {
    Settle(Ticket, Result<(), GroupError>),
    /// It is not over: somebody has to wait for it.
    Wait,
    Reload,
    Nothing,
}

impl Shard {
    /// Settles the appends that are over, in order, and has the others waited for. One at a time
    /// does this; who comes meanwhile leaves it to that one.
    pub(super) fn follow_appends(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            if std::mem::replace(&mut state.in_flight.is_followed, true) {
                return;
            }
        }
        loop {
            match self.next_append() {
                Next::Settle(ticket, outcome) => self.settle(ticket, outcome),
                Next::Wait => {
                    let shard = Arc::clone(self);
                    let follow = async move { shard.await_appends().await };
                    return self.env.tasks.spawn("group appends", follow);
                }
                Next::Reload => return self.load(),
                Next::Nothing => return,
            }
        }
    }

    fn next_append(&self) -> Next {
        let mut state = self.lock();
        let Some(first) = state.in_flight.appends.front_mut() else {
            state.in_flight.is_followed = false;
            return reload(&mut state);
        };
        let Some(outcome) = first.try_outcome() else { return Next::Wait };
        let ticket = first.ticket;
        state.in_flight.appends.pop_front();
        Next::Settle(ticket, outcome)
    }

    async fn await_appends(self: Arc<Self>) {
        loop {
            match self.next_append() {
                Next::Settle(ticket, outcome) => self.settle(ticket, outcome),
                Next::Wait => {
                    let first = self.lock().in_flight.appends.pop_front();
                    if let Some(append) = first {
                        let (ticket, outcome) = append.outcome().await;
                        self.settle(ticket, outcome);
                    }
                }
                Next::Reload => return self.load(),
                Next::Nothing => return,
            }
        }
    }
}

/// A shard whose append failed reads its log again once nothing more is on its way into it.
fn reload(state: &mut State) -> Next {
    if !matches!(state.life, Life::Draining) {
        return Next::Nothing;
    }
    state.life = Life::Loading;
    Next::Reload
}
