//! The states of a group, as clients and the log are told of them.

use std::fmt;

/// The state of a group by Kafka's names. A group that does not exist is called `Dead` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No members; the group lingers for its offsets.
    Empty,
    /// Members join; their JoinGroup waits.
    PreparingRebalance,
    /// All have joined; the leader decides, the SyncGroup of the others waits.
    CompletingRebalance,
    /// Everybody has or can fetch an assignment.
    Stable,
}

impl Phase {
    /// Kafka's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::PreparingRebalance => "PreparingRebalance",
            Phase::CompletingRebalance => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
