use std::fs::{self, OpenOptions};
use std::io::Write;

use millrace_types::{LeaderEpoch, Offset, ProducerId};

use super::{NOW, Place, Wanted, append, append_many, batch, ones, open, read_all};
use crate::config::{CleanupPolicy, LogConfig};
use crate::log::{Log, RecoveryProgress};
use crate::{LogOptions, NewBatch};

fn small() -> LogConfig {
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    LogConfig { segment_bytes: one * 4, index_interval_bytes: 100, ..LogConfig::default() }
}

/// The directory of a log of `count` batches in segments of four, after a kill.
fn killed(count: usize) -> Place {
    let place = Place::new();
    let mut log = place.open(small());
    append_many(&mut log, count);
    drop(log);
    place
}

fn path(place: &Place, base: u64, suffix: &str) -> std::path::PathBuf {
    place.path().join(format!("{base:020}{suffix}"))
}

fn damage(place: &Place, base: u64, at: usize) {
    let path = path(place, base, ".log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_written_is_there_after_a_kill() {
    for count in [0, 1, 3, 4, 5, 12, 13] {
        let place = killed(count);
        let mut log = place.open(small());
        let count = count as u64;
        assert_eq!(read_all(&log.reader()), ones(0..count));
        assert_eq!(log.recovery_point().get(), 0);
        append_many(&mut log, 1);
        assert_eq!(read_all(&log.reader()), ones(0..count + 1));
    }
}

#[test]
fn the_log_is_cut_at_the_first_bad_batch() {
    let one = batch(0, Wanted::default()).len();
    for (segment, batch, end) in [(0, 0, 0), (0, 3, 3), (4, 0, 4), (4, 2, 6), (8, 3, 11)] {
        for byte in [0, 8, 16, 17, 40, one - 1] {
            let place = killed(12);
            damage(&place, segment, batch * one + byte);
            let mut log = place.open(small());
            assert_eq!(
                read_all(&log.reader()),
                ones(0..end),
                "byte {byte} of batch {batch} in segment {segment}"
            );
            append_many(&mut log, 2);
            drop(log);
            assert_eq!(read_all(&place.open(small()).reader()), ones(0..end + 2));
        }
    }
}

#[test]
fn a_torn_or_zeroed_tail_is_cut_off() {
    let whole = batch(6, Wanted::default());
    for tail in [&whole[..1], &whole[..60], &whole[..whole.len() - 1], &[0; 1], &[0; 5000]] {
        let place = killed(6);
        let mut file = OpenOptions::new().append(true).open(path(&place, 4, ".log")).unwrap();
        file.write_all(tail).unwrap();
        let mut log = place.open(small());
        assert_eq!(read_all(&log.reader()), ones(0..6), "{} bytes", tail.len());
        append_many(&mut log, 1);
        assert_eq!(read_all(&log.reader()), ones(0..7), "{} bytes", tail.len());
    }
}

#[test]
fn what_was_flushed_is_not_read_again() {
    let place = killed(12);
    // Damage below the recovery point is for the reader to find.
    let one = batch(0, Wanted::default()).len();
    damage(&place, 0, one - 1);
    damage(&place, 4, one - 1);
    let mut calls = Vec::new();
    let options = LogOptions { recovery_point: Offset::new(8), ..place.options(small()) };
    let log = Log::open(options, &mut |progress| calls.push(progress)).unwrap();
    assert_eq!(log.reader().end_offset().get(), 12);
    let bytes = one as u64 * 4;
    let expected = RecoveryProgress { bytes_done: bytes, bytes_total: bytes };
    assert_eq!(calls.last(), Some(&expected), "only the segment behind it");
}

#[test]
fn indexes_are_made_anew_as_if_nothing_had_happened() {
    let place = Place::new();
    let mut log = place.open(LogConfig { index_interval_bytes: 300, ..LogConfig::default() });
    for timestamp in (0..3_000).map(|n| n * 7 % 1_000) {
        append(&mut log, Wanted { timestamp, ..Wanted::default() });
    }
    log.roll(NOW).unwrap();
    drop(log);
    let files = [".index", ".timeindex"].map(|suffix| path(&place, 0, suffix));
    let before = files.clone().map(|file| fs::read(file).unwrap());
    for damage in [&b""[..], b"garbage!garbage!garbage!", &[0; 1 << 16]] {
        files.iter().for_each(|file| fs::write(file, damage).unwrap());
        drop(place.open(LogConfig { index_interval_bytes: 300, ..LogConfig::default() }));
        assert_eq!(files.clone().map(|file| fs::read(file).unwrap()), before);
    }
}

#[test]
fn a_segment_rolled_just_before_the_kill_gets_its_last_index_entries() {
    let place = Place::new();
    let mut log = place.open(small());
    for timestamp in [1, 2, 3, 50] {
        append(&mut log, Wanted { timestamp, ..Wanted::default() });
    }
    log.flush().unwrap();
    log.roll(NOW).unwrap();
    drop(log);
    // The power failed before the index entries of the roll were on disk.
    fs::write(path(&place, 0, ".timeindex"), b"").unwrap();
    let options = LogOptions { recovery_point: Offset::new(4), ..place.options(small()) };
    let log = open(options);
    let largest = log.reader().max_timestamp(Offset::MAX).unwrap();
    assert_eq!(largest.map(|found| found.offset.get()), Some(3));
}

#[test]
fn recovery_starts_at_the_newest_snapshot_below_the_recovery_point() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    let large = Wanted { value_bytes: 1 << 20, producer: Some((5, 0)), ..Wanted::default() };
    for sequence in 0..70 {
        append(&mut log, Wanted { producer: Some((5, sequence)), ..large });
    }
    log.flush().unwrap();
    assert_eq!(place.with_suffix(".snapshot"), [70]);
    for sequence in 70..72 {
        append(&mut log, Wanted { producer: Some((5, sequence)), ..large });
    }
    let recovery_point = log.recovery_point();
    drop(log);
    let mut calls = Vec::new();
    let options = LogOptions { recovery_point, ..place.options(LogConfig::default()) };
    let mut log = Log::open(options, &mut |progress| calls.push(progress)).unwrap();
    let first = calls.first().unwrap();
    assert!(first.bytes_done > 69 << 20, "began at the start: {calls:?}");
    let producer = ProducerId::from_wire(5).unwrap();
    let last = log.producers().get(producer).unwrap().last_sequence();
    assert_eq!(last.map(|last| last.to_wire()), Some(71));
    append(&mut log, Wanted { producer: Some((5, 72)), ..large });
    assert_eq!(read_all(&log.reader()), ones(0..73));
    log.close().unwrap();
    assert_eq!(place.with_suffix(".snapshot"), [73], "the one within the segment is done with");
}

