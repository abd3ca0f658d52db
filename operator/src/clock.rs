//! The time of day, driven by tokio's clock, so that tests can move it.

use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base_ms: i64,
    started: Instant,
}

impl Clock {
    /// The machine's, read once: it moves with tokio's clock from here on.
    pub fn system() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::starting_at(i64::try_from(since.as_millis()).unwrap_or_default())
    }

    /// One that begins at this time, in milliseconds since 1970.
    pub fn starting_at(base_ms: i64) -> Clock {
        Clock { base_ms, started: Instant::now() }
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let since = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base_ms.saturating_add(since)
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
    use super::{parse_ms, show, show_micros};

    #[test]
    fn times_are_written_as_kubernetes_does() {
        assert_eq!(show(1_764_000_000_123), "2025-11-24T16:00:00Z");
        assert_eq!(show_micros(1_764_000_000_123), "2025-11-24T16:00:00.123000Z");
        assert_eq!(parse_ms("2025-11-24T16:00:00Z"), Some(1_764_000_000_000));
        assert_eq!(parse_ms("2025-11-24T16:00:00.123000Z"), Some(1_764_000_000_123));
        assert_eq!(parse_ms("yesterday"), None);
    }
}
