//! The rules for a producer's next batch, row by row, and the life of snapshot files.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use super::{
    Marker, ProducerBatch, ProducerBatchKind, ProducerError, ProducerSnapshots, ProducerState,
    Staged, Verdict,
};
use crate::disk::RealDisk;

type Judged = Result<Option<u64>, ProducerError>;
type Sent = (i16, i32, u64);

const DAY_MS: i64 = 86_400_000;
const NOW: TimestampMs = TimestampMs::new(1_700_000_000_000);

pub(crate) fn producer(id: i64) -> ProducerId {
    ProducerId::from_wire(id).unwrap()
}

/// A batch of `records` records, its timestamp a second after 1970 plus its offset.
pub(crate) fn batch(id: i64, epoch: i16, sequence: i32, base: u64, records: u64) -> ProducerBatch {
    ProducerBatch {
        producer_id: producer(id),
        epoch: ProducerEpoch::from_wire(epoch).unwrap(),
        first_sequence: Sequence::from_wire(sequence),
        base_offset: Offset::new(base),
        last_offset: Offset::new(base + records - 1),
        timestamp: Some(TimestampMs::new(1000 + i64::try_from(base).unwrap())),
        kind: ProducerBatchKind::Plain,
    }
}

fn marker(id: i64, epoch: i16, offset: u64, is_abort: bool) -> ProducerBatch {
    let kind = ProducerBatchKind::Marker(Marker { is_abort, coordinator_epoch: Some(4) });
    ProducerBatch { kind, ..batch(id, epoch, -1, offset, 1) }
}

fn transactional(batch: ProducerBatch) -> ProducerBatch {
    ProducerBatch { kind: ProducerBatchKind::Transactional, ..batch }
}

/// Sequences are written as `sequence+records`; the history is appended unchecked from offset 0.
fn check(history: &[Sent], next: Sent) -> Judged {
    let mut state = ProducerState::default();
    let mut offset = 0;
    for &(epoch, sequence, records) in history {
        state.update(&batch(1, epoch, sequence, offset, records), NOW);
        offset += records;
    }
    let (epoch, sequence, records) = next;
    state.check(&batch(1, epoch, sequence, offset, records)).map(|verdict| match verdict {
        Verdict::New => None,
        Verdict::Duplicate(original) => Some(original.base_offset().get()),
    })
}

fn out_of_order(given: i32, expected: i32) -> Judged {
    Err(ProducerError::OutOfOrderSequence {
        producer_id: producer(1),
        given: Sequence::from_wire(given).unwrap(),
        expected: Sequence::from_wire(expected).unwrap(),
    })
}

fn stale_epoch(given: i16, current: i16) -> Judged {
    Err(ProducerError::InvalidEpoch {
        producer_id: producer(1),
        given: ProducerEpoch::from_wire(given).unwrap(),
        current: ProducerEpoch::from_wire(current).unwrap(),
    })
}

#[test]
fn a_batch_is_judged_by_the_last_five_of_its_producer() {
    const MAX: i32 = i32::MAX;
    let six = [(0, 0, 2), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1), (0, 6, 1)];
    let rows: [(&str, &[_], Sent, Judged); 16] = [
        ("unknown producer, any sequence", &[], (0, 77, 1), Ok(None)),
        ("unknown producer, any epoch", &[], (9, 0, 1), Ok(None)),
        ("goes on", &[(0, 0, 3)], (0, 3, 1), Ok(None)),
        ("gap", &[(0, 0, 3)], (0, 4, 1), out_of_order(4, 3)),
        ("overlap", &[(0, 0, 3)], (0, 2, 1), out_of_order(2, 3)),
        ("repeats the last", &[(0, 0, 3)], (0, 0, 3), Ok(Some(0))),
        ("repeats with other end", &[(0, 0, 3)], (0, 0, 2), out_of_order(0, 3)),
        ("repeats the fifth last", &six, (0, 2, 1), Ok(Some(2))),
        ("repeats the sixth last", &six, (0, 0, 2), out_of_order(0, 7)),
        ("wraps", &[(0, MAX, 1)], (0, 0, 1), Ok(None)),
        ("wraps inside", &[(0, MAX - 1, 4)], (0, 2, 1), Ok(None)),
        ("repeats one that wraps", &[(0, MAX - 1, 4)], (0, MAX - 1, 4), Ok(Some(0))),
        ("new epoch from 0", &[(0, 0, 3)], (1, 0, 1), Ok(None)),
        ("new epoch from elsewhere", &[(0, 0, 3)], (1, 3, 1), out_of_order(3, 0)),
        ("old epoch", &[(2, 0, 3)], (1, 3, 1), stale_epoch(1, 2)),
        ("repetition of an older epoch", &[(0, 0, 3), (1, 0, 3)], (0, 0, 3), stale_epoch(0, 1)),
    ];
    for (name, history, next, expected) in rows {
        assert_eq!(check(history, next), expected, "{name}");
    }
}

