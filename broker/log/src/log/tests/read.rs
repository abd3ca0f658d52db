use millrace_types::{Offset, ProducerEpoch, ProducerId, Sequence};
use millrace_wire::record::{Batch, BatchBuilder, BatchProducer, EndTxnMarker, NewRecord};

use super::{NOW, Place, Wanted, append, append_many, batch, everything, read_all, spans};
use crate::config::LogConfig;
use crate::disk::Patience;
use crate::error::ReadError;
use crate::log::Log;
use crate::new_batch::NewBatch;
use crate::segment::ReadRequest;

/// Batches of three records at 0, 3, 6, ...: half of the log has left the writer's memory.
fn triples(place: &Place, count: usize, config: LogConfig) -> Log {
    let mut log = place.open(config);
    (0..count).for_each(|_| {
        append(&mut log, Wanted { records: 3, ..Wanted::default() });
    });
    log
}

#[test]
fn a_read_begins_with_the_batch_that_holds_the_offset() {
    let place = Place::new();
    let log = triples(&place, 200, LogConfig { index_interval_bytes: 300, ..LogConfig::default() });
    for offset in 0..600 {
        let slice = log.reader().read(&everything(offset)).unwrap().unwrap();
        assert_eq!(slice.base_offset.get(), offset / 3 * 3, "at {offset}");
        assert_eq!(slice.next_offset.get(), 600, "at {offset}");
        assert_eq!(spans(&slice).len() as u64, 200 - offset / 3, "at {offset}");
    }
}

#[test]
fn a_read_ends_with_a_whole_batch_within_its_limits() {
    let one = batch(0, Wanted { records: 3, ..Wanted::default() }).len();
    for interval in [1, 300, 4096] {
        let place = Place::new();
        let config = LogConfig { index_interval_bytes: interval, ..LogConfig::default() };
        let reader = triples(&place, 200, config).reader();
        for offset in [0, 3, 100, 303, 500, 594, 597] {
            for (bytes_max, upper_bound, expected) in [
                (one, 600, 1),
                (one * 2 - 1, 600, 1),
                (one * 7, 600, 7),
                (one * 150 + 5, 600, 150),
                (usize::MAX, 600, 200),
                (usize::MAX, 306, 102 - offset / 3),
                (usize::MAX, 305, 101 - offset / 3),
                (one * 2, 306, 2),
            ] {
                let request = ReadRequest {
                    offset: Offset::new(u64::try_from(offset).unwrap()),
                    bytes_max,
                    upper_bound: Offset::new(upper_bound),
                    needs_one_batch: false,
                    patience: Patience::Waits,
                };
                let there = (i64::try_from(upper_bound).unwrap() / 3) - offset / 3;
                let expected = expected.min(there).min(200 - offset / 3).max(0);
                let found = reader.read(&request).unwrap();
                let found = found.map_or(0, |slice| {
                    assert_eq!(
                        slice.next_offset.get(),
                        spans(&slice).last().unwrap().1 + 1,
                        "{interval} {request:?}"
                    );
                    slice.length / one
                });
                let found = i64::try_from(found).unwrap();
                assert_eq!(found, expected, "interval {interval}, {request:?}");
            }
        }
    }
}

#[test]
fn the_first_batch_comes_even_if_it_is_larger_than_asked_for() {
    let place = Place::new();
    let reader = triples(&place, 50, LogConfig::default()).reader();
    for offset in [0, 1, 75, 149] {
        for (needs_one_batch, expected) in [(true, 1), (false, 0)] {
            let request = ReadRequest { bytes_max: 1, needs_one_batch, ..everything(offset) };
            let found = reader.read(&request).unwrap();
            assert_eq!(found.map_or(0, |slice| spans(&slice).len()), expected, "{request:?}");
        }
    }
}

