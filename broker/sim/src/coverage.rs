//! What happened in a run: each kind of fault, and what each checker had to look at.
//!
//! A fault that never happens and a checker without evidence prove nothing. `millrace-sim many`
//! adds these up over all runs, prints them, and fails if one of [`EXPECTED`] is missing in a swarm
//! that is large enough.

use std::collections::BTreeMap;
use std::fmt;

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

/// What happens in every swarm of a few hundred runs.
pub const EXPECTED: [&str; 28] = [
    CLEAN_STOP,
    KILL,
    POWER_CUT,
    POWER_CUT_IN_WRITE,
    POWER_CUT_IN_START,
    START_REFUSED,
    CLOCK_STEP,
    CONNECTION_CUT,
    DISK_FULL,
    FULL_REFUSAL,
    DISK_ERROR,
    STALL,
    READINESS_LOST,
    SEGMENT_ROLLED,
    COMPACTED,
    COMPRESSED,
    BATCH_REPEATED,
    STATIC_JOIN,
    GENERATION,
    COMMIT_FENCED,
    LATE_COMMIT,
    "acknowledged records are there, in order, at their offset",
    "no duplicate with idempotence",
    "nothing that was never sent",
    "a partition has one owner in a generation",
    "committed offsets never go back",
    "metadata that was acknowledged survives",
    "once faults stop, everything heals",
];

/// A broker was told to stop.
pub const CLEAN_STOP: &str = "fault: clean stop";
/// A broker was killed.
pub const KILL: &str = "fault: kill";
/// The power went.
pub const POWER_CUT: &str = "fault: power cut";
/// The power went in the midst of a write or sync.
pub const POWER_CUT_IN_WRITE: &str = "fault: power cut in a write";
/// The power went while a broker started.
pub const POWER_CUT_IN_START: &str = "fault: power cut in a start";
/// A broker could not start.
pub const START_REFUSED: &str = "fault: start failed";
/// A broker started with its wall clock set back or forward.
pub const CLOCK_STEP: &str = "fault: wall clock set";
/// A connection broke.
pub const CONNECTION_CUT: &str = "fault: connection cut";
/// The disk was full for a while.
pub const DISK_FULL: &str = "fault: disk full";
/// A write was refused for want of room.
pub const FULL_REFUSAL: &str = "fault: write refused by a full disk";
/// A call of the disk failed.
pub const DISK_ERROR: &str = "fault: call of the disk failed";
/// A member stalled while it held partitions.
pub const STALL: &str = "fault: member stalled";
/// A broker that ran was not ready.
pub const READINESS_LOST: &str = "seen: broker not ready";
/// A log had more than one segment.
pub const SEGMENT_ROLLED: &str = "seen: segments rolled";
/// A log was compacted.
pub const COMPACTED: &str = "seen: logs compacted";
/// A compressed batch was acknowledged.
pub const COMPRESSED: &str = "seen: compressed batches";
/// A batch was acknowledged that had been sent before.
pub const BATCH_REPEATED: &str = "seen: repeated batches acknowledged";
/// A static member joined.
pub const STATIC_JOIN: &str = "seen: joins of static members";
/// A member got an assignment.
pub const GENERATION: &str = "seen: assignments";
/// A commit of a stale member was refused.
pub const COMMIT_FENCED: &str = "seen: stale commits refused";
/// A commit of an earlier generation came once more, from a member that has joined again.
pub const LATE_COMMIT: &str = "fault: late commit";

impl Coverage {
    /// Something happened `count` times more.
    pub fn add(&mut self, what: &'static str, count: u64) {
        if count > 0 {
            let sum = self.0.entry(what).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Takes in what happened in another run.
    pub fn merge(&mut self, other: &Coverage) {
        for (what, count) in &other.0 {
            self.add(what, *count);
        }
    }

    /// What never happened of that which is expected.
    pub fn missing(&self) -> Vec<&'static str> {
        EXPECTED.into_iter().filter(|what| !self.0.contains_key(what)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{count:>12}  {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, EXPECTED, KILL, STALL};

    #[test]
    fn what_never_happened_is_named() {
        let mut all = Coverage::default();
        EXPECTED.into_iter().filter(|what| *what != STALL).for_each(|what| all.add(what, 1));
        let mut one = Coverage::default();
        one.add(KILL, 2);
        all.merge(&one);
        assert_eq!(all.missing(), [STALL]);
        assert!(all.to_string().contains("3  fault: kill"));
    }
}
