//! What compaction keeps, over segments made by hand; through a whole log it is tested elsewhere.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millrace_types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_wire::record::{
    Batch, BatchBuilder, BatchProducer, Codec, Compression, EndTxnMarker, NewRecord,
};

use super::{
    Cleaning, Closed, CompactionError, CompactionOptions, LastRecord, Plan, Source, offset_map,
    pass,
};
use crate::config::LogConfig;
use crate::disk::{Disk, FaultyDisk};
use crate::file_name::{FileKind, FileStage};
use crate::file_pool::FilePool;
use crate::segment::{Files, Home, Segment, SegmentWriter};
use crate::txn_index::AbortedTransaction;

const DAY_MS: i64 = 86_400_000;
const NOW: TimestampMs = TimestampMs::new(1_700_000_000_000);
static NEVER: AtomicBool = AtomicBool::new(false);
const OPTIONS: CompactionOptions<'_> =
    CompactionOptions { dedupe_bytes_max: 1 << 20, batch_bytes_max: 1 << 20, is_cancelled: &NEVER };

/// Segments without a log around them.
struct Fixture {
    source: Source,
    end: Offset,
}

/// One record for a batch: key and value; no value is a tombstone, no key is an error of someone.
type Pair<'a> = (Option<&'a str>, Option<&'a str>);

fn set<'a>(key: &'a str, value: &'a str) -> Pair<'a> {
    (Some(key), Some(value))
}

fn producer(id: i64, sequence: i32) -> BatchProducer {
    BatchProducer {
        id: ProducerId::from_wire(id).unwrap(),
        epoch: ProducerEpoch::ZERO,
        base_sequence: Sequence::from_wire(sequence),
    }
}

impl Fixture {
    /// An empty log.
    fn new() -> Fixture {
        let disk = Arc::new(FaultyDisk::new(1));
        let dir = PathBuf::from("/t-0");
        disk.create_dir_all(&dir).unwrap();
        let home = Arc::new(Home { pool: Arc::new(FilePool::new(disk, 100)), dir });
        let source = Source {
            home,
            config: LogConfig { index_interval_bytes: 100, ..LogConfig::default() },
            start_offset: Offset::ZERO,
            stable_end: Offset::MAX,
            segments: Vec::new(),
            producers: BTreeMap::new(),
        };
        let mut fixture = Fixture { source, end: Offset::ZERO };
        fixture.roll();
        fixture
    }

    fn roll(&mut self) {
        if let Some(done) = self.source.segments.last() {
            let writer = SegmentWriter::resume(Arc::clone(done), NOW).unwrap();
            writer.complete_indexes().unwrap();
        }
        let home = Arc::clone(&self.source.home);
        let segment = Segment::create(home, self.end, FileStage::Live).unwrap();
        self.source.segments.push(Arc::new(segment));
    }

