//! Partitions on a real disk: appends in order, answers, flushes, restarts, long polls.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::config::TopicConfig;
use millrace_core::replication::acks::Acks;
use millrace_core::replication::append::{Arrival, Candidate, inspect};
use millrace_core::replication::fetch_session::FetchWant;
use millrace_core::replication::last_stable::{Isolation, Reader};
use millrace_log::disk::Patience;
use millrace_log::{LogDir, LogDirError, LogDirOptions, MetaProperties};
use millrace_types::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence,
    TopicId, TopicName, TopicPartition, Uuid,
};
use millrace_wire::record::{BatchBuilder, BatchProducer, NewRecord};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Answer, Appended, Partition, PartitionError, ReadWant, Terms, Waiter};
use crate::env::Env;

mod faults;

/// A directory with one partition that can be opened again and again.
struct Home {
    root: TempDir,
    config: TopicConfig,
}

impl Home {
    fn new(change: impl FnOnce(&mut TopicConfig)) -> Home {
        let mut config = TopicConfig::default();
        change(&mut config);
        Home { root: tempfile::tempdir().unwrap(), config }
    }

    fn open(&self) -> Arc<Partition> {
        open(Env::real(), self.root.path(), &self.config).unwrap()
    }
}

/// Opens the partition in a directory, or makes it.
fn open(env: Env, root: &Path, config: &TopicConfig) -> Result<Arc<Partition>, LogDirError> {
    let meta = MetaProperties {
        cluster_id: "cluster".to_owned(),
        node_id: BrokerId::from_wire(1).unwrap(),
        directory_id: Uuid::from_bytes([1; 16]),
    };
    let options = LogDirOptions {
        root: root.to_path_buf(),
        meta,
        checks_directory_id: false,
        open_files_max: 100,
        producer_id_expiration_ms: 86_400_000,
    };
    let dir = LogDir::open(Arc::clone(&env.disk), options)?;
    let topic = TopicName::parse("t").unwrap();
    let id = TopicPartition { topic, partition: PartitionIndex::default() };
    let (log_config, now) = (config.log.clone(), env.clock.now());
    let log = if dir.partitions()?.is_empty() {
        dir.create_log(&id, TopicId::from_bytes([2; 16]), log_config, now)?
    } else {
        dir.open_log(&id, log_config, now, &mut |_| {})?
    };
    let terms = Terms::of(Arc::new(config.clone()), Some(epoch()), 1, 1);
    Ok(Partition::new(env, id, TopicId::from_bytes([2; 16]), log, &terms))
}

fn epoch() -> LeaderEpoch {
    LeaderEpoch::from_wire(3).unwrap()
}

fn producer(epoch: i16, sequence: i32) -> BatchProducer {
    BatchProducer {
        id: ProducerId::from_wire(7).unwrap(),
        epoch: ProducerEpoch::from_wire(epoch).unwrap(),
        base_sequence: Sequence::from_wire(sequence),
    }
}

fn candidate(
    partition: &Partition,
    producer: Option<BatchProducer>,
    values: &[&[u8]],
) -> Candidate {
    let now = partition.env.clock.now();
    let mut builder = BatchBuilder::new(Offset::ZERO);
    if let Some(producer) = producer {
        builder = builder.with_producer(producer);
    }
    for value in values {
        let record = NewRecord { timestamp: Some(now), value: Some(value), ..NewRecord::default() };
        builder.push(&record).unwrap();
    }
    let bytes = Bytes::from(builder.build().unwrap());
    inspect(Some(&bytes), &partition.terms().rules, Arrival { version: 11, now }).unwrap()
}

fn append(partition: &Arc<Partition>, values: &[&[u8]]) -> Answer {
    partition.append(candidate(partition, None, values), Acks::All)
}

async fn answered(answer: Answer) -> Result<Appended, PartitionError> {
    timeout(Duration::from_secs(10), answer).await.expect("in time").expect("is answered")
}

