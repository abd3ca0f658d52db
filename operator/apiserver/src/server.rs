//! The handle that a test holds: clients, the caches' lag, a look at the store.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::controllers;
use crate::fates::Fates;
use crate::faults::Faults;
use crate::resource::ResourceId;
use crate::service::ApiService;
use crate::shared::Shared;
use crate::store::Change;
use crate::world::World;

/// A server; clones are the same server.
#[derive(Clone, Debug)]
pub struct ApiServer {
    pub(crate) shared: Arc<Shared>,
}

impl ApiServer {
    /// A server with nothing but the usual namespaces. The seed decides uids and generated names.
    pub fn new(seed: u64) -> ApiServer {
        ApiServer { shared: Arc::new(Shared::new(World::new(seed))) }
    }

    /// A client without faults. Must be called on a tokio runtime.
    pub fn client(&self, namespace: &str) -> Client {
        self.client_with(namespace, &Faults::new(0))
    }

    /// A client that meets these faults. Must be called on a tokio runtime.
    pub fn client_with(&self, namespace: &str, faults: &Faults) -> Client {
        Client::new(self.service(faults, "millrace-test"), namespace)
    }

    /// The service under a client, for those who put something between the two.
    pub fn service(&self, faults: &Faults, user_agent: &str) -> ApiService {
        ApiService::new(self.shared.clone(), faults.clone(), user_agent)
    }

    /// Lets caches show each change that much later.
    pub fn set_cache_lag(&self, lag: Duration) {
        self.shared.world().cache.lag = lag;
    }

    /// Lets caches stand still where they are.
    pub fn freeze_cache(&self) {
        let mut world = self.shared.world();
        world.cache.frozen_at = Some(world.cached_revision());
    }

    /// Lets caches go on.
    pub fn thaw_cache(&self) {
        let mut world = self.shared.world();
        world.cache.frozen_at = None;
        world.store.announce();
    }

    /// Forgets all changes so far: watches that are behind, and old pages of lists, get 410.
    pub fn compact(&self) {
        let mut world = self.shared.world();
        let newest = world.store.revision();
        world.store.compact(newest);
    }

    /// Runs what runs beside a real server: the garbage collector, the namespace controller, a
    /// StatefulSet controller and a kubelet. They end with the server or when the task is aborted.
    /// Must be called on a tokio runtime.
    pub fn run_controllers(&self) -> JoinHandle<()> {
        controllers::spawn(&self.shared)
    }

    /// Lets the controllers do now all that there is to do, whether they run or not.
    ///
    /// # Panics
    /// If there is no end to it.
    pub fn settle(&self) {
        controllers::settle(&mut self.shared.world());
    }

    /// Changes what becomes of pods; the controllers see it at once if they run.
    pub fn with_fates(&self, change: impl FnOnce(&mut Fates)) {
        let mut world = self.shared.world();
        change(&mut world.fates);
        world.store.announce();
    }

    /// The newest revision: it moves with every change of anything, and with nothing else.
    pub fn revision(&self) -> u64 {
        self.shared.world().store.revision()
    }

    /// Tells of each new revision, and of what controllers are to look at again.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.world().store.subscribe()
    }

    /// All that changed after a revision, oldest first, as far as it is not forgotten.
    pub fn changes_after(&self, revision: u64) -> Vec<Change> {
        self.shared.world().store.changes_after(revision).cloned().collect()
    }

    /// All objects of a resource, by namespace and name, past all faults.
    pub fn objects(&self, group: &str, plural: &str) -> Vec<Value> {
        let world = self.shared.world();
        let resource = ResourceId::new(group, plural);
        let all = world.store.all(&resource);
        all.map(|(_, object)| (**object).clone()).collect()
    }

    /// All objects of all resources, past all faults.
    pub fn everything(&self) -> Vec<(ResourceId, Value)> {
        let world = self.shared.world();
        let all = world.store.everything();
        all.map(|(resource, _, object)| (resource.clone(), (**object).clone())).collect()
    }

    /// One object, past all faults.
    pub fn object(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let world = self.shared.world();
        let key = (namespace.to_owned(), name.to_owned());
        world.store.get(&ResourceId::new(group, plural), &key).map(|object| (**object).clone())
    }
}
