use std::fs;

use millrace_types::{LeaderEpoch, Offset, ProducerId};
use millrace_wire::record::{Batch, BatchHead};

use super::{NOW, Place, Wanted, append, batch, everything, read_all, spans};
use crate::config::LogConfig;
use crate::error::LogError;
use crate::new_batch::NewBatch;

#[test]
fn batches_are_stored_verbatim_behind_their_new_place() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    let sent = [batch(0, Wanted { records: 3, ..Wanted::default() }), batch(0, Wanted::default())];
    let mut expected = Vec::new();
    let mut placed = Vec::new();
    for (bytes, base) in sent.iter().zip([0, 3]) {
        let (batch, _) = Batch::split_first(bytes).unwrap();
        let mut head = BatchHead::of(&batch);
        head.place(Offset::new(base), LeaderEpoch::from_wire(7).unwrap());
        expected.extend_from_slice(head.bytes());
        expected.extend_from_slice(batch.payload());
        placed.push(NewBatch::placed(head, batch.payload()));
    }
    let info = log.append(&placed, NOW).unwrap();
    assert_eq!((info.batches_count, info.next_offset), (2, Offset::new(4)));
    assert_eq!(info.size_bytes, expected.len() as u64);
    assert_eq!(fs::read(place.path().join("00000000000000000000.log")).unwrap(), expected);
    let reader = log.reader();
    assert_eq!(reader.latest_epoch(), LeaderEpoch::from_wire(7));
    let slice = reader.read(&everything(0)).unwrap().unwrap();
    assert_eq!(spans(&slice), [(0, 2), (3, 3)]);
}

#[test]
fn a_batch_that_does_not_follow_is_refused_and_nothing_written() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted { records: 5, ..Wanted::default() });
    let (first, second) =
        (batch(5, Wanted { records: 2, ..Wanted::default() }), batch(6, Wanted::default()));
    let batches = [&first, &second].map(|bytes| {
        let (batch, _) = Batch::split_first(bytes).unwrap();
        NewBatch::stored(&batch)
    });
    match log.append(&batches, NOW) {
        Err(LogError::OutOfOrder { base_offset, end_offset }) => {
            assert_eq!((base_offset.get(), end_offset.get()), (6, 7));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(read_all(&log.reader()), [(0, 4)]);
}

#[test]
fn a_follower_may_leave_a_gap() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted::default());
    let bytes = batch(10, Wanted::default());
    let (later, _) = Batch::split_first(&bytes).unwrap();
    log.append(&[NewBatch::stored(&later)], NOW).unwrap();
    assert_eq!(log.reader().end_offset().get(), 11);
    // Whoever asks for an offset in the gap gets the batch behind it.
    let slice = log.reader().read(&everything(4)).unwrap().unwrap();
    assert_eq!(spans(&slice), [(10, 10)]);
}

#[test]
fn a_batch_larger_than_a_segment_is_refused_with_both_sizes() {
    let place = Place::new();
    let mut log = place.open(LogConfig { segment_bytes: 100, ..LogConfig::default() });
    let bytes = batch(0, Wanted { value_bytes: 200, ..Wanted::default() });
    let (large, _) = Batch::split_first(&bytes).unwrap();
    let error = log.append(&[NewBatch::stored(&large)], NOW).unwrap_err();
    let expected = format!("{} bytes of batches exceed segment.bytes=100", bytes.len());
    assert_eq!(error.to_string(), expected);
    assert_eq!(log.reader().size_bytes(), 0);
}

#[test]
fn what_does_not_fit_into_the_segment_is_left_to_the_next_call() {
    let place = Place::new();
    let one = batch(0, Wanted::default()).len();
    let segment_bytes = u32::try_from(one * 3).unwrap();
    let mut log = place.open(LogConfig { segment_bytes, ..LogConfig::default() });
    let bytes: Vec<Vec<u8>> = (0..8).map(|base| batch(base, Wanted::default())).collect();
    let batches: Vec<NewBatch<'_>> =
        bytes.iter().map(|bytes| NewBatch::stored(&Batch::split_first(bytes).unwrap().0)).collect();
    let mut rest = batches.as_slice();
    let mut counts = Vec::new();
    while !rest.is_empty() {
        let info = log.append(rest, NOW).unwrap();
        counts.push((info.batches_count, info.has_rolled));
        rest = &rest[info.batches_count..];
    }
    assert_eq!(counts, [(3, false), (3, true), (2, true)]);
    assert_eq!(place.with_suffix(".log"), [0, 3, 6]);
    assert_eq!(read_all(&log.reader()), super::ones(0..8));
}

#[test]
fn producers_are_remembered_with_each_append() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted { records: 3, producer: Some((9, 0)), ..Wanted::default() });
    append(&mut log, Wanted { records: 2, producer: Some((9, 3)), ..Wanted::default() });
    let entry = log.producers().get(ProducerId::from_wire(9).unwrap()).unwrap();
    assert_eq!(entry.last_sequence().map(|last| last.to_wire()), Some(4));
    assert_eq!(log.producers().end_offset().get(), 5);
}

#[test]
fn the_high_watermark_stays_within_the_log_and_never_goes_back() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted { records: 5, ..Wanted::default() });
    let reader = log.reader();
    for (offset, expected) in [(3, 5), (9, 5), (0, 5)] {
        log.set_high_watermark(Offset::new(offset));
        assert_eq!(reader.high_watermark().get(), expected);
        assert_eq!(reader.last_stable_offset().get(), expected);
    }
}