    fn append(&mut self, builder: BatchBuilder) -> &mut Fixture {
        self.append_bytes(&builder.build().unwrap())
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> &mut Fixture {
        let (batch, _) = Batch::split_first(bytes).unwrap();
        let active = self.source.segments.last().unwrap();
        let mut writer = SegmentWriter::resume(Arc::clone(active), NOW).unwrap();
        let headers = [*batch.header()];
        writer.append(&[IoSlice::new(bytes)], headers.iter(), 100).unwrap();
        self.end = headers[0].next_offset();
        self
    }

    fn batch(&mut self, codec: Codec, records: &[Pair<'_>]) -> &mut Fixture {
        let builder = BatchBuilder::new(self.end).with_codec(codec);
        self.append(filled(builder, records))
    }

    fn put(&mut self, records: &[Pair<'_>]) -> &mut Fixture {
        self.batch(Codec::None, records)
    }

    fn transactional(&mut self, id: i64, sequence: i32, records: &[Pair<'_>]) -> &mut Fixture {
        let builder = BatchBuilder::new(self.end).with_producer(producer(id, sequence));
        self.append(filled(builder.transactional(), records))
    }

    fn marker(&mut self, id: i64, is_commit: bool) -> &mut Fixture {
        let marker = EndTxnMarker { is_commit, coordinator_epoch: 0 };
        let mut builder =
            BatchBuilder::new(self.end).with_producer(producer(id, -1)).transactional().control();
        let (key, value) = (marker.key(), marker.value());
        let record = NewRecord {
            timestamp: Some(NOW),
            key: Some(&key),
            value: Some(&value),
            ..NewRecord::default()
        };
        builder.push(&record).unwrap();
        self.append(builder)
    }

    fn aborted(&mut self, id: i64, first: u64, last: u64) {
        let index = self.source.segments.last().unwrap().txn_index_or_new().unwrap();
        index
            .append(&AbortedTransaction {
                producer_id: ProducerId::from_wire(id).unwrap(),
                first_offset: Offset::new(first),
                last_offset: Offset::new(last),
                last_stable_offset: Offset::new(last + 1),
            })
            .unwrap();
    }

    /// One pass; the cleaned segments take their places. Returns where the next goes on.
    fn clean(&mut self, from: Offset, options: &CompactionOptions<'_>, now: TimestampMs) -> Offset {
        let plan = Plan::new(self.source.clone(), Some(from), now).unwrap().unwrap();
        let mut cleaning = Cleaning::begin(plan, options, now).unwrap();
        while let Some(cleaned) = cleaning.next_segment().unwrap() {
            let replaced: Vec<_> =
                cleaned.replaced.iter().map(|(old, _)| old.base_offset()).collect();
            let segments = &mut self.source.segments;
            let at = segments.iter().position(|old| old.base_offset() == replaced[0]).unwrap();
            for old in &segments[at..at + replaced.len()] {
                old.rename(&FileKind::OF_SEGMENT, FileStage::Deleted).unwrap();
            }
            cleaned.segment.rename(&FileKind::OF_SEGMENT, FileStage::Live).unwrap();
            let has_txn_index = cleaned.segment.txn_index().unwrap().is_some();
            let files = Files { has_index: true, has_txn_index };
            let home = Arc::clone(&self.source.home);
            let live = Segment::open(home, replaced[0], FileStage::Live, files).unwrap();
            segments.splice(at..at + replaced.len(), [Arc::new(live)]);
        }
        cleaning.end_offset()
    }

    fn first(&self) -> Closed {
        Closed::new(&self.source.segments[0], Offset::MAX)
    }

    /// Every batch as `base-last:records`, a record as `offset=key:value`.
    fn dump(&self) -> Vec<String> {
        let mut dump = Vec::new();
        for segment in &self.source.segments {
            pass::each_batch(&Closed::new(segment, Offset::MAX), &NEVER, |batch| {
                dump.push(describe(batch));
                Ok(true)
            })
            .unwrap();
        }
        dump
    }
}

fn filled(mut builder: BatchBuilder, records: &[Pair<'_>]) -> BatchBuilder {
    for (key, value) in records {
        let record = NewRecord {
            timestamp: Some(NOW),
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            ..NewRecord::default()
        };
        builder.push(&record).unwrap();
    }
    builder
}

fn describe(batch: &Batch<'_>) -> String {
    let header = batch.header();
    let open = batch.open(1 << 20).unwrap();
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or_else(|| "-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let records: Vec<String> = open
        .records()
        .map(|record| {
            let record = record.unwrap();
            let offset = record.offset;
            if header.attributes.is_control() {
                return format!("{offset}=marker");
            }
            assert_eq!(record.timestamp, Some(NOW));
            format!("{offset}={}:{}", text(record.key), text(record.value))
        })
        .collect();
    let (base, last) = (header.base_offset, header.last_offset());
    format!("{base}-{last}[{}]", records.join(" "))
}

#[test]
fn of_each_key_the_last_record_stays_at_its_offset() {
    let mut log = Fixture::new();
    log.put(&[set("a", "1"), set("b", "1"), set("a", "2")]).put(&[set("c", "1")]);
    log.roll();
    log.put(&[set("b", "2"), (None, Some("no key")), set("d", "1")]).put(&[set("c", "2")]);
    log.roll();
    log.put(&[set("a", "3")]);
    let end = log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(end, Offset::new(8));
    // The active segment is not looked at: a=2 stays.
    let expected = ["0-2[2=a:2]", "4-6[4=b:2 6=d:1]", "7-7[7=c:2]", "8-8[8=a:3]"];
    assert_eq!(log.dump(), expected);
    assert_eq!(log.source.segments.len(), 2, "small segments were not put together");
    // A second pass from there has nothing to do.
    assert!(Plan::new(log.source, Some(end), NOW).unwrap().is_none());
}

#[test]
fn a_batch_keeps_its_compression() {
    for compression in Compression::ALL {
        let mut log = Fixture::new();
        let codec = Codec::from(compression);
        log.batch(codec, &[set("a", "1"), set("b", "1"), set("a", "2")]);
        log.batch(codec, &[set("c", "1"), set("d", "1")]);
        log.roll();
        log.clean(Offset::ZERO, &OPTIONS, NOW);
        assert_eq!(log.dump(), ["0-2[1=b:1 2=a:2]", "3-4[3=c:1 4=d:1]"]);
        pass::each_batch(&log.first(), &NEVER, |batch| {
            assert_eq!(batch.header().compression(), compression);
            Ok(true)
        })
        .unwrap();
    }
}

#[test]
fn a_tombstone_stays_until_its_horizon_and_takes_older_values_along() {
    let mut log = Fixture::new();
    log.put(&[set("a", "1")]).put(&[(Some("a"), None), set("b", "1")]).put(&[set("z", "1")]);
    log.roll();
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), ["1-2[1=a:- 2=b:1]", "3-3[3=z:1]"]);
    let horizon = |log: &Fixture| {
        let mut found = None;
        pass::each_batch(&log.first(), &NEVER, |batch| {
            found = found.or(batch.header().delete_horizon());
            Ok(true)
        })
        .unwrap();
        found
    };
    assert_eq!(horizon(&log), Some(NOW.plus_ms(DAY_MS)));
    // Before the horizon nothing changes, not even the horizon.
    log.clean(Offset::ZERO, &OPTIONS, NOW.plus_ms(DAY_MS - 1));
    assert_eq!(log.dump(), ["1-2[1=a:- 2=b:1]", "3-3[3=z:1]"]);
    assert_eq!(horizon(&log), Some(NOW.plus_ms(DAY_MS)));
    log.clean(Offset::ZERO, &OPTIONS, NOW.plus_ms(DAY_MS));
    assert_eq!(log.dump(), ["1-2[2=b:1]", "3-3[3=z:1]"]);
}

#[test]
fn the_last_batch_of_a_producer_and_of_the_log_stays_empty() {
    let mut log = Fixture::new();
    for (id, sequence) in [(7, 0), (7, 1), (8, 0), (7, 2)] {
        let builder = BatchBuilder::new(log.end).with_producer(producer(id, sequence));
        log.append(filled(builder, &[set("k", "v")]));
    }
    log.put(&[set("x", "1")]).put(&[set("x", "2"), (None, None)]);
    log.roll();
    log.put(&[set("k", "new")]);
    let last =
        |offset| LastRecord { data_offset: Some(Offset::new(offset)), epoch: ProducerEpoch::ZERO };
    log.source.producers =
        BTreeMap::from([(producer(7, 0).id, last(3)), (producer(8, 0).id, last(2))]);
    // So that nothing but k=new and x=2 would be left:
    log.roll();
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), ["2-2[]", "3-3[]", "5-6[5=x:2]", "7-7[7=k:new]"]);
    let mut sequences = Vec::new();
    pass::each_batch(&log.first(), &NEVER, |batch| {
        sequences.extend(batch.header().last_sequence().map(Sequence::to_wire));
        Ok(true)
    })
    .unwrap();
    assert_eq!(sequences, [0, 2]);
    // The next time they are as they are; once the producers are forgotten they go.
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump().len(), 4);
    log.source.producers.clear();
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), ["5-6[5=x:2]", "7-7[7=k:new]"]);
}

