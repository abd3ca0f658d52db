//! The state of one server: what it stores, what it serves, its clock and its chance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::fates::Fates;
use crate::registry::{Registry, definition};
use crate::resource::{Resource, ResourceId};
use crate::store::{Key, Store};

/// Everything behind one server.
#[derive(Debug)]
pub struct World {
    /// The objects.
    pub store: Store,
    /// The served resources.
    pub registry: Registry,
    /// The time.
    pub clock: Clock,
    /// How late caches show what was written.
    pub cache: Cache,
    /// What a test wants of pods.
    pub fates: Fates,
    /// The revision up to which the garbage collector has looked.
    pub collected: u64,
    chance: ChaCha8Rng,
    /// Counts what is handed out once: cluster addresses and node ports.
    handed_out: BTreeMap<&'static str, u16>,
}

/// How far the server's caches (watches, and reads that allow old data) lag behind the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cache {
    /// The time from a write until caches show it.
    pub lag: Duration,
    /// The revision at which caches stand still.
    pub frozen_at: Option<u64>,
}

impl World {
    /// A server with the namespaces `default`, `kube-system` and `kube-public`.
    pub fn new(seed: u64) -> World {
        let mut world = World {
            store: Store::new(),
            registry: Registry::new(),
            clock: Clock::new(),
            cache: Cache::default(),
            fates: Fates::default(),
            collected: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
            handed_out: BTreeMap::new(),
        };
        for name in ["default", "kube-public", "kube-system"] {
            let namespace = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "uid": world.uid(),
                    "creationTimestamp": world.clock.now(),
                    "labels": { "kubernetes.io/metadata.name": name },
                },
                "spec": { "finalizers": ["kubernetes"] },
                "status": { "phase": "Active" },
            });
            let key = (String::new(), name.to_owned());
            world.store.put(&ResourceId::new("", "namespaces"), key, namespace);
        }
        world
    }

    /// A new uid.
    pub fn uid(&mut self) -> String {
        let bits: u128 = self.chance.random();
        let hex = format!("{bits:032x}");
        format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// The five characters that stand behind a generated name.
    pub fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..5).map(|_| char::from(LETTERS[self.chance.random_range(0..LETTERS.len())])).collect()
    }

    /// The next number of a kind that is handed out once, counted from 0.
    pub fn hand_out(&mut self, kind: &'static str) -> u16 {
        let next = self.handed_out.entry(kind).or_default();
        *next += 1;
        *next - 1
    }

    /// The newest revision that caches show.
    pub fn cached_revision(&self) -> u64 {
        let newest = self.store.revision();
        let shown = match self.cache.lag {
            Duration::ZERO => newest,
            lag => {
                let now = Instant::now();
                let late = self.store.changes_after(0).rev().take_while(|one| one.at + lag > now);
                late.last().map_or(newest, |oldest_late| oldest_late.revision - 1)
            }
        };
        shown.min(self.cache.frozen_at.unwrap_or(newest))
    }

    /// Writes an object; a definition also changes what is served.
    pub fn put(&mut self, resource: &Resource, key: Key, object: Value) -> Arc<Value> {
        let object = self.store.put(&resource.id(), key, object);
        if resource.plural == "customresourcedefinitions"
            && let Ok(defined) = definition::resource(&object)
        {
            self.registry.add(defined);
        }
        object
    }

    /// Removes an object; with a definition go its resource and all objects of it.
    pub fn remove(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Value>> {
        let last = self.store.remove(&resource.id(), key)?;
        if resource.plural == "customresourcedefinitions"
            && let Ok(defined) = definition::resource(&last)
        {
            let keys: Vec<Key> =
                self.store.all(&defined.id()).map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.store.remove(&defined.id(), &key);
            }
            self.registry.remove(&defined.id());
        }
        Some(last)
    }
}
