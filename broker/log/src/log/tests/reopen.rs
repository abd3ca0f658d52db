//! A log that has failed is opened again: nothing that was promised is lost, nothing is invented.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_types::{LeaderEpoch, Offset};
use millrace_wire::record::Batch;

use super::{NOW, Wanted, batch, ones, open, read_all};
use crate::config::LogConfig;
use crate::disk::{Disk, FaultyDisk, Loss};
use crate::error::LogError;
use crate::file_pool::FilePool;
use crate::log::{Log, LogOptions};
use crate::new_batch::NewBatch;

const DIR: &str = "/data/orders-0";

fn options(disk: &FaultyDisk, recovery_point: Offset) -> LogOptions {
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
        recovery_point,
        high_watermark: Offset::ZERO,
        was_closed: false,
        now: NOW,
    }
}

fn disk(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn try_append(log: &mut Log) -> Result<(), LogError> {
    let bytes = batch(log.reader().end_offset().get(), Wanted::default());
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    log.append(&[NewBatch::stored(&batch)], NOW).map(|_| ())
}

fn try_reopen(log: &mut Log) -> Result<(), LogError> {
    let Some(job) = log.prepare_reopen(NOW) else { return Ok(()) };
    let outcome = job.run();
    log.reopened(outcome)
}

/// Appends ten records, flushes after every other, lets two calls in a row fail, and opens the log
/// again whenever it has failed. Returns whether it had, and whether the faults were reached.
fn live(fault: u64, seed: u64) -> (bool, bool) {
    let disk = disk(seed);
    let mut log = open(options(&disk, Offset::ZERO));
    let reader = log.reader();
    let first = disk.operations();
    disk.fail_at(first + fault);
    disk.fail_at(first + fault + 1);
    let (mut appended, mut has_failed) = (0, false);
    for step in 0..10 {
        appended += u64::from(try_append(&mut log).is_ok());
        if step % 2 == 0 {
            // A refusal is seen by the next flush.
            let _ = log.flush();
        }
        has_failed |= log.failure().is_some();
        let mut attempts = 0;
        while let Err(error) = try_reopen(&mut log) {
            attempts += 1;
            assert!(attempts <= 2, "fault {fault}: {error}");
        }
        assert_eq!(reader.end_offset(), Offset::new(appended), "fault {fault}, step {step}");
    }
    let has_hit = disk.operations() > first + fault + 1;
    if !has_hit {
        return (has_failed, false);
    }
    assert_eq!(read_all(&reader), ones(0..appended), "fault {fault}");
    log.flush().unwrap();
    assert_eq!(log.recovery_point(), Offset::new(appended), "fault {fault}");
    let again = disk.crash(Loss::Unsynced);
    let found = open(options(&again, Offset::new(appended)));
    assert_eq!(read_all(&found.reader()), ones(0..appended), "fault {fault} after a power cut");
    (has_failed, has_hit)
}

#[test]
fn whatever_fails_the_log_goes_on_without_loss_and_survives_a_power_cut() {
    for seed in 0..6 {
        let (mut fault, mut failures) = (1, 0);
        loop {
            let (has_failed, has_hit) = live(fault, seed);
            if !has_hit {
                break;
            }
            failures += usize::from(has_failed);
            fault += 1;
        }
        assert!(fault > 40 && failures > 10, "{failures} failures of {fault}");
    }
}

#[test]
fn what_a_torn_write_left_is_no_record() {
    let disk = disk(1);
    let mut log = open(options(&disk, Offset::ZERO));
    try_append(&mut log).unwrap();
    let next = disk.operations() + 1;
    disk.fail_at(next);
    disk.fail_at(next + 1);
    assert!(matches!(try_append(&mut log), Err(LogError::Failed { .. })));
    try_reopen(&mut log).unwrap();
    assert_eq!(log.failure(), None);
    assert_eq!(read_all(&log.reader()), ones(0..1));
    try_append(&mut log).unwrap();
    assert_eq!(read_all(&log.reader()), ones(0..2));
}

#[test]
fn a_flush_that_a_full_disk_refuses_is_done_when_there_is_room() {
    let disk = disk(1);
    let mut log = open(options(&disk, Offset::ZERO));
    try_append(&mut log).unwrap();
    disk.set_capacity_bytes(Some(disk.used_bytes()));
    let refused = log.flush().unwrap_err();
    assert!(!matches!(refused, LogError::Failed { .. }), "{refused}");
    assert_eq!(log.recovery_point(), Offset::ZERO);
    disk.set_capacity_bytes(None);
    log.flush().unwrap();
    assert_eq!(log.recovery_point(), Offset::new(1));
}

#[test]
fn a_leader_without_records_is_known_afterwards() {
    let disk = disk(1);
    let mut log = open(options(&disk, Offset::ZERO));
    try_append(&mut log).unwrap();
    let epoch = LeaderEpoch::from_wire(3).unwrap();
    log.begin_epoch(epoch);
    disk.fail_at(disk.operations() + 1);
    disk.fail_at(disk.operations() + 2);
    try_append(&mut log).unwrap_err();
    try_reopen(&mut log).unwrap();
    assert_eq!(log.reader().latest_epoch(), Some(epoch));
}

#[test]
fn a_log_that_works_or_was_closed_is_left_alone() {
    let disk = disk(1);
    let mut log = open(options(&disk, Offset::ZERO));
    assert!(log.prepare_reopen(NOW).is_none());
    log.close().unwrap();
    assert!(log.prepare_reopen(NOW).is_none());
}
