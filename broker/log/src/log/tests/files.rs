use std::fs;

use millrace_types::Offset;

use super::{NOW, Place, Wanted, append, append_many, batch, ones, open, read_all};
use crate::LogOptions;
use crate::config::LogConfig;

fn small() -> LogConfig {
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    LogConfig { segment_bytes: one * 4, index_interval_bytes: 100, ..LogConfig::default() }
}

/// Twelve batches in segments 0, 4, 8; closed.
fn closed() -> Place {
    let place = Place::new();
    let mut log = place.open(small());
    append_many(&mut log, 12);
    log.close().unwrap();
    place
}

fn name(offset: u64, suffix: &str) -> String {
    format!("{offset:020}{suffix}")
}

#[test]
fn a_log_has_no_more_files_than_it_needs() {
    let place = Place::new();
    let log = place.open(LogConfig::default());
    assert_eq!(place.names(), [name(0, ".log")], "as long as nothing is written");
    drop(log);
    let mut log = place.open(LogConfig::default());
    assert_eq!(place.names(), [name(0, ".log")], "after a kill");
    log.close().unwrap();
    let mut log = open(LogOptions { was_closed: true, ..place.options(LogConfig::default()) });
    let expected = [".index", ".log", ".timeindex"].map(|suffix| name(0, suffix));
    assert_eq!(place.names(), expected);
    append(&mut log, Wanted::default());
    log.close().unwrap();
    assert_eq!(place.with_suffix(".snapshot"), [1]);
    assert!(place.names().contains(&"leader-epoch-checkpoint".to_owned()));
}

#[test]
fn files_that_a_crash_left_are_finished_or_removed() {
    let place = closed();
    let touch = |name: &str| fs::write(place.path().join(name), b"x").unwrap();
    touch(&name(0, ".log.deleted"));
    touch(&name(0, ".timeindex.deleted"));
    touch(&name(4, ".snapshot.deleted"));
    touch(&name(4, ".log.cleaned"));
    touch(&name(4, ".index.cleaned"));
    touch(&name(8, ".log.swap"));
    touch("leader-epoch-checkpoint.tmp");
    touch(&name(77, ".index"));
    touch("notes.txt");
    let log = open(LogOptions { was_closed: true, ..place.options(small()) });
    assert_eq!(read_all(&log.reader()), ones(0..12));
    let mut expected: Vec<String> = [0, 4, 8]
        .iter()
        .flat_map(|&base| [".index", ".log", ".timeindex"].map(|suffix| name(base, suffix)))
        .chain([4, 8, 12].map(|offset| name(offset, ".snapshot")))
        .chain(["leader-epoch-checkpoint".to_owned(), "notes.txt".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(place.names(), expected);
}

#[test]
fn a_finished_swap_takes_the_place_of_what_it_was_made_from() {
    let place = closed();
    // Compaction kept 1 and 6 of the segments 0 and 4, and had begun to remove the old files.
    let mut kept = batch(1, Wanted::default());
    kept.extend(batch(6, Wanted::default()));
    fs::write(place.path().join(name(0, ".log.swap")), kept).unwrap();
    fs::write(place.path().join(name(0, ".index.swap")), b"").unwrap();
    fs::write(place.path().join(name(0, ".timeindex.swap")), b"").unwrap();
    fs::rename(place.path().join(name(0, ".index")), place.path().join(name(0, ".index.deleted")))
        .unwrap();
    let log = open(LogOptions { was_closed: true, ..place.options(small()) });
    let mut expected = vec![(1, 1), (6, 6)];
    expected.extend(ones(8..12));
    assert_eq!(read_all(&log.reader()), expected);
    assert_eq!(place.with_suffix(".log"), [0, 8]);
    assert!(place.names().iter().all(|name| !name.ends_with(".swap")));
}

#[test]
fn a_segment_without_its_indexes_gets_new_ones() {
    for (base, was_closed) in [(0, true), (4, true), (8, true), (0, false), (4, false), (8, false)]
    {
        for suffix in [".index", ".timeindex"] {
            let place = closed();
            let path = place.path().join(name(base, suffix));
            let before = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let recovery_point = Offset::new(12);
            let log = open(LogOptions { was_closed, recovery_point, ..place.options(small()) });
            assert_eq!(read_all(&log.reader()), ones(0..12));
            if base < 8 {
                assert_eq!(fs::read(&path).unwrap(), before, "{base}{suffix} {was_closed}");
            }
        }
    }
}

#[test]
fn a_log_that_ends_before_its_start_is_begun_anew() {
    let place = closed();
    let start_offset = Offset::new(20);
    let mut log = open(LogOptions { start_offset, ..place.options(small()) });
    assert_eq!((log.reader().start_offset().get(), log.reader().end_offset().get()), (20, 20));
    append_many(&mut log, 1);
    assert_eq!(place.with_suffix(".log"), [20]);
    assert_eq!(read_all(&log.reader()), [(20, 20)]);
}

#[test]
fn few_files_are_open_however_many_segments_there_are() {
    let place = Place::new();
    let mut log = place.open(small());
    append_many(&mut log, 1_000);
    read_all(&log.reader());
    assert!(place.pool.open_files() <= 64, "{}", place.pool.open_files());
    log.roll(NOW).unwrap();
}
