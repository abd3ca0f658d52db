//! What is left of an operation that the disk refused: nothing, or a log that says it failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::Batch;

use super::{NOW, Wanted, batch, everything, ones, open, read_all};
use crate::config::LogConfig;
use crate::disk::{Disk, FaultyDisk, Loss, Patience};
use crate::error::{LogError, ReadError};
use crate::file_pool::FilePool;
use crate::log::{Log, LogOptions};
use crate::new_batch::NewBatch;
use crate::segment::ReadRequest;

const DIR: &str = "/data/orders-0";

fn options(disk: &FaultyDisk) -> LogOptions {
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    LogOptions {
        pool: Arc::new(FilePool::new(Arc::new(disk.clone()), 8)),
        dir: PathBuf::from(DIR),
        config: LogConfig {
            segment_bytes: one * 3,
            index_interval_bytes: 50,
            ..LogConfig::default()
        },
        producer_id_expiration_ms: 86_400_000,
        start_offset: Offset::ZERO,
        recovery_point: Offset::ZERO,
        high_watermark: Offset::ZERO,
        was_closed: false,
        now: NOW,
    }
}

fn disk() -> FaultyDisk {
    let disk = FaultyDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

fn try_append(log: &mut Log) -> Result<(), LogError> {
    let bytes = batch(log.reader().end_offset().get(), Wanted::default());
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    log.append(&[NewBatch::stored(&batch)], NOW).map(|_| ())
}

#[test]
fn a_refused_append_leaves_nothing_behind() {
    let mut fault = 1;
    loop {
        let disk = disk();
        let mut log = open(options(&disk));
        let first = disk.operations();
        disk.fail_at(first + fault);
        let mut refused = 0;
        for _ in 0..8 {
            match try_append(&mut log) {
                Ok(()) => {}
                Err(LogError::Io { .. }) => refused += 1,
                Err(error) => panic!("operation {fault}: {error}"),
            }
        }
        if disk.operations() < first + fault {
            assert!(fault > 15, "the faults were meant to hit: {fault}");
            return;
        }
        assert!(refused <= 1, "operation {fault}");
        let expected = ones(0..8 - refused);
        assert_eq!(read_all(&log.reader()), expected, "operation {fault}");
        let again = disk.crash(Loss::Nothing);
        assert_eq!(read_all(&open(options(&again)).reader()), expected, "operation {fault}");
        fault += 1;
    }
}

#[test]
fn a_write_that_cannot_be_cut_off_ends_all_writing() {
    let disk = disk();
    let mut log = open(options(&disk));
    try_append(&mut log).unwrap();
    let next = disk.operations() + 1;
    disk.fail_at(next);
    disk.fail_at(next + 1);
    match try_append(&mut log) {
        Err(LogError::Failed { end_offset, .. }) => assert_eq!(end_offset.get(), 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(try_append(&mut log), Err(LogError::Failed { .. })));
    assert!(log.failure().unwrap().starts_with("cannot append to"));
    assert_eq!(read_all(&log.reader()), ones(0..1));
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    let disk = disk();
    let mut log = open(options(&disk));
    disk.set_capacity_bytes(Some(1_000));
    let mut count = 0;
    let error = loop {
        match try_append(&mut log) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_disk_full(), "{error}");
    assert!(try_append(&mut log).unwrap_err().is_disk_full());
    assert_eq!(read_all(&log.reader()), ones(0..count));
    disk.set_capacity_bytes(None);
    try_append(&mut log).unwrap();
    assert_eq!(read_all(&log.reader()), ones(0..count + 1));
    log.flush().unwrap();
    let again = disk.crash(Loss::Unsynced);
    assert_eq!(read_all(&open(options(&again)).reader()), ones(0..count + 1));
}

#[test]
fn reads_that_give_less_than_asked_for_are_gone_on_with() {
    let disk = disk();
    disk.set_reads_short(true);
    let mut log = open(options(&disk));
    for _ in 0..30 {
        try_append(&mut log).unwrap();
    }
    assert_eq!(read_all(&log.reader()), ones(0..30));
    drop(log);
    assert_eq!(read_all(&open(options(&disk)).reader()), ones(0..30));
}

#[test]
fn who_does_not_wait_for_the_disk_reads_what_is_in_memory() {
    let disk = disk();
    let mut options = options(&disk);
    options.config.segment_bytes *= 100;
    let mut log = open(options);
    for _ in 0..100 {
        try_append(&mut log).unwrap();
    }
    let at = |offset| ReadRequest { patience: Patience::Never, ..everything(offset) };
    for (is_cold, offset, is_there) in
        [(false, 0, true), (true, 0, false), (true, 99, true), (false, 50, true)]
    {
        disk.set_cold(is_cold);
        match log.reader().read(&at(offset)) {
            Ok(found) => assert!(is_there && found.is_some(), "{offset}"),
            Err(ReadError::NotInMemory) => assert!(!is_there, "{offset}"),
            Err(error) => panic!("{offset}: {error}"),
        }
        assert!(log.reader().read(&everything(offset)).unwrap().is_some());
    }
}

#[test]
fn recovery_changes_nothing_that_a_snapshot_vouches_for() {
    for seed in 0..40 {
        let disk = FaultyDisk::new(seed);
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        // Too little for an entry of the offset index.
        let config = LogConfig::default();
        let options = |disk: &FaultyDisk, recovery_point| LogOptions {
            config: config.clone(),
            recovery_point: Offset::new(recovery_point),
            ..options(disk)
        };
        let mut log = open(options(&disk, 0));
        (0..3).for_each(|_| try_append(&mut log).unwrap());
        log.close().unwrap();
        // Not told that it was closed, it is recovered; then the power goes before the next flush.
        let disk = disk.crash(Loss::Unsynced);
        let mut log = open(options(&disk, 3));
        log.roll(NOW).unwrap();
        try_append(&mut log).unwrap();
        let disk = disk.crash(Loss::Unsynced);
        let reader = open(options(&disk, 3)).reader();
        let found = reader.offset_by_timestamp(TimestampMs::new(1), Offset::MAX).unwrap();
        assert_eq!(found.map(|found| found.offset), Some(Offset::ZERO), "seed {seed}");
    }
}
