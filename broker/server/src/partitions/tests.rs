//! The partitions of a broker follow an image: made, found again, changed, deleted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::config::TopicConfig;
use millrace_core::config::broker::CleanerConfig;
use millrace_core::metadata::{Delta, Image, Partition as Assigned, Record, Touched};
use millrace_core::replication::acks::Acks;
use millrace_core::replication::append::Candidate;
use millrace_core::replication::fetch_session::TopicRef;
use millrace_log::{CleanupPolicy, LogDir, LogDirOptions, MetaProperties};
use millrace_types::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicName, TopicPartition,
    Uuid,
};
use millrace_wire::record::{Batch, BatchBuilder, BatchHead, Codec, NewRecord, TimestampType};
use tempfile::TempDir;

use super::Partitions;
use crate::env::Env;

/// A broker's directory, and the image that its partitions follow.
struct Home {
    root: TempDir,
    image: Image,
}

impl Home {
    fn new() -> Home {
        Home { root: tempfile::tempdir().unwrap(), image: Image::default() }
    }

    /// Opens the directory, and all partitions of the image.
    async fn open(&self) -> Arc<Partitions> {
        let meta = MetaProperties {
            cluster_id: "cluster".to_owned(),
            node_id: broker(),
            directory_id: Uuid::from_bytes([1; 16]),
        };
        let options = LogDirOptions {
            root: self.root.path().to_path_buf(),
            meta,
            checks_directory_id: false,
            open_files_max: 100,
            producer_id_expiration_ms: 86_400_000,
        };
        let env = Env::real();
        let dir = LogDir::open(Arc::clone(&env.disk), options).unwrap();
        let partitions = Arc::new(Partitions::new(env, broker(), Arc::new(dir)).unwrap());
        let delta =
            Delta::between(&Image::default(), &self.image, &self.image.everything(), broker());
        follow(&partitions, &delta, &self.image).await;
        partitions
    }

    /// Changes the image and lets the partitions follow.
    async fn change(&mut self, partitions: &Arc<Partitions>, records: &[Record]) {
        let (before, mut touched) = (self.image.clone(), Touched::default());
        for record in records {
            self.image.apply(record, &mut touched);
        }
        let delta = Delta::between(&before, &self.image, &touched, broker());
        follow(partitions, &delta, &self.image).await;
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path()).unwrap();
        let dirs = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> = dirs.map(|dir| dir.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn follow(partitions: &Arc<Partitions>, delta: &Delta, image: &Image) {
    let configs = |topic: &millrace_core::metadata::Topic| {
        let mut config = TopicConfig::default();
        if let Some(text) = topic.values.get("max.message.bytes") {
            config.max_message_bytes = text.parse().unwrap();
        }
        if topic.values.get("cleanup.policy").is_some_and(|policy| policy == "compact,delete") {
            config.log.cleanup = CleanupPolicy { deletes: true, compacts: true };
            // Each batch goes into a segment of its own.
            config.log.segment_bytes = 200;
        }
        config
    };
    partitions.follow(delta, image, &configs, &|_| {}).await;
}

fn broker() -> BrokerId {
    BrokerId::from_wire(1).unwrap()
}

fn topic(id: u8) -> TopicId {
    TopicId::from_bytes([id; 16])
}

fn created(id: u8, name: &str, partitions: usize) -> Record {
    let assigned = Assigned {
        replicas: vec![broker()],
        isr: vec![broker()],
        leader: Some(broker()),
        leader_epoch: LeaderEpoch::ZERO,
        partition_epoch: 0,
    };
    Record::TopicCreated {
        topic_id: topic(id),
        name: TopicName::parse(name).unwrap(),
        partitions: vec![assigned; partitions],
    }
}

fn name(name: &str) -> TopicRef {
    TopicRef::Name(Arc::from(name))
}

async fn append(partitions: &Partitions, topic: &str) -> Offset {
    append_bytes(partitions, topic, batch(Codec::None)).await
}

async fn append_bytes(partitions: &Partitions, topic: &str, bytes: Vec<u8>) -> Offset {
    let candidate = Candidate::of_broker(&Bytes::from(bytes)).unwrap();
    let partition = partitions.find(&name(topic), 0).unwrap();
    partition.append(candidate, Acks::All).await.unwrap().unwrap().base_offset
}

fn batch(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(codec);
    let value = Some(&[7; 80][..]);
    builder.push(&NewRecord { key: Some(b"k"), value, ..NewRecord::default() }).unwrap();
    builder.build().unwrap()
}

/// A batch that says it is compressed and is not, with a checksum that is right.
fn unreadable() -> Vec<u8> {
    let bytes = batch(Codec::Gzip { level: None });
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    let payload = vec![0xff; batch.payload().len()];
    let mut head = BatchHead::of(&batch);
    head.stamp(TimestampType::CreateTime, None, &payload);
    [&head.bytes()[..], &payload].concat()
}

#[tokio::test]
async fn partitions_are_made_found_and_open_again_with_what_they_hold() {
    let mut home = Home::new();
    let partitions = home.open().await;
    home.change(&partitions, &[created(1, "a", 2), created(2, "b", 1)]).await;
    assert_eq!(home.names(), ["a-0", "a-1", "b-0"]);
    for (topic, index, expected) in [
        (name("a"), 1, Ok("a-1")),
        (TopicRef::Id(self::topic(2)), 0, Ok("b-0")),
        (name("a"), 2, Err(ErrorCode::UnknownTopicOrPartition)),
        (name("a"), -1, Err(ErrorCode::UnknownTopicOrPartition)),
        (name("c"), 0, Err(ErrorCode::UnknownTopicOrPartition)),
        (TopicRef::Id(self::topic(3)), 0, Err(ErrorCode::UnknownTopicId)),
    ] {
        let found = partitions.find(&topic, index).map(|found| found.id().to_string());
        assert_eq!(found, expected.map(str::to_owned), "{topic:?} {index}");
    }
    for expected in 0..3 {
        assert_eq!(append(&partitions, "a").await, Offset::new(expected));
    }
    partitions.close(Some(9)).await;
    drop(partitions);

    let partitions = home.open().await;
    assert_eq!(partitions.dir().clean_shutdown().unwrap().broker_epoch, Some(9));
    assert_eq!(partitions.all().len(), 3);
    assert_eq!(append(&partitions, "a").await, Offset::new(3));
    // As after a kill: nobody closes.
    drop(partitions);
    let partitions = home.open().await;
    assert!(partitions.dir().clean_shutdown().is_none());
    assert_eq!(append(&partitions, "a").await, Offset::new(4));
}

#[tokio::test]
async fn a_deleted_topic_leaves_nothing_to_one_of_the_same_name() {
    let mut home = Home::new();
    let partitions = home.open().await;
    home.change(&partitions, &[created(1, "a", 1)]).await;
    append(&partitions, "a").await;
    let deleted = Record::TopicDeleted { topic_id: topic(1) };
    home.change(&partitions, &[deleted, created(2, "a", 1)]).await;
    assert_eq!(partitions.find(&TopicRef::Id(topic(1)), 0).unwrap_err(), ErrorCode::UnknownTopicId);
    assert_eq!(append(&partitions, "a").await, Offset::ZERO);
    let names = home.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("-delete")), "{names:?}");
}

