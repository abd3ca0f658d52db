//! One turn of the coordinator: what a command may read, and what it leaves behind.
//!
//! A command changes the state at once. Records that it leaves are appended together; an answer
//! that depends on them waits in [`AfterCommit`] until they are durable.

use std::collections::BTreeMap;

use bytes::Bytes;
use millrace_types::{GroupId, TimestampMs};

use super::change::Change;
use super::committed::Place;
use super::config::GroupConfig;
use super::error::GroupError;
use super::id::{MemberId, Ticket, Token};
use super::memory::Memory;
use super::record::GroupRecord;
use super::reply::Reply;
use super::state::{Group, Member};
use super::timers::{Deadline, Timers};
use crate::limits;

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write the records to the partition of the offsets topic, in this order and after all earlier
    /// ones; then come back with the ticket.
    Append {
        /// Names the append in [`super::Input::Committed`] and [`super::Input::AppendFailed`].
        ticket: Ticket,
        /// What to write, at least one.
        records: Vec<GroupRecord>,
    },
    /// Answer a request.
    Reply {
        /// The request.
        token: Token,
        /// The answer.
        reply: Reply,
    },
    /// Tell whoever watches that a group changed its state.
    Changed(Change),
}

/// What follows once the records of a turn are durable.
#[derive(Clone, Debug)]
pub(super) enum AfterCommit {
    Reply {
        token: Token,
        reply: Reply,
    },
    /// The leader's decision takes effect, if it is still the one that the group waits for.
    Assign {
        group: GroupId,
        decision: Token,
        assignments: BTreeMap<MemberId, Bytes>,
    },
    /// A static member that took its old place learns of it, if no rebalance came between.
    Welcome {
        group: GroupId,
        member: MemberId,
        token: Token,
        reply: Reply,
    },
}

/// See the module.
pub(super) struct Turn<'a> {
    pub(super) now: TimestampMs,
    pub(super) config: &'a GroupConfig,
    pub(super) timers: &'a mut Timers,
    pub(super) memory: &'a mut Memory,
    pub(super) outputs: &'a mut Vec<Output>,
    pub(super) records: Vec<GroupRecord>,
    pub(super) after: Vec<AfterCommit>,
}

impl Turn<'_> {
    /// Answers at once.
    pub(super) fn reply(&mut self, token: Token, reply: Reply) {
        self.outputs.push(Output::Reply { token, reply });
    }

    /// Answers when the records of this turn are durable; at once if it leaves none.
    pub(super) fn reply_after_commit(&mut self, token: Token, reply: Reply) {
        self.after.push(AfterCommit::Reply { token, reply });
    }

    /// Tells of a change of state.
    pub(super) fn note(&mut self, change: Change) {
        self.outputs.push(Output::Changed(change));
    }

    /// Checks whether members of a group may take so many bytes more; tells of a refusal.
    ///
    /// # Errors
    /// The members of all groups take too much already.
    pub(super) fn check_memory(
        &mut self,
        group: &GroupId,
        more_bytes: usize,
    ) -> Result<(), GroupError> {
        self.memory.check(more_bytes).inspect_err(|error| {
            if self.memory.is_to_warn(self.now) {
                let (group, error) = (group.clone(), error.clone());
                self.outputs.push(Output::Changed(Change::Crowded { group, error }));
            }
        })
    }

    /// Lets a member's session begin anew.
    pub(super) fn restart_session(&mut self, group: &GroupId, member: &Member) {
        self.set_session(group, &member.id, member.session_timeout_ms);
    }

    /// Lets a member be silent for `timeout_ms` from now.
    pub(super) fn set_session(&mut self, group: &GroupId, member: &MemberId, timeout_ms: u32) {
        let deadline = Deadline::Session(group.clone(), member.clone());
        self.timers.set(deadline, self.after_ms(timeout_ms));
    }

    /// Stops watching a member.
    pub(super) fn end_session(&mut self, group: &GroupId, member: &MemberId) {
        self.timers.cancel(&Deadline::Session(group.clone(), member.clone()));
    }

    /// The instant `wait_ms` from now.
    pub(super) fn after_ms(&self, wait_ms: u32) -> TimestampMs {
        self.now.plus_ms(i64::from(wait_ms))
    }

    /// Makes a group that does not exist yet.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn create_group<'g>(
        &mut self,
        groups: &'g mut BTreeMap<GroupId, Group>,
        id: &GroupId,
    ) -> Result<&'g mut Group, GroupError> {
        let limit = limits::GROUPS_PER_COORDINATOR_MAX;
        if groups.len() >= limit {
            return Err(GroupError::TooManyGroups { limit });
        }
        self.watch_expiry();
        Ok(groups.entry(id.clone()).or_insert_with(|| Group::new(id.clone(), self.now)))
    }

    /// Looks for expired offsets from time to time, from now on.
    pub(super) fn watch_expiry(&mut self) {
        if !self.timers.is_set(&Deadline::Expiry) {
            let wait_ms = self.config.offsets_retention_check_interval_ms;
            self.timers.set(Deadline::Expiry, self.now.plus_ms(wait_ms));
        }
    }

    /// Takes offsets of a group away, and leaves the tombstones that make it durable.
    pub(super) fn take_offsets(&mut self, group: &mut Group, places: Vec<Place>) {
        for (topic, partition) in places {
            group.offsets.set(&topic, partition, None);
            let group = group.id.clone();
            self.records.push(GroupRecord::Offset { group, topic, partition, offset: None });
        }
    }

    /// Takes a member out and answers whatever of its requests still waits.
    ///
    /// It is told that it is unknown, so that it joins again if it is still alive.
    pub(super) fn dismiss(&mut self, group: &mut Group, id: &MemberId) {
        self.end_session(&group.id, id);
        let Some(member) = group.remove(id) else { return };
        let unknown = || GroupError::UnknownMember { member: Some(id.clone()) };
        if let Some(token) = member.awaiting_join {
            self.reply(token, Reply::Join { member: None, result: Err(unknown()) });
        }
        if let Some(token) = member.awaiting_sync {
            self.reply(token, Reply::Sync(Err(unknown())));
        }
    }
}
