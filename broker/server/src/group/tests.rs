//! Groups on the log of a real partition: in virtual time, on a disk in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::config::TopicConfig;
use millrace_core::group::{
    Client, DeletedTopic, GroupConfig, GroupError, HeartbeatRequest, JoinRequest, Joined,
    ListRequest, MemberId, OffsetCommitRequest, OffsetFetchRequest, OffsetToCommit, Protocol,
    SyncRequest,
};
use millrace_core::metadata::{CONSUMER_OFFSETS, Image, Record, Touched};
use millrace_log::disk::{Disk, FaultyDisk};
use millrace_log::{LogDir, LogDirOptions, MetaProperties};
use millrace_types::{
    BrokerId, GroupId, LeaderEpoch, PartitionIndex, TimestampMs, TopicId, TopicName,
    TopicPartition, Uuid,
};
use tokio::time::sleep;

use super::{Command, Groups};
use crate::clock::Clock;
use crate::env::Env;
use crate::partition::{Partition, Terms};

/// A broker's groups, and what they stand on.
struct World {
    disk: FaultyDisk,
    env: Env,
    partition: Arc<Partition>,
    groups: Groups,
    image: Arc<Image>,
}

fn offsets_topic() -> TopicPartition {
    let topic = TopicName::parse(CONSUMER_OFFSETS).unwrap();
    TopicPartition { topic, partition: PartitionIndex::default() }
}

fn topic() -> TopicName {
    TopicName::parse("t").unwrap()
}

fn topic_id() -> TopicId {
    Uuid::from_bytes([7; 16])
}

impl World {
    async fn new() -> World {
        World::on(FaultyDisk::new(1), &[]).await
    }

    /// Starts on what is on the disk, and waits until the groups are loaded.
    async fn on(disk: FaultyDisk, gone: &[TopicId]) -> World {
        let world = World::loading(disk, gone);
        while world.groups.loading().is_some() {
            tokio::task::yield_now().await;
        }
        world
    }

    fn loading(disk: FaultyDisk, gone: &[TopicId]) -> World {
        let clock = Clock::starting_at(TimestampMs::new(1_000_000));
        let env = Env::simulated(Arc::new(disk.clone()), clock, 1);
        let partition = open(&env, &disk);
        let groups = Groups::new(env.clone(), GroupConfig::default());
        let mut image = Image::default();
        let one = millrace_core::metadata::Partition {
            replicas: vec![broker()],
            isr: vec![broker()],
            leader: Some(broker()),
            leader_epoch: LeaderEpoch::ZERO,
            partition_epoch: 0,
        };
        let topics = [(offsets_topic().topic, topic_id()), (topic(), Uuid::from_bytes([3; 16]))];
        for (name, topic_id) in topics.into_iter().filter(|(_, id)| !gone.contains(id)) {
            let created = Record::TopicCreated { topic_id, name, partitions: vec![one.clone()] };
            image.apply(&created, &mut Touched::default());
        }
        let image = Arc::new(image);
        groups.open(&partition, &image);
        World { disk, env, partition, groups, image }
    }

    /// Stops in order and starts again on the same disk.
    async fn restart(self) -> World {
        self.restart_without(&[]).await
    }

    /// The same, after these topics were deleted behind the groups' back.
    async fn restart_without(self, gone: &[TopicId]) -> World {
        self.groups.close_all();
        self.partition.retire().unwrap().close().unwrap();
        self.env.tasks.stop().await;
        World::on(self.disk, gone).await
    }

    async fn ask<C: Command>(&self, command: C) -> C::Answer {
        let client = Client { id: "c".into(), host: "/127.0.0.1".into() };
        self.groups.ask(&self.image, client, command).await
    }

    async fn join(&self) -> Joined {
        let (_, joined) = self.ask(join()).await;
        joined.unwrap()
    }

    /// A group with one member that has all the work.
    async fn stable(&self) -> (MemberId, Joined) {
        let joined = self.join().await;
        let member = joined.leader.clone().unwrap();
        let sync = SyncRequest {
            group: group(),
            generation: Some(joined.generation),
            member: Some(member.clone()),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: vec![(member.clone(), Bytes::from_static(b"work"))],
        };
        assert_eq!(self.ask(sync).await.unwrap().assignment, b"work"[..]);
        (member, joined)
    }

    async fn fetch(&self) -> Option<i64> {
        let command = OffsetFetchRequest { group: group(), topics: None };
        let fetched = self.ask(command).await.unwrap();
        let (_, offset) = fetched.first()?.partitions.first()?;
        offset.as_ref().map(|offset| offset.offset)
    }
}

fn open(env: &Env, disk: &FaultyDisk) -> Arc<Partition> {
    let root = PathBuf::from("/data");
    disk.create_dir_all(&root).unwrap();
    let meta = MetaProperties {
        cluster_id: "cluster".to_owned(),
        node_id: broker(),
        directory_id: Uuid::from_bytes([1; 16]),
    };
    let options = LogDirOptions {
        root,
        meta,
        checks_directory_id: false,
        open_files_max: 100,
        producer_id_expiration_ms: 86_400_000,
    };
    let dir = LogDir::open(Arc::new(disk.clone()), options).unwrap();
    let config = TopicConfig::default();
    let now = env.clock.now();
    let id = offsets_topic();
    let log = if dir.partitions().unwrap().is_empty() {
        dir.create_log(&id, topic_id(), config.log.clone(), now).unwrap()
    } else {
        dir.open_log(&id, config.log.clone(), now, &mut |_| {}).unwrap()
    };
    let terms = Terms::of(Arc::new(config), Some(LeaderEpoch::ZERO), 1, 1);
    Partition::new(env.clone(), id, topic_id(), log, &terms)
}

