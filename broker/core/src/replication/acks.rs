//! How many replicas a producer waits for, and whether there are enough of them.

use millrace_types::{ErrorCode, Offset};

/// A producer's `acks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// 0: it awaits no answer; a failure closes its connection.
    None,
    /// 1: the leader's log is enough.
    Leader,
    /// -1, `all`: every replica in sync has the records.
    All,
}

/// The replicas of a partition, as far as acknowledgement cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaCounts {
    /// All replicas, those that are down too.
    pub replicas: usize,
    /// Those in sync, the leader among them.
    pub in_sync: usize,
    /// The topic's `min.insync.replicas`.
    pub min_in_sync: usize,
}

/// Why records cannot be acknowledged as the producer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcksError {
    /// A number that has no meaning.
    #[error("acks={acks} is none of -1, 0 and 1")]
    Invalid {
        /// As it came.
        acks: i16,
    },
    /// Too few replicas in sync; nothing was appended.
    #[error("{in_sync} replicas are in sync, min.insync.replicas={min_in_sync}")]
    NotEnoughReplicas {
        /// Replicas in sync.
        in_sync: usize,
        /// How many there must be.
        min_in_sync: usize,
    },
    /// Replicas fell behind after the append; the records may stay or vanish.
    #[error(
        "only {in_sync} replicas were in sync after the append, min.insync.replicas={min_in_sync}"
    )]
    NotEnoughReplicasAfterAppend {
        /// Replicas in sync.
        in_sync: usize,
        /// How many there must be.
        min_in_sync: usize,
    },
}

/// Whether a producer can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Yes, with success.
    Given,
    /// Not yet: the high watermark has to move first.
    Pending,
}

impl Acks {
    /// Reads the wire's `int16`.
    ///
    /// # Errors
    /// Refuses any number but -1, 0 and 1.
    pub fn from_wire(acks: i16) -> Result<Acks, AcksError> {
        match acks {
            0 => Ok(Acks::None),
            1 => Ok(Acks::Leader),
            -1 => Ok(Acks::All),
            _ => Err(AcksError::Invalid { acks }),
        }
    }

    /// Whether to append at all: with `acks=all` only while enough replicas are in sync.
    ///
    /// # Errors
    /// Refuses if they are too few.
    pub fn check_before_append(self, counts: ReplicaCounts) -> Result<(), AcksError> {
        let (in_sync, min_in_sync) = (counts.in_sync, counts.effective_min_in_sync());
        if self == Acks::All && in_sync < min_in_sync {
            return Err(AcksError::NotEnoughReplicas { in_sync, min_in_sync });
        }
        Ok(())
    }

    /// Whether the records below `end` can be acknowledged, now that the leader has them.
    ///
    /// # Errors
    /// Refuses if they are committed, but by fewer replicas than the topic demands.
    pub fn check_after_append(
        self,
        counts: ReplicaCounts,
        end: Offset,
        high_watermark: Offset,
    ) -> Result<Acknowledgement, AcksError> {
        if self != Acks::All {
            return Ok(Acknowledgement::Given);
        }
        if high_watermark < end {
            return Ok(Acknowledgement::Pending);
        }
        let (in_sync, min_in_sync) = (counts.in_sync, counts.effective_min_in_sync());
        if in_sync < min_in_sync {
            return Err(AcksError::NotEnoughReplicasAfterAppend { in_sync, min_in_sync });
        }
        Ok(Acknowledgement::Given)
    }
}

impl ReplicaCounts {
    /// `min.insync.replicas`, but never more than there are replicas: else a topic with a larger
    /// value than its replication factor could never be written.
    ///
    /// Source: Kafka's `Partition.effectiveMinIsr`.
    pub fn effective_min_in_sync(&self) -> usize {
        self.min_in_sync.min(self.replicas)
    }
}

impl AcksError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            AcksError::Invalid { .. } => ErrorCode::InvalidRequiredAcks,
            AcksError::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
            AcksError::NotEnoughReplicasAfterAppend { .. } => {
                ErrorCode::NotEnoughReplicasAfterAppend
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::Offset;

    use super::{Acknowledgement, Acks, AcksError, ReplicaCounts};

    fn counts(replicas: usize, in_sync: usize, min_in_sync: usize) -> ReplicaCounts {
        ReplicaCounts { replicas, in_sync, min_in_sync }
    }

    #[test]
    fn only_three_numbers_are_acks() {
        for (wire, acks) in [(-1, Acks::All), (0, Acks::None), (1, Acks::Leader)] {
            assert_eq!(Acks::from_wire(wire), Ok(acks));
        }
        for acks in [-2, 2, i16::MAX] {
            assert_eq!(Acks::from_wire(acks), Err(AcksError::Invalid { acks }));
        }
    }

    #[test]
    fn all_is_refused_before_the_append_while_too_few_are_in_sync() {
        let too_few = Err(AcksError::NotEnoughReplicas { in_sync: 1, min_in_sync: 2 });
        for (acks, counts, expected) in [
            (Acks::All, counts(3, 1, 2), too_few),
            (Acks::All, counts(3, 2, 2), Ok(())),
            (Acks::Leader, counts(3, 1, 2), Ok(())),
            (Acks::None, counts(3, 1, 2), Ok(())),
            // Demanding more than there are replicas means demanding all of them.
            (Acks::All, counts(1, 1, 2), Ok(())),
        ] {
            assert_eq!(acks.check_before_append(counts), expected, "{acks:?} {counts:?}");
        }
    }

    #[test]
    fn all_waits_for_the_high_watermark_and_then_looks_again_who_is_in_sync() {
        let too_few = Err(AcksError::NotEnoughReplicasAfterAppend { in_sync: 1, min_in_sync: 2 });
        for (acks, in_sync, high_watermark, expected) in [
            (Acks::All, 2, 9, Ok(Acknowledgement::Pending)),
            (Acks::All, 2, 10, Ok(Acknowledgement::Given)),
            (Acks::All, 1, 9, Ok(Acknowledgement::Pending)),
            (Acks::All, 1, 10, too_few),
            (Acks::Leader, 1, 0, Ok(Acknowledgement::Given)),
        ] {
            let counts = counts(3, in_sync, 2);
            let found =
                acks.check_after_append(counts, Offset::new(10), Offset::new(high_watermark));
            assert_eq!(found, expected, "{acks:?} {in_sync} {high_watermark}");
        }
    }
}
