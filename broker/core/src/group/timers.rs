//! The deadlines of one coordinator, in the order in which they fall due.
//!
//! One deadline for each key; setting it again moves it. Nothing here sleeps: the driver asks for
//! the next one and sends a tick when it has come.

use std::collections::{BTreeMap, BTreeSet};

use millrace_types::{GroupId, TimestampMs};

use super::id::MemberId;

/// What falls due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// The end of the wait for members to join a rebalance.
    Join(GroupId),
    /// The end of the wait for members to fetch their assignment.
    Sync(GroupId),
    /// The end of the silence that a member, or one that has yet to join, may keep.
    Session(GroupId, MemberId),
    /// The next look for expired offsets.
    Expiry,
}

/// All deadlines of one coordinator.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<Deadline, TimestampMs>,
    order: BTreeSet<(TimestampMs, Deadline)>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, deadline: Deadline, at: TimestampMs) {
        if let Some(before) = self.due.insert(deadline.clone(), at) {
            self.order.remove(&(before, deadline.clone()));
        }
        self.order.insert((at, deadline));
    }

    /// Takes a deadline away, if it is set.
    pub(super) fn cancel(&mut self, deadline: &Deadline) {
        if let Some(before) = self.due.remove(deadline) {
            self.order.remove(&(before, deadline.clone()));
        }
    }

    /// How many deadlines are set.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether a deadline is set.
    pub(super) fn is_set(&self, deadline: &Deadline) -> bool {
        self.due.contains_key(deadline)
    }

    /// When the earliest falls due.
    pub(super) fn next(&self) -> Option<TimestampMs> {
        self.order.first().map(|(at, _)| *at)
    }

    /// How many deadlines have come at `now`.
    pub(super) fn count_due(&self, now: TimestampMs) -> usize {
        self.order.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Takes the earliest deadline if it has come at `now`.
    pub(super) fn pop_due(&mut self, now: TimestampMs) -> Option<Deadline> {
        if self.next()? > now {
            return None;
        }
        let (_, deadline) = self.order.pop_first()?;
        self.due.remove(&deadline);
        Some(deadline)
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::{GroupId, TimestampMs};

    use super::{Deadline, Timers};

    #[test]
    fn deadlines_fall_due_in_order_and_once() {
        let (first, second) = (Deadline::Join(GroupId::new("g")), Deadline::Expiry);
        let mut timers = Timers::default();
        timers.set(second.clone(), TimestampMs::new(20));
        timers.set(first.clone(), TimestampMs::new(30));
        timers.set(first.clone(), TimestampMs::new(10));
        assert_eq!(timers.next(), Some(TimestampMs::new(10)));
        assert_eq!(timers.pop_due(TimestampMs::new(9)), None);
        assert_eq!(timers.pop_due(TimestampMs::new(20)), Some(first));
        timers.cancel(&second);
        assert_eq!(timers.pop_due(TimestampMs::new(99)), None);
        assert_eq!(timers.next(), None);
    }
}
