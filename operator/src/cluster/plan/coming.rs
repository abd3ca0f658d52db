//! Pods that are on their way, and what is told of those that do not arrive.

use crate::cluster::seen::{Pod, SLOW_MS, Seen};
use crate::kind::Kind;
use crate::objects::Warning;

/// How long a pod may be on its way once its node has said that something is wrong: much of that
/// passes, such as a volume that is still at another node.
const WARNED_MAX_MS: i64 = 60_000;
/// How long it may be on its way though nothing is said, with the pull of its image.
pub(super) const TAKES_MAX_MS: i64 = 300_000;

/// How often the set is asked why it has not made a pod.
const ASKS_MS: u64 = 5_000;

/// A pod that is on its way.
pub(super) struct Coming {
    /// What was said of it last, if something is wrong.
    pub words: Option<String>,
    /// Why it has to be looked at by a person, if it has.
    pub stuck: Option<String>,
    /// When to look again, in milliseconds from now: what is said of it wakes nobody.
    pub again_ms: u64,
}

/// What there is to say of a pod that is on its way.
pub(super) fn coming(pod: Pod<'_>, seen: &Seen) -> Coming {
    let takes_ms = pod.coming_ms(seen.now_ms).unwrap_or(0);
    let name = pod.text("/metadata/name").unwrap_or_default().to_owned();
    let words = seen.warnings.get(&(Kind::Pod, name)).map(|warning| warning.words.clone());
    let limit_ms = if words.is_some() { WARNED_MAX_MS } else { TAKES_MAX_MS };
    let stuck = (takes_ms >= limit_ms).then(|| {
        let nothing = || format!("its node has not started it within {} s", limit_ms / 1_000);
        words.clone().unwrap_or_else(nothing)
    });
    let left_ms = if takes_ms < SLOW_MS { SLOW_MS - takes_ms } else { SLOW_MS };
    Coming { words, stuck, again_ms: left_ms.unsigned_abs() }
}

/// What there is to say of pods that the set has not made. A warning from before the cluster was
/// missed, of something that has passed, is none.
pub(super) fn missing(set: &str, seen: &Seen) -> Coming {
    let since_ms = seen.not_ready_since_ms();
    let is_of_now = |warning: &&Warning| match since_ms {
        Some(since_ms) => warning.at_ms >= since_ms - SLOW_MS,
        None => seen.before.conditions.is_empty(),
    };
    let warning = seen.warnings.get(&(Kind::StatefulSet, set.to_owned())).filter(is_of_now);
    let words = warning.map(|warning| warning.words.clone());
    let is_long = since_ms.is_some_and(|since_ms| seen.now_ms - since_ms >= SLOW_MS);
    let stuck = words.clone().filter(|_| is_long);
    Coming { words, stuck, again_ms: ASKS_MS }
}
