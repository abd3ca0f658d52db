//! A directory of logs, written by Millrace's log with all that Kafka's format knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millrace_log::compaction::{Cleaning, CompactionOptions, Plan};
use millrace_log::disk::{Disk, RealDisk};
use millrace_log::{
    CleanupPolicy, Log, LogConfig, LogDir, LogDirOptions, LogOffsets, MetaProperties, NewBatch,
};
use millrace_types::{
    BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence,
    TimestampMs, TopicName, TopicPartition, Uuid,
};
use millrace_wire::record::{
    Batch, BatchBuilder, BatchHead, BatchProducer, Codec, EndTxnMarker, NewRecord, RecordHeader,
};

pub const START: TimestampMs = TimestampMs::new(1_700_000_000_000);
const DAY_MS: i64 = 86_400_000;

/// An open directory and its logs.
pub struct Writing {
    pub dir: LogDir,
    pub logs: BTreeMap<TopicPartition, Log>,
    pub now: TimestampMs,
    /// The ids of topics that are known elsewhere.
    pub ids: BTreeMap<String, Uuid>,
    sequences: BTreeMap<(TopicPartition, i64), i32>,
}

/// A record: key, value, and whether it has headers.
pub type Pair = (Option<String>, Option<String>, bool);

pub fn partition(topic: &str) -> TopicPartition {
    TopicPartition {
        topic: TopicName::parse(topic).unwrap(),
        partition: PartitionIndex::from_wire(0).unwrap(),
    }
}

/// Segments of a few batches.
pub fn small(compacts: bool) -> LogConfig {
    LogConfig {
        segment_bytes: 12_000,
        index_interval_bytes: 300,
        cleanup: CleanupPolicy { deletes: !compacts, compacts },
        retention_ms: None,
        ..LogConfig::default()
    }
}

impl Writing {
    /// Opens a directory, which may be Kafka's.
    pub fn open(root: &Path) -> Writing {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let fresh = MetaProperties {
            cluster_id: "Millrace-Yardstick-A".to_owned(),
            node_id: BrokerId::from_wire(1).unwrap(),
            directory_id: Uuid::from_bytes([7; 16]),
        };
        std::fs::create_dir_all(root).unwrap();
        let meta = LogDir::identify(&*disk, root).unwrap().unwrap_or(fresh);
        let options = LogDirOptions {
            root: root.to_owned(),
            meta,
            checks_directory_id: true,
            open_files_max: 50,
            producer_id_expiration_ms: i64::MAX,
        };
        let dir = LogDir::open(disk, options).unwrap();
        let (logs, ids, sequences) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Writing { dir, logs, now: START, ids, sequences }
    }

    pub fn create(&mut self, topic: &str, config: LogConfig) {
        let by_name =
            std::array::from_fn(|index| topic.as_bytes().get(index).copied().unwrap_or(1));
        let id = self.ids.get(topic).copied().unwrap_or(Uuid::from_bytes(by_name));
        let log = self.dir.create_log(&partition(topic), id, config, self.now).unwrap();
        self.logs.insert(partition(topic), log);
    }

    /// Opens the log of a partition that is there.
    pub fn open_log(&mut self, topic: &str, config: LogConfig) -> &mut Log {
        let log = self.dir.open_log(&partition(topic), config, self.now, &mut |_| {}).unwrap();
        self.logs.insert(partition(topic), log);
        self.log(topic)
    }

    pub fn log(&mut self, topic: &str) -> &mut Log {
        self.logs.get_mut(&partition(topic)).unwrap()
    }

    pub fn append(&mut self, topic: &str, builder: BatchBuilder) {
        let now = self.now;
        let log = self.log(topic);
        let end = log.reader().end_offset();
        let epoch = log.reader().latest_epoch().unwrap_or(LeaderEpoch::ZERO);
        let bytes = builder.build().unwrap();
        let (batch, _) = Batch::split_first(&bytes).unwrap();
        let mut head = BatchHead::of(&batch);
        head.place(end, epoch);
        let placed = [&head.bytes()[..], batch.payload()].concat();
        let (batch, _) = Batch::split_first(&placed).unwrap();
        log.append(&[NewBatch::stored(&batch)], now).unwrap();
        let end = log.reader().end_offset();
        log.set_high_watermark(end);
    }

    /// One batch of an idempotent producer, or of none.
    pub fn put(&mut self, topic: &str, codec: Codec, producer: Option<i64>, records: &[Pair]) {
        let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(codec);
        if let Some(id) = producer {
            builder = builder.with_producer(self.producer(topic, id, records.len()));
        }
        let builder = filled(builder, self.now, records);
        self.append(topic, builder);
        self.now = self.now.plus_ms(10);
    }

