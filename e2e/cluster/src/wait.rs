//! Waiting for a condition, never for time.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take; generous, because two cores carry all nodes.
pub const MAX: Duration = Duration::from_secs(120);
/// How long to let the cluster be between two looks.
pub const PAUSE: Duration = Duration::from_millis(250);

/// Looks until there is an answer; what the last look saw stands in the error.
///
/// `look` gives the answer, or what it saw instead in words.
///
/// # Errors
/// There is no answer within `max`.
pub fn until<T>(
    what: &str,
    max: Duration,
    mut look: impl FnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let seen = match look() {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(seen)) => seen,
            // The API server may be away for a while.
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() > max {
            bail!("{what}: not within {max:?}; last seen: {seen}");
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::anyhow;

    use super::until;

    #[test]
    fn errors_on_the_way_are_no_end() {
        let mut looks = 0;
        let answer = until("three", Duration::from_secs(10), || {
            looks += 1;
            match looks {
                1 => Err(anyhow!("away")),
                2 => Ok(Err("two".to_owned())),
                _ => Ok(Ok(looks)),
            }
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn the_error_tells_what_was_seen() {
        let answer = until::<()>("rain", Duration::ZERO, || Ok(Err("sun".to_owned())));
        let text = answer.unwrap_err().to_string();
        assert!(text.contains("rain") && text.contains("sun"), "{text}");
    }
}