#[test]
fn the_end_of_what_was_cleaned_stays_even_if_empty() {
    let mut log = Fixture::new();
    log.put(&[set("a", "1")]).put(&[(None, Some("no key"))]);
    log.roll();
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), ["0-0[0=a:1]", "1-1[]"]);
}

#[test]
fn aborted_records_go_and_a_marker_outlives_them() {
    let mut log = Fixture::new();
    log.put(&[set("a", "old"), set("b", "old")]);
    log.transactional(7, 0, &[set("a", "aborted")]).transactional(8, 0, &[set("b", "new")]);
    log.roll();
    log.transactional(7, 1, &[set("c", "aborted")]).marker(8, true).marker(7, false);
    log.aborted(7, 2, 6);
    log.put(&[set("z", "1")]);
    log.roll();
    let kept = ["0-1[0=a:old]", "3-3[3=b:new]", "5-5[5=marker]", "6-6[6=marker]", "7-7[7=z:1]"];
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), kept);
    // The records were still there when the marker was passed: so the index still tells of them.
    assert_eq!(log.source.segments[0].txn_index().unwrap().unwrap().len(), 1);
    // Now the marker of 7 has nothing left to mark; it gets its horizon. That of 8 has.
    log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), kept);
    assert!(log.source.segments[0].txn_index().unwrap().is_none());
    log.clean(Offset::ZERO, &OPTIONS, NOW.plus_ms(DAY_MS));
    assert_eq!(log.dump(), ["0-1[0=a:old]", "3-3[3=b:new]", "5-5[5=marker]", "7-7[7=z:1]"]);
}

