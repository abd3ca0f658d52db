//! The resources as far as watches have told of them: which clusters there are, and all topics.
//!
//! It is what lets 10,000 topics be compared without reading them again. It may be old; nothing is
//! deleted on its word alone.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shared::Shared;
use crate::resource::{Cluster, Key, Topic};
use crate::topic::wanted::{WantedTopic, version};

/// What is known of the resources.
#[derive(Debug)]
pub struct Index {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each cluster with what a change of is worth a look.
    clusters: BTreeMap<Key, (String, i64)>,
    topics: BTreeSet<Noted>,
    /// The topics that name each cluster.
    by_cluster: BTreeMap<Arc<Key>, BTreeSet<Noted>>,
    /// What many topics have the same.
    shared: Shared,
    /// Scopes of whose topics no watch has told of all yet. Later lists leave it as it is: what is
    /// known stays until they are complete.
    unlisted: BTreeSet<String>,
    /// Those that the operator may not see.
    refused: BTreeSet<String>,
}

/// A topic, found by where it is: its key is not kept a second time.
#[derive(Clone, Debug)]
struct Noted(Arc<WantedTopic>);

impl Borrow<Key> for Noted {
    fn borrow(&self) -> &Key {
        &self.0.key
    }
}

impl PartialEq for Noted {
    fn eq(&self, other: &Noted) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Noted {}

impl PartialOrd for Noted {
    fn partial_cmp(&self, other: &Noted) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Noted {
    fn cmp(&self, other: &Noted) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
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

    /// Whether this very reading of a topic is known.
    pub fn has(&self, topic: &Topic) -> bool {
        let version = version(&topic.metadata);
        let state = self.lock();
        let known = state.topics.get(&topic.key());
        known.is_some_and(|Noted(known)| {
            version != 0
                && known.version == version
                && topic.metadata.uid.as_deref() == Some(&*known.uid)
        })
    }

    /// Notes a topic, unless a later reading of it is known; whether it is new or wants something
    /// else than before, and so is worth a look.
    pub fn note_topic(&self, topic: WantedTopic) -> bool {
        self.lock().note(topic)
    }

    /// Notes a topic that was read past the watches, if it is still known: what a watch has told to
    /// be gone must not come back. Whether something else is wanted than before.
    pub fn note_again(&self, topic: WantedTopic) -> bool {
        let mut state = self.lock();
        let is_known = state.topics.get(&topic.key).is_some_and(|it| it.0.uid == topic.uid);
        is_known && state.note(topic)
    }

    /// Forgets a topic; the cluster that it named.
    pub fn forget_topic(&self, key: &Key) -> Option<Arc<Key>> {
        let mut state = self.lock();
        let Noted(topic) = state.topics.take(key)?;
        state.unlink(&topic);
        Some(Arc::clone(&topic.cluster))
    }

    /// A watch has told of all topics of a namespace: those it did not tell of are gone. The
    /// clusters that these named.
    pub fn end_listing(&self, namespace: &str, told: &BTreeSet<Key>) -> BTreeSet<Arc<Key>> {
        let mut state = self.lock();
        state.unlisted.remove(namespace);
        state.refused.remove(namespace);
        let is_gone = |Noted(it): &&Noted| {
            (namespace.is_empty() || it.key.namespace == namespace) && !told.contains(&it.key)
        };
        let gone: Vec<Noted> = state.topics.iter().filter(is_gone).cloned().collect();
        let mut clusters = BTreeSet::new();
        for Noted(topic) in gone {
            state.topics.remove(&topic.key);
            state.unlink(&topic);
            clusters.insert(Arc::clone(&topic.cluster));
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
        let topics = state.by_cluster.get(cluster).into_iter().flatten();
        topics.map(|Noted(topic)| Arc::clone(topic)).collect()
    }

    /// All clusters that are there or are named by topics.
    pub fn clusters(&self) -> Vec<Key> {
        let state = self.lock();
        let named = state.by_cluster.keys().map(|key| &**key);
        let all: BTreeSet<&Key> = state.clusters.keys().chain(named).collect();
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
    fn note(&mut self, mut topic: WantedTopic) -> bool {
        let before = self.topics.get(&topic.key).map(|Noted(before)| Arc::clone(before));
        if let Some(before) = &before {
            if before.uid == topic.uid && before.version > topic.version {
                return false;
            }
            if before.cluster != topic.cluster {
                self.unlink(before);
            }
        }
        let is_worth_it =
            before.is_none_or(|it| it.uid != topic.uid || it.generation != topic.generation);
        self.shared.share(&mut topic);
        let topic = Arc::new(topic);
        let named = self.by_cluster.entry(Arc::clone(&topic.cluster)).or_default();
        named.replace(Noted(Arc::clone(&topic)));
        self.topics.replace(Noted(topic));
        is_worth_it
    }

    fn unlink(&mut self, topic: &WantedTopic) {
        if let Some(named) = self.by_cluster.get_mut(&*topic.cluster) {
            named.remove(&topic.key);
            if named.is_empty() {
                self.by_cluster.remove(&*topic.cluster);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::Index;
    use crate::resource::{Key, Topic};
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
        assert_eq!(index.topics_of(&topic("a", 0).cluster)[0].version, 6);
        index.forget_topic(&key);
        index.note_again(topic("a", 7));
        assert_eq!(index.counts(), (0, 0));
        index.note_topic(topic("b", 9));
        index.note_again(topic("a", 7));
        assert_eq!(index.topics_of(&topic("a", 0).cluster)[0].uid.as_ref(), "b");
    }

    #[test]
    fn the_reading_that_was_noted_is_known_and_no_other() {
        let index = Index::new(vec![String::new()]);
        let resource = |uid: &str, version: &str| -> Topic {
            let metadata = json!({ "name": "orders", "namespace": "store", "uid": uid,
                "resourceVersion": version, "generation": 1 });
            serde_json::from_value(json!({ "metadata": metadata })).expect("a resource")
        };
        index.note_topic(topic("a", 5));
        assert!(index.has(&resource("a", "5")));
        assert!(!index.has(&resource("a", "6")) && !index.has(&resource("b", "5")));
        index.forget_topic(&topic("a", 0).key);
        assert!(!index.has(&resource("a", "5")));
        index.note_topic(topic("a", 0));
        assert!(!index.has(&resource("a", "0")), "a version that says nothing");
    }

    #[test]
    fn a_topic_that_names_another_cluster_is_no_longer_among_those_of_the_first() {
        let index = Index::new(vec![String::new()]);
        let mut moved = topic("a", 6);
        moved.cluster = Arc::new(Key { namespace: "store".to_owned(), name: "b".to_owned() });
        let first = topic("a", 5).cluster;
        index.note_topic(topic("a", 5));
        index.note_topic(moved.clone());
        assert!(index.topics_of(&first).is_empty() && !index.names(&first));
        assert_eq!(index.topics_of(&moved.cluster).len(), 1);
    }

    #[test]
    fn what_topics_have_the_same_is_kept_once() {
        let index = Index::new(vec![String::new()]);
        for number in 0..3 {
            let mut topic = topic("a", 5);
            topic.key.name = format!("orders-{number}");
            index.note_topic(topic);
        }
        let topics = index.topics_of(&topic("a", 0).cluster);
        let configs = |index: usize| &topics[index].spec.as_ref().expect("a spec").configs;
        assert!(Arc::ptr_eq(configs(0), configs(1)) && Arc::ptr_eq(configs(1), configs(2)));
        assert!(Arc::ptr_eq(&topics[0].cluster, &topics[2].cluster));
    }
}