#[test]
fn nothing_beyond_the_bound_is_read_whatever_the_size() {
    let place = Place::new();
    let reader = triples(&place, 4, LogConfig::default()).reader();
    for (offset, upper_bound) in [(3, 3), (3, 5), (9, 9), (12, 12), (4, 5)] {
        let request = ReadRequest { upper_bound: Offset::new(upper_bound), ..everything(offset) };
        assert!(reader.read(&request).unwrap().is_none(), "{request:?}");
    }
}

#[test]
fn offsets_outside_the_log_are_refused_with_its_bounds() {
    let place = Place::new();
    let mut log = triples(&place, 4, LogConfig::default());
    log.advance_start(Offset::new(6)).unwrap();
    let reader = log.reader();
    for offset in [0, 5, 13] {
        match reader.read(&everything(offset)) {
            Err(error @ ReadError::OutOfRange { .. }) => assert_eq!(
                error.to_string(),
                format!("offset {offset} is outside the log, which holds 6 to 12")
            ),
            other => panic!("{offset}: {other:?}"),
        }
    }
    assert!(reader.read(&everything(12)).unwrap().is_none(), "the end is not outside");
}

#[test]
fn a_transaction_is_stable_once_its_marker_is_committed() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    for (base, is_marker) in [(0, false), (1, true)] {
        let bytes = transactional(base, is_marker);
        let (batch, _) = Batch::split_first(&bytes).unwrap();
        log.append(&[NewBatch::stored(&batch)], NOW).unwrap();
    }
    let check = |log: &mut Log| {
        for (high_watermark, stable) in [(0, 0), (1, 0), (2, 2)] {
            log.set_high_watermark(Offset::new(high_watermark));
            let found = log.reader().last_stable_offset();
            assert_eq!(found, Offset::new(stable), "{high_watermark} is committed");
        }
    };
    check(&mut log);
    drop(log);
    // As much after a restart, which reads the marker back.
    check(&mut place.open(LogConfig::default()));
}

/// A record of a transaction, or the marker that commits it.
fn transactional(base: u64, is_marker: bool) -> Vec<u8> {
    let sequence = if is_marker { -1 } else { 0 };
    let mut builder = BatchBuilder::new(Offset::new(base))
        .with_producer(BatchProducer {
            id: ProducerId::from_wire(1).unwrap(),
            epoch: ProducerEpoch::ZERO,
            base_sequence: Sequence::from_wire(sequence),
        })
        .transactional();
    let marker = EndTxnMarker { is_commit: true, coordinator_epoch: 0 };
    let (key, value) = (marker.key(), marker.value());
    if is_marker {
        builder = builder.control();
    }
    let record = NewRecord { key: Some(&key), value: Some(&value), ..NewRecord::default() };
    builder.push(&record).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_read_goes_on_in_the_next_segment() {
    let place = Place::new();
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    let mut log = place.open(LogConfig { segment_bytes: one * 5, ..LogConfig::default() });
    append_many(&mut log, 23);
    assert_eq!(place.with_suffix(".log"), [0, 5, 10, 15, 20]);
    let slice = log.reader().read(&everything(7)).unwrap().unwrap();
    assert_eq!((slice.base_offset.get(), slice.next_offset.get()), (7, 10));
    assert_eq!(read_all(&log.reader()), super::ones(0..23));
}

#[test]
fn readers_keep_reading_while_batches_are_appended() {
    let place = Place::new();
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    let config =
        LogConfig { segment_bytes: one * 100, index_interval_bytes: 200, ..LogConfig::default() };
    let mut log = place.open(config);
    let reader = log.reader();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let reader = reader.clone();
            scope.spawn(move || {
                let mut offset = 0;
                while offset < 2_000 {
                    let request = ReadRequest { bytes_max: 1 << 12, ..everything(offset) };
                    if let Some(slice) = reader.read(&request).unwrap() {
                        assert_eq!(spans(&slice).first(), Some(&(offset, offset)));
                        offset = slice.next_offset.get();
                    }
                }
            });
        }
        append_many(&mut log, 2_000);
    });
}
