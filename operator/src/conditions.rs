//! Conditions by the conventions of Kubernetes: a time that only moves when the status does.

use millrace_crds::Condition;

use crate::clock;

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// What it is about.
    pub kind: &'a str,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word.
    pub reason: &'a str,
    /// Why, for people.
    pub message: String,
}

/// How long a message may be; Kubernetes allows 32 KiB, people read less.
const MESSAGE_CHARS_MAX: usize = 1_024;

/// As much of a message as is told.
pub fn clipped(message: &str) -> &str {
    message.char_indices().nth(MESSAGE_CHARS_MAX).map_or(message, |(end, _)| &message[..end])
}

/// The condition, with the time of the one before if its status is the same.
pub fn condition(
    statement: Statement<'_>,
    before: &[Condition],
    generation: i64,
    now_ms: i64,
) -> Condition {
    let Statement { kind, holds, reason, message } = statement;
    let status = if holds { "True" } else { "False" };
    let same = before.iter().find(|it| it.kind == kind && it.status == status);
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: clipped(&message).to_owned(),
        observed_generation: generation,
        last_transition_time: same
            .map_or_else(|| clock::show(now_ms), |it| it.last_transition_time.clone()),
    }
}
