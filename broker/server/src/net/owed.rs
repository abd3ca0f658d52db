//! The answers that one connection owes, in the order of the requests.

use std::collections::VecDeque;

use millrace_core::limits;

use crate::metrics::Stamp;
use crate::refusal::Refusal;
use crate::reply::{Reply, ReplyFuture};

/// Whether the next request may start before the answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It may.
    Overlapping,
    /// It may not.
    Exclusive,
}

struct Item {
    stamp: Stamp,
    reply: ReplyFuture,
    wait: Wait,
}

/// A queue of answers to come.
#[derive(Default)]
pub struct Owed {
    queue: VecDeque<Item>,
    requests_bytes: usize,
}

impl Owed {
    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many answers are owed.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether the connection may take in one more request.
    pub fn has_room(&self) -> bool {
        self.queue.len() < limits::CONNECTION_REQUESTS_MAX
            && self.requests_bytes < limits::CONNECTION_REQUESTS_BYTES_MAX
    }

    /// Whether the next request has to wait for an answer before it.
    pub fn blocks_next(&self) -> bool {
        self.queue.back().is_some_and(|item| item.wait == Wait::Exclusive)
    }

    /// Puts an answer at the end.
    pub fn push(&mut self, stamp: Stamp, reply: ReplyFuture, wait: Wait) {
        self.requests_bytes = self.requests_bytes.saturating_add(stamp.request_bytes);
        self.queue.push_back(Item { stamp, reply, wait });
    }

    /// Waits for the answer at the front, for ever if there is none. The item stays until
    /// [`Owed::pop`]. Dropping the future loses nothing.
    pub async fn front(&mut self) -> Result<Reply, Refusal> {
        match self.queue.front_mut() {
            Some(item) => item.reply.as_mut().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the item off whose answer came.
    pub fn pop(&mut self) -> Option<Stamp> {
        let stamp = self.queue.pop_front()?.stamp;
        self.requests_bytes = self.requests_bytes.saturating_sub(stamp.request_bytes);
        if self.queue.is_empty() {
            // Ten thousand idle connections keep no queue each.
            self.queue = VecDeque::new();
        }
        Some(stamp)
    }
}
