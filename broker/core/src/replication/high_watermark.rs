//! When a record is committed.

use std::collections::BTreeMap;

use millrace_types::{BrokerId, Offset};

/// Returns the offset below which every record is committed.
///
/// `log_ends` holds the log end of each replica the leader waits for: the committed ISR plus any
/// replica proposed to join it. Never returns less than `current`: a committed record stays so.
/// While fewer than `min_in_sync` replicas are waited for, nothing more is committed.
///
/// Source: KIP-497 (maximal ISR), KIP-966 (min ISR).
pub fn high_watermark(
    current: Offset,
    log_ends: &BTreeMap<BrokerId, Offset>,
    min_in_sync: usize,
) -> Offset {
    if log_ends.len() < min_in_sync {
        return current;
    }
    log_ends.values().min().copied().unwrap_or(current).max(current)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millrace_types::{BrokerId, Offset};

    use super::high_watermark;

    fn check(current: u64, log_ends: &[u64], min_in_sync: usize, expected: u64) {
        let log_ends: BTreeMap<_, _> = (0..)
            .zip(log_ends)
            .map(|(id, &end)| (BrokerId::from_wire(id).unwrap(), Offset::new(end)))
            .collect();
        let found = high_watermark(Offset::new(current), &log_ends, min_in_sync);
        assert_eq!(found, Offset::new(expected), "{log_ends:?}");
    }

    #[test]
    fn a_single_replica_commits_all_it_has() {
        check(3, &[10], 1, 10);
    }

    #[test]
    fn moves_to_what_every_replica_has() {
        check(3, &[10, 7, 8], 2, 7);
    }

    #[test]
    fn holds_still_when_a_lagging_replica_joins() {
        check(8, &[10, 9, 2], 2, 8);
    }

    #[test]
    fn holds_still_while_too_few_are_in_sync() {
        check(3, &[10], 2, 3);
        check(3, &[], 0, 3);
    }
}