fn read(partition: &Partition, offset: u64) -> Result<Vec<u8>, ErrorCode> {
    let want = FetchWant {
        offset: Some(Offset::new(offset)),
        bytes_max: 1 << 20,
        current_leader_epoch: Some(epoch()),
        last_fetched_epoch: None,
    };
    let reader = Reader::Consumer(Isolation::ReadUncommitted);
    let read = ReadWant {
        want,
        reader,
        bytes_max: 1 << 20,
        needs_one_batch: true,
        patience: Patience::Waits,
    };
    let read = partition.read(&read).map_err(|error| error.error_code())?;
    let Some(slice) = read.slice else { return Ok(Vec::new()) };
    let mut bytes = vec![0; slice.length];
    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
    Ok(bytes)
}

#[tokio::test]
async fn what_is_appended_is_read_with_its_offsets() {
    let home = Home::new(|_| {});
    let partition = home.open();
    let first = answered(append(&partition, &[b"a", b"b"])).await.unwrap();
    let second = answered(append(&partition, &[b"c"])).await.unwrap();
    assert_eq!((first.base_offset, second.base_offset), (Offset::ZERO, Offset::new(2)));
    let bytes = read(&partition, 0).unwrap();
    let batches: Vec<_> =
        millrace_wire::record::Batches::new(&bytes).collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), 2);
    for (batch, base) in batches.iter().zip([0, 2]) {
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().base_offset, Offset::new(base));
        assert_eq!(batch.header().leader_epoch, Some(epoch()));
    }
    assert_eq!(read(&partition, 3), Ok(Vec::new()));
    assert_eq!(read(&partition, 4), Err(ErrorCode::OffsetOutOfRange));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_are_all_appended_each_in_its_own_order() {
    let home = Home::new(|config| config.max_message_bytes = 1 << 30);
    let partition = home.open();
    let mut tasks = Vec::new();
    for writer in 0..8_u8 {
        let partition = Arc::clone(&partition);
        tasks.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            for number in 0..200_u8 {
                // The large ones are written on another thread.
                let large = vec![writer; if number % 100 == 0 { 5 << 20 } else { 10 }];
                answers.push(append(&partition, &[&large]));
            }
            let mut last = None;
            for answer in answers {
                let offset = answered(answer).await.unwrap().base_offset;
                assert!(last < Some(offset), "{last:?} {offset}");
                last = Some(offset);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(partition.bounds().high_watermark, Offset::new(1600));
}

#[tokio::test]
async fn a_repetition_is_answered_with_the_originals_place_even_after_a_restart() {
    let home = Home::new(|_| {});
    let partition = home.open();
    let send = |partition: &Arc<Partition>, epoch, sequence| {
        let candidate = candidate(partition, Some(producer(epoch, sequence)), &[b"a", b"b"]);
        partition.append(candidate, Acks::All)
    };
    for batch in 0..5 {
        let appended = answered(send(&partition, 0, 2 * batch)).await.unwrap();
        assert_eq!(appended.base_offset.to_wire(), i64::from(2 * batch));
    }
    // First as after a kill, then as after a stop.
    drop(partition.retire());
    for _ in 0..2 {
        let partition = home.open();
        for batch in 0..5 {
            let appended = answered(send(&partition, 0, 2 * batch)).await.unwrap();
            assert_eq!(appended.base_offset.to_wire(), i64::from(2 * batch));
        }
        let gap = answered(send(&partition, 0, 12)).await.unwrap_err();
        assert_eq!(gap.error_code(), ErrorCode::OutOfOrderSequenceNumber);
        partition.retire().unwrap().close().unwrap();
    }
    let partition = home.open();
    assert_eq!(answered(send(&partition, 0, 10)).await.unwrap().base_offset, Offset::new(10));
    assert_eq!(answered(send(&partition, 1, 0)).await.unwrap().base_offset, Offset::new(12));
    let fenced = answered(send(&partition, 0, 12)).await.unwrap_err();
    assert_eq!(fenced.error_code(), ErrorCode::InvalidProducerEpoch);
}

#[tokio::test]
async fn with_flush_messages_nothing_is_answered_or_read_before_it_is_durable() {
    let home = Home::new(|config| config.log.flush_messages = 1);
    let partition = home.open();
    let answer = append(&partition, &[b"a"]);
    let appended = answered(answer).await.unwrap();
    assert_eq!(appended.base_offset, Offset::ZERO);
    assert_eq!(partition.offsets().unwrap().recovery_point, Offset::new(1));

    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(append(&partition, &[b"b"]));
        let bounds = partition.bounds();
        let durable = partition.offsets().unwrap().recovery_point;
        assert!(bounds.high_watermark <= durable.max(Offset::new(1)), "{bounds:?} {durable}");
    }
    for answer in answers {
        let appended = answered(answer).await.unwrap();
        let durable = partition.offsets().unwrap().recovery_point;
        assert!(appended.next_offset <= durable);
    }
}

#[tokio::test]
async fn a_segment_that_is_done_with_is_flushed_unasked() {
    let home = Home::new(|config| config.log.segment_bytes = 100);
    let partition = home.open();
    for _ in 0..2 {
        answered(append(&partition, &[b"a"])).await.unwrap();
    }
    let flushed = async {
        while partition.offsets().unwrap().recovery_point < Offset::new(1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), flushed).await.unwrap();
}

#[tokio::test]
async fn much_that_no_config_asks_to_be_flushed_is_flushed_by_upkeep() {
    let home = Home::new(|_| {});
    let partition = home.open();
    let value = vec![0; 1_000_000];
    for (count, durable) in [(3, 0), (70, 73), (3, 73)] {
        for _ in 0..count {
            answered(append(&partition, &[&value])).await.unwrap();
        }
        Arc::clone(&partition).bound_recovery().await;
        assert_eq!(partition.offsets().unwrap().recovery_point, Offset::new(durable));
    }
}

#[tokio::test]
async fn a_long_poll_is_woken_by_an_append() {
    let home = Home::new(|_| {});
    let partition = home.open();
    let waiter = Arc::new(Waiter::default());
    partition.add_waiter(&waiter, 5);
    assert!(waiter.lack(1).is_empty());
    append(&partition, &[b"a"]);
    timeout(Duration::from_secs(10), waiter.woken()).await.unwrap();
    assert_eq!(waiter.lack(1), [5]);
    partition.remove_waiter(&waiter);
}

#[tokio::test]
async fn a_partition_that_leaves_refuses_and_tells_who_waits() {
    let home = Home::new(|_| {});
    let partition = home.open();
    let waiter = Arc::new(Waiter::default());
    partition.add_waiter(&waiter, 0);
    waiter.lack(i64::MAX);
    assert!(partition.retire().is_some());
    assert!(partition.retire().is_none());
    timeout(Duration::from_secs(10), waiter.woken()).await.unwrap();
    let refused = answered(append(&partition, &[b"a"])).await.unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::NotLeaderOrFollower);
}

