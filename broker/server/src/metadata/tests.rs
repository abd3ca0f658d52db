//! The metadata on a disk that fails, through the driver that production runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_core::config::listener::Endpoint;
use millrace_core::config::{BrokerConfig, StaticConfig};
use millrace_core::metadata::Image;
use millrace_core::metadata::decide::adopt_topics::FoundPartition;
use millrace_core::metadata::decide::alter_configs::{
    self, AlterConfigs, Alteration, AlteredResource, Resource,
};
use millrace_core::metadata::decide::create_topics::{self, CreateTopicError};
use millrace_core::metadata::decide::delete_topics::{self, DeleteTopics, TopicKey};
use millrace_log::MetaProperties;
use millrace_log::disk::{Disk, FaultyDisk, Loss};
use millrace_types::{LeaderEpoch, PartitionIndex, TimestampMs, TopicName, TopicPartition, Uuid};

use super::{Change, Follow, Metadata, MetadataOptions, OpenError, Unavailable};
use crate::clock::Clock;
use crate::env::Env;

/// What a broker has open, by what it was told.
#[derive(Clone, Default)]
struct Followed(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    image: Arc<Image>,
    open: BTreeMap<TopicPartition, i32>,
    max_connections: Option<u32>,
    trouble: Option<String>,
}

impl Follow for Followed {
    async fn follow(&mut self, change: Change) {
        let mut state = self.0.lock().unwrap();
        for (partition, _) in &change.delta.closed {
            assert!(state.open.remove(partition).is_some(), "{partition} was not open");
        }
        for opened in change.delta.opened {
            let epoch = opened.leader_epoch.to_wire();
            assert_eq!(state.open.insert(opened.partition, epoch), None);
        }
        for changed in change.delta.changed {
            let epoch = changed.leader_epoch.to_wire();
            assert!(state.open.insert(changed.partition, epoch).is_some());
        }
        if let Some(config) = change.config {
            state.max_connections = Some(config.network.max_connections);
        }
        state.image = change.image;
    }

    fn hear(&mut self, trouble: Option<&str>) {
        self.0.lock().unwrap().trouble = trouble.map(str::to_owned);
    }
}

/// One run of the process on a disk.
struct Run {
    env: Env,
    metadata: Metadata,
    followed: Followed,
}

impl Run {
    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.followed.0.lock().unwrap().image)
    }

    async fn create(&self, name: &str) -> Result<create_topics::Reply, Unavailable> {
        self.metadata.create_automatically(vec![name.to_owned()], &self.env.random).await
    }

    async fn delete(&self, name: &str) -> Result<delete_topics::Reply, Unavailable> {
        let command = DeleteTopics { topics: vec![TopicKey::Name(name.to_owned())] };
        self.metadata
            .run(move |image, context| delete_topics::decide(image, &command, context))
            .await
    }

    async fn end(self) {
        self.env.tasks.kill();
        self.env.tasks.stop().await;
    }
}

const DIR: &str = "/data";

