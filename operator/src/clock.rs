//! The time of day: the machine's, or one that tests move with tokio's clock.
//!
//! It may jump when the machine's is set right. What measures how long something takes does so with
//! tokio's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of day.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's, read each time: one that was wrong at the start does not stay so.
    System,
    /// One that moves with tokio's.
    Virtual {
        /// When it began, in milliseconds since 1970.
        base_ms: i64,
        /// When that was.
        started: Instant,
    },
}

impl Clock {
    /// One that begins at this time, in milliseconds since 1970, and moves with tokio's.
    pub fn starting_at(base_ms: i64) -> Clock {
        Clock::Virtual { base_ms, started: Instant::now() }
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Clock::Virtual { base_ms, started } => {
                let since = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                base_ms.saturating_add(since)
            }
        }
    }
}

/// A time as Kubernetes writes it, in seconds: `2026-11-22T21:00:00Z`.
pub fn show(ms: i64) -> String {
    let seconds = Timestamp::from_second(ms.div_euclid(1_000)).unwrap_or_default();
    seconds.to_string()
}

/// A time as Kubernetes writes it for leases, in microseconds.
pub fn show_micros(ms: i64) -> String {
    let base = show(ms);
    format!("{}.{:06}Z", base.trim_end_matches('Z'), ms.rem_euclid(1_000) * 1_000)
}

/// Reads a time, in milliseconds since 1970.
pub fn parse_ms(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::{Clock, parse_ms, show, show_micros};

    #[tokio::test(start_paused = true)]
    async fn the_machine_s_time_is_read_each_time() {
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let before = wall();
        let virtually = Clock::starting_at(0);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(virtually.now_ms(), 86_400_000);
        let now = Duration::from_millis(Clock::System.now_ms().unsigned_abs());
        let ms = Duration::from_millis(1);
        assert!(before < now + ms && now <= wall(), "{before:?} {now:?}: not moved by tokio's");
    }

    #[test]
    fn times_are_written_as_kubernetes_does() {
        assert_eq!(show(1_764_000_000_123), "2025-11-24T16:00:00Z");
        assert_eq!(show_micros(1_764_000_000_123), "2025-11-24T16:00:00.123000Z");
        assert_eq!(parse_ms("2025-11-24T16:00:00Z"), Some(1_764_000_000_000));
        assert_eq!(parse_ms("2025-11-24T16:00:00.123000Z"), Some(1_764_000_000_123));
        assert_eq!(parse_ms("yesterday"), None);
    }
}
