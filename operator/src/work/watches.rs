//! The watches: what changes at the API wakes a worker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, pin_mut};
use kube::api::{Api, DynamicObject, ObjectMeta};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use millrace_crds::API_VERSION;
use tokio::time::Instant;

use super::{Cause, Shop};
use crate::context::Reach;
use crate::kind::Kind;
use crate::names::{CLUSTER_LABEL, MANAGER};
use crate::resource::{Cluster, Key, Topic, api};
use crate::topic::wanted::WantedTopic;

/// All watches, each to be run as a task.
pub(super) fn all<C: Reach>(shop: &Arc<Shop<C>>) -> Vec<BoxFuture<'static, ()>> {
    let mut watches = Vec::new();
    for scope in shop.context.options.scopes() {
        watches.push(clusters(Arc::clone(shop), scope.clone()).boxed());
        watches.push(topics(Arc::clone(shop), scope.clone()).boxed());
        for kind in Kind::ALL {
            watches.push(children(Arc::clone(shop), scope.clone(), kind).boxed());
        }
    }
    watches
}

async fn clusters<C: Reach>(shop: Arc<Shop<C>>, scope: String) {
    let api = api::<Cluster>(shop.context.client.clone(), &scope);
    let events = || watch(api.clone(), watcher::Config::default());
    let mut told = BTreeSet::new();
    let take = |event: Event<Cluster>| match event {
        Event::Init => told.clear(),
        Event::InitApply(cluster) | Event::Apply(cluster) => {
            told.insert(cluster.key());
            if shop.index.note_cluster(&cluster) {
                shop.wake(&cluster.key(), Cause::Cluster);
            }
        }
        Event::Delete(cluster) => {
            shop.index.forget_cluster(&cluster.key());
            shop.wake(&cluster.key(), Cause::Cluster);
        }
        Event::InitDone => {
            // What was missed while nothing was watched is found by looking at all.
            let is_here = |key: &Key| scope.is_empty() || key.namespace == scope;
            for key in shop.index.clusters().into_iter().filter(is_here) {
                if !told.contains(&key) {
                    shop.index.forget_cluster(&key);
                }
                shop.wake(&key, Cause::Cluster);
            }
        }
    };
    each(&shop, "Cluster", events, take, || {}).await;
}

async fn topics<C: Reach>(shop: Arc<Shop<C>>, scope: String) {
    let api = api::<Topic>(shop.context.client.clone(), &scope);
    let events = || watch(api.clone(), watcher::Config::default());
    let mut told = BTreeSet::new();
    let mut is_listing = false;
    let wake_all = || {
        for cluster in shop.index.clusters() {
            shop.wake(&cluster, Cause::Topics);
        }
    };
    let take = |event: Event<Topic>| match event {
        Event::Init => {
            is_listing = true;
            told.clear();
        }
        Event::InitApply(topic) | Event::Apply(topic) => {
            if is_listing {
                told.insert(topic.key());
            }
            // Most of what is told is what we have written ourselves, and was noted then.
            if shop.index.has(&topic) {
                return;
            }
            let topic = WantedTopic::read(&topic);
            let cluster = Arc::clone(&topic.cluster);
            if shop.index.note_topic(topic) {
                shop.wake(&cluster, Cause::Topics);
            }
        }
        Event::Delete(topic) => {
            if let Some(cluster) = shop.index.forget_topic(&topic.key()) {
                shop.wake(&cluster, Cause::Topics);
            }
        }
        Event::InitDone => {
            is_listing = false;
            shop.index.end_listing(&scope, &told);
            told.clear();
            wake_all();
        }
    };
    let refused = || {
        if shop.index.refuse_listing(&scope) {
            wake_all();
        }
    };
    each(&shop, "Topic", events, take, refused).await;
}

/// Child objects: only their labels are read, to know whose they are.
async fn children<C: Reach>(shop: Arc<Shop<C>>, scope: String, kind: Kind) {
    let client = shop.context.client.clone();
    let resource: ApiResource = kind.resource();
    let api: Api<PartialObjectMeta<DynamicObject>> = if scope.is_empty() {
        Api::all_with(client, &resource)
    } else {
        Api::namespaced_with(client, &scope, &resource)
    };
    let ours = format!("app.kubernetes.io/managed-by={MANAGER}");
    let events = || watch(api.clone(), watcher::Config::default().labels(&ours));
    let take = |event: Event<PartialObjectMeta<DynamicObject>>| match event {
        Event::Apply(object) | Event::Delete(object) => {
            let namespace = object.metadata.namespace.clone();
            if let (Some(name), Some(namespace)) = (cluster_of(&object.metadata), namespace) {
                shop.wake(&Key { namespace, name }, Cause::Cluster);
            }
        }
        Event::Init | Event::InitApply(_) => {}
        Event::InitDone => shop.wake_all(),
    };
    each(&shop, kind.name(), events, take, || {}).await;
}

/// Whose a child object is: as its label says, or its owner if somebody has taken the label off.
fn cluster_of(metadata: &ObjectMeta) -> Option<String> {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(CLUSTER_LABEL));
    let mut owners = metadata.owner_references.iter().flatten();
    let owner = owners.find(|it| it.kind == "Cluster" && it.api_version == API_VERSION);
    label.or(owner.map(|it| &it.name)).cloned()
}

/// How long a watch that broke waits before it begins anew: twice as long each time, until none was
/// needed for a while. There is one operator, so chance need not spread those who come back.
#[derive(Default)]
struct Waits {
    count: u32,
    last: Option<Instant>,
}

/// The first wait.
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const WAIT_LAST: Duration = Duration::from_secs(10);
/// How long after the last wait the next one is the first again.
const WAITS_FORGOTTEN: Duration = Duration::from_secs(60);

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.last.is_some_and(|last| last.elapsed() > WAITS_FORGOTTEN) {
            self.count = 0;
        }
        self.last = Some(Instant::now());
        let wait = WAIT_FIRST.saturating_mul(1 << self.count.min(10)).min(WAIT_LAST);
        self.count = self.count.saturating_add(1);
        Some(wait)
    }
}

impl Backoff for Waits {
    /// Called for every event, also for that of beginning anew, which says nothing of its success.
    fn reset(&mut self) {}
}

/// Hands on events until the operator stops. A watch that breaks begins anew, and one that does not
/// from time to time, too.
async fn each<C, K, S>(
    shop: &Shop<C>,
    what: &'static str,
    events: impl Fn() -> S,
    mut take: impl FnMut(Event<K>),
    refused: impl Fn(),
) where
    C: Reach,
    K: Send + 'static,
    S: Stream<Item = watcher::Result<Event<K>>> + Send,
{
    loop {
        let lists_again = tokio::time::sleep(shop.context.options.relist);
        let events = events().backoff(Waits::default());
        pin_mut!(lists_again, events);
        loop {
            let event = tokio::select! { biased;
                () = shop.stop.cancelled() => return,
                () = &mut lists_again => break,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => take(event),
                Some(Err(error)) => {
                    if is_refusal(&error) {
                        refused();
                    }
                    let error = crate::error::chain(&error);
                    tracing::warn!(kind = what, error, "watch broke, begins anew");
                }
                None => break,
            }
            let (clusters, topics) = shop.index.counts();
            shop.context.metrics.known(clusters, topics);
        }
    }
}

/// Whether the operator may not see these objects, as in a namespace that is gone with its roles.
fn is_refusal(error: &watcher::Error) -> bool {
    let watcher::Error::InitialListFailed(error) = error else { return false };
    crate::error::code(error) == Some(403)
}
