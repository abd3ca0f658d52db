//! The memory that all requests in flight may take together.
//!
//! A frame is charged for what was received of it, not for the length that it claims. The first few
//! kilobytes of a frame are never refused, so that small requests (heartbeats, metadata) pass even
//! when large ones wait. Past the limit, frames wait, except that one frame at a time may go on:
//! otherwise frames that are each half received could wait for each other for ever.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The budget of one broker, in bytes.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: usize,
    used_bytes: Mutex<usize>,
    freed: Notify,
    last_resort: Arc<Semaphore>,
}

impl Budget {
    /// A budget of `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Arc<Budget> {
        Arc::new(Budget {
            limit_bytes,
            used_bytes: Mutex::new(0),
            freed: Notify::new(),
            last_resort: Arc::new(Semaphore::new(1)),
        })
    }

    /// The limit, in bytes.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// What is charged now, in bytes; a little above the limit when that was reached.
    pub fn used_bytes(&self) -> usize {
        *self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to what is used, if there was room at all before, or in any case if `by_force`.
    fn take(&self, bytes: usize, by_force: bool) -> bool {
        let mut used = self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if *used >= self.limit_bytes && !by_force {
            return false;
        }
        *used = used.saturating_add(bytes);
        if *used < self.limit_bytes {
            // One waiter is woken for each release; it wakes the next if room is left.
            self.freed.notify_one();
        }
        true
    }

    fn give_back(&self, bytes: usize) {
        let mut used = self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(bytes);
        if *used < self.limit_bytes {
            self.freed.notify_one();
        }
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
    last_resort: Option<LastResort>,
}

/// The right, held by one frame at a time, to pass the limit.
#[derive(Debug)]
struct LastResort {
    _permit: OwnedSemaphorePermit,
    since: Instant,
}

impl Charge {
    /// A charge of nothing.
    pub fn none(budget: &Arc<Budget>) -> Charge {
        Charge { budget: Arc::clone(budget), bytes: 0, last_resort: None }
    }

    /// What is charged, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when this charge has kept all others from passing the limit.
    pub fn holds_up_others_since(&self) -> Option<Instant> {
        self.last_resort.as_ref().map(|last_resort| last_resort.since)
    }

    /// Adds to the charge without asking.
    pub fn force(&mut self, bytes: usize) {
        self.budget.take(bytes, true);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Adds to the charge as soon as there is room. Dropping the future charges nothing.
    pub async fn grow(&mut self, bytes: usize) {
        loop {
            let freed = self.budget.freed.notified();
            if self.budget.take(bytes, self.last_resort.is_some()) {
                self.bytes = self.bytes.saturating_add(bytes);
                return;
            }
            tokio::select! { biased;
                () = freed => {}
                permit = Arc::clone(&self.budget.last_resort).acquire_owned() => {
                    // The semaphore is never closed; were it, waiting for room would remain.
                    self.last_resort = permit
                        .ok()
                        .map(|permit| LastResort { _permit: permit, since: Instant::now() });
                }
            }
        }
    }

    /// Gives a part back.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.budget.give_back(bytes);
    }

    /// Moves a part into a charge of its own, which also inherits the right to pass the limit.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        Charge { budget: Arc::clone(&self.budget), bytes, last_resort: self.last_resort.take() }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::{Budget, Charge};

    const SHORT: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn past_the_limit_one_goes_on_and_the_others_wait() {
        let budget = Budget::new(100);
        let [mut first, mut second, mut third] = [(); 3].map(|()| Charge::none(&budget));
        first.grow(60).await;
        second.grow(60).await;
        assert_eq!(budget.used_bytes(), 120);
        timeout(SHORT, first.grow(500)).await.expect("the first to ask may pass the limit");
        assert!(timeout(SHORT, third.grow(1)).await.is_err());
        assert!(timeout(SHORT, second.grow(1)).await.is_err());
        assert!(first.holds_up_others_since().is_some());
        drop(first);
        timeout(SHORT, third.grow(1)).await.expect("room came back");
        assert_eq!(budget.used_bytes(), 61);
    }

    #[tokio::test(start_paused = true)]
    async fn every_waiter_is_woken_when_much_is_freed_at_once() {
        let budget = Budget::new(10);
        let mut all = Charge::none(&budget);
        all.force(10);
        let mut holder = Charge::none(&budget);
        holder.grow(5).await;
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let mut charge = Charge::none(&budget);
                tokio::spawn(async move { charge.grow(1).await })
            })
            .collect();
        tokio::time::sleep(SHORT).await;
        all.shrink(10);
        for waiter in waiters {
            timeout(SHORT, waiter).await.expect("woken").expect("no panic");
        }
        drop(holder);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_split_charge_is_given_back_once() {
        let budget = Budget::new(10);
        let mut whole = Charge::none(&budget);
        whole.force(8);
        let part = whole.split(5);
        assert_eq!((whole.bytes(), part.bytes()), (3, 5));
        drop(whole);
        assert_eq!(budget.used_bytes(), 5);
        drop(part);
        assert_eq!(budget.used_bytes(), 0);
    }
}