#[test]
fn a_transaction_is_unstable_until_its_marker_is_committed() {
    let mut state = ProducerState::default();
    let mut unstable = |high_watermark: u64, batch: Option<ProducerBatch>| {
        if let Some(batch) = batch {
            state.update(&batch, NOW);
        }
        state.set_high_watermark(Offset::new(high_watermark));
        state.first_unstable_offset().map(Offset::get)
    };
    assert_eq!(unstable(2, Some(transactional(batch(1, 0, 0, 0, 2)))), Some(0));
    assert_eq!(unstable(3, Some(transactional(batch(2, 0, 0, 2, 1)))), Some(0));
    assert_eq!(unstable(3, Some(marker(1, 0, 3, false))), Some(0));
    assert_eq!(unstable(4, None), Some(2));
    assert_eq!(unstable(4, Some(marker(2, 0, 4, true))), Some(2));
    assert_eq!(unstable(5, None), None);
}

#[test]
fn a_duplicate_is_answered_with_the_original_timestamp() {
    let mut state = ProducerState::default();
    state.update(&batch(1, 0, 0, 500, 3), NOW);
    let Ok(Verdict::Duplicate(original)) = state.check(&batch(1, 0, 0, 900, 3)) else {
        panic!("not recognized");
    };
    assert_eq!(original.timestamp, Some(TimestampMs::new(1500)));
    assert_eq!((original.base_offset().get(), original.last_offset.get()), (500, 502));
}

#[test]
fn staged_batches_count_before_they_are_written() {
    let mut state = ProducerState::default();
    state.update(&batch(1, 0, 0, 0, 1), NOW);
    let mut staged = Staged::default();
    let second = batch(1, 0, 1, 1, 1);
    assert_eq!(staged.check(&state, &second), Ok(Verdict::New));
    staged.add(&state, &second);
    assert_eq!(staged.check(&state, &batch(1, 0, 2, 2, 1)), Ok(Verdict::New));
    let repeated = staged.check(&state, &batch(1, 0, 1, 2, 1));
    assert!(
        matches!(repeated, Ok(Verdict::Duplicate(original)) if original.base_offset().get() == 1)
    );
    assert!(staged.check(&state, &batch(1, 0, 3, 2, 1)).is_err());
    // The state itself has not moved.
    assert_eq!(state.check(&second), Ok(Verdict::New));
}

#[test]
fn transactions_hold_the_stable_offset_until_their_marker() {
    let mut state = ProducerState::default();
    state.update(&transactional(batch(1, 0, 0, 0, 2)), NOW);
    state.update(&transactional(batch(2, 0, 0, 2, 2)), NOW);
    state.update(&transactional(batch(1, 0, 2, 4, 1)), NOW);
    assert_eq!(state.first_open_offset(), Some(Offset::ZERO));
    assert!(matches!(
        state.check(&batch(1, 0, 3, 5, 1)),
        Err(ProducerError::InvalidTransactionState { .. })
    ));
    let first = state.update(&marker(1, 0, 5, true), NOW).unwrap();
    assert!(first.is_aborted);
    assert_eq!((first.first_offset.get(), first.last_offset.get()), (0, 5));
    assert_eq!(first.last_stable_offset, Offset::new(2));
    let second = state.update(&marker(2, 0, 6, false), NOW).unwrap();
    assert_eq!(second.last_stable_offset, Offset::new(7));
    assert_eq!(state.first_open_offset(), None);
    // A marker without data says nothing about the log, but its epoch fences.
    assert_eq!(state.update(&marker(1, 1, 7, false), NOW), None);
    assert!(state.check(&batch(1, 0, 3, 8, 1)).is_err());
    assert_eq!(state.check(&batch(1, 1, 0, 8, 1)), Ok(Verdict::New));
}

