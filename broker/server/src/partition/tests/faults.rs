//! A partition on a disk that fails: what was promised holds, and who waits hears of it.

use millrace_log::disk::{FaultyDisk, Loss};
use millrace_types::TimestampMs;

use super::*;
use crate::clock::Clock;

const ROOT: &str = "/data";

fn env(disk: &FaultyDisk) -> Env {
    let clock = Clock::starting_at(TimestampMs::new(1_700_000_000_000));
    Env::simulated(Arc::new(disk.clone()), clock, 1)
}

fn config(change: impl FnOnce(&mut TopicConfig)) -> TopicConfig {
    let mut config = TopicConfig::default();
    change(&mut config);
    config
}

fn flushing_each() -> TopicConfig {
    config(|config| config.log.flush_messages = 1)
}

fn send(partition: &Arc<Partition>, sequence: i32) -> Answer {
    let candidate = candidate(partition, Some(producer(0, sequence)), &[b"x"]);
    partition.append(candidate, Acks::All)
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_with_flush_messages_survives_every_power_cut() {
    for change in 1..60 {
        let disk = FaultyDisk::new(change);
        let partition = open(env(&disk), Path::new(ROOT), &flushing_each()).unwrap();
        disk.crash_at(disk.changes() + change);
        let mut acknowledged = 0;
        for sequence in 0..8 {
            match timeout(Duration::from_secs(60), send(&partition, sequence)).await {
                Ok(Ok(Ok(_))) if !disk.is_halted() => acknowledged = sequence + 1,
                _ => break,
            }
        }
        let disk = disk.crash(Loss::Unsynced);
        let partition = open(env(&disk), Path::new(ROOT), &flushing_each()).unwrap();
        let end = partition.bounds().end.to_wire();
        assert!(end >= i64::from(acknowledged), "cut at {change}: {acknowledged} of {end}");
        // The producer sends all again that it does not know of: each is there once.
        for sequence in acknowledged..8 {
            let appended = answered(send(&partition, sequence)).await.unwrap();
            assert_eq!(appended.base_offset.to_wire(), i64::from(sequence), "cut at {change}");
        }
        assert_eq!(partition.bounds().end, Offset::new(8));
    }
}

#[tokio::test(start_paused = true)]
async fn one_sync_makes_durable_what_many_wait_for() {
    let disk = FaultyDisk::new(1);
    let partition = open(env(&disk), Path::new(ROOT), &flushing_each()).unwrap();
    answered(send(&partition, 0)).await.unwrap();
    let before = disk.changes();
    // On one thread nothing is flushed before all are queued.
    let answers: Vec<_> = (1..=100).map(|sequence| send(&partition, sequence)).collect();
    for answer in answers {
        answered(answer).await.unwrap();
    }
    let changes = disk.changes() - before;
    assert!(changes < 110, "100 writes and few syncs, not {changes} changes");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_and_serves_again_when_there_is_room() {
    let disk = FaultyDisk::new(1);
    let partition = open(env(&disk), Path::new(ROOT), &config(|_| {})).unwrap();
    answered(append(&partition, &[b"before"])).await.unwrap();
    disk.set_capacity_bytes(Some(disk.used_bytes() + 10));
    let refused = answered(append(&partition, &[b"too much"])).await.unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::KafkaStorageError);
    assert_eq!(partition.bounds().end, Offset::new(1));
    disk.set_capacity_bytes(None);
    let appended = answered(append(&partition, &[b"after"])).await.unwrap();
    assert_eq!(appended.base_offset, Offset::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_fails_is_told_to_who_waits_and_ends_writing_until_the_log_is_opened_again() {
    let disk = FaultyDisk::new(1);
    let partition = open(env(&disk), Path::new(ROOT), &flushing_each()).unwrap();
    answered(send(&partition, 0)).await.unwrap();
    let answer = send(&partition, 1);
    // The write is done, the sync is next.
    disk.fail_at(disk.operations() + 1);
    let failed = answered(answer).await.unwrap_err();
    assert_eq!(failed.error_code(), ErrorCode::KafkaStorageError);
    assert_eq!(partition.bounds().high_watermark, Offset::new(1));
    let refused = answered(send(&partition, 2)).await.unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::KafkaStorageError);
    assert_eq!(partition.env.ailing.all(), [partition.id().clone()]);
    assert!(partition.heal().unwrap());
    // The producer repeats itself: what is there is found, what is not is written.
    for sequence in [1, 2] {
        let appended = answered(send(&partition, sequence)).await.unwrap();
        assert_eq!(appended.base_offset, Offset::new(u64::try_from(sequence).unwrap()));
    }
    let disk = disk.crash(Loss::Unsynced);
    let partition = open(env(&disk), Path::new(ROOT), &flushing_each()).unwrap();
    assert_eq!(partition.bounds().end, Offset::new(3));
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_a_full_disk_refuses_is_made_up_for_without_any_append() {
    let disk = FaultyDisk::new(1);
    let partition = open(env(&disk), Path::new(ROOT), &flushing_each()).unwrap();
    let batch_bytes = candidate(&partition, Some(producer(0, 0)), &[b"x"]).size_bytes();
    let room_bytes = u64::try_from(batch_bytes).unwrap();
    disk.set_capacity_bytes(Some(disk.used_bytes() + room_bytes));
    let refused = answered(send(&partition, 0)).await.unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::KafkaStorageError);
    assert_eq!(partition.bounds().end, Offset::new(1), "the batch fits, its epoch's file does not");
    assert_eq!(partition.bounds().high_watermark, Offset::ZERO);
    assert_eq!(partition.env.ailing.all(), [partition.id().clone()]);
    assert!(!partition.heal().unwrap());
    tokio::time::sleep(Duration::from_millis(1)).await;
    disk.set_capacity_bytes(None);
    assert!(!partition.heal().unwrap());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(partition.heal().unwrap());
    assert_eq!(partition.bounds().high_watermark, Offset::new(1));
}

#[tokio::test(start_paused = true)]
async fn with_flush_ms_the_log_is_durable_when_the_time_is_up_and_then_has_no_timer() {
    let disk = FaultyDisk::new(1);
    let config = config(|config| config.log.flush_ms = Some(500));
    let env = env(&disk);
    let partition = open(env.clone(), Path::new(ROOT), &config).unwrap();
    answered(append(&partition, &[b"x"])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(490)).await;
    assert_eq!(partition.offsets().unwrap().recovery_point, Offset::ZERO);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(partition.offsets().unwrap().recovery_point, Offset::new(1));
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(env.tasks.running(), 0);
}
