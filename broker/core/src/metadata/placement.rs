//! Which brokers hold a new partition: chosen in turn, or as a client says.
//!
//! Source of the rules: Kafka's `StripedReplicaPlacer` and
//! `ReplicationControlManager.validateManualPartitionAssignment`.

use std::collections::BTreeSet;

use millrace_types::{BrokerId, ErrorCode, LeaderEpoch};

use super::image::Image;
use super::state::Partition;

/// Why partitions cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// More replicas are asked for than there are brokers.
    #[error(
        "replication factor {replication_factor} is larger than the number of brokers, {brokers}"
    )]
    TooFewBrokers {
        /// Replicas asked for.
        replication_factor: u16,
        /// Brokers that have registered.
        brokers: usize,
    },
    /// A list of brokers is empty.
    #[error("the replicas given for partition {partition} are none")]
    NoReplicas {
        /// The partition.
        partition: usize,
    },
    /// A broker is not there.
    #[error(
        "the replicas given for partition {partition} name broker {broker}, which is not registered"
    )]
    UnknownBroker {
        /// The partition.
        partition: usize,
        /// The broker.
        broker: i32,
    },
    /// A broker is named twice.
    #[error("the replicas given for partition {partition} name broker {broker} more than once")]
    RepeatedBroker {
        /// The partition.
        partition: usize,
        /// The broker.
        broker: i32,
    },
    /// The lists differ in length.
    #[error(
        "the replicas given for partition {partition} are {replicas}, but those of the topic's \
         other partitions are {expected}"
    )]
    UnevenReplicas {
        /// The partition.
        partition: usize,
        /// How many are given.
        replicas: usize,
        /// How many there must be.
        expected: usize,
    },
}

impl PlacementError {
    /// The error code that Kafka answers with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            PlacementError::TooFewBrokers { .. } => ErrorCode::InvalidReplicationFactor,
            PlacementError::NoReplicas { .. }
            | PlacementError::UnknownBroker { .. }
            | PlacementError::RepeatedBroker { .. }
            | PlacementError::UnevenReplicas { .. } => ErrorCode::InvalidReplicaAssignment,
        }
    }
}

/// Places new partitions over the brokers in turn, going on where the cluster's last one ended.
pub(super) fn place(
    image: &Image,
    partitions: u32,
    replication_factor: u16,
) -> Result<Vec<Partition>, PlacementError> {
    let brokers: Vec<BrokerId> = image.brokers().keys().copied().collect();
    if usize::from(replication_factor) > brokers.len() {
        let brokers = brokers.len();
        return Err(PlacementError::TooFewBrokers { replication_factor, brokers });
    }
    let mut turn = brokers.iter().cycle().skip(image.partitions_count() % brokers.len().max(1));
    let mut placed = Vec::new();
    for _ in 0..partitions {
        let replicas = turn.clone().take(usize::from(replication_factor)).copied().collect();
        turn.next();
        placed.push(partition(replicas));
    }
    Ok(placed)
}

/// Takes the brokers that a client chose for each partition, from partition `first` on.
///
/// `replicas` is how many each must name, where the topic has partitions already.
pub(super) fn assign(
    image: &Image,
    assignments: &[Vec<i32>],
    first: usize,
    replicas: Option<usize>,
) -> Result<Vec<Partition>, PlacementError> {
    let mut expected = replicas;
    let mut placed = Vec::new();
    for (partition_index, chosen) in (first..).zip(assignments) {
        if chosen.is_empty() {
            return Err(PlacementError::NoReplicas { partition: partition_index });
        }
        let mut replicas = Vec::new();
        let mut seen = BTreeSet::new();
        for &broker in chosen {
            let known = BrokerId::from_wire(broker).filter(|id| image.brokers().contains_key(id));
            let partition = partition_index;
            let Some(id) = known else {
                return Err(PlacementError::UnknownBroker { partition, broker });
            };
            if !seen.insert(id) {
                return Err(PlacementError::RepeatedBroker { partition, broker });
            }
            replicas.push(id);
        }
        let expected = *expected.get_or_insert(replicas.len());
        if replicas.len() != expected {
            return Err(PlacementError::UnevenReplicas {
                partition: partition_index,
                replicas: replicas.len(),
                expected,
            });
        }
        placed.push(partition(replicas));
    }
    Ok(placed)
}

/// A new partition: nothing is written yet, so every replica has all of it, and the first leads.
fn partition(replicas: Vec<BrokerId>) -> Partition {
    Partition {
        isr: replicas.clone(),
        leader: replicas.first().copied(),
        replicas,
        leader_epoch: LeaderEpoch::ZERO,
        partition_epoch: 0,
    }
}