#[tokio::test]
async fn deleted_records_are_out_of_range() {
    let home = Home::new(|_| {});
    let partition = home.open();
    for _ in 0..4 {
        answered(append(&partition, &[b"a"])).await.unwrap();
    }
    assert_eq!(partition.delete_records(3).unwrap(), Offset::new(3));
    assert_eq!(read(&partition, 2), Err(ErrorCode::OffsetOutOfRange));
    assert!(!read(&partition, 3).unwrap().is_empty());
    let refused = partition.delete_records(5).unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::OffsetOutOfRange);
    assert_eq!(partition.delete_records(-1).unwrap(), Offset::new(4));
}

#[tokio::test]
async fn only_the_leader_of_the_epoch_that_the_client_means_answers() {
    let home = Home::new(|_| {});
    let partition = home.open();
    for (given, expected) in [
        (2, ErrorCode::FencedLeaderEpoch),
        (3, ErrorCode::None),
        (4, ErrorCode::UnknownLeaderEpoch),
    ] {
        let result = partition.check_leader(LeaderEpoch::from_wire(given));
        let code = result.map_or_else(|error| error.error_code(), |_| ErrorCode::None);
        assert_eq!(code, expected, "{given}");
    }
    let terms = Terms { leadership: None, ..(*partition.terms()).clone() };
    partition.set_terms(&terms);
    let refused = answered(append(&partition, &[b"a"])).await.unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::NotLeaderOrFollower);
}