    /// One batch of a transaction.
    pub fn transact(&mut self, topic: &str, id: i64, records: &[Pair]) {
        let producer = self.producer(topic, id, records.len());
        let builder = BatchBuilder::new(Offset::ZERO).with_producer(producer).transactional();
        let builder = filled(builder, self.now, records);
        self.append(topic, builder);
        self.now = self.now.plus_ms(10);
    }

    /// The end of a transaction.
    pub fn end(&mut self, topic: &str, id: i64, is_commit: bool) {
        let marker = EndTxnMarker { is_commit, coordinator_epoch: 3 };
        let producer = BatchProducer {
            id: ProducerId::from_wire(id).unwrap(),
            epoch: ProducerEpoch::ZERO,
            base_sequence: None,
        };
        let mut builder =
            BatchBuilder::new(Offset::ZERO).with_producer(producer).transactional().control();
        let (key, value) = (marker.key(), marker.value());
        let record = NewRecord {
            timestamp: Some(self.now),
            key: Some(&key),
            value: Some(&value),
            headers: &[],
        };
        builder.push(&record).unwrap();
        self.append(topic, builder);
    }

    fn producer(&mut self, topic: &str, id: i64, records: usize) -> BatchProducer {
        let next = self.sequences.entry((partition(topic), id)).or_default();
        let base_sequence = Sequence::from_wire(*next);
        *next += i32::try_from(records).unwrap();
        BatchProducer {
            id: ProducerId::from_wire(id).unwrap(),
            epoch: ProducerEpoch::ZERO,
            base_sequence,
        }
    }

    /// Compacts everything that can be, now.
    pub fn compact(&mut self, topic: &str) {
        let now = self.now;
        let log = self.log(topic);
        log.flush().unwrap();
        let plan = Plan::new(log.compaction_source(), None, now).unwrap().unwrap();
        let never = AtomicBool::new(false);
        let options = CompactionOptions {
            dedupe_bytes_max: 1 << 20,
            batch_bytes_max: 1 << 24,
            is_cancelled: &never,
        };
        let mut cleaning = Cleaning::begin(plan, &options, now).unwrap();
        let mut segments = 0;
        while let Some(cleaned) = cleaning.next_segment().unwrap() {
            log.replace(&cleaned, now).unwrap().unwrap().run(&RealDisk).unwrap();
            segments += 1;
        }
        assert!(segments > 0, "{topic}: nothing was compacted");
    }

    /// A clean stop.
    pub fn close(mut self) {
        let mut offsets = BTreeMap::new();
        for (partition, log) in &mut self.logs {
            log.close().unwrap();
            let reader = log.reader();
            let at = LogOffsets {
                recovery_point: log.recovery_point(),
                start_offset: reader.start_offset(),
                high_watermark: reader.high_watermark(),
            };
            offsets.insert(partition.clone(), at);
        }
        self.dir.write_checkpoints(&offsets).unwrap();
        self.dir.mark_clean(None).unwrap();
    }
}

fn filled(mut builder: BatchBuilder, now: TimestampMs, records: &[Pair]) -> BatchBuilder {
    let headers = [
        RecordHeader { key: b"first", value: Some(b"1") },
        RecordHeader { key: b"none", value: None },
        RecordHeader { key: b"", value: Some(b"") },
    ];
    for (index, (key, value, has_headers)) in records.iter().enumerate() {
        // Not in order: the time indexes keep the largest so far.
        let late = i64::try_from(index % 3).unwrap() * 25;
        let record = NewRecord {
            timestamp: Some(now.plus_ms(-late)),
            key: key.as_ref().map(String::as_bytes),
            value: value.as_ref().map(String::as_bytes),
            headers: if *has_headers { &headers } else { &[] },
        };
        builder.push(&record).unwrap();
    }
    builder
}

pub const CODECS: [(&str, Codec); 5] = [
    ("none", Codec::None),
    ("gzip", Codec::Gzip { level: None }),
    ("snappy", Codec::Snappy),
    ("lz4", Codec::Lz4),
    ("zstd", Codec::Zstd { level: 3 }),
];

/// Records of all shapes: null and empty keys and values, headers, some large.
pub fn shapes(round: usize) -> Vec<Pair> {
    (0..1 + round % 7)
        .map(|index| {
            let number = round * 7 + index;
            let key = (!number.is_multiple_of(5)).then(|| format!("key{}", number % 40));
            let value = match number % 11 {
                3 => None,
                4 => Some(String::new()),
                9 => Some(format!("large{number}").repeat(300)),
                _ => Some(format!("value{number}")),
            };
            (key, value, number.is_multiple_of(4))
        })
        .collect()
}

