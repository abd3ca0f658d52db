use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use millrace_types::{
    BrokerId, Offset, PartitionIndex, TimestampMs, TopicId, TopicName, TopicPartition, Uuid,
};
use millrace_wire::record::{Batch, BatchBuilder, NewRecord};

use super::{LogDir, LogDirError, LogDirOptions, LogOffsets, MetaProperties};
use crate::config::LogConfig;
use crate::disk::RealDisk;
use crate::log::Log;
use crate::new_batch::NewBatch;

const NOW: TimestampMs = TimestampMs::new(1_700_000_000_000);
const TOPIC_ID: TopicId = Uuid::from_bytes([7; 16]);

fn meta() -> MetaProperties {
    MetaProperties {
        cluster_id: "AbCdEfGhIjKlMnOpQrStUv".to_owned(),
        node_id: BrokerId::from_wire(1).unwrap(),
        directory_id: Uuid::from_bytes([1; 16]),
    }
}

fn options(root: &Path) -> LogDirOptions {
    LogDirOptions {
        root: root.to_path_buf(),
        meta: meta(),
        checks_directory_id: false,
        open_files_max: 16,
        producer_id_expiration_ms: 86_400_000,
    }
}

fn open(root: &Path) -> LogDir {
    LogDir::open(Arc::new(RealDisk), options(root)).unwrap()
}

fn partition(topic: &str, index: i32) -> TopicPartition {
    let topic = TopicName::parse(topic).unwrap();
    TopicPartition { topic, partition: PartitionIndex::from_wire(index).unwrap() }
}

fn append(log: &mut Log) {
    let mut builder = BatchBuilder::new(log.reader().end_offset());
    builder.push(&NewRecord { timestamp: Some(NOW), ..NewRecord::default() }).unwrap();
    let bytes = builder.build().unwrap();
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    log.append(&[NewBatch::stored(&batch)], NOW).unwrap();
}

fn offsets_of(log: &Log) -> LogOffsets {
    let reader = log.reader();
    LogOffsets {
        recovery_point: log.recovery_point(),
        start_offset: reader.start_offset(),
        high_watermark: reader.high_watermark(),
    }
}

#[test]
fn a_fresh_directory_becomes_the_brokers_and_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    assert_eq!(LogDir::identify(&RealDisk, &root).unwrap(), None);
    assert_eq!(*open(&root).meta(), meta());
    let text = fs::read_to_string(root.join("meta.properties")).unwrap();
    assert_eq!(
        text,
        "version=1\ncluster.id=AbCdEfGhIjKlMnOpQrStUv\nnode.id=1\n\
         directory.id=AQEBAQEBAQEBAQEBAQEBAQ\n"
    );
    // Another id is proposed at the next start: the disk's own counts.
    let proposed = MetaProperties { directory_id: Uuid::from_bytes([2; 16]), ..meta() };
    let again =
        LogDir::open(Arc::new(RealDisk), LogDirOptions { meta: proposed, ..options(&root) });
    assert_eq!(*again.unwrap().meta(), meta());
    assert_eq!(LogDir::identify(&RealDisk, &root).unwrap(), Some(meta()));
}

#[test]
fn a_foreign_disk_is_refused_with_both_ids() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let root = dir.path().display();
    let other_cluster = MetaProperties { cluster_id: "other".to_owned(), ..meta() };
    let other_node = MetaProperties { node_id: BrokerId::from_wire(2).unwrap(), ..meta() };
    let other_disk = MetaProperties { directory_id: Uuid::from_bytes([2; 16]), ..meta() };
    for (meta, expected) in [
        (other_cluster, "belongs to cluster AbCdEfGhIjKlMnOpQrStUv, this broker to cluster other"),
        (other_node, "belongs to node.id=1, this broker has node.id=2"),
        (
            other_disk,
            "has directory.id=AQEBAQEBAQEBAQEBAQEBAQ, the cluster knows it as \
             AgICAgICAgICAgICAgICAg",
        ),
    ] {
        let options = LogDirOptions { meta, checks_directory_id: true, ..options(dir.path()) };
        let error = LogDir::open(Arc::new(RealDisk), options).unwrap_err();
        assert_eq!(error.to_string(), format!("{root} {expected}"));
    }
}

#[test]
fn a_directory_of_logs_without_an_owner_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("orders-0")).unwrap();
    let error = LogDir::open(Arc::new(RealDisk), options(dir.path())).unwrap_err();
    assert!(
        error.to_string().ends_with("is missing, though there is a log in orders-0"),
        "{error}"
    );
}

#[test]
fn two_processes_never_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    match LogDir::open(Arc::new(RealDisk), options(dir.path())) {
        Err(LogDirError::Locked { root }) => assert_eq!(root, dir.path()),
        other => panic!("{other:?}"),
    }
    drop(first);
    open(dir.path());
}