#[tokio::test]
async fn what_an_older_topic_of_the_name_left_on_disk_is_not_served() {
    let mut home = Home::new();
    let partitions = home.open().await;
    home.change(&partitions, &[created(1, "a", 1)]).await;
    append(&partitions, "a").await;
    drop(partitions);
    // The topic was deleted and made again while this broker was away.
    home.image = Image::default();
    home.image.apply(&created(2, "a", 1), &mut Touched::default());
    let partitions = home.open().await;
    assert_eq!(append(&partitions, "a").await, Offset::ZERO);
}

#[tokio::test]
async fn a_partition_that_cannot_be_opened_fails_alone() {
    let mut home = Home::new();
    // A file stands where the directory of a partition would be made.
    std::fs::write(home.root.path().join("a-0"), b"in the way").unwrap();
    let partitions = home.open().await;
    home.change(&partitions, &[created(1, "a", 1), created(2, "b", 1)]).await;
    assert_eq!(partitions.find(&name("a"), 0).unwrap_err(), ErrorCode::KafkaStorageError);
    assert_eq!(append(&partitions, "b").await, Offset::ZERO);
}

#[tokio::test]
async fn a_changed_config_is_in_force_at_once() {
    let mut home = Home::new();
    let partitions = home.open().await;
    home.change(&partitions, &[created(1, "a", 1)]).await;
    let partition = partitions.find(&name("a"), 0).unwrap();
    assert_eq!(partition.terms().rules.message_bytes_max, 1_048_588);
    let changed = Record::ConfigChanged {
        owner: millrace_core::metadata::ConfigOwner::Topic(topic(1)),
        name: "max.message.bytes".to_owned(),
        value: Some("77".to_owned()),
    };
    home.change(&partitions, &[changed]).await;
    assert_eq!(partition.terms().rules.message_bytes_max, 77);
}

#[tokio::test]
async fn checkpoints_say_where_each_log_stands() {
    let mut home = Home::new();
    let partitions = home.open().await;
    home.change(&partitions, &[created(1, "a", 1)]).await;
    append(&partitions, "a").await;
    append(&partitions, "a").await;
    let id = TopicPartition {
        topic: TopicName::parse("a").unwrap(),
        partition: PartitionIndex::default(),
    };
    partitions.get(&id).unwrap().delete_records(1).unwrap();
    partitions.checkpoint();
    let text = |file: &str| {
        let path: &Path = &home.root.path().join(file);
        std::fs::read_to_string(path).unwrap().lines().last().unwrap().to_owned()
    };
    assert_eq!(text("replication-offset-checkpoint"), "a 0 2");
    assert_eq!(text("log-start-offset-checkpoint"), "a 0 1");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_compacted_is_counted_and_tried_again() {
    let mut home = Home::new();
    let partitions = home.open().await;
    let compacted = Record::ConfigChanged {
        owner: millrace_core::metadata::ConfigOwner::Topic(topic(1)),
        name: "cleanup.policy".to_owned(),
        value: Some("compact,delete".to_owned()),
    };
    home.change(&partitions, &[created(1, "a", 1), compacted]).await;
    append_bytes(&partitions, "a", unreadable()).await;
    append(&partitions, "a").await;
    append(&partitions, "a").await;
    let cleaner = || CleanerConfig {
        backoff_ms: 1_000,
        dedupe_buffer_bytes: 1 << 20,
        io_bytes_per_second: None,
    };
    let tasks = partitions.env.tasks.clone();
    tasks.spawn("compaction", Arc::clone(&partitions).keep_compact(cleaner));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(partitions.uncompactable(), 1);
    let partition = partitions.find(&name("a"), 0).unwrap();
    partition.delete_records(1).unwrap();
    assert!(partition.retain(partitions.env.clock.now()).unwrap().is_some());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(partitions.uncompactable(), 1, "it is left alone for a while");
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert_eq!(partitions.uncompactable(), 0);
    tasks.stop().await;
}
