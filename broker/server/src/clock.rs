//! The one place where the broker reads the wall clock.
//!
//! Decisions take `now` as an argument; whoever calls them asks here. In the simulator the clock is
//! virtual: it starts at a fixed instant and moves with tokio's paused time.

use std::time::{SystemTime, UNIX_EPOCH};

use millrace_types::TimestampMs;
use tokio::time::Instant;

/// Where the broker takes its wall clock from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// `base` at `origin`, moving with tokio's time from there on.
    Virtual {
        /// The wall clock at `origin`.
        base: TimestampMs,
        /// The instant of tokio's time at which the wall clock showed `base`.
        origin: Instant,
    },
}

impl Clock {
    /// A clock that shows `base` now and moves with tokio's time.
    pub fn starting_at(base: TimestampMs) -> Clock {
        Clock::Virtual { base, origin: Instant::now() }
    }

    /// The instant, as records carry it.
    pub fn now(&self) -> TimestampMs {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                TimestampMs::new(millis(since))
            }
            Clock::Virtual { base, origin } => base.plus_ms(millis(origin.elapsed())),
        }
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_types::TimestampMs;

    use super::Clock;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_moves_with_tokios_time() {
        let clock = Clock::starting_at(TimestampMs::new(1_000));
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(clock.now(), TimestampMs::new(1_250));
    }
}
