//! Millrace's logs are Kafka's: held against Kafka's own tools and Apache Kafka itself, both ways.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reading;
mod serving;
mod tools;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrace_log::LogConfig;
use millrace_log::disk::RealDisk;
use millrace_peers::toolchain::Toolchain;
use millrace_types::{TopicId, TopicName, TopicPartition};

use reading::Isolation;
use writing::{CODECS, Writing, keyed, partition, shapes, small};

/// The files with this ending of some partitions, in order.
fn files(root: &Path, topics: &[String], ending: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for topic in topics {
        let entries = std::fs::read_dir(root.join(format!("{topic}-0"))).unwrap();
        let all = entries.map(|entry| entry.unwrap().path());
        let mut wanted: Vec<PathBuf> =
            all.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
        wanted.sort();
        paths.extend(wanted);
    }
    paths
}

/// How many lines begin with a word.
fn count(text: &str, start: &str) -> usize {
    text.lines().filter(|line| line.starts_with(start)).count()
}

/// What was printed about each topic's files.
fn by_topic(text: &str) -> BTreeMap<String, String> {
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let mut topic = String::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("Dumping ") {
            let dir = Path::new(path).parent().unwrap().file_name().unwrap().to_str().unwrap();
            topic = dir.strip_suffix("-0").unwrap().to_owned();
        }
        let part = parts.entry(topic.clone()).or_default();
        part.push_str(line);
        part.push('\n');
    }
    parts
}

