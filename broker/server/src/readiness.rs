//! Why the broker does not serve yet, or no more. `/readyz` tells it, and the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the broker waits for, by subject.
#[derive(Debug, Default)]
pub struct Readiness {
    reasons: Mutex<BTreeMap<&'static str, String>>,
}

impl Readiness {
    /// `subject` keeps the broker from serving, for this reason. Replaces its earlier reason.
    pub fn wait_for(&self, subject: &'static str, reason: String) {
        self.lock().insert(subject, reason);
    }

    /// `subject` is no reason any more.
    pub fn is_done(&self, subject: &'static str) {
        self.lock().remove(subject);
    }

    /// All reasons, one a line; empty if the broker serves.
    pub fn reasons(&self) -> String {
        let lines: Vec<String> =
            self.lock().iter().map(|(subject, reason)| format!("{subject}: {reason}\n")).collect();
        lines.concat()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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
    }
}
