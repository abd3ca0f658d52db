//! Who waits for a partition to move: long polls. Woken, never polling.
//!
//! A [`Waiter`] stands with every partition that its fetch reads. A partition that moves takes the
//! bytes that have become readable off what the waiter lacks, and wakes it when nothing is lacking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// One fetch that waits.
#[derive(Debug, Default)]
pub struct Waiter {
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are lacking; none if 0 or less.
    missing_bytes: i64,
    /// Which of its partitions have moved, by their place in the fetch.
    moved: Vec<usize>,
}

/// The fetches that wait for one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    list: Mutex<Vec<(Arc<Waiter>, usize)>>,
}

impl Waiter {
    /// Says that so many bytes are lacking from now on. If partitions have moved since they were
    /// looked at, returns their places instead: there may be enough by now.
    pub fn lack(&self, missing_bytes: i64) -> Vec<usize> {
        let mut state = lock(&self.state);
        state.missing_bytes = missing_bytes;
        std::mem::take(&mut state.moved)
    }

    /// Waits until enough has moved since [`Waiter::lack`], or a partition asks to be looked at in
    /// any case. May return early.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }

    fn tell(&self, place: usize, bytes: i64) {
        let mut state = lock(&self.state);
        if !state.moved.contains(&place) {
            state.moved.push(place);
        }
        state.missing_bytes = state.missing_bytes.saturating_sub(bytes);
        if state.missing_bytes <= 0 {
            self.notify.notify_one();
        }
    }
}

impl Waiters {
    /// Lets `waiter` stand here; the partition has this place in its fetch.
    pub fn add(&self, waiter: &Arc<Waiter>, place: usize) {
        lock(&self.list).push((Arc::clone(waiter), place));
    }

    /// Lets `waiter` go.
    pub fn remove(&self, waiter: &Arc<Waiter>) {
        let mut list = lock(&self.list);
        list.retain(|(known, _)| !Arc::ptr_eq(known, waiter));
        if list.is_empty() {
            // An idle partition keeps no list.
            *list = Vec::new();
        }
    }

    /// Tells all that so many more bytes can be read.
    pub fn tell(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        for (waiter, place) in lock(&self.list).iter() {
            waiter.tell(*place, bytes);
        }
    }

    /// Wakes all, whatever they lack: the answer has changed.
    pub fn wake(&self) {
        self.tell(u64::MAX);
    }
}

/// Whoever panicked while holding such a lock took the process with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::{Waiter, Waiters};

    async fn is_woken(waiter: &Waiter) -> bool {
        timeout(Duration::from_millis(1), waiter.woken()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_is_woken_when_it_lacks_nothing_more() {
        let (one, two) = (Waiters::default(), Waiters::default());
        let waiter = Arc::new(Waiter::default());
        one.add(&waiter, 0);
        two.add(&waiter, 1);
        assert!(waiter.lack(100).is_empty());
        one.tell(60);
        assert!(!is_woken(&waiter).await);
        two.tell(40);
        assert!(is_woken(&waiter).await);
        assert_eq!(waiter.lack(100), [0, 1]);
        one.tell(99);
        one.tell(0);
        assert!(!is_woken(&waiter).await);
        two.wake();
        assert!(is_woken(&waiter).await);
        assert_eq!(waiter.lack(100), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_before_the_wait_is_not_lost() {
        let waiters = Waiters::default();
        let waiter = Arc::new(Waiter::default());
        waiters.add(&waiter, 0);
        waiters.tell(1);
        assert_eq!(waiter.lack(1), [0]);
        waiters.tell(1);
        assert!(is_woken(&waiter).await);
        waiters.remove(&waiter);
        assert!(super::lock(&waiters.list).is_empty());
    }
}