/// Holds what the tool says about a partition's segments against what Millrace reads.
fn check_segments(writing: &mut Writing, topic: &str, text: &str) {
    let (mut batches, mut records) = (0, 0);
    let reader = writing.log(topic).reader();
    reading::each_batch(&reader, reader.end_offset(), |batch| {
        batches += 1;
        records += usize::try_from(batch.header().records_count).unwrap();
    });
    // The files hold what is below the log's start, too.
    let has_hidden = reader.start_offset().get() > 0;
    let (seen_batches, seen_records) = (count(text, "baseOffset: "), count(text, "| offset: "));
    assert!(seen_batches == batches || (has_hidden && seen_batches > batches), "{topic}: batches");
    assert!(seen_records == records || (has_hidden && seen_records > records), "{topic}: records");
    assert_eq!(text.matches("isvalid: true").count(), seen_batches, "{topic}: valid batches");
    if topic == OFFSETS {
        let decoded = text.matches(r#""group":"billing","topic":"orders""#).count();
        assert_eq!(decoded, records, "{topic}: the decoder does not know the keys\n{text}");
    }
    for complaint in ["Found", "Mismatch", "mismatch", "nvalid bytes", "isvalid: false"] {
        assert!(!text.contains(complaint), "{topic}: {text}");
    }
}

fn check_indexes(root: &Path, topics: &[String]) {
    for ending in [".index", ".timeindex"] {
        let indexes = files(root, topics, ending);
        let text = tools::dump(&indexes, &["--index-sanity-check"]).unwrap();
        let good =
            text.matches(" passed sanity check.").count() + text.matches(" is empty.").count();
        assert_eq!(good, indexes.len(), "{text}");
        let text = tools::dump(&indexes, &["--verify-index-only"]).unwrap();
        let complaints: Vec<&str> = text.lines().filter(|line| !is_plain(line)).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        // So that there is something to verify.
        for (topic, entries) in by_topic(&tools::dump(&indexes, &[]).unwrap()) {
            let entries = count(&entries, "offset: ") + count(&entries, "timestamp: ");
            assert!(entries > 10, "{topic}: {entries} entries in {ending}");
        }
    }
}

/// Whether a line of the tool says no more than which file it reads.
fn is_plain(line: &str) -> bool {
    line.starts_with("Dumping ") || line.ends_with(" is empty.")
}

const OFFSETS: &str = "__consumer_offsets";

#[test]
fn kafkas_dump_tool_reads_what_millrace_wrote() {
    if !Toolchain::Java.is_here_for("log format, DumpLogSegments") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut writing = Writing::open(dir.path());
    writing::fill(&mut writing);
    let topics: Vec<String> = writing.logs.keys().map(|at| at.topic.to_string()).collect();
    for log in writing.logs.values_mut() {
        log.close().unwrap();
    }
    for topic in &topics {
        let segments = files(dir.path(), std::slice::from_ref(topic), ".log");
        assert!(segments.len() > 1, "{topic}: one segment only");
    }
    let (offsets, data): (Vec<String>, Vec<String>) =
        topics.iter().cloned().partition(|topic| topic == OFFSETS);
    for (topics, decoder) in [(data, "--print-data-log"), (offsets, "--offsets-decoder")] {
        let logs = files(dir.path(), &topics, ".log");
        let text = tools::dump(&logs, &["--deep-iteration", decoder]).unwrap();
        let parts = by_topic(&text);
        assert_eq!(parts.len(), topics.len());
        for (topic, text) in parts {
            check_segments(&mut writing, &topic, &text);
        }
    }
    check_indexes(dir.path(), &topics);
    let aborted = ["aborted".to_owned()];
    let text = tools::dump(&files(dir.path(), &aborted, ".txnindex"), &[]).unwrap();
    assert_eq!(count(&text, "version: 0 producerId: 1"), 80, "{text}");
    let text = tools::dump(&files(dir.path(), &aborted, ".snapshot"), &[]).unwrap();
    assert!(text.contains("currentTxnFirstOffset: OptionalLong["), "{text}");
    for producer in 10..13 {
        assert!(text.contains(&format!("producerId: {producer} ")), "{text}");
    }
}

const THEIRS: [&str; 3] = ["plain", "transactions", "compacted"];
const OURS: [&str; 8] = ["none", "gzip", "snappy", "lz4", "zstd", "cut", "aborted", "keyed"];

/// Reads topics with Millrace's log.
fn read_ours(writing: &mut Writing, isolation: Isolation, topics: &[&str]) -> Vec<Vec<String>> {
    let read = |topic: &&str| reading::lines(&writing.log(topic).reader(), isolation);
    topics.iter().map(read).collect()
}

fn assert_same(what: &str, topics: &[&str], ours: &[Vec<String>], theirs: &[Vec<String>]) {
    for (topic, (ours, theirs)) in topics.iter().zip(ours.iter().zip(theirs)) {
        let differs = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
        if let Some(at) = differs {
            panic!("{what}, {topic}, line {at}:\nours   {}\ntheirs {}", ours[at], theirs[at]);
        }
        assert_eq!(ours.len(), theirs.len(), "{what}, {topic}: lines");
        assert!(ours.len() > 50, "{what}, {topic}: {} lines only", ours.len());
    }
}

#[test]
fn apache_kafka_and_millrace_serve_each_others_directories() {
    if !Toolchain::Java.is_here_for("log format, Apache Kafka") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let kafka = tools::start(dir.path()).unwrap();
    tools::write(&kafka).unwrap();
    let written = Isolation::ALL
        .map(|isolation| tools::read(&kafka.bootstrap(), isolation, &THEIRS).unwrap());
    tools::stop(kafka).unwrap();

    let mut writing = Writing::open(&data);
    open_theirs(&mut writing);
    for (isolation, theirs) in Isolation::ALL.iter().zip(&written) {
        let ours = read_ours(&mut writing, *isolation, &THEIRS);
        assert_same("written by Kafka", &THEIRS, &ours, theirs);
    }
    go_on(&mut writing, &data);
    let all = [&THEIRS[..], &OURS].concat();
    let expected = Isolation::ALL.map(|isolation| read_ours(&mut writing, isolation, &all));
    writing.close();

    std::fs::remove_file(dir.path().join("output")).unwrap();
    let kafka = tools::start(dir.path()).unwrap();
    for (isolation, ours) in Isolation::ALL.iter().zip(&expected) {
        let theirs = tools::read(&kafka.bootstrap(), *isolation, &all).unwrap();
        assert_same("written by Millrace", &all, ours, &theirs);
    }
    tools::stop(kafka).unwrap();
    let output = std::fs::read_to_string(dir.path().join("output")).unwrap();
    let complaint = output.lines().find(|line| is_about_logs(line));
    assert_eq!(complaint, None, "Kafka complains of what it found");
}

/// Whether a line of Kafka's output says that a log was not as it should be.
fn is_about_logs(line: &str) -> bool {
    let line = line.to_lowercase();
    let words = ["corrupt", "rebuild", "recover", "truncat", "unclean", "invalid", "stray"];
    words.iter().any(|word| line.contains(word))
}

/// Opens all partitions that Kafka has left, so that their checkpoints stay.
fn open_theirs(writing: &mut Writing) {
    for found in writing.dir.partitions().unwrap() {
        let topic = found.partition.topic.to_string();
        if topic != "__cluster_metadata" {
            let log = writing.open_log(&topic, small(topic == "compacted"));
            let end = log.reader().end_offset();
            log.set_high_watermark(end);
        }
    }
}

/// Appends to what Kafka wrote, compacts it, applies retention to it, and fills Kafka's empty topics
/// with logs that were never Kafka's.
fn go_on(writing: &mut Writing, data: &Path) {
    for round in 0..100 {
        let (_, codec) = CODECS[round % 5];
        writing.put("plain", codec, Some(9000), &shapes(round));
        writing.put("compacted", codec, Some(9001), &keyed(round));
    }
    let now = writing.now;
    writing.log("compacted").roll(now).unwrap();
    writing.compact("compacted");
    let now = writing.now;
    let log = writing.log("plain");
    let start = log.reader().start_offset();
    log.set_config(LogConfig { retention_bytes: Some(100_000), ..small(false) });
    log.retain(now).unwrap().unwrap().run(&RealDisk).unwrap();
    let kept = log.reader().start_offset();
    assert!(kept > start, "retention removed nothing");
    log.advance_start(kept.plus(5)).unwrap();

    let mut ids: BTreeMap<TopicName, TopicId> = BTreeMap::new();
    for found in writing.dir.partitions().unwrap() {
        let TopicPartition { topic, .. } = found.partition;
        ids.insert(topic, found.topic_id.unwrap_or_default());
    }
    for topic in OURS {
        let at = partition(topic);
        let log = writing.logs.remove(&at).unwrap();
        drop(log);
        std::fs::remove_dir_all(data.join(at.to_string())).unwrap();
        writing.ids.insert(topic.to_owned(), ids[&at.topic]);
    }
    writing::fill_ours(writing);
}
