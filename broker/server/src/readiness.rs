//! Why the broker does not serve yet, or no more. `/readyz` tells it, and the log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What the broker waits for, by subject.
#[derive(Default)]
pub struct Readiness {
    state: Mutex<State>,
    /// Who is asked each time.
    asked: Mutex<BTreeMap<&'static str, Ask>>,
}

#[derive(Debug, Default)]
struct State {
    reasons: BTreeMap<&'static str, String>,
    /// When a reason came, changed or went, while the broker starts.
    moved_at: Option<Instant>,
    has_served: bool,
}

/// Tells why a subject keeps the broker from serving now; `None` if it does not.
type Ask = Box<dyn Fn() -> Option<String> + Send + Sync>;

impl Readiness {
    /// `subject` keeps the broker from serving, for this reason. Replaces its earlier reason.
    pub fn wait_for(&self, subject: &'static str, reason: String) {
        let mut state = self.lock();
        state.moved_at = Some(Instant::now());
        state.reasons.insert(subject, reason);
    }

    /// `subject` is no reason any more.
    pub fn is_done(&self, subject: &'static str) {
        let mut state = self.lock();
        state.moved_at = Some(Instant::now());
        state.reasons.remove(subject);
        state.has_served |= state.reasons.is_empty();
    }

    /// Has `ask` tell, whenever somebody wants to know, why `subject` keeps the broker from serving.
    pub fn ask(
        &self,
        subject: &'static str,
        ask: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(subject, Box::new(ask));
    }

    /// All reasons, one a line; empty if the broker serves.
    pub fn reasons(&self) -> String {
        let mut reasons = self.lock().reasons.clone();
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.extend(asked.iter().filter_map(|(subject, ask)| Some((*subject, ask()?))));
        drop(asked);
        let line = |(subject, reason)| format!("{subject}: {reason}\n");
        reasons.into_iter().map(line).collect()
    }

    /// How long a start has not moved: a broker that recovers a large log moves with each log that
    /// it has read. Zero once the broker has served.
    pub fn stalled(&self) -> Duration {
        let state = self.lock();
        let moved_at = state.moved_at.filter(|_| !state.has_served);
        moved_at.map_or(Duration::ZERO, |at| at.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("state", &self.lock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Readiness;

    #[test]
    fn every_reason_is_told_until_it_is_gone() {
        let readiness = Readiness::default();
        readiness.wait_for("logs", "3 of 10 opened".to_owned());
        readiness.wait_for("logs", "4 of 10 opened".to_owned());
        readiness.wait_for("listeners", "not open yet".to_owned());
        assert_eq!(readiness.reasons(), "listeners: not open yet\nlogs: 4 of 10 opened\n");
        readiness.is_done("listeners");
        readiness.is_done("logs");
        assert_eq!(readiness.reasons(), "");
        readiness.ask("groups", || Some("2 of 50 loading".to_owned()));
        readiness.ask("partitions", || None);
        assert_eq!(readiness.reasons(), "groups: 2 of 50 loading\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_stalls_when_nothing_moves_and_never_after_it() {
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        let readiness = Readiness::default();
        readiness.wait_for("logs", "3 of 10 opened".to_owned());
        pass(50).await;
        readiness.wait_for("logs", "4 of 10 opened".to_owned());
        pass(20).await;
        assert_eq!(readiness.stalled(), Duration::from_secs(20));
        readiness.is_done("logs");
        readiness.wait_for("broker", "is stopping".to_owned());
        pass(500).await;
        assert_eq!(readiness.stalled(), Duration::ZERO);
    }
}
