//! The resources as far as watches have told of them: which clusters there are, and all topics.
//!
//! It is what lets 10,000 topics be compared without reading them again. It may be old; nothing is
//! deleted on its word alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::resource::{Cluster, Key};
use crate::topic::wanted::WantedTopic;

/// What is known of the resources.
#[derive(Debug)]
pub struct Index {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each cluster with what a change of is worth a look.
    clusters: BTreeMap<Key, (String, i64)>,
    topics: BTreeMap<Key, Arc<WantedTopic>>,
    /// The topics that name each cluster.
    by_cluster: BTreeMap<Key, BTreeSet<Key>>,
    /// Scopes of whose topics no watch has told of all yet. Later lists leave it as it is: what is
    /// known stays until they are complete.
    unlisted: BTreeSet<String>,
    /// Those that the operator may not see.
    refused: BTreeSet<String>,
}

impl Index {
    /// An index of these scopes (one that is empty stands for all), which knows nothing yet.
    pub fn new(scopes: Vec<String>) -> Index {
        let state = State { unlisted: scopes.into_iter().collect(), ..State::default() };
        Index { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a cluster; whether it is new or wants something else than before.
    pub fn note_cluster(&self, cluster: &Cluster) -> bool {
        let metadata = &cluster.metadata;
        let worth = (metadata.uid.clone().unwrap_or_default(), metadata.generation.unwrap_or(0));
        let before = self.lock().clusters.insert(cluster.key(), worth.clone());
        before != Some(worth) || metadata.deletion_timestamp.is_some()
    }

    /// Forgets a cluster.
    pub fn forget_cluster(&self, key: &Key) {
        self.lock().clusters.remove(key);
    }

    /// Notes a topic, unless a later reading of it is known; whether it is new or wants something
    /// else than before, and so is worth a look.
    pub fn note_topic(&self, topic: WantedTopic) -> bool {
        self.lock().note(topic)
    }

    /// Notes a topic that was read past the watches, if it is still known: what a watch has told to
    /// be gone must not come back.
    pub fn note_again(&self, topic: WantedTopic) {
        let mut state = self.lock();
        if state.topics.get(&topic.key).is_some_and(|known| known.uid == topic.uid) {
            state.note(topic);
        }
    }

    /// Forgets a topic; the cluster that it named.
    pub fn forget_topic(&self, key: &Key) -> Option<Key> {
        let mut state = self.lock();
        let topic = state.topics.remove(key)?;
        state.unlink(&topic);
        Some(topic.cluster.clone())
    }

    /// A watch has told of all topics of a namespace: those it did not tell of are gone. The
    /// clusters that these named.
    pub fn end_listing(&self, namespace: &str, told: &BTreeSet<Key>) -> BTreeSet<Key> {
        let mut state = self.lock();
        state.unlisted.remove(namespace);
        state.refused.remove(namespace);
        let is_gone = |key: &&Key| {
            (namespace.is_empty() || key.namespace == namespace) && !told.contains(*key)
        };
        let gone: Vec<Key> = state.topics.keys().filter(is_gone).cloned().collect();
        let mut clusters = BTreeSet::new();
        for key in gone {
            if let Some(topic) = state.topics.remove(&key) {
                state.unlink(&topic);
                clusters.insert(topic.cluster.clone());
            }
        }
        clusters
    }

    /// The topics of a namespace (empty: all) cannot be told of, so nobody waits for them; whether
    /// somebody did.
    pub fn refuse_listing(&self, namespace: &str) -> bool {
        let mut state = self.lock();
        let was_awaited = state.unlisted.remove(namespace);
        if was_awaited {
            state.refused.insert(namespace.to_owned());
        }
        was_awaited
    }

    /// Whether all topics are known that can be.
    pub fn is_complete(&self) -> bool {
        self.lock().unlisted.is_empty()
    }

    /// Whether the topics of a namespace were ever told of: no other can be missed.
    pub fn is_listed(&self, namespace: &str) -> bool {
        let state = self.lock();
        let is_off = |scope: &str| state.refused.contains(scope) || state.unlisted.contains(scope);
        !is_off("") && !is_off(namespace)
    }

    /// The topics that name a cluster, by where they are.
    pub fn topics_of(&self, cluster: &Key) -> Vec<Arc<WantedTopic>> {
        let state = self.lock();
        let keys = state.by_cluster.get(cluster).into_iter().flatten();
        keys.filter_map(|key| state.topics.get(key)).cloned().collect()
    }

    /// All clusters that are there or are named by topics.
    pub fn clusters(&self) -> Vec<Key> {
        let state = self.lock();
        let all: BTreeSet<&Key> = state.clusters.keys().chain(state.by_cluster.keys()).collect();
        all.into_iter().cloned().collect()
    }

    /// Whether a cluster is there or named by a topic.
    pub fn names(&self, cluster: &Key) -> bool {
        let state = self.lock();
        state.clusters.contains_key(cluster) || state.by_cluster.contains_key(cluster)
    }

    /// How many clusters and topics are known.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.clusters.len(), state.topics.len())
    }
}

impl State {
    fn note(&mut self, topic: WantedTopic) -> bool {
        let before = self.topics.get(&topic.key).cloned();
        let version = |text: &str| text.parse::<u64>().unwrap_or(0);
        if let Some(before) = &before {
            let is_same = before.uid == topic.uid;
            if is_same && version(&before.resource_version) > version(&topic.resource_version) {
                return false;
            }
            if before.cluster != topic.cluster {
                self.unlink(before);
            }
        }
        let is_worth_it =
            before.is_none_or(|it| it.uid != topic.uid || it.generation != topic.generation);
        let named = self.by_cluster.entry(topic.cluster.clone()).or_default();
        named.insert(topic.key.clone());
        self.topics.insert(topic.key.clone(), Arc::new(topic));
        is_worth_it
    }

    fn unlink(&mut self, topic: &WantedTopic) {
        if let Some(named) = self.by_cluster.get_mut(&topic.cluster) {
            named.remove(&topic.key);
            if named.is_empty() {
                self.by_cluster.remove(&topic.cluster);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Index;
    use crate::resource::Topic;
    use crate::topic::wanted::WantedTopic;

    fn topic(uid: &str, version: u64) -> WantedTopic {
        let resource: Topic = serde_json::from_value(json!({
            "metadata": {
                "name": "orders", "namespace": "store", "uid": uid,
                "resourceVersion": version.to_string(), "generation": 1,
            },
            "spec": { "clusterRef": { "name": "shop" } },
        }))
        .expect("a resource");
        WantedTopic::read(&resource)
    }

    #[test]
    fn a_topic_that_is_gone_does_not_come_back_with_the_answer_of_an_old_write() {
        let index = Index::new(vec![String::new()]);
        assert!(index.note_topic(topic("a", 5)));
        index.note_again(topic("a", 6));
        let key = topic("a", 0).key;
        assert_eq!(index.topics_of(&topic("a", 0).cluster)[0].resource_version, "6");
        index.forget_topic(&key);
        index.note_again(topic("a", 7));
        assert_eq!(index.counts(), (0, 0));
        index.note_topic(topic("b", 9));
        index.note_again(topic("a", 7));
        assert_eq!(index.topics_of(&topic("a", 0).cluster)[0].uid, "b");
    }
}