#[test]
fn what_was_aborted_before_does_not_void_what_its_producer_wrote_since() {
    let mut log = Fixture::new();
    log.put(&[set("a", "old")]);
    log.transactional(7, 0, &[set("x", "aborted")]).marker(7, false);
    log.aborted(7, 1, 2);
    log.put(&[set("z", "1")]);
    log.roll();
    let cleaned = log.clean(Offset::ZERO, &OPTIONS, NOW);
    assert_eq!(log.dump(), ["0-0[0=a:old]", "2-2[2=marker]", "3-3[3=z:1]"]);
    // A tombstone that was not heeded would go one day, and the value would be back.
    log.transactional(7, 1, &[(Some("a"), None)]).marker(7, true).put(&[set("z", "2")]);
    log.roll();
    log.clean(cleaned, &OPTIONS, NOW);
    assert_eq!(log.dump(), ["2-2[2=marker]", "4-4[4=a:-]", "5-5[5=marker]", "6-6[6=z:2]"]);
}

#[test]
fn too_many_keys_take_several_passes() {
    let mut log = Fixture::new();
    for round in 0..3 {
        for key in 0..100 {
            log.put(&[set(&format!("key{key}"), &format!("{round}"))]);
        }
        log.roll();
    }
    log.put(&[set("z", "1")]);
    log.roll();
    let options = CompactionOptions { dedupe_bytes_max: 30 * offset_map::SLOT_BYTES, ..OPTIONS };
    let (mut from, mut passes) = (Offset::ZERO, 0);
    while from < Offset::new(301) {
        let end = log.clean(from, &options, NOW);
        assert!(end > from, "pass {passes} from {from} came to nothing");
        (from, passes) = (end, passes + 1);
    }
    // 27 keys a pass, but later passes meet the later rounds only.
    assert!((4..=12).contains(&passes), "{passes} passes");
    let expected: Vec<String> = (0..100)
        .map(|key| format!("{0}-{0}[{0}=key{key}:2]", 200 + key))
        .chain(["300-300[300=z:1]".to_owned()])
        .collect();
    assert_eq!(log.dump(), expected);
}

#[test]
fn young_unstable_and_active_segments_are_left_alone() {
    let mut log = Fixture::new();
    for _ in 0..4 {
        log.put(&[set("a", "1"), set("a", "2")]);
        log.roll();
    }
    let plan = |stable: u64, lag_ms: i64, now: TimestampMs| {
        let config = LogConfig { min_compaction_lag_ms: lag_ms, ..log.source.config.clone() };
        let stable_end = Offset::new(stable);
        let source = Source { config, stable_end, ..log.source.clone() };
        Plan::new(source, None, now).unwrap().map(|plan| plan.clean_end.get())
    };
    assert_eq!(plan(99, 0, NOW), Some(8));
    assert_eq!(plan(5, 0, NOW), Some(4));
    assert_eq!(plan(1, 0, NOW), None);
    assert_eq!(plan(99, 1000, NOW.plus_ms(999)), None);
    assert_eq!(plan(99, 1000, NOW.plus_ms(1000)), Some(8));
}

