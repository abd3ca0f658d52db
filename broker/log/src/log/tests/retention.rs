use millrace_types::Offset;

use super::{NOW, Place, Wanted, append, batch, everything, read_all};
use crate::config::{CleanupPolicy, LogConfig};
use crate::disk::RealDisk;
use crate::error::{LogError, ReadError};
use crate::log::Log;

/// Segments of two batches, at 0, 2, 4, ...; the timestamps are ms before `NOW`.
fn pairs(place: &Place, ages_ms: &[i64], config: &LogConfig) -> Log {
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    let mut log = place.open(LogConfig { segment_bytes: one * 2, ..config.clone() });
    for age_ms in ages_ms {
        let timestamp = NOW.plus_ms(-age_ms).to_wire();
        append(&mut log, Wanted { timestamp, ..Wanted::default() });
    }
    log
}

#[test]
fn segments_go_when_their_newest_record_is_too_old() {
    let limit = LogConfig { retention_ms: Some(100), ..LogConfig::default() };
    for (ages_ms, start, segments) in [
        (&[300, 200, 101, 102, 50, 10][..], 4, &[4][..]),
        (&[300, 100, 300, 300, 300], 0, &[0, 2, 4]),
        // The oldest only: a segment behind one that stays, stays.
        (&[300, 300, 1, 1, 300, 300, 1], 2, &[2, 4, 6]),
        // The active segment goes too; a new one takes its place.
        (&[300, 300, 300], 3, &[3]),
    ] {
        let place = Place::new();
        let mut log = pairs(&place, ages_ms, &limit);
        log.retain(NOW).unwrap();
        assert_eq!(log.reader().start_offset().get(), start, "{ages_ms:?}");
        assert_eq!(place.with_suffix(".log"), segments, "{ages_ms:?}");
        assert!(log.retain(NOW).unwrap().is_none(), "twice: {ages_ms:?}");
    }
}

#[test]
fn without_timestamps_the_age_of_the_file_counts() {
    let place = Place::new();
    let mut log = place.open(LogConfig { retention_ms: Some(100), ..LogConfig::default() });
    append(&mut log, Wanted { timestamp: -1, ..Wanted::default() });
    // The file is of today, NOW is of 2023.
    assert!(log.retain(NOW).unwrap().is_none());
    let later = millrace_types::TimestampMs::new(i64::MAX);
    assert!(log.retain(later).unwrap().is_some());
}

#[test]
fn segments_go_as_long_as_enough_bytes_stay() {
    let one = batch(0, Wanted::default()).len() as u64;
    for (limit, start) in
        [(0, 7), (one, 6), (one + 1, 4), (one * 3, 4), (one * 7, 0), (one * 99, 0)]
    {
        let place = Place::new();
        let config =
            LogConfig { retention_bytes: Some(limit), retention_ms: None, ..LogConfig::default() };
        let mut log = pairs(&place, &[1; 7], &config);
        log.retain(NOW).unwrap();
        assert_eq!(log.reader().start_offset().get(), start, "{limit} of {one}");
    }
}

#[test]
fn what_is_not_committed_stays() {
    let place = Place::new();
    let mut log = place.open(LogConfig { retention_ms: Some(0), ..LogConfig::default() });
    let put = |log: &mut Log| {
        let base = log.reader().end_offset().get();
        let bytes = batch(base, Wanted::default());
        let (batch, _) = millrace_wire::record::Batch::split_first(&bytes).unwrap();
        log.append(&[crate::NewBatch::stored(&batch)], NOW).unwrap();
        log.roll(NOW).unwrap();
    };
    (0..4).for_each(|_| put(&mut log));
    for (high_watermark, start) in [(0, 0), (2, 2), (4, 4)] {
        log.set_high_watermark(Offset::new(high_watermark));
        log.retain(NOW).unwrap();
        assert_eq!(log.reader().start_offset().get(), start);
    }
}

#[test]
fn deleted_records_are_hidden_at_once_and_gone_with_their_segment() {
    let place = Place::new();
    let keep = CleanupPolicy { deletes: false, compacts: false };
    let mut log = pairs(&place, &[1; 7], &LogConfig { cleanup: keep, ..LogConfig::default() });
    log.advance_start(Offset::new(3)).unwrap();
    assert_eq!(read_all(&log.reader()), [(3, 3), (4, 4), (5, 5), (6, 6)]);
    assert!(matches!(log.reader().read(&everything(2)), Err(ReadError::OutOfRange { .. })));
    log.advance_start(Offset::new(1)).unwrap();
    assert_eq!(log.reader().start_offset().get(), 3, "it never goes back");
    log.retain(NOW).unwrap().unwrap();
    assert_eq!(place.with_suffix(".log"), [2, 4, 6]);
    match log.advance_start(Offset::new(8)) {
        Err(LogError::PastHighWatermark { offset, high_watermark }) => {
            assert_eq!((offset.get(), high_watermark.get()), (8, 7));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_removed_segments_are_renamed_and_unlinked_when_due() {
    let place = Place::new();
    let config =
        LogConfig { retention_ms: Some(100), file_delete_delay_ms: 5_000, ..LogConfig::default() };
    let mut log = pairs(&place, &[300, 300, 1], &config);
    let reader = log.reader();
    let held = reader.read(&everything(0)).unwrap().unwrap();
    let deletion = log.retain(NOW).unwrap().unwrap();
    assert_eq!(deletion.due, NOW.plus_ms(5_000));
    assert_eq!(place.with_suffix(".log.deleted"), [0]);
    assert_eq!(deletion.paths.len(), 3, "log and both indexes: {:?}", deletion.paths);
    deletion.run(&RealDisk).unwrap();
    deletion.run(&RealDisk).unwrap();
    assert!(place.names().iter().all(|name| !name.ends_with(".deleted")));
    assert_eq!(super::spans(&held), [(0, 0), (1, 1)], "a slice that was handed out stays readable");
}
