//! Every task of the broker: they are in one set, end by one token, and the panic of one ends the
//! process.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one broker. Clones are handles to the same set.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
    failure: Arc<Failure>,
}

#[derive(Debug, Default)]
struct Failure {
    failed: CancellationToken,
    task: Mutex<Option<&'static str>>,
}

impl Tasks {
    /// Starts a task. It ends by itself when [`Tasks::stopping`] does, or sooner.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let bomb = Bomb { name, failure: Arc::clone(&self.failure) };
        let kill = self.kill.clone();
        // Boxed, because each layer around a future would double its size.
        let future = Box::pin(future);
        self.tracker.spawn(async move {
            let _bomb = bomb;
            kill.run_until_cancelled_owned(future).await;
        });
    }

    /// Drops all tasks where they stand, as the end of the process would: the simulator's crash.
    pub fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }

    /// Is cancelled when the tasks are to end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Tells all tasks to end and waits until they have.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Waits until a task has panicked, and names it.
    pub async fn failed(&self) -> &'static str {
        self.failure.failed.cancelled().await;
        self.failure.task.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or("unknown")
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }
}

/// Goes off when it is dropped by a panic.
struct Bomb {
    name: &'static str,
    failure: Arc<Failure>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failure
                .task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(self.name);
            self.failure.failed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tasks;

    #[tokio::test]
    async fn tasks_end_by_the_token() {
        let tasks = Tasks::default();
        let stopping = tasks.stopping().clone();
        tasks.spawn("waiter", async move { stopping.cancelled().await });
        assert_eq!(tasks.running(), 1);
        tasks.stop().await;
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn a_kill_ends_tasks_that_would_not() {
        let tasks = Tasks::default();
        tasks.spawn("stubborn", std::future::pending());
        tasks.kill();
        tasks.stop().await;
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn a_panic_is_told_by_name() {
        let tasks = Tasks::default();
        tasks.spawn("careless", async { panic!("on purpose") });
        assert_eq!(tasks.failed().await, "careless");
    }
}