#[test]
fn a_log_is_due_by_its_dirty_share_or_its_age() {
    let mut log = Fixture::new();
    for _ in 0..4 {
        log.put(&[set("a", "1")]);
        log.roll();
    }
    let plan = |checkpoint: u64, max_lag_ms: i64| {
        let config = LogConfig { max_compaction_lag_ms: max_lag_ms, ..log.source.config.clone() };
        let source = Source { config, ..log.source.clone() };
        let plan = Plan::new(source, Some(Offset::new(checkpoint)), NOW.plus_ms(50)).unwrap();
        plan.map(|plan| (plan.dirty_ratio(), plan.is_due()))
    };
    assert_eq!(plan(1, i64::MAX), Some((0.75, true)));
    assert_eq!(plan(2, i64::MAX), Some((0.5, false)));
    assert_eq!(plan(2, 50), Some((0.5, false)));
    assert_eq!(plan(2, 49), Some((0.5, true)));
    assert_eq!(plan(4, 49), None);
    // A checkpoint behind the log's end says nothing.
    assert_eq!(plan(99, i64::MAX), Some((1.0, true)));
}

#[test]
fn groups_stay_within_a_segments_size_and_offsets() {
    let mut log = Fixture::new();
    for _ in 0..6 {
        log.put(&[set("a", "1")]);
        log.roll();
    }
    let size = log.source.segments[0].size_bytes();
    log.source.config.segment_bytes = u32::try_from(size * 2).unwrap();
    let plan = Plan::new(log.source, None, NOW).unwrap().unwrap();
    let bases = |end: u64| -> Vec<Vec<u64>> {
        let groups = plan.groups(Offset::new(end)).unwrap();
        let base = |closed: &Closed| closed.segment.base_offset().get();
        groups.iter().map(|group| group.iter().map(base).collect()).collect()
    };
    assert_eq!(bases(6), [vec![0, 1], vec![2, 3], vec![4, 5]]);
    assert_eq!(bases(3), [vec![0, 1], vec![2]]);
}

#[test]
fn rot_stops_compaction_and_touches_nothing() {
    let mut log = Fixture::new();
    log.put(&[set("a", "1"), set("a", "2")]);
    log.roll();
    let path = log.source.segments[0].path(crate::file_name::FileKind::Log);
    let file = log.source.home.disk().open(&path, crate::disk::OpenMode::Write).unwrap();
    file.write_all_at(&[IoSlice::new(b"x")], 70).unwrap();
    let plan = Plan::new(log.source.clone(), None, NOW).unwrap().unwrap();
    let error = Cleaning::begin(plan, &OPTIONS, NOW).unwrap_err();
    assert!(error.to_string().contains("CRC"), "{error}");
    let names = log.source.home.disk().list(&log.source.home.dir).unwrap();
    assert!(names.iter().all(|entry| !entry.name.ends_with(".cleaned")));
}

#[test]
fn a_batch_that_its_producer_made_unreadable_is_not_taken_for_damage() {
    let mut log = Fixture::new();
    log.put(&[set("a", "1")]);
    let mut bytes = filled(BatchBuilder::new(log.end), &[set("b", "2")]).build().unwrap();
    // Says that it is compressed with gzip, and has a checksum that is right.
    bytes[22] |= 1;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    log.append_bytes(&bytes);
    log.roll();
    let plan = Plan::new(log.source, None, NOW).unwrap().unwrap();
    let error = Cleaning::begin(plan, &OPTIONS, NOW).unwrap_err();
    assert!(matches!(&error, CompactionError::Batch { base_offset, .. } if base_offset.get() == 1));
    let text = error.to_string();
    assert!(text.contains("its producer has sent it so") && !text.contains("corrupt at"), "{text}");
}

#[test]
fn a_cancelled_compaction_stops() {
    let mut log = Fixture::new();
    log.put(&[set("a", "1")]);
    log.roll();
    let is_cancelled = AtomicBool::new(true);
    let options = CompactionOptions { is_cancelled: &is_cancelled, ..OPTIONS };
    let plan = Plan::new(log.source, None, NOW).unwrap().unwrap();
    assert!(matches!(Cleaning::begin(plan, &options, NOW), Err(CompactionError::Cancelled)));
}
