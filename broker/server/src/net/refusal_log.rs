//! Lines about refused clients, but never so many that they are an attack of their own.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millrace_core::limits;
use tokio::time::Instant;

/// Writes the first lines of each second and counts the others.
#[derive(Debug, Default)]
pub struct RefusalLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    second_began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl RefusalLog {
    /// Writes one line about `client`, unless this second has had enough of them.
    pub fn write(&self, client: &dyn fmt::Display, reason: &dyn std::error::Error) {
        let Some(left_out) = self.may_write(Instant::now()) else {
            return;
        };
        let reason = Chain(reason);
        if left_out == 0 {
            tracing::warn!(%client, %reason, "connection refused");
        } else {
            tracing::warn!(%client, %reason, left_out, "connection refused, as others before");
        }
    }

    /// Whether a line may be written, and how many were left out before it.
    fn may_write(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let second = Duration::from_secs(1);
        if state.second_began.is_none_or(|began| now.duration_since(began) >= second) {
            state.second_began = Some(now);
            state.lines = 0;
        }
        if state.lines >= limits::REFUSALS_LOGGED_PER_SECOND_MAX {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.lines = state.lines.saturating_add(1);
        Some(std::mem::take(&mut state.left_out))
    }
}

/// An error with its causes on one line.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_core::limits::REFUSALS_LOGGED_PER_SECOND_MAX;
    use tokio::time::Instant;

    use super::RefusalLog;

    #[test]
    fn a_flood_is_counted_and_told_in_the_next_second() {
        let log = RefusalLog::default();
        let start = Instant::now();
        let flood = u64::from(REFUSALS_LOGGED_PER_SECOND_MAX) + 90;
        let written = (0..flood).filter(|_| log.may_write(start).is_some()).count();
        assert_eq!(written as u64, u64::from(REFUSALS_LOGGED_PER_SECOND_MAX));
        assert_eq!(log.may_write(start + Duration::from_secs(1)), Some(90));
        assert_eq!(log.may_write(start + Duration::from_secs(1)), Some(0));
    }
}
