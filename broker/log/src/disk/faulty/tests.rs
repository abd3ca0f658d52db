//! What the faulty disk keeps and what it loses.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use super::{FaultyDisk, Loss};
use crate::disk::{Disk, File, OpenMode};

const DIR: &str = "/data/a-0";

fn path(name: &str) -> std::path::PathBuf {
    Path::new(DIR).join(name)
}

/// A disk with a durable directory.
fn disk(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    disk
}

fn write(file: &Arc<dyn File>, position: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(&[IoSlice::new(bytes)], position)
}

fn create(disk: &FaultyDisk, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(&path(name), OpenMode::CreateNew).unwrap();
    write(&file, 0, bytes).unwrap();
    file
}

fn durable(disk: &FaultyDisk, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = create(disk, name, bytes);
    file.sync().unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    file
}

/// The content; `None` if there is no such file.
fn content(disk: &FaultyDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(&path(name), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

#[test]
fn what_was_synced_survives_and_the_rest_may_not() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk(seed);
        let file = durable(&disk, "x", &[1; 1000]);
        write(&file, 1000, &[2; 1000]).unwrap();
        let bytes = content(&disk.crash(Loss::Unsynced), "x").unwrap();
        assert_eq!(bytes[..1000], [1; 1000]);
        // Torn at sectors only: 1024 and 1536 are boundaries.
        for (start, end) in [(1000, 1024), (1024, 1536), (1536, 2000)] {
            if let Some(sector) = bytes.get(start..end) {
                assert!(sector == vec![2; end - start] || sector == vec![0; end - start]);
            }
        }
        assert!([1000, 1024, 1536, 2000].contains(&bytes.len()), "{}", bytes.len());
        outcomes.insert(bytes[1000..].to_vec());
    }
    assert!(outcomes.len() > 6, "only {} outcomes", outcomes.len());
    assert!(outcomes.contains(&Vec::new()) && outcomes.contains(&vec![2; 1000]));
}

#[test]
fn the_end_of_a_process_loses_nothing() {
    let first = disk(1);
    let file = create(&first, "x", b"hello");
    let next = first.crash(Loss::Nothing);
    assert_eq!(content(&next, "x"), Some(b"hello".to_vec()));
    // The old run is dead for good.
    assert!(write(&file, 0, b"zombie").is_err());
    assert!(first.list(Path::new(DIR)).is_err());
    assert_eq!(content(&next, "x"), Some(b"hello".to_vec()));
}

#[test]
fn names_survive_once_their_directory_is_synced() {
    let (mut created, mut renamed) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..100 {
        let disk = disk(seed);
        create(&disk, "new", b"new").sync().unwrap();
        let next = disk.crash(Loss::Unsynced);
        created.insert(content(&next, "new").is_some());

        durable(&next, "old", b"old");
        durable(&next, "target", b"target");
        next.rename(&path("old"), &path("target")).unwrap();
        let last = next.crash(Loss::Unsynced);
        let names = (content(&last, "old"), content(&last, "target"));
        match &names {
            (Some(old), Some(target)) => {
                assert_eq!((&**old, &**target), (&b"old"[..], &b"target"[..]));
            }
            (None, Some(target)) => assert_eq!(target, b"old"),
            other => panic!("a rename lost a file: {other:?}"),
        }
        renamed.insert(names.0.is_none());
        last.remove_file(&path("target")).unwrap();
        last.sync_dir(Path::new(DIR)).unwrap();
        assert_eq!(content(&last.crash(Loss::Unsynced), "target"), None);
    }
    assert_eq!((created.len(), renamed.len()), (2, 2));
}

