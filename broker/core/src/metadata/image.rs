//! The state that the records add up to.
//!
//! A clone costs nothing to speak of: topics lie in persistent trees that share what did not
//! change, so that every committed change can be published as an image of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_types::{BrokerId, PartitionIndex, TopicId, TopicName};
use rpds::RedBlackTreeMapSync;

use super::record::{ConfigOwner, Record};
use super::state::{Broker, Partition, Topic};
use super::topic_rules::folded;
use super::touched::Touched;
use crate::config::{Layers, StaticConfig, Values};

/// The metadata of the cluster after some record of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    cluster_id: Option<Arc<str>>,
    topics: RedBlackTreeMapSync<TopicName, Arc<Topic>>,
    names: RedBlackTreeMapSync<TopicId, TopicName>,
    /// Names with `.` or `_`, under what they are when both count as the same. More than one only
    /// where the topics were taken over from a disk.
    folded_names: RedBlackTreeMapSync<String, BTreeSet<TopicName>>,
    partitions_count: usize,
    brokers: Arc<BTreeMap<BrokerId, Broker>>,
    cluster_values: Arc<Values>,
    broker_values: Arc<BTreeMap<BrokerId, Values>>,
    next_producer_id: u64,
}

impl Image {
    /// The cluster's id; `None` before its first start.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.get(self.names.get(&id)?)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// The topics from this name on, by name.
    pub fn topics_from(&self, first: &TopicName) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.range::<TopicName, _>(first.clone()..).map(|(_, topic)| topic)
    }

    /// How many topics there are.
    pub fn topics_count(&self) -> usize {
        self.topics.size()
    }

    /// How many partitions all topics together have.
    pub fn partitions_count(&self) -> usize {
        self.partitions_count
    }

    /// A topic whose name differs from this one in nothing but `.` and `_`.
    pub fn colliding(&self, name: &TopicName) -> Option<&TopicName> {
        self.folded_names.get(&folded(name)?)?.iter().find(|other| *other != name)
    }

    /// The brokers that have registered.
    pub fn brokers(&self) -> &BTreeMap<BrokerId, Broker> {
        &self.brokers
    }

    /// The first producer id that is not given out.
    pub fn next_producer_id(&self) -> u64 {
        self.next_producer_id
    }

    /// What is set on all brokers while they run.
    pub fn cluster_values(&self) -> &Values {
        &self.cluster_values
    }

    /// What is set on this broker while it runs.
    pub fn broker_values(&self, broker: BrokerId) -> &Values {
        static NOTHING: Values = Values::new();
        self.broker_values.get(&broker).unwrap_or(&NOTHING)
    }

    /// The brokers on which something is set.
    pub fn brokers_with_values(&self) -> impl Iterator<Item = (&BrokerId, &Values)> {
        self.broker_values.iter()
    }

    /// The layers of configs for this broker, over those that it was started with.
    pub fn layers<'a>(&'a self, broker: BrokerId, file: &'a StaticConfig) -> Layers<'a> {
        Layers {
            broker: self.broker_values(broker),
            cluster: &self.cluster_values,
            file: file.values(),
        }
    }

    /// All that there is: what to compare an empty image with.
    pub fn everything(&self) -> Touched {
        let topics = self.topics().map(|topic| topic.id).collect();
        Touched { topics, configs: BTreeSet::from([ConfigOwner::Cluster]) }
    }

    /// Makes the change that a committed record says. Cannot fail, and is the same on each node: a
    /// record about a topic that is not there changes nothing.
    ///
    /// `touched` notes what to compare afterwards.
    pub fn apply(&mut self, record: &Record, touched: &mut Touched) {
        match record {
            Record::ClusterNamed { cluster_id } => {
                self.cluster_id = Some(Arc::from(cluster_id.as_str()));
            }
            Record::BrokerRegistered { broker_id, broker } => {
                Arc::make_mut(&mut self.brokers).insert(*broker_id, broker.clone());
            }
            Record::TopicCreated { topic_id, name, partitions } => {
                touched.topics.insert(*topic_id);
                self.create(*topic_id, name, partitions);
            }
            Record::PartitionsAdded { topic_id, partitions } => {
                touched.topics.insert(*topic_id);
                if self.names.contains_key(topic_id) {
                    self.partitions_count += partitions.len();
                }
                self.change(*topic_id, |topic| topic.partitions.extend_from_slice(partitions));
            }
            Record::LeaderElected { topic_id, partition, leader, isr } => {
                touched.topics.insert(*topic_id);
                self.change(*topic_id, |topic| elect(topic, *partition, *leader, isr));
            }
            Record::TopicDeleted { topic_id } => {
                touched.topics.insert(*topic_id);
                self.delete(*topic_id);
            }
            Record::TopicOwned { topic_id, owner } => {
                self.change(*topic_id, |topic| topic.owner.clone_from(owner));
            }
            Record::ConfigChanged { owner, name, value } => {
                touched.configs.insert(owner.clone());
                self.change_config(owner, name, value.as_deref());
            }
            Record::ProducerIdsAllocated { broker_id: _, next_producer_id } => {
                self.next_producer_id = *next_producer_id;
            }
        }
    }

    fn create(&mut self, id: TopicId, name: &TopicName, partitions: &[Partition]) {
        if let Some(older) = self.topics.get(name).map(|topic| topic.id) {
            self.delete(older);
        }
        let topic = Topic {
            id,
            name: name.clone(),
            partitions: partitions.to_vec(),
            values: Values::new(),
            owner: None,
        };
        self.partitions_count += partitions.len();
        self.topics.insert_mut(name.clone(), Arc::new(topic));
        self.names.insert_mut(id, name.clone());
        if let Some(folded) = folded(name) {
            let mut names = self.folded_names.get(&folded).cloned().unwrap_or_default();
            names.insert(name.clone());
            self.folded_names.insert_mut(folded, names);
        }
    }

    fn change(&mut self, id: TopicId, change: impl FnOnce(&mut Topic)) {
        let Some(name) = self.names.get(&id) else { return };
        if let Some(topic) = self.topics.get_mut(name) {
            change(Arc::make_mut(topic));
        }
    }

    fn delete(&mut self, id: TopicId) {
        let Some(topic) = self.topic_by_id(id).cloned() else { return };
        self.partitions_count -= topic.partitions.len();
        self.names.remove_mut(&id);
        self.topics.remove_mut(&topic.name);
        if let Some(folded) = folded(&topic.name)
            && let Some(names) = self.folded_names.get(&folded)
        {
            let mut names = names.clone();
            names.remove(&topic.name);
            if names.is_empty() {
                self.folded_names.remove_mut(&folded);
            } else {
                self.folded_names.insert_mut(folded, names);
            }
        }
    }

    fn change_config(&mut self, owner: &ConfigOwner, name: &str, value: Option<&str>) {
        let set = |values: &mut Values| {
            match value {
                Some(value) => values.insert(name.to_owned(), value.to_owned()),
                None => values.remove(name),
            };
        };
        match owner {
            ConfigOwner::Cluster => set(Arc::make_mut(&mut self.cluster_values)),
            ConfigOwner::Broker(broker) => {
                let all = Arc::make_mut(&mut self.broker_values);
                let values = all.entry(*broker).or_default();
                set(values);
                if values.is_empty() {
                    all.remove(broker);
                }
            }
            ConfigOwner::Topic(id) => self.change(*id, |topic| set(&mut topic.values)),
        }
    }
}

fn elect(topic: &mut Topic, partition: PartitionIndex, leader: BrokerId, isr: &[BrokerId]) {
    let index = usize::try_from(partition.get()).unwrap_or(usize::MAX);
    if let Some(partition) = topic.partitions.get_mut(index) {
        partition.leader = Some(leader);
        partition.isr = isr.to_vec();
        partition.leader_epoch = partition.leader_epoch.next();
        partition.partition_epoch = partition.partition_epoch.saturating_add(1);
    }
}
