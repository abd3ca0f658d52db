//! Whether the disk keeps pace: who writes little does so on its own thread, as long as writes return
//! at once. The system lets writers wait when too much is unwritten, and then workers must not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millrace_core::limits;
use tokio::time::Instant;

/// How writes to the disk went lately.
#[derive(Debug)]
pub struct Pace {
    origin: Instant,
    /// Until when writes are taken to be slow, in milliseconds since `origin`.
    slow_until_ms: AtomicU64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { origin: Instant::now(), slow_until_ms: AtomicU64::new(0) }
    }
}

impl Pace {
    /// Whether a thread that others wait for may write so many bytes.
    pub fn allows(&self, bytes: usize) -> bool {
        bytes <= limits::APPEND_INLINE_BYTES_MAX
            && self.now_ms() >= self.slow_until_ms.load(Ordering::Relaxed)
    }

    /// Writes, and notes how long that took.
    pub fn measure<T>(&self, write: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = write();
        self.note(began);
        result
    }

    fn note(&self, began: Instant) {
        if began.elapsed() > Duration::from_millis(limits::APPEND_SLOW_MS) {
            let until_ms = self.now_ms().saturating_add(limits::APPEND_SLOW_FOR_MS);
            self.slow_until_ms.fetch_max(until_ms, Ordering::Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_core::limits;
    use tokio::time::advance;

    use super::Pace;

    #[tokio::test(start_paused = true)]
    async fn after_a_slow_write_others_go_elsewhere_for_a_while() {
        let pace = Pace::default();
        assert!(pace.allows(1_000));
        assert!(!pace.allows(limits::APPEND_INLINE_BYTES_MAX + 1));
        pace.measure(|| ());
        assert!(pace.allows(1_000));
        // Time cannot move within a write here: one that began long ago stands for a slow one.
        let began = tokio::time::Instant::now();
        advance(Duration::from_millis(limits::APPEND_SLOW_MS + 1)).await;
        pace.note(began);
        assert!(!pace.allows(1_000));
        advance(Duration::from_millis(limits::APPEND_SLOW_FOR_MS + 1)).await;
        assert!(pace.allows(1_000));
    }
}
