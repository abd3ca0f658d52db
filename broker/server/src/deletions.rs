//! Files that were taken out of use and are unlinked a while later, so that who still reads them can
//! finish: `file.delete.delay.ms`.
//!
//! What is still here when the broker ends is swept at the next start; nothing is lost by a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_log::Deletion;
use millrace_types::TimestampMs;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::env::Env;

/// Deletions that wait for their time.
#[derive(Debug, Default)]
pub struct Deletions {
    queue: Mutex<Queue>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// By time, and in the order in which they were added.
    waiting: BTreeMap<(TimestampMs, u64), Deletion>,
    added: u64,
}

impl Deletions {
    /// Unlinks the files when they are due.
    pub fn add(&self, deletion: Deletion) {
        if deletion.paths.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let key = (deletion.due, queue.added);
        queue.added = queue.added.saturating_add(1);
        queue.waiting.insert(key, deletion);
        drop(queue);
        self.added.notify_one();
    }

    /// How many deletions wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts the task that unlinks.
    pub fn start(self: &Arc<Self>, env: &Env) {
        let (deletions, stopping) = (Arc::clone(self), env.tasks.stopping().clone());
        let world = env.clone();
        env.tasks.spawn("deletions", async move {
            tokio::select! { biased;
                () = stopping.cancelled() => {}
                () = deletions.run(&world) => {}
            }
        });
    }

    async fn run(&self, env: &Env) {
        loop {
            let now = env.clock.now();
            while let Some(deletion) = self.take_due(now) {
                let disk = Arc::clone(&env.disk);
                if let Err(error) = env.blocking.run(move || deletion.run(&*disk)).await {
                    // The next start tries again.
                    tracing::warn!(%error, "files that are done with cannot be removed");
                }
            }
            let next = self.lock().waiting.first_key_value().map(|((due, _), _)| *due);
            let wait = async {
                match next {
                    Some(due) => {
                        let wait_ms = due.since_ms(env.clock.now()).max(1);
                        sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! { biased;
                () = self.added.notified() => {}
                () = wait => {}
            }
        }
    }

    fn take_due(&self, now: TimestampMs) -> Option<Deletion> {
        let mut queue = self.lock();
        let entry = queue.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use millrace_log::Deletion;
    use millrace_log::disk::RealDisk;
    use millrace_types::TimestampMs;

    use super::Deletions;
    use crate::clock::Clock;
    use crate::env::Env;

    #[tokio::test(start_paused = true)]
    async fn files_go_when_they_are_due_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::starting_at(TimestampMs::new(1_000));
        let env = Env::simulated(Arc::new(RealDisk), clock, 1);
        let deletions = Arc::new(Deletions::default());
        deletions.start(&env);
        let path = |name: &str| dir.path().join(name);
        for (name, due) in [("late", 61_000), ("soon", 2_000), ("overdue", 0)] {
            std::fs::write(path(name), name).unwrap();
            deletions.add(Deletion { due: TimestampMs::new(due), paths: vec![path(name)] });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!path("overdue").exists() && path("soon").exists());
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        assert!(!path("soon").exists() && path("late").exists());
        tokio::time::sleep(Duration::from_millis(59_100)).await;
        assert!(!path("late").exists());
        assert!(deletions.is_empty());
        env.tasks.stop().await;
    }
}
