use millrace_types::{LeaderEpoch, Offset, ProducerId};

use super::{NOW, Place, Wanted, append, append_many, batch, ones, open, read_all};
use crate::config::LogConfig;

fn epoch(number: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(number).unwrap()
}

#[test]
fn batches_that_reach_the_offset_go() {
    let one = u32::try_from(batch(0, Wanted { records: 3, ..Wanted::default() }).len()).unwrap();
    for (offset, end, segments) in [
        (30, 30, &[0, 12, 24][..]),
        (99, 30, &[0, 12, 24]),
        (29, 27, &[0, 12, 24]),
        (27, 27, &[0, 12, 24]),
        (24, 24, &[0, 12, 24]),
        (23, 21, &[0, 12]),
        (12, 12, &[0, 12]),
        (1, 0, &[0]),
        (0, 0, &[0]),
    ] {
        let place = Place::new();
        let config =
            LogConfig { segment_bytes: one * 4, index_interval_bytes: 100, ..LogConfig::default() };
        let mut log = place.open(config.clone());
        for _ in 0..10 {
            append(&mut log, Wanted { records: 3, ..Wanted::default() });
        }
        log.flush().unwrap();
        log.truncate_to(Offset::new(offset), NOW).unwrap();
        let reader = log.reader();
        assert_eq!(reader.end_offset().get(), end, "to {offset}");
        assert_eq!(reader.high_watermark().get(), end, "to {offset}");
        assert_eq!(log.recovery_point().get(), end, "to {offset}");
        assert_eq!(place.with_suffix(".log"), segments, "to {offset}");
        append(&mut log, Wanted { records: 3, ..Wanted::default() });
        let expected: Vec<_> = (0..=end / 3).map(|n| (n * 3, n * 3 + 2)).collect();
        assert_eq!(read_all(&reader), expected, "to {offset}");
        log.close().unwrap();
        let again = open(crate::LogOptions { was_closed: true, ..place.options(config) });
        assert_eq!(read_all(&again.reader()), expected, "to {offset}, opened again");
    }
}

#[test]
fn epochs_and_producers_go_back_with_the_records() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    for (number, sequence) in [(1, 0), (1, 1), (2, 2), (3, 3)] {
        append(
            &mut log,
            Wanted { epoch: number, producer: Some((7, sequence)), ..Wanted::default() },
        );
    }
    log.truncate_to(Offset::new(2), NOW).unwrap();
    let reader = log.reader();
    assert_eq!(reader.latest_epoch(), Some(epoch(1)));
    assert_eq!(reader.epoch_end(epoch(1)), Some((epoch(1), Offset::new(2))));
    let entry = log.producers().get(ProducerId::from_wire(7).unwrap()).unwrap();
    assert_eq!(entry.last_sequence().map(|last| last.to_wire()), Some(1));
}

#[test]
fn an_epoch_without_records_goes_too() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted { epoch: 1, ..Wanted::default() });
    log.begin_epoch(epoch(4));
    assert_eq!(log.reader().latest_epoch(), Some(epoch(4)));
    log.truncate_to(Offset::new(1), NOW).unwrap();
    assert_eq!(log.reader().latest_epoch(), Some(epoch(1)));
}

#[test]
fn a_log_can_begin_anew_anywhere() {
    for offset in [0, 3, 100] {
        let place = Place::new();
        let mut log = place.open(LogConfig::default());
        append_many(&mut log, 6);
        log.truncate_fully(Offset::new(offset), NOW).unwrap();
        let reader = log.reader();
        assert_eq!(
            (reader.start_offset().get(), reader.end_offset().get(), reader.high_watermark().get()),
            (offset, offset, offset)
        );
        assert_eq!(reader.latest_epoch(), None);
        append_many(&mut log, 2);
        assert_eq!(read_all(&reader), ones(offset..offset + 2));
        assert_eq!(place.with_suffix(".log"), [offset]);
        drop(log);
        let options = crate::LogOptions {
            start_offset: Offset::new(offset),
            ..place.options(LogConfig::default())
        };
        assert_eq!(read_all(&open(options).reader()), ones(offset..offset + 2));
    }
}

#[test]
fn a_cut_below_the_first_segment_is_a_new_beginning() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    log.truncate_fully(Offset::new(50), NOW).unwrap();
    append_many(&mut log, 2);
    log.truncate_to(Offset::new(20), NOW).unwrap();
    assert_eq!(log.reader().end_offset().get(), 20);
    assert_eq!(log.reader().start_offset().get(), 20);
}
