//! What a request names twice is told once: an answer may be a thousand times as long as a name.

use std::collections::BTreeSet;

/// The first row of each key, of a request or of an answer.
///
/// Source: Kafka's `ControllerApis` and `KafkaApis`, which mostly answer by name.
pub(super) fn once<T, K: Ord>(rows: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    rows.into_iter().filter(|row| seen.insert(key(row))).collect()
}

/// The partitions of a topic that `seen` has not had yet; `None` for a topic that was named before
/// and brings nothing new.
pub(super) fn fresh<K: Ord + Clone>(
    seen: &mut BTreeSet<(K, Option<i32>)>,
    topic: &K,
    partitions: &[i32],
) -> Option<Vec<i32>> {
    let is_new = seen.insert((topic.clone(), None));
    let is_fresh = |index: &&i32| seen.insert((topic.clone(), Some(**index)));
    let fresh: Vec<i32> = partitions.iter().filter(is_fresh).copied().collect();
    (is_new || !fresh.is_empty()).then_some(fresh)
}
