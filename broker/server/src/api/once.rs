//! What a request names twice is refused, and told once.

use std::collections::BTreeSet;

/// The first row of each key. Source: Kafka's `ControllerApis`, which answers by name.
pub(super) fn once<T, K: Ord>(rows: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    rows.into_iter().filter(|row| seen.insert(key(row))).collect()
}
