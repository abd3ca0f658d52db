//! The rules of a log, on a real disk. Crashes at every step are tried on a disk made for it, in
//! `tests/` of the crate.

use std::path::Path;
use std::sync::Arc;

use millrace_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_wire::record::{Batch, BatchBuilder, BatchProducer, Batches, NewRecord};

use super::{Log, LogOptions, RecoveryProgress};
use crate::config::LogConfig;
use crate::disk::{Patience, RealDisk};
use crate::file_pool::FilePool;
use crate::new_batch::NewBatch;
use crate::reader::LogReader;
use crate::segment::{ReadRequest, Slice};

mod append;
mod faults;
mod files;
mod flush;
mod read;
mod recovery;
mod reopen;
mod retention;
mod roll;
mod time;
mod truncation;

pub(super) const NOW: TimestampMs = TimestampMs::new(1_700_000_000_000);

/// A partition's directory that goes with the test.
pub(super) struct Place {
    dir: tempfile::TempDir,
    pool: Arc<FilePool>,
}

impl Place {
    pub(super) fn new() -> Place {
        let pool = Arc::new(FilePool::new(Arc::new(RealDisk), 64));
        Place { dir: tempfile::tempdir().unwrap(), pool }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn options(&self, config: LogConfig) -> LogOptions {
        LogOptions {
            pool: Arc::clone(&self.pool),
            dir: self.dir.path().to_path_buf(),
            config,
            producer_id_expiration_ms: 86_400_000,
            start_offset: Offset::ZERO,
            recovery_point: Offset::ZERO,
            high_watermark: Offset::ZERO,
            was_closed: false,
            now: NOW,
        }
    }

    pub(super) fn open(&self, config: LogConfig) -> Log {
        open(self.options(config))
    }

    /// The names of the files of segments, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The names of the files with one ending, without it.
    pub(super) fn with_suffix(&self, suffix: &str) -> Vec<u64> {
        let names = self.names();
        let stems = names.iter().filter_map(|name| name.strip_suffix(suffix));
        stems.filter_map(|stem| stem.parse().ok()).collect()
    }
}

pub(super) fn open(options: LogOptions) -> Log {
    Log::open(options, &mut |_: RecoveryProgress| ()).unwrap()
}

/// What a test wants of a batch.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) records: u32,
    pub(super) value_bytes: usize,
    pub(super) timestamp: i64,
    pub(super) epoch: i32,
    pub(super) producer: Option<(i64, i32)>,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { records: 1, value_bytes: 10, timestamp: 1, epoch: 0, producer: None }
    }
}

/// The bytes of a batch; the timestamps of its records end with the wanted one.
pub(super) fn batch(base: u64, wanted: Wanted) -> Vec<u8> {
    let epoch = LeaderEpoch::from_wire(wanted.epoch).unwrap();
    let mut builder = BatchBuilder::new(Offset::new(base)).with_leader_epoch(epoch);
    if let Some((id, sequence)) = wanted.producer {
        builder = builder.with_producer(BatchProducer {
            id: ProducerId::from_wire(id).unwrap(),
            epoch: ProducerEpoch::ZERO,
            base_sequence: Sequence::from_wire(sequence),
        });
    }
    let value = vec![b'v'; wanted.value_bytes];
    for record in (0..wanted.records).rev() {
        let timestamp = TimestampMs::from_wire(wanted.timestamp - i64::from(record));
        builder
            .push(&NewRecord { timestamp, value: Some(&value), ..NewRecord::default() })
            .unwrap();
    }
    builder.build().unwrap()
}

/// Appends a batch at the log's end and commits it. Returns its base offset.
pub(super) fn append(log: &mut Log, wanted: Wanted) -> u64 {
    append_at(log, NOW, wanted)
}

pub(super) fn append_at(log: &mut Log, now: TimestampMs, wanted: Wanted) -> u64 {
    let base = log.reader().end_offset().get();
    let bytes = batch(base, wanted);
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    let info = log.append(&[NewBatch::stored(&batch)], now).unwrap();
    assert_eq!(info.base_offset.get(), base);
    log.set_high_watermark(info.next_offset);
    base
}

/// Appends `count` batches of one record.
pub(super) fn append_many(log: &mut Log, count: usize) {
    (0..count).for_each(|_| {
        append(log, Wanted::default());
    });
}

pub(super) fn everything(offset: u64) -> ReadRequest {
    ReadRequest {
        offset: Offset::new(offset),
        bytes_max: usize::MAX,
        upper_bound: Offset::MAX,
        needs_one_batch: true,
        patience: Patience::Waits,
    }
}

/// The base and last offsets of the batches in a slice.
pub(super) fn spans(slice: &Slice) -> Vec<(u64, u64)> {
    let mut bytes = vec![0; slice.length];
    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
    Batches::new(&bytes)
        .map(|batch| {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            (batch.header().base_offset.get(), batch.header().last_offset().get())
        })
        .collect()
}

/// The spans of all batches from the log's start to its end, read as a consumer does.
pub(super) fn read_all(reader: &LogReader) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut offset = reader.start_offset().get();
    while let Some(slice) = reader.read(&everything(offset)).unwrap() {
        found.extend(spans(&slice));
        assert!(slice.next_offset.get() > offset, "a read at {offset} goes nowhere");
        offset = slice.next_offset.get();
    }
    assert_eq!(offset, reader.end_offset().get());
    found
}

pub(super) fn ones(range: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    range.map(|offset| (offset, offset)).collect()
}
