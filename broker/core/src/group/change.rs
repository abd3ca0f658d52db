//! What the coordinator tells of itself: each change of a group's state, with its reason. The
//! driver logs and counts them.

use std::fmt;

use millrace_types::GroupId;

use super::error::GroupError;
use super::id::{Generation, MemberId};

/// A group changed its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The members are to join again.
    Rebalancing {
        /// The group.
        group: GroupId,
        /// The generation that ends.
        generation: Generation,
        /// What made it end.
        reason: Reason,
    },
    /// All have joined; the leader is to decide.
    Joined {
        /// The group.
        group: GroupId,
        /// The generation that begins.
        generation: Generation,
        /// How many members it has.
        members: usize,
    },
    /// The leader has decided.
    Stable {
        /// The group.
        group: GroupId,
        /// The generation.
        generation: Generation,
    },
    /// The last member is gone.
    Empty {
        /// The group.
        group: GroupId,
        /// The generation without members.
        generation: Generation,
    },
    /// Members are refused because all together take too much memory; told once in a while.
    Crowded {
        /// The group of the first of them.
        group: GroupId,
        /// The numbers.
        error: GroupError,
    },
}

impl Change {
    /// Whether the coordinator does not do what it is there for.
    pub const fn is_warning(&self) -> bool {
        matches!(self, Change::Crowded { .. })
    }
}

/// Why the members of a group are to join again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A member is new.
    Joined(MemberId),
    /// A member, or the leader to force this, joined again.
    Rejoined(MemberId),
    /// A static member came back while the leader decides, or with other protocols.
    Replaced(MemberId),
    /// Members left.
    Left(Vec<MemberId>),
    /// A member was silent for longer than its session.
    SessionExpired(MemberId),
    /// Members did not fetch their assignment in time.
    SyncMissing(Vec<MemberId>),
    /// The group came out of the log with more members than it may have.
    OverCapacity(usize),
    /// The leader's decision does not fit into the log.
    AssignmentTooLarge(usize),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Joined(member) => write!(f, "member {member} joined"),
            Reason::Rejoined(member) => write!(f, "member {member} joined again"),
            Reason::Replaced(member) => write!(f, "static member {member} came back"),
            Reason::Left(members) => write!(f, "members left: {}", List(members)),
            Reason::SessionExpired(member) => write!(f, "session of member {member} expired"),
            Reason::SyncMissing(members) => {
                write!(f, "members did not fetch their assignment: {}", List(members))
            }
            Reason::OverCapacity(members) => write!(f, "{members} members are too many"),
            Reason::AssignmentTooLarge(size_bytes) => {
                write!(f, "assignment of {size_bytes} bytes is too large")
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Rebalancing { group, generation, reason } => {
                write!(f, "group {group} ends generation {generation}: {reason}")
            }
            Change::Joined { group, generation, members } => {
                write!(f, "group {group} begins generation {generation} with {members} members")
            }
            Change::Stable { group, generation } => {
                write!(f, "group {group} is stable in generation {generation}")
            }
            Change::Empty { group, generation } => {
                write!(f, "group {group} is empty in generation {generation}")
            }
            Change::Crowded { group, error } => {
                write!(
                    f,
                    "members that need more memory are refused, first of group {group}: {error}"
                )
            }
        }
    }
}

struct List<'a>(&'a [MemberId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, member) in self.0.iter().enumerate() {
            write!(f, "{}{member}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
