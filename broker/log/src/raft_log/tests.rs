//! The log of the metadata on a disk that fails at every operation in turn.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, METADATA_PREFIX, RaftLog, Recovered, Snapshot, Vote};
use crate::disk::{Disk, FaultyDisk, Loss, OpenMode};
use crate::error::LogError;

fn open(disk: &FaultyDisk) -> Result<(RaftLog, Recovered), LogError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    RaftLog::open(disk, Path::new("/data"), METADATA_PREFIX)
}

/// A disk with the directory of the log on it.
fn new_disk(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir_all(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn entry(index: u64, term: u64) -> Entry {
    let data = format!("entry {index} of term {term}").repeat(usize::try_from(index).unwrap() % 5);
    Entry { index, term, kind: 1, data: data.into_bytes() }
}

/// What a caller of the log may rely on, and what it may find besides.
#[derive(Default)]
struct Model {
    /// Every entry that was acknowledged, from 1.
    entries: Vec<Entry>,
    /// What was tried behind them, and may be there.
    tried: Vec<Entry>,
    vote: Vote,
    tried_vote: Option<Vote>,
    snapshot_index: u64,
    tried_snapshot: Option<u64>,
}

impl Model {
    fn append(&mut self, log: &mut RaftLog, term: u64, count: u64) -> Result<(), LogError> {
        let first = self.entries.len() as u64 + 1;
        let vote = (term > self.vote.term).then_some(Vote { term, candidate: 1 });
        let entries: Vec<Entry> = (first..first + count).map(|index| entry(index, term)).collect();
        self.tried.clone_from(&entries);
        self.tried_vote = vote;
        log.append(vote, &entries)?;
        self.vote = vote.unwrap_or(self.vote);
        self.entries.append(&mut self.tried);
        Ok(())
    }

    fn snapshot(&mut self, log: &mut RaftLog, back: u64) -> Result<(), LogError> {
        let index = self.entries.len() as u64 - back;
        self.tried_snapshot = Some(index);
        log.write_snapshot(&self.snapshot_of(index))?;
        self.snapshot_index = index;
        Ok(())
    }

    fn snapshot_of(&self, index: u64) -> Snapshot {
        let term = self.entries[usize::try_from(index).unwrap() - 1].term;
        Snapshot { index, term, data: format!("state {index}").into_bytes() }
    }

    /// Takes over what was found, after checking that it is what was written.
    #[track_caller]
    fn check(&mut self, recovered: &Recovered) {
        let vote = recovered.vote;
        assert!(vote == self.vote || Some(vote) == self.tried_vote, "{vote:?}");
        let snapshot_index = recovered.snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
        assert!(
            snapshot_index == self.snapshot_index || Some(snapshot_index) == self.tried_snapshot,
            "snapshot {snapshot_index}"
        );
        if let Some(snapshot) = &recovered.snapshot {
            assert_eq!(snapshot, &self.snapshot_of(snapshot_index));
        }
        let acknowledged = self.entries.split_off(usize::try_from(snapshot_index).unwrap());
        let (found, more) = recovered.entries.split_at(acknowledged.len());
        assert_eq!(found, acknowledged);
        assert_eq!(more, &self.tried[..more.len()]);
        self.entries.extend_from_slice(&recovered.entries);
        self.tried.clear();
        (self.vote, self.snapshot_index) = (vote, snapshot_index);
        (self.tried_vote, self.tried_snapshot) = (None, None);
    }
}

/// A life of the log: terms, batches, snapshots of all and of less than all.
fn live(model: &mut Model, log: &mut RaftLog, term: u64) -> Result<(), LogError> {
    model.append(log, term, 1)?;
    model.append(log, term, 3)?;
    model.snapshot(log, 0)?;
    model.append(log, term, 2)?;
    model.snapshot(log, 1)?;
    model.append(log, term + 1, 4)?;
    model.append(log, term + 1, 1)
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_every_change() {
    for loss in [Loss::Nothing, Loss::Unsynced] {
        for seed in 0..8 {
            for crash_at in 1.. {
                let disk = new_disk(seed);
                let mut model = Model::default();
                disk.set_reads_short(true);
                disk.crash_at(disk.changes() + crash_at);
                let lived = open(&disk)
                    .and_then(|(mut log, _)| live(&mut model, &mut log, 1).map(|()| log));
                if lived.is_ok() {
                    assert!(crash_at > 20, "too few changes: {crash_at}");
                    break;
                }
                let disk = disk.crash(loss);
                let (mut log, recovered) = open(&disk).unwrap_or_else(|error| {
                    panic!("seed {seed}, crash at {crash_at}: {error:?}");
                });
                model.check(&recovered);
                // What was found counts from now on, whatever happens next.
                drop(log);
                let disk = disk.crash(Loss::Unsynced);
                (log, _) =
                    open(&disk).map(|(log, recovered)| (log, model.check(&recovered))).unwrap();
                // The next life begins on what the crash left, and ends in a crash of its own.
                live(&mut model, &mut log, 10).unwrap();
                let (_, recovered) = open(&disk.crash(loss)).unwrap();
                model.check(&recovered);
            }
        }
    }
}

#[test]
fn a_crash_while_it_recovers_loses_nothing() {
    for crash_at in 1.. {
        let disk = new_disk(7);
        let mut model = Model::default();
        let (mut log, _) = open(&disk).unwrap();
        live(&mut model, &mut log, 1).unwrap();
        let path = log.current.path().to_owned();
        let file = disk.open(&path, OpenMode::Write).unwrap();
        let end = file.len().unwrap();
        file.write_all_at(&[std::io::IoSlice::new(b"torn")], end).unwrap();
        file.sync().unwrap();
        let disk = disk.crash(Loss::Unsynced);
        disk.crash_at(disk.changes() + crash_at);
        let is_done = open(&disk).is_ok();
        let (_, recovered) = open(&disk.crash(Loss::Unsynced)).unwrap();
        model.check(&recovered);
        if is_done {
            break;
        }
    }
}

#[test]
fn after_a_refused_call_the_log_goes_on_as_before() {
    for fail_at in 1..200 {
        for appends in 0..3 {
            let disk = new_disk(fail_at);
            let mut model = Model::default();
            let (mut log, _) = open(&disk).unwrap();
            model.append(&mut log, 1, 1).unwrap();
            disk.fail_at(disk.operations() + fail_at);
            if live(&mut model, &mut log, 1).is_err() {
                // Other entries follow in a later term, as Raft has it.
                (0..appends).for_each(|_| model.append(&mut log, 10, 2).unwrap());
                if appends == 2 {
                    model.snapshot(&mut log, 3).unwrap();
                }
            }
            let disk = disk.crash(Loss::Unsynced);
            let (mut log, recovered) = open(&disk).unwrap();
            model.check(&recovered);
            live(&mut model, &mut log, 20).unwrap();
            let (_, recovered) = open(&disk.crash(Loss::Unsynced)).unwrap();
            model.check(&recovered);
        }
    }
}

#[test]
fn what_was_found_counts_even_if_a_sync_had_failed_before() {
    for seed in 0..40 {
        for fault in 1..12 {
            let disk = new_disk(seed);
            let (mut log, _) = open(&disk).unwrap();
            let mut model = Model::default();
            model.append(&mut log, 1, 2).unwrap();
            // The process ends before it has synced what it wrote.
            disk.crash_at(disk.changes() + 2);
            model.append(&mut log, 1, 2).unwrap_err();
            let disk = disk.crash(Loss::Nothing);
            // The next one fails to start, and the one after that finds the disk at work again.
            disk.fail_at(disk.operations() + fault);
            drop(open(&disk));
            let disk = disk.crash(Loss::Nothing);
            let (_, found) = open(&disk).unwrap();
            let (_, again) = open(&disk.crash(Loss::Unsynced)).unwrap();
            assert_eq!(found.entries, again.entries, "seed {seed}, fault {fault}");
        }
    }
}

#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let disk = new_disk(1);
    let mut model = Model::default();
    let (mut log, _) = open(&disk).unwrap();
    model.append(&mut log, 1, 4).unwrap();
    disk.set_capacity_bytes(Some(disk.used_bytes() + 10));
    for _ in 0..3 {
        assert!(model.append(&mut log, 1, 4).unwrap_err().is_disk_full());
    }
    disk.set_capacity_bytes(None);
    model.append(&mut log, 2, 4).unwrap();
    let (_, recovered) = open(&disk.crash(Loss::Unsynced)).unwrap();
    model.check(&recovered);
}

#[test]
fn what_a_refused_write_left_is_never_taken_for_entries() {
    let disk = new_disk(5);
    let (mut log, _) = open(&disk).unwrap();
    let of = |index, term| Entry { index, term, kind: 1, data: vec![7; 100] };
    log.append(Some(Vote { term: 1, candidate: 1 }), &[of(1, 1)]).unwrap();
    // The write goes through and the sync is refused: both entries are in the file.
    disk.fail_at(disk.operations() + 2);
    log.append(None, &[of(2, 1), of(3, 1)]).unwrap_err();
    log.append(None, &[of(2, 1)]).unwrap();
    let file = disk.open(log.current.path(), OpenMode::Write).unwrap();
    assert_eq!(file.len().unwrap(), 20 + 2 * 133);
    drop(log);
    // Were the rest still there, its older term would give it away.
    let mut stale = Vec::new();
    super::frame::put(&mut stale, &of(3, 0), 1);
    file.write_all_at(&[std::io::IoSlice::new(&stale)], 20 + 2 * 133).unwrap();
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!((recovered.entries.len(), recovered.cut_bytes), (2, 133));
}

fn path(name: &str) -> PathBuf {
    Path::new("/data").join(format!("{METADATA_PREFIX}.{name}"))
}

/// Opens after a bit has rotted at `position` of `name`.
fn open_rotted(name: &str, position: u64) -> Result<(RaftLog, Recovered), LogError> {
    let disk = new_disk(3);
    let mut model = Model::default();
    let (mut log, _) = open(&disk).unwrap();
    live(&mut model, &mut log, 1).unwrap();
    disk.rot(&path(name), position, 3).unwrap();
    open(&disk.crash(Loss::Nothing))
}

#[test]
fn rot_is_refused_and_named() {
    for (name, position, reason) in [
        ("vote", 12, "is no vote, or its checksum is wrong"),
        ("00000000000000000005.snapshot", 30, "is no snapshot, or its checksum is wrong"),
        ("00000000000000000007.log", 3, "has no header of a metadata log"),
        ("00000000000000000007.log", 60, "entry 7 is damaged, but a later one says 10 was synced"),
        ("00000000000000000005.log", 60, "ends before entry 6, but the next file begins at 7"),
    ] {
        let error = open_rotted(name, position).map(|_| ()).unwrap_err();
        let LogError::Corrupt { path: at, reason: found, .. } = &error else {
            panic!("{name}: {error:?}");
        };
        assert_eq!((at, found.as_str()), (&path(name), reason));
    }
}

#[test]
fn files_that_are_missing_are_missed() {
    for (name, reason) in [
        ("vote", "is missing, but the log beside it reaches term 2"),
        ("00000000000000000005.snapshot", "begins at entry 5; entries from 1 on are missing"),
    ] {
        let disk = new_disk(3);
        let (mut log, _) = open(&disk).unwrap();
        live(&mut Model::default(), &mut log, 1).unwrap();
        disk.remove_file(&path(name)).unwrap();
        let error = open(&disk.crash(Loss::Nothing)).map(|_| ()).unwrap_err();
        assert!(error.to_string().ends_with(reason), "{error}");
    }
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let disk = new_disk(1);
    let names = ["millrace-metadata.00001.log", "millrace-metadataX.vote", "meta.properties"];
    for name in names {
        disk.open(&Path::new("/data").join(name), OpenMode::CreateNew).unwrap();
    }
    open(&disk).unwrap();
    for name in names {
        assert!(disk.exists(&Path::new("/data").join(name)).unwrap(), "{name}");
    }
}
