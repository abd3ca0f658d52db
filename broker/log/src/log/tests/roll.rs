use std::fs;

use millrace_types::Offset;
use millrace_wire::record::Batch;

use super::{NOW, Place, Wanted, append, append_at, append_many, batch};
use crate::config::{CleanupPolicy, LogConfig};
use crate::new_batch::NewBatch;

#[test]
fn a_segment_ends_before_it_outgrows_its_size() {
    let place = Place::new();
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    let mut log = place.open(LogConfig { segment_bytes: one * 2 + 1, ..LogConfig::default() });
    append_many(&mut log, 5);
    assert_eq!(place.with_suffix(".log"), [0, 2, 4]);
}

#[test]
fn a_segment_ends_when_its_records_span_too_much_time() {
    for (timestamps, jitter_ms, expected) in [
        (&[1_000, 1_500, 2_000][..], 0, &[0][..]),
        (&[1_000, 1_500, 2_001], 0, &[0, 2]),
        (&[1_000, 5_000, 500, 5_500], 0, &[0, 1]),
        // Without a time of its own a batch does not end the segment.
        (&[1_000, -1, 2_000], 0, &[0]),
        // Somewhere within the jitter, the same for each run.
        (&[1_000, 2_000], 1, &[0]),
    ] {
        let place = Place::new();
        let config =
            LogConfig { segment_ms: 1_000, segment_jitter_ms: jitter_ms, ..LogConfig::default() };
        let mut log = place.open(config);
        for &timestamp in timestamps {
            append(&mut log, Wanted { timestamp, ..Wanted::default() });
        }
        assert_eq!(place.with_suffix(".log"), expected, "{timestamps:?}");
    }
}

#[test]
fn a_segment_ends_in_time_for_its_compaction() {
    for (compacts, max_compaction_lag_ms, expected) in
        [(true, 1_000, &[0, 2][..]), (true, 0, &[0]), (false, 1_000, &[0])]
    {
        let place = Place::new();
        let cleanup = CleanupPolicy { deletes: false, compacts };
        let config = LogConfig { cleanup, max_compaction_lag_ms, ..LogConfig::default() };
        let mut log = place.open(config);
        for timestamp in [1_000, 2_000, 2_001] {
            append(&mut log, Wanted { timestamp, ..Wanted::default() });
        }
        assert_eq!(place.with_suffix(".log"), expected, "{compacts} {max_compaction_lag_ms}");
    }
}

#[test]
fn without_timestamps_the_clock_ends_a_segment() {
    let place = Place::new();
    let mut log = place.open(LogConfig { segment_ms: 1_000, ..LogConfig::default() });
    for wait_ms in [0, 1_000, 1_001, 1_002] {
        append_at(&mut log, NOW.plus_ms(wait_ms), Wanted { timestamp: -1, ..Wanted::default() });
    }
    assert_eq!(place.with_suffix(".log"), [0, 2]);
}

#[test]
fn a_segment_ends_when_an_index_is_full() {
    // 48 bytes hold 6 offset entries; 4 time entries, one of them kept for the end.
    for (timestamps, expected) in [([1; 9], &[0, 7][..]), ([1, 2, 3, 4, 5, 6, 7, 8, 9], &[0, 4, 8])]
    {
        let place = Place::new();
        let config =
            LogConfig { index_interval_bytes: 0, segment_index_bytes: 48, ..LogConfig::default() };
        let mut log = place.open(config);
        for timestamp in timestamps {
            append(&mut log, Wanted { timestamp, ..Wanted::default() });
        }
        assert_eq!(place.with_suffix(".log"), expected);
    }
}

#[test]
fn a_segment_ends_when_an_offset_is_too_far_from_its_base() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted::default());
    let limit = u64::from(i32::MAX.unsigned_abs());
    for base in [limit, limit + 1] {
        let bytes = batch(base, Wanted::default());
        let (far, _) = Batch::split_first(&bytes).unwrap();
        log.append(&[NewBatch::stored(&far)], NOW).unwrap();
    }
    assert_eq!(place.with_suffix(".log"), [0, limit + 1]);
}

#[test]
fn rolling_completes_the_indexes_and_notes_the_producers() {
    let place = Place::new();
    let config = LogConfig { index_interval_bytes: 150, ..LogConfig::default() };
    let mut log = place.open(config);
    for timestamp in [5, 3, 9, 9, 4, 20] {
        append(&mut log, Wanted { timestamp, ..Wanted::default() });
    }
    log.roll(NOW).unwrap();
    log.roll(NOW).unwrap();
    assert_eq!(place.with_suffix(".log"), [0, 6]);
    assert_eq!(place.with_suffix(".snapshot"), [], "vouches for indexes that are not durable");
    log.flush().unwrap();
    assert_eq!(place.with_suffix(".snapshot"), [6]);
    let one = batch(0, Wanted::default()).len();
    let index = fs::read(place.path().join("00000000000000000000.index")).unwrap();
    let entries: Vec<(u32, u32)> = index
        .as_chunks::<8>()
        .0
        .iter()
        .map(|entry| {
            let [a, b, c, d, rest @ ..] = *entry;
            (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(rest))
        })
        .collect();
    let at = |count: usize| u32::try_from(one * count).unwrap();
    assert_eq!(entries, [(2, at(2)), (4, at(4))]);
    let times = fs::read(place.path().join("00000000000000000000.timeindex")).unwrap();
    let entries: Vec<(i64, u32)> = times
        .as_chunks::<12>()
        .0
        .iter()
        .map(|entry| {
            let (timestamp, offset) = entry.split_at(8);
            (
                i64::from_be_bytes(timestamp.try_into().unwrap()),
                u32::from_be_bytes(offset.try_into().unwrap()),
            )
        })
        .collect();
    assert_eq!(entries, [(9, 2), (20, 5)], "the largest so far, and at last the largest of all");
    assert_eq!(log.reader().end_offset(), Offset::new(6));
}
