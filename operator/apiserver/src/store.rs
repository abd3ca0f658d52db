//! Objects, their revisions, and the history that watches and old lists read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::object::set_meta;
use crate::resource::ResourceId;

/// Changes that are kept for watches before the oldest are forgotten.
const HISTORY_MAX: usize = 100_000;

/// Where an object stands within its resource: namespace (empty if it has none) and name.
pub type Key = (String, String);

/// The objects of one resource.
pub type Objects = BTreeMap<Key, Arc<Value>>;

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// The revision that it made.
    pub revision: u64,
    /// When it happened, in tokio's time.
    pub at: Instant,
    /// The resource.
    pub resource: ResourceId,
    /// The object.
    pub key: Key,
    /// The object before; none if it was created.
    pub before: Option<Arc<Value>>,
    /// The object after; none if it was deleted.
    pub after: Option<Arc<Value>>,
    /// The object as a watch shows it: of a deleted one, its last state with the new revision.
    pub shown: Arc<Value>,
}

/// All objects.
#[derive(Debug)]
pub struct Store {
    objects: BTreeMap<ResourceId, Objects>,
    revision: u64,
    /// Changes up to this revision are forgotten.
    compacted: u64,
    history: VecDeque<Change>,
    changed: watch::Sender<u64>,
}

impl Store {
    /// An empty store. Revisions start above 1, as nothing on a real server has revision 1.
    pub fn new() -> Store {
        let (changed, _) = watch::channel(1);
        Store {
            objects: BTreeMap::new(),
            revision: 1,
            compacted: 0,
            history: VecDeque::new(),
            changed,
        }
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The newest forgotten revision.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Tells of each new revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Wakes all who wait for changes, so that they look again.
    pub fn announce(&self) {
        self.changed.send_replace(self.revision);
    }

    /// An object as it is now.
    pub fn get(&self, resource: &ResourceId, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(resource)?.get(key)
    }

    /// All objects of a resource as they are now.
    pub fn all(&self, resource: &ResourceId) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.get(resource).into_iter().flatten()
    }

    /// All objects of all resources.
    pub fn everything(&self) -> impl Iterator<Item = (&ResourceId, &Key, &Arc<Value>)> {
        self.objects.iter().flat_map(|(resource, objects)| {
            objects.iter().map(move |(key, object)| (resource, key, object))
        })
    }

    /// Writes an object and gives it the next revision.
    pub fn put(&mut self, resource: &ResourceId, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        set_meta(&mut object, "resourceVersion", self.revision.to_string());
        let object = Arc::new(object);
        let objects = self.objects.entry(resource.clone()).or_default();
        let before = objects.insert(key.clone(), object.clone());
        self.record(resource, key, before, Some(object.clone()), object.clone());
        object
    }

    /// Removes an object; answers its last state with the revision of its removal.
    pub fn remove(&mut self, resource: &ResourceId, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.get_mut(resource)?.remove(key)?;
        self.revision += 1;
        let mut last = (*before).clone();
        set_meta(&mut last, "resourceVersion", self.revision.to_string());
        let last = Arc::new(last);
        self.record(resource, key.clone(), Some(before), None, last.clone());
        Some(last)
    }

    fn record(
        &mut self,
        resource: &ResourceId,
        key: Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
        shown: Arc<Value>,
    ) {
        let (revision, at) = (self.revision, Instant::now());
        let resource = resource.clone();
        self.history.push_back(Change { revision, at, resource, key, before, after, shown });
        if self.history.len() > HISTORY_MAX {
            self.compact(self.history.front().map_or(0, |oldest| oldest.revision));
        }
        self.changed.send_replace(self.revision);
    }

    /// Forgets the changes up to a revision: who wants to go on from before it gets 410.
    pub fn compact(&mut self, revision: u64) {
        self.compacted = self.compacted.max(revision.min(self.revision));
        while self.history.front().is_some_and(|change| change.revision <= self.compacted) {
            self.history.pop_front();
        }
    }

    /// The changes after a revision, oldest first.
    pub fn changes_after(&self, revision: u64) -> impl DoubleEndedIterator<Item = &Change> {
        let from = self.history.partition_point(|change| change.revision <= revision);
        self.history.range(from..)
    }

    /// The objects of a resource as they were at a revision; `None` if that is forgotten.
    pub fn at(&self, resource: &ResourceId, revision: u64) -> Option<Objects> {
        if revision < self.compacted {
            return None;
        }
        let mut objects = self.objects.get(resource).cloned().unwrap_or_default();
        for change in self.changes_after(revision).rev().filter(|one| one.resource == *resource) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Store;
    use crate::resource::ResourceId;
    use serde_json::json;

    #[test]
    fn shows_objects_as_they_were_until_that_is_forgotten() {
        let mut store = Store::new();
        let pods = ResourceId::new("", "pods");
        let key = ("ns".to_owned(), "a".to_owned());
        let first = store.put(&pods, key.clone(), json!({"n": 1}));
        store.put(&pods, key.clone(), json!({"n": 2}));
        store.remove(&pods, &key);
        assert_eq!(store.at(&pods, 1).expect("known").len(), 0);
        assert_eq!(store.at(&pods, 2).expect("known").get(&key), Some(&first));
        assert_eq!(store.at(&pods, 4).expect("known").len(), 0);
        store.compact(3);
        assert_eq!(store.at(&pods, 2), None);
        assert_eq!(store.changes_after(3).count(), 1);
    }
}
