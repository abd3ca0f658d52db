//! Compaction of a whole log, beside its writer and its readers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millrace_log::compaction::{Cleaning, CompactionOptions, Plan};
use millrace_log::disk::{Disk, FaultyDisk, Patience};
use millrace_log::{
    CleanupPolicy, FilePool, Log, LogConfig, LogOptions, LogReader, NewBatch, ReadRequest,
};
use millrace_types::{LeaderEpoch, Offset, TimestampMs};
use millrace_wire::record::{Batch, BatchBuilder, Batches, NewRecord};

const NOW: TimestampMs = TimestampMs::new(1_700_000_000_000);

fn open(disk: &FaultyDisk, was_closed: bool) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = LogOptions {
        pool: Arc::new(FilePool::new(disk, 8)),
        dir: PathBuf::from("/t-0"),
        config: LogConfig {
            segment_bytes: 2000,
            cleanup: CleanupPolicy { deletes: false, compacts: true },
            ..LogConfig::default()
        },
        start_offset: Offset::ZERO,
        recovery_point: Offset::ZERO,
        high_watermark: Offset::ZERO,
        was_closed,
        producer_id_expiration_ms: 86_400_000,
        now: NOW,
    };
    let mut log = Log::open(options, &mut |_| {}).unwrap();
    let end = log.reader().end_offset();
    log.set_high_watermark(end);
    log
}

fn put(log: &mut Log, key: u64, value: &str) {
    let end = log.reader().end_offset();
    let mut builder = BatchBuilder::new(end).with_leader_epoch(LeaderEpoch::ZERO);
    let record = NewRecord {
        timestamp: Some(NOW),
        key: Some(&key.to_be_bytes()),
        value: Some(value.as_bytes()),
        headers: &[],
    };
    builder.push(&record).unwrap();
    let bytes = builder.build().unwrap();
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    log.append(&[NewBatch::stored(&batch)], NOW).unwrap();
    log.set_high_watermark(end.plus(1));
}

/// All records as (offset, key, value).
fn records(reader: &LogReader) -> Vec<(u64, u64, String)> {
    let mut at = reader.start_offset();
    let mut all = Vec::new();
    let request = |offset| ReadRequest {
        offset,
        bytes_max: 500,
        upper_bound: reader.end_offset(),
        needs_one_batch: true,
        patience: Patience::Waits,
    };
    while let Some(slice) = reader.read(&request(at)).unwrap() {
        let mut bytes = vec![0; slice.length];
        slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
        for batch in Batches::new(&bytes) {
            for record in batch.unwrap().open(1 << 20).unwrap().records() {
                let record = record.unwrap();
                let key = u64::from_be_bytes(record.key.unwrap().try_into().unwrap());
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                all.push((record.offset.get(), key, value));
            }
        }
        at = slice.next_offset;
    }
    all
}

#[test]
fn a_log_is_compacted_while_it_is_written_and_read() {
    let disk = FaultyDisk::new(1);
    disk.create_dir_all(std::path::Path::new("/t-0")).unwrap();
    let mut log = open(&disk, false);
    for round in 0..50 {
        for key in 0..10 {
            put(&mut log, key, &format!("{round}"));
        }
    }
    let size_before = log.reader().size_bytes();
    let reader = log.reader();
    let never = AtomicBool::new(false);
    let options = CompactionOptions {
        dedupe_bytes_max: 1 << 16,
        batch_bytes_max: 1 << 20,
        is_cancelled: &never,
    };
    log.flush().unwrap();
    let plan = Plan::new(log.compaction_source(), None, NOW).unwrap().unwrap();
    assert!(plan.is_due());
    let mut cleaning = Cleaning::begin(plan, &options, NOW).unwrap();
    let mut replaced = 0;
    while let Some(cleaned) = cleaning.next_segment().unwrap() {
        // The writer goes on between the steps, and a reader that began before goes on too.
        put(&mut log, 99, "meanwhile");
        let deletion = log.replace(&cleaned, NOW).unwrap().unwrap();
        assert!(records(&reader).len() >= 11);
        deletion.run(&disk).unwrap();
        replaced += 1;
    }
    assert!(replaced > 1, "{replaced} segments");
    assert!(reader.size_bytes() < size_before / 4);
    let left = records(&reader);
    for key in 0..10 {
        let last = left.iter().rev().find(|record| record.1 == key).unwrap();
        assert_eq!((last.0, &*last.2), (490 + key, "49"));
    }
    assert!(left.is_sorted());
    // All of it is there after a restart, clean or not.
    log.close().unwrap();
    drop(log);
    for was_closed in [true, false] {
        assert_eq!(records(&open(&disk, was_closed).reader()), left);
    }
}

#[test]
fn a_segment_made_from_what_is_gone_is_not_put_into_place() {
    let disk = FaultyDisk::new(1);
    disk.create_dir_all(std::path::Path::new("/t-0")).unwrap();
    let mut log = open(&disk, false);
    for round in 0..50 {
        put(&mut log, 1, &format!("{round}"));
    }
    let never = AtomicBool::new(false);
    let options = CompactionOptions {
        dedupe_bytes_max: 1 << 16,
        batch_bytes_max: 1 << 20,
        is_cancelled: &never,
    };
    log.flush().unwrap();
    let plan = Plan::new(log.compaction_source(), None, NOW).unwrap().unwrap();
    let mut cleaning = Cleaning::begin(plan, &options, NOW).unwrap();
    let cleaned = cleaning.next_segment().unwrap().unwrap();
    log.advance_start(Offset::new(49)).unwrap();
    log.retain(NOW).unwrap().unwrap();
    assert_eq!(log.replace(&cleaned, NOW).unwrap(), None);
    assert_eq!(records(&log.reader()), [(49, 1, "49".to_owned())]);
    let names = disk.list(std::path::Path::new("/t-0")).unwrap();
    assert!(names.iter().all(|entry| !entry.name.ends_with(".cleaned")), "{names:?}");
}