#[test]
fn partitions_are_found_again_with_their_topics_ids() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    for partition in [partition("b", 0), partition("a", 10), partition("a", 2)] {
        let mut log = logs.create_log(&partition, TOPIC_ID, LogConfig::default(), NOW).unwrap();
        append(&mut log);
    }
    let again = logs.create_log(&partition("b", 0), TOPIC_ID, LogConfig::default(), NOW);
    assert!(again.is_err(), "it is there already");
    // Torn by a power cut before the first flush.
    fs::write(dir.path().join("a-10/partition.metadata"), "version: 0\ntopi").unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join("b-7"), "a file").unwrap();
    let found = logs.partitions().unwrap();
    let found: Vec<_> =
        found.iter().map(|found| (found.partition.to_string(), found.topic_id)).collect();
    let expected = [("a-2", Some(TOPIC_ID)), ("a-10", None), ("b-0", Some(TOPIC_ID))];
    assert_eq!(found, expected.map(|(name, id)| (name.to_owned(), id)));
    drop(logs);
    // Damaged later.
    fs::write(dir.path().join("a-2/partition.metadata"), "version: 0\n").unwrap();
    fs::write(dir.path().join("recovery-point-offset-checkpoint"), "0\n1\na 2 1\n").unwrap();
    assert!(open(dir.path()).partitions().is_err());
}

#[test]
fn a_deleted_partition_is_out_of_the_way_at_once_and_gone_later() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let orders = partition("orders", 3);
    let mut log = logs.create_log(&orders, TOPIC_ID, LogConfig::default(), NOW).unwrap();
    append(&mut log);
    let unique = Uuid::from_bytes([0xab; 16]);
    let deletion = logs.delete_log(&orders, log, unique, NOW).unwrap();
    assert_eq!(deletion.due, NOW.plus_ms(60_000));
    let name = format!("orders-3.{}-delete", "ab".repeat(16));
    assert_eq!(deletion.paths, [dir.path().join(name)]);
    assert!(logs.partitions().unwrap().is_empty());
    logs.create_log(&orders, TOPIC_ID, LogConfig::default(), NOW).unwrap();
    // The process ends before it is due: the next one finds it.
    assert_eq!(logs.leftovers().unwrap().paths, deletion.paths);
    deletion.run(&RealDisk).unwrap();
    deletion.run(&RealDisk).unwrap();
    assert!(logs.leftovers().unwrap().paths.is_empty());
    assert_eq!(logs.partitions().unwrap().len(), 1);
}

#[test]
fn a_clean_end_is_noted_once() {
    let dir = tempfile::tempdir().unwrap();
    let orders = partition("orders", 0);
    let logs = open(dir.path());
    assert_eq!(logs.clean_shutdown(), None);
    let mut log = logs.create_log(&orders, TOPIC_ID, LogConfig::default(), NOW).unwrap();
    append(&mut log);
    log.set_high_watermark(Offset::new(1));
    log.close().unwrap();
    logs.write_checkpoints(&BTreeMap::from([(orders.clone(), offsets_of(&log))])).unwrap();
    logs.mark_clean(Some(42)).unwrap();
    drop((log, logs));
    let logs = open(dir.path());
    assert_eq!(logs.clean_shutdown().unwrap().broker_epoch, Some(42));
    let mut calls = 0;
    let log = logs.open_log(&orders, LogConfig::default(), NOW, &mut |_| calls += 1).unwrap();
    assert_eq!((calls, log.reader().high_watermark().get()), (0, 1));
    drop((log, logs));
    let logs = open(dir.path());
    assert_eq!(logs.clean_shutdown(), None, "the last process did not close its logs");
    logs.open_log(&orders, LogConfig::default(), NOW, &mut |_| calls += 1).unwrap();
    assert_eq!(calls, 1);
}

#[test]
fn checkpoints_are_written_as_kafka_writes_them_and_bound_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let orders = partition("orders", 0);
    let logs = open(dir.path());
    let mut log = logs.create_log(&orders, TOPIC_ID, LogConfig::default(), NOW).unwrap();
    (0..5).for_each(|_| append(&mut log));
    log.set_high_watermark(Offset::new(4));
    log.advance_start(Offset::new(2)).unwrap();
    log.flush().unwrap();
    logs.write_checkpoints(&BTreeMap::from([(orders.clone(), offsets_of(&log))])).unwrap();
    for (name, offset) in [
        ("recovery-point-offset-checkpoint", 5),
        ("log-start-offset-checkpoint", 2),
        ("replication-offset-checkpoint", 4),
    ] {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text, format!("0\n1\norders 0 {offset}\n"), "{name}");
    }
    drop((log, logs));
    let log = open(dir.path()).open_log(&orders, LogConfig::default(), NOW, &mut |_| ()).unwrap();
    assert_eq!(
        offsets_of(&log),
        LogOffsets {
            recovery_point: Offset::new(5),
            start_offset: Offset::new(2),
            high_watermark: Offset::new(4),
        }
    );
    drop(log);
    // Without it, everything is read again.
    fs::write(dir.path().join("recovery-point-offset-checkpoint"), "garbage").unwrap();
    let log = open(dir.path()).open_log(&orders, LogConfig::default(), NOW, &mut |_| ()).unwrap();
    assert_eq!((log.recovery_point().get(), log.reader().end_offset().get()), (0, 5));
}
