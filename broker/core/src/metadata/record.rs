//! The records that metadata is made of, and their bytes.
//!
//! ```text
//! one entry of the metadata log = the records of one decision, one after the other:
//!
//!  ┌──────┬─────────┬────────┐┌──────┬─────────┬────────┐
//!  │ kind │ version │ fields ││ kind │ version │ fields │ ...
//!  │ 1 B  │ 1 B     │        ││      │         │        │
//!  └──────┴─────────┴────────┘└──────┴─────────┴────────┘
//! ```
//! Fields are those of the structs below in their order, in the primitives of `codec.rs`. A reader
//! refuses kinds and versions that it does not know: to skip a change that others apply would let
//! nodes differ. Lengths and checksums are the log's, `millrace-log`'s `raft_log`.

use millrace_types::{BrokerId, PartitionIndex, TopicId, TopicName, Uuid};

use super::codec::{
    Source, put_broker, put_brokers, put_id, put_leader_epoch, put_number, put_optional_broker,
    put_optional_text, put_text,
};
use super::record_error::RecordError;
use super::state::{Broker, Partition};
use crate::config::listener::Endpoint;

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The cluster has an id from now on.
    ClusterNamed {
        /// The id; Kafka's is a [`Uuid`] as text.
        cluster_id: String,
    },
    /// A broker has started.
    BrokerRegistered {
        /// Its number.
        broker_id: BrokerId,
        /// What is known of it.
        broker: Broker,
    },
    /// A topic was created with these partitions.
    TopicCreated {
        /// Its id.
        topic_id: TopicId,
        /// Its name.
        name: TopicName,
        /// Its partitions, from 0.
        partitions: Vec<Partition>,
    },
    /// A topic got these partitions behind those that it has.
    PartitionsAdded {
        /// The topic.
        topic_id: TopicId,
        /// The new partitions, from the first free index.
        partitions: Vec<Partition>,
    },
    /// A partition has a new leader, or the old one anew: its leader epoch goes up by one.
    LeaderElected {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionIndex,
        /// The leader.
        leader: BrokerId,
        /// The replicas that are in sync with it, the leader among them.
        isr: Vec<BrokerId>,
    },
    /// A topic and its configs are gone.
    TopicDeleted {
        /// The topic.
        topic_id: TopicId,
    },
    /// A config has another value.
    ConfigChanged {
        /// Whose config.
        owner: ConfigOwner,
        /// Its name.
        name: String,
        /// The value; `None` to fall back to the next layer.
        value: Option<String>,
    },
    /// A topic belongs to somebody else, or to nobody, from now on.
    TopicOwned {
        /// The topic.
        topic_id: TopicId,
        /// The owner, in its own words.
        owner: Option<String>,
    },
    /// The producer ids below this one are given out.
    ProducerIdsAllocated {
        /// The broker that may give them to producers.
        broker_id: BrokerId,
        /// The first id that is free.
        next_producer_id: u64,
    },
}

/// Whose configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigOwner {
    /// All brokers'.
    Cluster,
    /// One broker's.
    Broker(BrokerId),
    /// One topic's.
    Topic(TopicId),
}

/// The version in which every kind is written.
const VERSION: u8 = 0;

impl Record {
    const fn kind(&self) -> u8 {
        match self {
            Record::ClusterNamed { .. } => 1,
            Record::BrokerRegistered { .. } => 2,
            Record::TopicCreated { .. } => 3,
            Record::PartitionsAdded { .. } => 4,
            Record::LeaderElected { .. } => 5,
            Record::TopicDeleted { .. } => 6,
            Record::ConfigChanged { .. } => 7,
            Record::ProducerIdsAllocated { .. } => 8,
            Record::TopicOwned { .. } => 9,
        }
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind(), VERSION]);
        match self {
            Record::ClusterNamed { cluster_id } => put_text(out, cluster_id),
            Record::BrokerRegistered { broker_id, broker } => {
                put_broker(out, *broker_id);
                put_registration(out, broker);
            }
            Record::TopicCreated { topic_id, name, partitions } => {
                put_id(out, *topic_id);
                put_text(out, name.as_str());
                put_partitions(out, partitions);
            }
            Record::PartitionsAdded { topic_id, partitions } => {
                put_id(out, *topic_id);
                put_partitions(out, partitions);
            }
            Record::LeaderElected { topic_id, partition, leader, isr } => {
                put_id(out, *topic_id);
                put_number(out, u64::from(partition.get()));
                put_broker(out, *leader);
                put_brokers(out, isr);
            }
            Record::TopicDeleted { topic_id } => put_id(out, *topic_id),
            Record::ConfigChanged { owner, name, value } => {
                put_owner(out, owner);
                put_text(out, name);
                put_optional_text(out, value.as_deref());
            }
            Record::TopicOwned { topic_id, owner } => {
                put_id(out, *topic_id);
                put_optional_text(out, owner.as_deref());
            }
            Record::ProducerIdsAllocated { broker_id, next_producer_id } => {
                put_broker(out, *broker_id);
                put_number(out, *next_producer_id);
            }
        }
    }

    fn decode(source: &mut Source<'_>) -> Result<Record, RecordError> {
        let kind = source.byte("kind")?;
        let version = source.byte("version")?;
        if version != VERSION {
            return Err(RecordError::Unknown { kind, version });
        }
        Ok(match kind {
            1 => Record::ClusterNamed { cluster_id: source.text("cluster_id")? },
            2 => Record::BrokerRegistered {
                broker_id: source.broker("broker_id")?,
                broker: registration(source)?,
            },
            3 => Record::TopicCreated {
                topic_id: source.id("topic_id")?,
                name: topic_name(source)?,
                partitions: source.list("partitions", partition)?,
            },
            4 => Record::PartitionsAdded {
                topic_id: source.id("topic_id")?,
                partitions: source.list("partitions", partition)?,
            },
            5 => Record::LeaderElected {
                topic_id: source.id("topic_id")?,
                partition: partition_index(source)?,
                leader: source.broker("leader")?,
                isr: source.brokers("isr")?,
            },
            6 => Record::TopicDeleted { topic_id: source.id("topic_id")? },
            7 => Record::ConfigChanged {
                owner: owner(source)?,
                name: source.text("name")?,
                value: source.optional_text("value")?,
            },
            8 => Record::ProducerIdsAllocated {
                broker_id: source.broker("broker_id")?,
                next_producer_id: source.number("next_producer_id")?,
            },
            9 => Record::TopicOwned {
                topic_id: source.id("topic_id")?,
                owner: source.optional_text("owner")?,
            },
            _ => return Err(RecordError::Unknown { kind, version }),
        })
    }
}

