//! What every part of the operator works with. Nothing in it is remembered work: a new operator
//! with an empty one goes on where the last one stopped.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use millrace_client::Connect;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::metrics::Metrics;

/// What every part of the operator works with.
pub struct Context<C> {
    /// The API of Kubernetes.
    pub client: Client,
    /// The way to brokers.
    pub connect: C,
    /// The time of day.
    pub clock: Clock,
    /// How the operator was started.
    pub options: Options,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Who may work with the API at the moment.
    pub turns: Turns,
}

/// How many clusters are looked at at once.
const LOOKS_MAX: usize = 16;

/// Turns at the API: however many clusters there are, a few are looked at at once. Who waits for a
/// broker has none, so that those that are silent hold up nobody.
#[derive(Debug)]
pub struct Turns(Semaphore);

/// A turn at the API; it is over when dropped.
#[derive(Debug)]
#[must_use = "a turn is over when dropped"]
pub struct Turn<'a> {
    turns: &'a Turns,
    permit: Option<SemaphorePermit<'a>>,
}

impl Turns {
    /// Waits for a turn.
    pub async fn take(&self) -> Turn<'_> {
        // Never closed, so there always is one.
        Turn { turns: self, permit: self.0.acquire().await.ok() }
    }
}

impl Turn<'_> {
    /// Leaves the turn to others while brokers are waited for, and waits for one again.
    pub async fn aside<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.permit = None;
        let done = work.await;
        self.permit = self.turns.0.acquire().await.ok();
        done
    }
}

impl Default for Turns {
    fn default() -> Turns {
        Turns(Semaphore::new(LOOKS_MAX))
    }
}

/// How the operator was started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces that are looked after; empty for all.
    pub namespaces: Vec<String>,
    /// The brokers' image where a cluster does not say.
    pub broker_image: String,
    /// Whether brokers' users and groups are left to the platform.
    pub leaves_users: bool,
    /// How long nothing may be looked at though nothing was seen to change.
    pub resync: Duration,
    /// How often all is listed anew though no watch broke: what a watch left out shows then.
    pub relist: Duration,
    /// How often the topics of a broker are compared with their resources: others may change them.
    pub compare_topics: Duration,
    /// How long a broker may take to answer.
    pub broker_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            namespaces: Vec::new(),
            broker_image: concat!("millrace-broker:", env!("CARGO_PKG_VERSION")).to_owned(),
            leaves_users: false,
            resync: Duration::from_secs(300),
            relist: Duration::from_secs(1_800),
            compare_topics: Duration::from_secs(5),
            broker_timeout: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// The namespaces as scopes of lists and watches: one that is empty stands for all.
    pub fn scopes(&self) -> Vec<String> {
        if self.namespaces.is_empty() { vec![String::new()] } else { self.namespaces.clone() }
    }

    /// Whether a namespace is looked after.
    pub fn watches(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.iter().any(|it| it == namespace)
    }
}

/// A way to brokers that the operator can use from many tasks.
pub trait Reach: Connect + Clone + Send + Sync + 'static {}

impl<C: Connect + Clone + Send + Sync + 'static> Reach for C {}
