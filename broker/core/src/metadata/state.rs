//! What an image is made of: topics, partitions, brokers.

use millrace_types::{BrokerId, LeaderEpoch, PartitionIndex, TopicId, TopicName, Uuid};

use crate::config::Values;
use crate::config::listener::Endpoint;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its id, which no later topic of the same name has.
    pub id: TopicId,
    /// Its name.
    pub name: TopicName,
    /// Its partitions, from 0.
    pub partitions: Vec<Partition>,
    /// The configs that are set on it.
    pub values: Values,
    /// Whose it is, where somebody has taken it: a text of the owner's own.
    pub owner: Option<String>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The brokers that hold it, the preferred leader first; never empty.
    pub replicas: Vec<BrokerId>,
    /// Those of them that have all that is committed.
    pub isr: Vec<BrokerId>,
    /// Who takes writes and answers reads; `None` while nobody can.
    pub leader: Option<BrokerId>,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts all changes of this struct.
    pub partition_epoch: u32,
}

/// One broker as it registered at its last start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Counts the registrations of all brokers; a larger one fences the smaller.
    pub epoch: u64,
    /// Chosen anew at each start of the process.
    pub incarnation: Uuid,
    /// The id of its log directory.
    pub directory_id: Uuid,
    /// Where it stands.
    pub rack: Option<String>,
    /// Where clients reach it, by listener name.
    pub endpoints: Vec<Endpoint>,
}

impl Topic {
    /// A partition by its index.
    pub fn partition(&self, index: PartitionIndex) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index.get()).ok()?)
    }

    /// The partitions with their indexes, from 0.
    pub fn indexed(&self) -> impl Iterator<Item = (PartitionIndex, &Partition)> {
        (0..).filter_map(PartitionIndex::from_wire).zip(&self.partitions)
    }
}