fn new_disk(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn options(configs: &[(&str, &str)]) -> MetadataOptions {
    let all = [("node.id", "1"), ("log.dirs", DIR)];
    let pairs = all.iter().chain(configs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let file = StaticConfig::new(pairs).unwrap();
    MetadataOptions {
        dir: DIR.into(),
        meta: MetaProperties {
            cluster_id: "cluster".to_owned(),
            node_id: BrokerConfig::resolve(&file.layers()).unwrap().node_id,
            directory_id: Uuid::from_bytes([3; 16]),
        },
        config: BrokerConfig::resolve(&file.layers()).unwrap(),
        file,
        advertised: vec![Endpoint { listener: "A".to_owned(), host: "a".to_owned(), port: 1 }],
        found: Vec::new(),
    }
}

async fn open(disk: &FaultyDisk, options: MetadataOptions) -> Result<Run, OpenError> {
    let clock = Clock::starting_at(TimestampMs::new(1_000));
    let env = Env::simulated(Arc::new(disk.clone()), clock, disk.operations());
    let followed = Followed::default();
    let opened = Metadata::open(env.clone(), options, followed.clone()).await;
    match opened {
        Ok(metadata) => Ok(Run { env, metadata, followed }),
        Err(error) => {
            env.tasks.kill();
            env.tasks.stop().await;
            Err(error)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_followed_and_survives_a_power_cut() {
    let disk = new_disk(1);
    let run = open(&disk, options(&[])).await.unwrap();
    assert!(run.create("a").await.unwrap().iter().all(Result::is_ok));
    let open_partitions: Vec<String> =
        run.followed.0.lock().unwrap().open.keys().map(ToString::to_string).collect();
    assert_eq!(open_partitions, ["a-0"]);
    let before = run.image();
    run.end().await;
    let run = open(&disk.crash(Loss::Unsynced), options(&[])).await.unwrap();
    let (image, topic) = (run.image(), before.topic("a").unwrap());
    assert_eq!(image.cluster_id(), Some("cluster"));
    assert_eq!(image.topic("a").map(|topic| topic.id), Some(topic.id));
    // It is led in a new epoch: what was written last may be gone.
    assert_eq!(run.followed.0.lock().unwrap().open.values().collect::<Vec<_>>(), [&1]);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_together_are_decided_one_after_the_other() {
    let run = open(&new_disk(1), options(&[])).await.unwrap();
    let (one, other, gone) = tokio::join!(run.create("a"), run.create("a"), run.delete("a"));
    assert!(one.unwrap().iter().all(Result::is_ok));
    let refused = other.unwrap().remove(0).unwrap_err();
    assert!(matches!(refused, CreateTopicError::Exists { .. }), "{refused}");
    assert!(gone.unwrap().iter().all(Result::is_ok));
    assert_eq!(run.image().topics_count(), 0);
    assert!(run.followed.0.lock().unwrap().open.is_empty());
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_changes_until_there_is_room() {
    let disk = new_disk(1);
    let run = open(&disk, options(&[])).await.unwrap();
    run.create("before").await.unwrap().remove(0).unwrap();
    disk.set_capacity_bytes(Some(disk.used_bytes()));
    for _ in 0..3 {
        let error = run.create("a").await.unwrap_err();
        assert!(matches!(error, Unavailable::Storage { .. }), "{error}");
        assert_eq!(run.image().topics_count(), 1);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let trouble = run.followed.0.lock().unwrap().trouble.clone();
    assert!(trouble.is_some_and(|text| text.starts_with("cannot write")), "it is said why");
    disk.set_capacity_bytes(None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Nobody has to ask for a change.
    assert_eq!(run.followed.0.lock().unwrap().trouble, None);
    run.create("a").await.unwrap().remove(0).unwrap();
    assert_eq!(run.image().topics_count(), 2);
    run.end().await;
    let run = open(&disk.crash(Loss::Unsynced), options(&[])).await.unwrap();
    assert_eq!(run.image().topics_count(), 2);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_change_loses_nothing_that_was_answered() {
    // A snapshot is written after every few changes.
    let small = [("metadata.log.max.record.bytes.between.snapshots", "300")];
    for crash_at in 1.. {
        let disk = new_disk(crash_at);
        disk.crash_at(disk.changes() + crash_at);
        let (mut answered, mut asked) = (BTreeSet::new(), BTreeSet::new());
        if let Ok(run) = open(&disk, options(&small)).await {
            for number in 0..12 {
                let name = format!("topic-{number}");
                asked.insert(name.clone());
                if run.create(&name).await.is_ok() {
                    answered.insert(name);
                }
            }
            run.end().await;
        }
        let is_done = !disk.is_halted();
        let run = open(&disk.crash(Loss::Unsynced), options(&small)).await.unwrap();
        let found: BTreeSet<String> =
            run.image().topics().map(|topic| topic.name.to_string()).collect();
        assert!(found.is_superset(&answered), "crash at {crash_at}: {found:?} {answered:?}");
        assert!(found.is_subset(&asked), "crash at {crash_at}: {found:?} {asked:?}");
        run.end().await;
        if is_done {
            assert!(crash_at > 50, "too few changes: {crash_at}");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_disk_never_make_the_image_go_back() {
    for seed in 0..20 {
        let disk = new_disk(seed);
        let small = [("metadata.log.max.record.bytes.between.snapshots", "300")];
        let run = open(&disk, options(&small)).await.unwrap();
        disk.set_error_one_in(Some(10));
        let mut answered = BTreeSet::new();
        for number in 0..30 {
            let name = format!("topic-{number}");
            if run.create(&name).await.is_ok() {
                answered.insert(name);
            }
            let image = run.image();
            assert!(answered.iter().all(|name| image.topic(name).is_some()));
        }
        assert!((1..30).contains(&answered.len()), "{} answered", answered.len());
        run.end().await;
        disk.set_error_one_in(None);
        let run = open(&disk.crash(Loss::Unsynced), options(&small)).await.unwrap();
        assert!(answered.iter().all(|name| run.image().topic(name).is_some()));
        run.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_producer_id_is_given_out_twice() {
    let disk = new_disk(1);
    let mut given = BTreeSet::new();
    let mut disk_now = disk;
    for _ in 0..3 {
        let run = open(&disk_now, options(&[])).await.unwrap();
        for _ in 0..1_500 {
            let id = run.metadata.next_producer_id().await.unwrap().unwrap();
            assert!(given.insert(id), "{id} again");
        }
        run.end().await;
        disk_now = disk_now.crash(Loss::Unsynced);
    }
}

#[tokio::test(start_paused = true)]
async fn dynamic_configs_of_the_broker_take_effect_and_stay() {
    let disk = new_disk(1);
    let run = open(&disk, options(&[("max.connections", "5")])).await.unwrap();
    assert_eq!(run.followed.0.lock().unwrap().max_connections, Some(5));
    let wanted = vec![("max.connections".to_owned(), Some("7".to_owned()))];
    let resource = Resource { resource_type: Resource::BROKER, name: "1".to_owned() };
    let resources = vec![AlteredResource { resource, alteration: Alteration::Replace(wanted) }];
    let command = AlterConfigs { resources, is_validate_only: false };
    let altered =
        run.metadata.run(move |image, context| alter_configs::decide(image, &command, context));
    assert_eq!(altered.await.unwrap(), [Ok(())]);
    assert_eq!(run.followed.0.lock().unwrap().max_connections, Some(7));
    run.end().await;
    let run =
        open(&disk.crash(Loss::Unsynced), options(&[("max.connections", "5")])).await.unwrap();
    assert_eq!(run.followed.0.lock().unwrap().max_connections, Some(7));
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_disk_is_refused_with_both_ids() {
    let disk = new_disk(1);
    open(&disk, options(&[])).await.unwrap().end().await;
    let mut foreign = options(&[]);
    foreign.meta.cluster_id = "other".to_owned();
    let error = open(&disk, foreign).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "the metadata log belongs to cluster cluster, meta.properties beside it to other"
    );
    let mut swapped = options(&[]);
    swapped.meta.directory_id = Uuid::from_bytes([4; 16]);
    let error = open(&disk, swapped).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "broker 1 runs on the disk with directory.id=BAQEBAQEBAQEBAQEBAQEBA, but the cluster knows \
         it by the one with AwMDAwMDAwMDAwMDAwMDAw"
    );
}

#[tokio::test(start_paused = true)]
async fn topics_of_apache_kafka_are_taken_over_at_the_first_start_only() {
    let found = |name: &str, byte| FoundPartition {
        name: TopicName::parse(name).unwrap(),
        partition: PartitionIndex::default(),
        topic_id: Uuid::from_bytes([byte; 16]),
        leader_epoch: LeaderEpoch::ZERO,
    };
    let disk = new_disk(1);
    let first = MetadataOptions { found: vec![found("a", 7)], ..options(&[]) };
    let run = open(&disk, first).await.unwrap();
    assert_eq!(run.followed.0.lock().unwrap().open.len(), 1);
    run.end().await;
    let second = MetadataOptions { found: vec![found("a", 7), found("b", 8)], ..options(&[]) };
    let run = open(&disk.crash(Loss::Nothing), second).await.unwrap();
    assert_eq!(run.image().topics_count(), 1);
    run.end().await;
}