/// The bytes of one entry of the metadata log.
pub fn encode_all(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        record.encode(&mut out);
    }
    out
}

/// The records of one entry of the metadata log.
///
/// # Errors
/// If the bytes are not what [`encode_all`] writes.
pub fn decode_all(bytes: &[u8]) -> Result<Vec<Record>, RecordError> {
    let mut source = Source::new(bytes);
    let mut records = Vec::new();
    while !source.is_empty() {
        records.push(Record::decode(&mut source)?);
    }
    Ok(records)
}

fn topic_name(source: &mut Source<'_>) -> Result<TopicName, RecordError> {
    TopicName::parse(&source.text("name")?).map_err(|_| RecordError::Text { field: "name" })
}

fn partition_index(source: &mut Source<'_>) -> Result<PartitionIndex, RecordError> {
    let number: i32 = source.small("partition")?;
    PartitionIndex::from_wire(number).ok_or(RecordError::Number { field: "partition" })
}

fn put_partitions(out: &mut Vec<u8>, partitions: &[Partition]) {
    put_number(out, partitions.len() as u64);
    for partition in partitions {
        put_brokers(out, &partition.replicas);
        put_brokers(out, &partition.isr);
        put_optional_broker(out, partition.leader);
        put_leader_epoch(out, partition.leader_epoch);
        put_number(out, u64::from(partition.partition_epoch));
    }
}

fn partition(source: &mut Source<'_>) -> Result<Partition, RecordError> {
    Ok(Partition {
        replicas: source.brokers("replicas")?,
        isr: source.brokers("isr")?,
        leader: source.optional_broker("leader")?,
        leader_epoch: source.leader_epoch("leader_epoch")?,
        partition_epoch: source.small("partition_epoch")?,
    })
}

fn put_registration(out: &mut Vec<u8>, broker: &Broker) {
    put_number(out, broker.epoch);
    put_id(out, broker.incarnation);
    put_id(out, broker.directory_id);
    put_optional_text(out, broker.rack.as_deref());
    put_number(out, broker.endpoints.len() as u64);
    for endpoint in &broker.endpoints {
        put_text(out, &endpoint.listener);
        put_text(out, &endpoint.host);
        put_number(out, u64::from(endpoint.port));
    }
}

fn registration(source: &mut Source<'_>) -> Result<Broker, RecordError> {
    Ok(Broker {
        epoch: source.number("epoch")?,
        incarnation: source.id("incarnation")?,
        directory_id: source.id("directory_id")?,
        rack: source.optional_text("rack")?,
        endpoints: source.list("endpoints", |source| {
            Ok(Endpoint {
                listener: source.text("listener")?,
                host: source.text("host")?,
                port: source.small("port")?,
            })
        })?,
    })
}

fn put_owner(out: &mut Vec<u8>, owner: &ConfigOwner) {
    match owner {
        ConfigOwner::Cluster => out.push(0),
        ConfigOwner::Broker(broker) => {
            out.push(1);
            put_broker(out, *broker);
        }
        ConfigOwner::Topic(topic_id) => {
            out.push(2);
            put_id(out, *topic_id);
        }
    }
}

fn owner(source: &mut Source<'_>) -> Result<ConfigOwner, RecordError> {
    Ok(match source.byte("owner")? {
        0 => ConfigOwner::Cluster,
        1 => ConfigOwner::Broker(source.broker("broker_id")?),
        2 => ConfigOwner::Topic(source.id("topic_id")?),
        _ => return Err(RecordError::Number { field: "owner" }),
    })
}

/// An id that no topic has: the wire's "none", and the one that Kafka keeps for its metadata.
pub(super) fn is_reserved(id: Uuid) -> bool {
    u128::from_be_bytes(*id.as_bytes()) <= 1
}