/// Records for a compacted topic: every key again and again, tombstones among them.
pub fn keyed(round: usize) -> Vec<Pair> {
    (0..5)
        .map(|index| {
            let number = round * 5 + index;
            let key = Some(format!("key{}", number % 30));
            let value = (number % 17 != 5).then(|| format!("value{number}{}", "x".repeat(100)));
            (key, value, number.is_multiple_of(4))
        })
        .collect()
}

/// Partitions that went through everything that a log can go through.
pub fn fill(writing: &mut Writing) {
    fill_ours(writing);
    fill_offsets(writing);
}

/// The same without those of the coordinator.
pub fn fill_ours(writing: &mut Writing) {
    for (name, codec) in CODECS {
        writing.create(name, small(false));
        for round in 0..200_usize {
            let producer = (!round.is_multiple_of(3)).then_some(i64::try_from(round % 2).unwrap());
            writing.put(name, codec, producer, &shapes(round));
        }
    }
    fill_cut(writing);
    fill_transactions(writing);
    fill_compacted(writing);
}

/// Retention, deleted records, truncation, several leaders.
fn fill_cut(writing: &mut Writing) {
    writing.create("cut", LogConfig { retention_bytes: Some(100_000), ..small(false) });
    // A topic that Kafka has made has the epochs that Kafka has given it.
    let step = if writing.ids.is_empty() { 2 } else { 0 };
    for leader in 0..5 {
        writing.log("cut").begin_epoch(LeaderEpoch::from_wire(leader * step).unwrap());
        for round in 0..100 {
            writing.put("cut", Codec::None, Some(5), &shapes(round));
        }
        let now = writing.now;
        let log = writing.log("cut");
        let end = log.reader().end_offset();
        log.truncate_to(Offset::new(end.get() - 20), now).unwrap();
        // The producer has to go on where the log does.
        let last = log.producers().get(ProducerId::from_wire(5).unwrap()).unwrap().last_sequence();
        writing.sequences.insert((partition("cut"), 5), last.unwrap().plus(1).to_wire());
        let log = writing.log("cut");
        if let Some(deletion) = log.retain(now).unwrap() {
            deletion.run(&RealDisk).unwrap();
        }
        let start = log.reader().start_offset();
        log.advance_start(start.plus(30)).unwrap();
    }
}

fn fill_transactions(writing: &mut Writing) {
    writing.create("aborted", small(false));
    for round in 0..60 {
        for _ in 0..3 {
            writing.transact("aborted", 10, &shapes(round));
            writing.transact("aborted", 11, &shapes(round + 1));
        }
        writing.put("aborted", Codec::None, None, &shapes(round));
        writing.end("aborted", 10, round % 3 == 0);
        writing.end("aborted", 11, round % 3 == 1);
    }
    // Left open: the last stable offset stays behind.
    writing.transact("aborted", 12, &shapes(1));
}

fn fill_compacted(writing: &mut Writing) {
    writing.create("keyed", small(true));
    for pass in 0..3 {
        for round in 0..120 {
            let (_, codec) = CODECS[round % 5];
            writing.put("keyed", codec, Some(i64::from(20 + pass)), &keyed(round));
            if round % 10 == 0 {
                writing.transact("keyed", 30, &keyed(round));
                writing.transact("keyed", 31, &keyed(round + 3));
            }
            if round % 10 == 5 {
                writing.end("keyed", 30, true);
                writing.end("keyed", 31, false);
            }
        }
        writing.compact("keyed");
        // The tombstones of this pass go with the next.
        writing.now = writing.now.plus_ms(2 * DAY_MS);
    }
}

/// Commits of a group, as Kafka's coordinator writes them.
fn fill_offsets(writing: &mut Writing) {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend_from_slice(&i16::try_from(text.len()).unwrap().to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    writing.create("__consumer_offsets", small(true));
    for commit in 0..600_i32 {
        let mut key = 1_i16.to_be_bytes().to_vec();
        text(&mut key, "billing");
        text(&mut key, "orders");
        key.extend_from_slice(&(commit % 5).to_be_bytes());
        let mut value = 3_i16.to_be_bytes().to_vec();
        value.extend_from_slice(&i64::from(commit).to_be_bytes());
        value.extend_from_slice(&2_i32.to_be_bytes());
        text(&mut value, "a note");
        value.extend_from_slice(&writing.now.to_wire().to_be_bytes());
        let mut builder = BatchBuilder::new(Offset::ZERO);
        let record = NewRecord {
            timestamp: Some(writing.now),
            key: Some(&key),
            value: Some(&value),
            headers: &[],
        };
        builder.push(&record).unwrap();
        writing.append("__consumer_offsets", builder);
        writing.now = writing.now.plus_ms(10);
    }
}