#[test]
fn producers_expire_unless_a_transaction_is_open() {
    let mut state = ProducerState::default();
    state.update(&batch(1, 0, 0, 0, 1), NOW);
    state.update(&transactional(batch(2, 0, 0, 1, 1)), NOW);
    state.update(&batch(3, 0, 0, 2, 1), NOW.plus_ms(1));
    assert_eq!(state.expire(NOW.plus_ms(DAY_MS), DAY_MS), 1);
    let left: Vec<_> = state.iter().map(|(id, _)| id).collect();
    assert_eq!(left, [producer(2), producer(3)]);
}

#[test]
fn snapshots_bring_the_state_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk);
    let mut snapshots = ProducerSnapshots::open(disk.clone(), dir.path()).unwrap();
    let mut state = ProducerState::default();
    for round in 0..4_u64 {
        let sequence = i32::try_from(round).unwrap();
        state.update(&transactional(batch(1, 0, sequence, round, 1)), NOW);
        snapshots.take(&state);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    for taken in snapshots.unwritten() {
        taken.write(&RealDisk).unwrap();
        snapshots.written(&taken).unwrap();
    }
    assert!(snapshots.unwritten().is_empty());
    state.update(&marker(1, 0, 4, true), NOW);
    // Cut back to 3: the newer snapshot goes, the one at 3 is loaded.
    let mut snapshots = ProducerSnapshots::open(disk.clone(), dir.path()).unwrap();
    let loaded = snapshots.load(Offset::ZERO, Offset::new(3), NOW.plus_ms(5), DAY_MS).unwrap();
    assert_eq!(loaded.end_offset(), Offset::new(3));
    assert_eq!(loaded.first_open_offset(), Some(Offset::ZERO));
    assert!(matches!(loaded.check(&batch(1, 0, 0, 9, 1)), Ok(Verdict::Duplicate(_))));
    assert_eq!(snapshots.offsets().map(Offset::get).collect::<Vec<_>>(), [1, 2, 3]);
    // A damaged one is passed over.
    std::fs::write(snapshots.path(Offset::new(3)), b"rot").unwrap();
    let loaded = snapshots.load(Offset::ZERO, Offset::new(3), NOW, DAY_MS).unwrap();
    assert_eq!(loaded.end_offset(), Offset::new(2));
    // Without any, all of the log is to be read.
    let loaded = snapshots.load(Offset::new(2), Offset::new(9), NOW, DAY_MS).unwrap();
    assert_eq!(loaded, ProducerState { end_offset: Offset::new(2), ..Default::default() });
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn stray_snapshots_go_but_the_one_at_the_end_stays() {
    let dir = tempfile::tempdir().unwrap();
    let name = |offset: u64| dir.path().join(format!("{offset:020}.snapshot"));
    for (segments, expected) in [
        (vec![0, 10], vec![10, 25]),
        (vec![0, 10, 30], vec![10]),
        (vec![0, 10, 20, 25], vec![10, 20, 25]),
    ] {
        for offset in [10, 15, 20, 25] {
            std::fs::write(name(offset), b"").unwrap();
        }
        let mut snapshots = ProducerSnapshots::open(Arc::new(RealDisk), dir.path()).unwrap();
        let bases: BTreeSet<Offset> = segments.iter().map(|&base| Offset::new(base)).collect();
        snapshots.remove_stray(&bases).unwrap();
        assert_eq!(snapshots.offsets().map(Offset::get).collect::<Vec<_>>(), expected);
        snapshots.remove_below(Offset::MAX).unwrap();
    }
}