#[test]
fn epochs_and_producers_are_read_from_the_batches() {
    let place = Place::new();
    let mut log = place.open(small());
    for (number, sequence) in [(0, 0), (0, 1), (2, 2), (2, 3), (2, 4), (5, 5)] {
        let producer = Some((3, sequence));
        append(&mut log, Wanted { epoch: number, producer, ..Wanted::default() });
    }
    drop(log);
    let log = place.open(small());
    let epoch = |number| LeaderEpoch::from_wire(number).unwrap();
    let ends: Vec<_> =
        [0, 1, 2, 5].map(|number| log.reader().epoch_end(epoch(number)).unwrap().1.get()).into();
    assert_eq!(ends, [2, 2, 5, 6]);
    let entry = log.producers().get(ProducerId::from_wire(3).unwrap()).unwrap();
    assert_eq!(entry.batches().count(), 5);
    assert_eq!(entry.last_sequence().map(|last| last.to_wire()), Some(5));
}

#[test]
fn a_damaged_epoch_file_is_made_anew() {
    let place = Place::new();
    let mut log = place.open(small());
    for number in [0, 0, 3] {
        append(&mut log, Wanted { epoch: number, ..Wanted::default() });
    }
    log.close().unwrap();
    fs::write(place.path().join("leader-epoch-checkpoint"), "0\n9\nx").unwrap();
    let recovery_point = Offset::new(3);
    let log = open(LogOptions { was_closed: true, recovery_point, ..place.options(small()) });
    assert_eq!(log.reader().epoch_at(Offset::new(1)), LeaderEpoch::from_wire(0));
    assert_eq!(log.reader().epoch_at(Offset::new(2)), LeaderEpoch::from_wire(3));
}

#[test]
fn a_segment_that_lost_its_end_is_the_last() {
    let one = batch(0, Wanted::default()).len() as u64;
    for (compacts, expected) in [(false, ones(0..2)), (true, [ones(0..2), ones(4..6)].concat())] {
        let place = killed(6);
        let file = OpenOptions::new().write(true).open(path(&place, 0, ".log")).unwrap();
        file.set_len(one * 2).unwrap();
        let cleanup = CleanupPolicy { deletes: !compacts, compacts };
        let log = place.open(LogConfig { cleanup, ..small() });
        assert_eq!(read_all(&log.reader()), expected, "compacted: {compacts}");
    }
}

#[test]
fn a_closed_log_is_opened_without_reading_it() {
    let place = Place::new();
    let mut log = place.open(small());
    append_many(&mut log, 10);
    log.close().unwrap();
    let one = batch(0, Wanted::default()).len();
    damage(&place, 4, one - 1);
    let options = LogOptions { was_closed: true, ..place.options(small()) };
    let mut calls = 0;
    let log = Log::open(options, &mut |_| calls += 1).unwrap();
    assert_eq!((calls, log.reader().end_offset().get(), log.recovery_point().get()), (0, 10, 10));
}

#[test]
fn a_closed_log_that_is_not_whole_is_recovered() {
    let place = Place::new();
    let mut log = place.open(small());
    append_many(&mut log, 10);
    log.close().unwrap();
    let file = OpenOptions::new().write(true).open(path(&place, 8, ".log")).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let options = LogOptions { was_closed: true, ..place.options(small()) };
    assert_eq!(read_all(&open(options).reader()), ones(0..9));
}

#[test]
fn recovery_itself_may_be_repeated() {
    let place = killed(10);
    for _ in 0..3 {
        assert_eq!(read_all(&place.open(small()).reader()), ones(0..10));
    }
    let mut log = place.open(small());
    let bytes = batch(10, Wanted::default());
    let (next, _) = millrace_wire::record::Batch::split_first(&bytes).unwrap();
    log.append(&[NewBatch::stored(&next)], NOW).unwrap();
    log.close().unwrap();
}
