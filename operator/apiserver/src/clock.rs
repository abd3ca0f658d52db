//! The server's wall clock: a fixed start plus tokio's time, so that a paused clock drives it.

use std::time::Duration;

use tokio::time::Instant;

/// 2026-01-01T00:00:00Z, in seconds since 1970.
const START_SECONDS: u64 = 1_767_225_600;

/// Tells the time of a virtual day that begins when the clock is made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    made: Instant,
}

impl Clock {
    /// A clock that shows 2026-01-01T00:00:00Z now.
    pub fn new() -> Clock {
        Clock { made: Instant::now() }
    }

    /// The time now, as `2026-01-01T00:00:00Z`.
    pub fn now(&self) -> String {
        self.after(Duration::ZERO)
    }

    /// The time a while from now.
    pub fn after(&self, wait: Duration) -> String {
        rfc3339(START_SECONDS + (self.made.elapsed() + wait).as_secs())
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

/// Seconds since 1970 as Kubernetes writes times.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days, for days after 1970.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn writes_times_as_kubernetes_does() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(super::START_SECONDS), "2026-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