#[test]
fn a_lost_truncation_keeps_the_old_bytes() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..100 {
        let disk = disk(seed);
        let file = durable(&disk, "x", &[1; 2048]);
        file.set_len(1024).unwrap();
        write(&file, 1024, &[2; 512]).unwrap();
        let bytes = content(&disk.crash(Loss::Unsynced), "x").unwrap();
        assert_eq!(bytes[..1024], [1; 1024]);
        // New bytes never stand among the old ones behind the cut.
        let rest = &bytes[1024..];
        assert!(
            rest == [1; 1024] || rest == [2; 512] || rest == [0; 512] || rest.is_empty(),
            "{rest:?}"
        );
        outcomes.insert(rest.to_vec());
    }
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn a_crash_at_a_change_halts_the_run_there() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..50 {
        let disk = disk(seed);
        let file = durable(&disk, "x", b"");
        disk.crash_at(disk.changes() + 2);
        write(&file, 0, b"first").unwrap();
        assert!(write(&file, 5, b"second").is_err());
        assert!(disk.is_halted());
        assert!(file.sync().is_err() && file.len().is_err());
        let next = disk.crash(Loss::Nothing);
        assert!(!next.is_halted());
        outcomes.insert(content(&next, "x").unwrap().len());
    }
    assert_eq!(outcomes, (5..=11).collect());
}

#[test]
fn an_operation_fails_on_request_and_a_failed_sync_loses_data() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = disk(seed);
        let file = durable(&disk, "x", b"");
        write(&file, 0, b"data").unwrap();
        disk.fail_at(disk.operations() + 1);
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
        assert_eq!(content(&disk, "x"), Some(b"data".to_vec()));
        // The next sync has nothing to do, and yet the data may be gone.
        file.sync().unwrap();
        lost += u32::from(content(&disk.crash(Loss::Unsynced), "x") != Some(b"data".to_vec()));
    }
    assert!((1..50).contains(&lost), "{lost}");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = disk(1);
    disk.set_capacity_bytes(Some(10));
    let file = create(&disk, "x", b"12345678");
    let error = write(&file, 8, b"abcd").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(content(&disk, "x"), Some(b"12345678ab".to_vec()));
    assert_eq!(disk.space(Path::new("/")).unwrap().usable_bytes, 0);
    file.set_len(2).unwrap();
    assert_eq!(disk.used_bytes(), 2);
    disk.remove_file(&path("x")).unwrap();
    assert_eq!(disk.used_bytes(), 0);
    create(&disk, "y", b"0123456789");
}

#[test]
fn descriptors_reads_and_bits_fail_on_request() {
    let disk = disk(1);
    let file = durable(&disk, "x", b"01234567");
    disk.set_files_open_max(Some(1));
    assert_eq!(disk.open(&path("x"), OpenMode::Read).unwrap_err().raw_os_error(), Some(24));
    disk.set_reads_short(true);
    let mut buffer = [0; 8];
    let lengths: BTreeSet<_> = (0..50).map(|_| file.read_at(&mut buffer, 0).unwrap()).collect();
    assert_eq!(lengths, (1..=8).collect());
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"01234567");
    disk.rot(&path("x"), 3, 0).unwrap();
    drop(file);
    assert_eq!(content(&disk, "x"), Some(b"01224567".to_vec()));
    assert_eq!(content(&disk.crash(Loss::Unsynced), "x"), Some(b"01224567".to_vec()));
}

#[test]
fn a_lock_is_held_until_it_is_dropped_or_its_process_ends() {
    let disk = disk(1);
    let held = disk.try_lock(&path(".lock")).unwrap();
    assert!(held.is_some());
    assert!(disk.try_lock(&path(".lock")).unwrap().is_none());
    let next = disk.crash(Loss::Nothing);
    let again = next.try_lock(&path(".lock")).unwrap();
    assert!(again.is_some());
    drop(held);
    assert!(next.try_lock(&path(".lock")).unwrap().is_none());
    drop(again);
    assert!(next.try_lock(&path(".lock")).unwrap().is_some());
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let run = |seed| {
        let disk = disk(seed);
        disk.set_error_one_in(Some(5));
        let results: Vec<bool> = (0..100_u8)
            .map(|round| {
                disk.open(&path(&format!("{}", round % 7)), OpenMode::Create)
                    .and_then(|file| write(&file, u64::from(round) * 100, &[round; 700]))
                    .is_ok()
            })
            .collect();
        disk.set_error_one_in(None);
        let next = disk.crash(Loss::Unsynced);
        (results, (0..7).map(|name| content(&next, &format!("{name}"))).collect::<Vec<_>>())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