fn broker() -> BrokerId {
    BrokerId::from_wire(1).unwrap()
}

fn group() -> GroupId {
    GroupId::new("g")
}

fn join() -> JoinRequest {
    JoinRequest {
        group: group(),
        member: None,
        instance: None,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: Some(60_000),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::new() }],
        accepts_member_id_first: false,
        accepts_skip_assignment: true,
        random: 1,
    }
}

fn commit(offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group: group(),
        generation: None,
        member: None,
        instance: None,
        retention_ms: None,
        offsets: vec![OffsetToCommit {
            topic: topic(),
            topic_id: Uuid::from_bytes([3; 16]),
            partition: PartitionIndex::default(),
            offset,
            leader_epoch: None,
            metadata: "".into(),
        }],
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_and_its_offsets_survive_a_restart() {
    let world = World::new().await;
    let (member, joined) = world.stable().await;
    let member = Some(member);
    let commit = OffsetCommitRequest {
        generation: Some(joined.generation),
        member: member.clone(),
        ..commit(5)
    };
    world.ask(commit).await.unwrap();
    let world = world.restart().await;
    let generation = Some(joined.generation);
    let heartbeat = HeartbeatRequest { group: group(), generation, member, instance: None };
    assert_eq!(world.ask(heartbeat).await, Ok(()));
    assert_eq!(world.fetch().await, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_join_is_answered_when_the_others_had_their_time() {
    let world = World::new().await;
    let started_at = tokio::time::Instant::now();
    assert_eq!(world.join().await.generation.to_wire(), 1);
    let waited = started_at.elapsed();
    assert!((3_000..3_100).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_silent_is_taken_out_in_time() {
    let world = World::new().await;
    world.stable().await;
    let phase = async |world: &World| {
        let listed = world.groups.list(&client(), &ListRequest::default()).await.unwrap();
        listed[0].phase.name()
    };
    sleep(Duration::from_millis(9_900)).await;
    assert_eq!(phase(&world).await, "Stable");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(phase(&world).await, "Empty");
}

fn client() -> Client {
    Client { id: "admin".into(), host: "/127.0.0.1".into() }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_without_groups_has_no_task() {
    let world = World::new().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.env.tasks.running(), 0);
    world.ask(commit(5)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    // The timer that looks for expired offsets.
    assert_eq!(world.env.tasks.running(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_while_the_log_is_read_is_told_to_come_again() {
    let world = World::loading(FaultyDisk::new(1), &[]);
    assert_eq!(world.ask(commit(5)).await, Err(GroupError::LoadInProgress));
    let listed = world.groups.list(&client(), &ListRequest::default()).await;
    assert_eq!(listed, Err(GroupError::LoadInProgress));
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_partition_goes_is_sent_on() {
    let world = World::new().await;
    let (joined, ()) = tokio::join!(world.ask(join()), async {
        sleep(Duration::from_secs(1)).await;
        world.groups.close(PartitionIndex::default());
    });
    assert_eq!(joined.1, Err(GroupError::NotCoordinator));
    assert_eq!(world.ask(commit(5)).await, Err(GroupError::NotCoordinator));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.env.tasks.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn commits_that_come_together_are_all_kept_in_order() {
    let world = Arc::new(World::new().await);
    let mut commits = tokio::task::JoinSet::new();
    for offset in 0..200 {
        let world = Arc::clone(&world);
        commits.spawn(async move { world.ask(commit(offset)).await });
    }
    while let Some(done) = commits.join_next().await {
        assert_eq!(done.unwrap(), Ok(vec![Ok(())]));
    }
    assert_eq!(world.fetch().await, Some(199));
    let world = Arc::into_inner(world).unwrap().restart().await;
    assert_eq!(world.fetch().await, Some(199));
}

#[tokio::test(start_paused = true)]
async fn offsets_go_with_their_topic() {
    let world = World::new().await;
    world.ask(commit(5)).await.unwrap();
    let name = topic();
    let gone = DeletedTopic { name: name.clone(), id: Uuid::from_bytes([4; 16]) };
    world.groups.forget_topics(&[gone]);
    assert_eq!(world.fetch().await, Some(5), "another topic of that name");
    world.groups.forget_topics(&[DeletedTopic { name, id: Uuid::from_bytes([3; 16]) }]);
    assert_eq!(world.fetch().await, None);
    assert_eq!(world.restart().await.fetch().await, None);
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_topic_that_went_before_a_crash_go_at_the_next_start() {
    let world = World::new().await;
    world.ask(commit(5)).await.unwrap();
    let world = world.restart_without(&[Uuid::from_bytes([3; 16])]).await;
    assert_eq!(world.fetch().await, None);
    assert_eq!(world.restart().await.fetch().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_disk_refuses_is_refused_and_forgotten() {
    let world = World::new().await;
    world.ask(commit(5)).await.unwrap();
    world.disk.set_capacity_bytes(Some(world.disk.used_bytes()));
    let refused = world.ask(commit(6)).await;
    assert!(
        matches!(refused, Err(GroupError::NotAvailable | GroupError::NotCoordinator)),
        "{refused:?}"
    );
    world.disk.set_capacity_bytes(None);
    while world.groups.loading().is_some() {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.fetch().await, Some(5));
    assert_eq!(world.restart().await.fetch().await, Some(5));
}
