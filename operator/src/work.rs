//! What is looked at when: watches wake workers, one for each cluster that anybody names.
//!
//! A worker's look is level-triggered: it reads what is, not what happened, so a watch may drop or
//! repeat events, and a look that fails is done again later.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, Reach};
use crate::resource::Key;

pub mod index;
mod shared;
mod watches;
mod worker;

use index::Index;

/// How long a look may take to end when the operator stops.
const STOP_WAITS: Duration = Duration::from_secs(5);

/// What workers and watches share.
struct Shop<C> {
    context: Arc<Context<C>>,
    index: Index,
    bells: Mutex<BTreeMap<Key, Arc<Bell>>>,
    /// Clusters that a worker has to be hired for.
    hire: Notify,
    stop: CancellationToken,
}

/// Wakes one worker, and says what for.
#[derive(Default)]
struct Bell {
    notify: Notify,
    /// Something of the cluster itself may have changed, not only of its topics.
    is_for_cluster: AtomicBool,
    has_worker: AtomicBool,
}

/// What a worker is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Cluster,
    Topics,
}

/// A task of the operator has panicked.
#[derive(Debug, thiserror::Error)]
#[error("a task of the operator panicked")]
pub struct Panicked;

/// Looks after all clusters and topics until it is told to stop.
///
/// # Errors
/// A task panicked.
pub async fn operate<C: Reach>(
    context: Arc<Context<C>>,
    stop: CancellationToken,
) -> Result<(), Panicked> {
    let stop = stop.child_token();
    let shop = Arc::new(Shop {
        index: Index::new(context.options.scopes()),
        context,
        bells: Mutex::default(),
        hire: Notify::new(),
        stop: stop.clone(),
    });
    let mut tasks = JoinSet::new();
    for watch in watches::all(&shop) {
        tasks.spawn(guarded(watch));
    }
    let mut outcome = Ok(());
    loop {
        for (key, bell) in shop.unstaffed() {
            tasks.spawn(guarded(worker::run(Arc::clone(&shop), key, bell).boxed()));
        }
        tokio::select! { biased;
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                if !matches!(ended, Ok(true)) {
                    outcome = Err(Panicked);
                    break;
                }
            }
            () = shop.hire.notified() => {}
        }
    }
    stop.cancel();
    let all_end = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WAITS, all_end).await.is_err() {
        tracing::warn!(left = tasks.len(), "tasks did not end in time");
    }
    outcome
}

/// Runs a task; whether it ended without a panic.
async fn guarded(task: futures::future::BoxFuture<'static, ()>) -> bool {
    AssertUnwindSafe(task).catch_unwind().await.is_ok()
}

impl<C> Shop<C> {
    /// Wakes the worker of a cluster.
    fn wake(&self, key: &Key, cause: Cause) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = bells.entry(key.clone()).or_default();
        if cause == Cause::Cluster {
            bell.is_for_cluster.store(true, Ordering::SeqCst);
        }
        bell.notify.notify_one();
        if !bell.has_worker.load(Ordering::SeqCst) {
            self.hire.notify_one();
        }
    }

    /// Wakes the workers of all clusters.
    fn wake_all(&self) {
        for key in self.index.clusters() {
            self.wake(&key, Cause::Cluster);
        }
    }

    /// The clusters that were woken and have no worker yet; they count as staffed from now on.
    fn unstaffed(&self) -> Vec<(Key, Arc<Bell>)> {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |bell: &&Arc<Bell>| !bell.has_worker.swap(true, Ordering::SeqCst);
        bells
            .iter()
            .filter(|(_, bell)| is_new(bell))
            .map(|(key, bell)| (key.clone(), Arc::clone(bell)))
            .collect()
    }

    /// Lets a worker go whose cluster nobody names any more; false if it was woken meanwhile.
    fn dismiss(&self, key: &Key) -> bool {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index.names(key) {
            return false;
        }
        bells.remove(key);
        true
    }
}
