//! What a test wants of pods: which run, which fail, and how long they take to end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::store::Key;

/// What becomes of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It runs and is ready.
    #[default]
    Ready,
    /// It runs and is not ready.
    Running,
    /// Its node does not get as far as to start it.
    Coming,
    /// No node takes it; the message says why.
    Unschedulable(String),
    /// Its image cannot be pulled; the message says why.
    ImagePullFails(String),
    /// It starts and ends with an error again and again.
    Crashes {
        /// The container's exit code.
        exit_code: i32,
        /// Its last words.
        message: String,
    },
    /// It has run and ended well, and is not started again.
    Succeeds,
    /// It has run and ended with an error, and is not started again.
    Fails {
        /// The container's exit code.
        exit_code: i32,
        /// Its last words.
        message: String,
    },
    /// Its node does not answer: nothing about it changes, and a delete does not end it.
    NodeLost,
}

/// The fates of pods and the graces that run.
#[derive(Debug, Default)]
pub struct Fates {
    usual: Fate,
    by_uid: BTreeMap<String, Fate>,
    by_pod: BTreeMap<Key, Fate>,
    by_image: BTreeMap<String, Fate>,
    /// How long a pod takes to end after it was asked to.
    pub stops_in: Duration,
    /// When each terminating pod ends, by place and uid.
    pub(crate) ends: BTreeMap<(Key, String), Instant>,
    /// The first three bytes of pods' addresses; `10.244.0` if empty.
    network: String,
    /// The last byte of the newest pod's address.
    last_address: u8,
}

impl Fates {
    /// Sets the fate of pods that have no other.
    pub fn set_usual(&mut self, fate: Fate) {
        self.usual = fate;
    }

    /// Sets a pod's fate, also of later pods of its name; `None` for the usual.
    pub fn set(&mut self, namespace: &str, name: &str, fate: Option<Fate>) {
        let key = (namespace.to_owned(), name.to_owned());
        match fate {
            Some(fate) => self.by_pod.insert(key, fate),
            None => self.by_pod.remove(&key),
        };
    }

    /// Sets the fate of this very pod, before all others: for a test that runs pods itself.
    pub fn set_by_uid(&mut self, uid: &str, fate: Fate) {
        self.by_uid.insert(uid.to_owned(), fate);
    }

    /// Sets the fate of pods whose first container has this image; `None` for the usual.
    pub fn set_by_image(&mut self, image: &str, fate: Option<Fate>) {
        match fate {
            Some(fate) => self.by_image.insert(image.to_owned(), fate),
            None => self.by_image.remove(image),
        };
    }

    /// Sets the first three bytes of pods' addresses: those of a loopback network can be reached.
    pub fn set_network(&mut self, network: &str) {
        network.clone_into(&mut self.network);
    }

    /// The address of the next pod.
    pub(crate) fn next_address(&mut self) -> String {
        self.last_address = self.last_address.wrapping_add(1);
        let network = if self.network.is_empty() { "10.244.0" } else { &self.network };
        format!("{network}.{}", self.last_address)
    }

    /// A pod's fate: by its uid, else by its name, else by its image, else the usual.
    pub fn of(&self, key: &Key, pod: &Value) -> Fate {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        let found = self.by_uid.get(crate::object::meta(pod, "uid"));
        let found = found.or_else(|| self.by_pod.get(key)).or_else(|| self.by_image.get(image));
        found.unwrap_or(&self.usual).clone()
    }
}
