//! Instants as the records carry them.

use std::fmt;

/// Milliseconds since 1970-01-01 UTC, as records and the wire carry them; -1 on the wire is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(i64);

impl TimestampMs {
    /// Reads the wire's `int64`; a negative number means that there is no timestamp.
    pub fn from_wire(value: i64) -> Option<TimestampMs> {
        (value >= 0).then_some(TimestampMs(value))
    }

    /// Makes an instant; a negative number becomes 0.
    pub const fn new(value: i64) -> TimestampMs {
        if value < 0 { TimestampMs(0) } else { TimestampMs(value) }
    }

    /// The wire's `int64`.
    pub const fn to_wire(self) -> i64 {
        self.0
    }

    /// The instant `wait_ms` later, or earlier if negative; never before 0.
    #[must_use]
    pub const fn plus_ms(self, wait_ms: i64) -> TimestampMs {
        TimestampMs::new(self.0.saturating_add(wait_ms))
    }

    /// Milliseconds from `earlier` to here; negative if `earlier` is in fact later.
    pub const fn since_ms(self, earlier: TimestampMs) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
