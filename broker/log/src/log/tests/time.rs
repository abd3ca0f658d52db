use millrace_types::{Offset, TimestampMs};

use super::{NOW, Place, Wanted, append, batch};
use crate::config::LogConfig;
use crate::log::Log;
use crate::reader::LogReader;

/// Batches of two records, one ms apart, that end with these timestamps; two batches a segment.
fn log(place: &Place, timestamps: &[i64], index_interval_bytes: u32) -> Log {
    let one = u32::try_from(batch(0, Wanted { records: 2, ..Wanted::default() }).len()).unwrap();
    let config = LogConfig { segment_bytes: one * 2, index_interval_bytes, ..LogConfig::default() };
    let mut log = place.open(config);
    for &timestamp in timestamps {
        append(&mut log, Wanted { records: 2, timestamp, ..Wanted::default() });
    }
    log
}

fn find(reader: &LogReader, timestamp: i64) -> Option<(u64, i64)> {
    let found = reader.offset_by_timestamp(TimestampMs::new(timestamp), Offset::MAX).unwrap();
    found.map(|found| (found.offset.get(), found.timestamp.to_wire()))
}

#[test]
fn the_first_record_not_older_than_an_instant_is_found() {
    for interval in [0, 4096] {
        let place = Place::new();
        // Records: 9,10 | 19,20 || 4,5 | 29,30 || 29,30 | 39,40 || 14,15
        let log = log(&place, &[10, 20, 5, 30, 30, 40, 15], interval);
        let reader = log.reader();
        for (timestamp, expected) in [
            (0, Some((0, 9))),
            (9, Some((0, 9))),
            (10, Some((1, 10))),
            (11, Some((2, 19))),
            (20, Some((3, 20))),
            (21, Some((6, 29))),
            (30, Some((7, 30))),
            (31, Some((10, 39))),
            (40, Some((11, 40))),
            (41, None),
        ] {
            assert_eq!(find(&reader, timestamp), expected, "at {timestamp}, interval {interval}");
        }
        let bounded = reader.offset_by_timestamp(TimestampMs::new(30), Offset::new(7));
        assert_eq!(bounded.unwrap(), None, "it is not committed yet");
    }
}

#[test]
fn deleted_records_are_not_found() {
    let place = Place::new();
    let mut log = log(&place, &[10, 20, 5, 30], 0);
    log.advance_start(Offset::new(3)).unwrap();
    assert_eq!(find(&log.reader(), 0), Some((3, 20)));
    assert_eq!(find(&log.reader(), 21), Some((6, 29)));
}

#[test]
fn the_first_record_with_the_largest_timestamp_is_found() {
    for (timestamps, expected) in [
        (&[][..], None),
        (&[-1, -1], None),
        (&[10], Some((1, 10))),
        (&[10, 40, 40, 30, 40, 5], Some((3, 40))),
        (&[10, 9, 8, 7, 6, 11], Some((11, 11))),
    ] {
        let place = Place::new();
        let log = log(&place, timestamps, 0);
        let found = log.reader().max_timestamp(Offset::MAX).unwrap();
        let found = found.map(|found| (found.offset.get(), found.timestamp.to_wire()));
        assert_eq!(found, expected, "{timestamps:?}");
    }
}

#[test]
fn times_are_found_in_closed_logs_too() {
    let place = Place::new();
    let mut log = log(&place, &[10, 20, 5, 30, 30, 40, 15], 0);
    log.close().unwrap();
    let options = crate::LogOptions { was_closed: true, ..place.options(LogConfig::default()) };
    let log = super::open(options);
    assert_eq!(find(&log.reader(), 21), Some((6, 29)));
    let largest = log.reader().max_timestamp(Offset::MAX).unwrap().unwrap();
    assert_eq!((largest.offset.get(), largest.leader_epoch), (11, Some(Default::default())));
    let _ = NOW;
}
