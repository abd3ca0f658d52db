use millrace_types::{LeaderEpoch, Offset};

use super::{NOW, Place, Wanted, append, append_many, batch};
use crate::config::LogConfig;
use crate::log::FlushError;

#[test]
fn the_recovery_point_moves_when_the_job_is_done() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    log.flush().unwrap();
    assert!(log.prepare_flush().unwrap().is_none(), "nothing to flush");
    append_many(&mut log, 3);
    let job = log.prepare_flush().unwrap().unwrap();
    append_many(&mut log, 2);
    assert_eq!((log.recovery_point().get(), log.unflushed_records()), (0, 5));
    let outcome = job.run();
    log.flushed(&job, outcome).unwrap();
    assert_eq!((log.recovery_point().get(), log.unflushed_records()), (3, 2));
    log.flush().unwrap();
    assert_eq!(log.recovery_point().get(), 5);
}

#[test]
fn epochs_are_saved_once_they_have_records() {
    let place = Place::new();
    let has_file = || place.names().contains(&"leader-epoch-checkpoint".to_owned());
    let mut log = place.open(LogConfig::default());
    let epoch = LeaderEpoch::from_wire(3).unwrap();
    log.begin_epoch(epoch);
    assert!(log.prepare_flush().unwrap().is_none(), "an unused log is not synced");
    append(&mut log, Wanted { epoch: 3, ..Wanted::default() });
    log.flush().unwrap();
    assert!(has_file());
    let text = || std::fs::read_to_string(place.path().join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(text(), "0\n1\n3 0\n");
    log.begin_epoch(epoch.next());
    assert_eq!(log.reader().latest_epoch(), Some(epoch.next()));
    assert!(log.prepare_flush().unwrap().is_none());
    append(&mut log, Wanted { epoch: 4, ..Wanted::default() });
    append(&mut log, Wanted { epoch: 4, ..Wanted::default() });
    log.flush().unwrap();
    assert_eq!(text(), "0\n2\n3 0\n4 1\n");
}

#[test]
fn a_job_from_before_a_truncation_says_nothing() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append_many(&mut log, 5);
    let job = log.prepare_flush().unwrap().unwrap();
    log.truncate_to(Offset::new(2), NOW).unwrap();
    append_many(&mut log, 3);
    let outcome = job.run();
    log.flushed(&job, outcome).unwrap();
    assert_eq!(log.recovery_point().get(), 0);
}

#[test]
fn a_job_outlives_the_removal_of_its_segments() {
    let place = Place::new();
    let one = u32::try_from(batch(0, Wanted::default()).len()).unwrap();
    let config = LogConfig {
        segment_bytes: one * 2,
        retention_bytes: Some(u64::from(one)),
        retention_ms: None,
        ..LogConfig::default()
    };
    let mut log = place.open(config);
    append_many(&mut log, 9);
    let job = log.prepare_flush().unwrap().unwrap();
    let deletion = log.retain(NOW).unwrap().unwrap();
    deletion.run(&crate::disk::RealDisk).unwrap();
    let outcome = job.run();
    log.flushed(&job, outcome).unwrap();
    assert_eq!(log.recovery_point().get(), 9);
}

#[test]
fn a_failed_sync_ends_all_writing() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append(&mut log, Wanted::default());
    let job = log.prepare_flush().unwrap().unwrap();
    let error = crate::LogError::Io {
        action: "sync",
        path: "0.log".into(),
        source: std::io::Error::other("no more sectors"),
    };
    let error = log.flushed(&job, Err(FlushError::Lost(error))).unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with("takes no more writes: cannot sync 0.log: no more sectors"), "{text}");
    assert!(log.flush().is_err());
    assert!(log.roll(NOW).is_err());
    assert!(log.close().is_err());
    assert_eq!(super::read_all(&log.reader()), [(0, 0)], "reading goes on");
}

#[test]
fn a_closed_log_takes_no_more_writes() {
    let place = Place::new();
    let mut log = place.open(LogConfig::default());
    append_many(&mut log, 3);
    log.close().unwrap();
    assert_eq!(log.recovery_point().get(), 3);
    assert_eq!(place.with_suffix(".snapshot"), [3]);
    assert!(log.flush().unwrap_err().to_string().contains("it was closed"));
}
