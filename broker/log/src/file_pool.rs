//! Open files, bounded in number: a log holds names, and descriptors only while they are used.
//!
//! With tens of thousands of partitions, each with several files, keeping all open would need more
//! descriptors than a process gets. A [`PooledFile`] opens its file when it is asked for; when the
//! pool is full, a file that was not used lately is closed (the clock algorithm). Whoever holds the
//! file it was given keeps it open meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, File, OpenMode};

/// The files that are open, over all logs of a directory.
#[derive(Debug)]
pub struct FilePool {
    disk: Arc<dyn Disk>,
    open_max: usize,
    ring: Mutex<Ring>,
}

/// The open files in the order in which they are asked whether they may be closed.
#[derive(Debug, Default)]
struct Ring {
    slots: Vec<Arc<Slot>>,
    hand: usize,
}

#[derive(Debug, Default)]
struct Slot {
    file: Mutex<Option<Arc<dyn File>>>,
    was_used: AtomicBool,
}

/// One file, perhaps open. The owner knows its path and mode.
#[derive(Debug, Default)]
pub(crate) struct PooledFile {
    slot: Arc<Slot>,
}

impl FilePool {
    /// Keeps at most `open_max` files open, but for those in use.
    pub fn new(disk: Arc<dyn Disk>, open_max: usize) -> FilePool {
        FilePool { disk, open_max: open_max.max(1), ring: Mutex::default() }
    }

    /// The disk that the files are on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// How many files the pool holds open.
    pub fn open_files(&self) -> usize {
        lock(&self.ring).slots.iter().filter(|slot| lock(&slot.file).is_some()).count()
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        match self.disk.open(path, mode) {
            // Another part of the process took the descriptors that the pool counted on.
            Err(error) if is_out_of_descriptors(&error) => {
                self.close_unused();
                self.disk.open(path, mode)
            }
            other => other,
        }
    }

    /// Closes what is not in use at this moment.
    fn close_unused(&self) {
        let mut ring = lock(&self.ring);
        ring.hand = 0;
        ring.slots.retain(|slot| match slot.file.try_lock() {
            Ok(mut file) => {
                file.take();
                false
            }
            Err(_) => true,
        });
    }

    fn admit(&self, slot: &Arc<Slot>) {
        let mut ring = lock(&self.ring);
        if ring.slots.len() < self.open_max {
            ring.slots.push(Arc::clone(slot));
            return;
        }
        // At the second round all marks are gone; a slot locked by its user is passed over.
        for _ in 0..=ring.slots.len().saturating_mul(2) {
            let hand = ring.hand;
            ring.hand = (hand + 1) % self.open_max;
            let Some(candidate) = ring.slots.get_mut(hand) else { continue };
            if candidate.was_used.swap(false, Ordering::Relaxed) {
                continue;
            }
            let is_closed = match candidate.file.try_lock() {
                Ok(mut file) => {
                    file.take();
                    true
                }
                Err(_) => false,
            };
            if is_closed {
                *candidate = Arc::clone(slot);
                return;
            }
        }
        ring.slots.push(Arc::clone(slot));
    }
}

impl PooledFile {
    /// The open file; opened if need be. `name` is asked only then.
    pub(crate) fn get(
        &self,
        pool: &FilePool,
        mode: OpenMode,
        name: impl FnOnce() -> PathBuf,
    ) -> io::Result<Arc<dyn File>> {
        let file = {
            let mut held = lock(&self.slot.file);
            self.slot.was_used.store(true, Ordering::Relaxed);
            if let Some(file) = held.as_ref() {
                return Ok(Arc::clone(file));
            }
            let file = pool.open(&name(), mode)?;
            *held = Some(Arc::clone(&file));
            file
        };
        pool.admit(&self.slot);
        Ok(file)
    }

    /// The file, if it is open.
    pub(crate) fn held(&self) -> Option<Arc<dyn File>> {
        self.slot.was_used.store(true, Ordering::Relaxed);
        lock(&self.slot.file).clone()
    }

    /// Closes the file, as far as this owner is concerned.
    pub(crate) fn close(&self) {
        self.slot.was_used.store(false, Ordering::Relaxed);
        lock(&self.slot.file).take();
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// The lists stay whole even if a thread dies while it holds them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| {
        [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
            .iter()
            .any(|errno| errno.raw_os_error() == code)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::{FilePool, PooledFile};
    use crate::disk::{FaultyDisk, File, OpenMode, RealDisk};

    fn open(pool: &FilePool, file: &PooledFile, dir: &Path, name: usize) -> Arc<dyn File> {
        file.get(pool, OpenMode::Create, || dir.join(name.to_string())).unwrap()
    }

    #[test]
    fn no_more_files_are_open_than_allowed_and_each_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let pool = FilePool::new(Arc::new(RealDisk), 4);
        let files: Vec<PooledFile> = (0..20).map(|_| PooledFile::default()).collect();
        for round in 0..3 {
            for (name, file) in files.iter().enumerate() {
                open(&pool, file, dir.path(), name);
                assert!(pool.open_files() <= 4, "round {round}, file {name}");
            }
        }
        assert_eq!(pool.open_files(), 4);
    }

    #[test]
    fn a_file_in_use_stays_open_when_it_is_pushed_out() {
        let dir = tempfile::tempdir().unwrap();
        let pool = FilePool::new(Arc::new(RealDisk), 1);
        let (first, second) = (PooledFile::default(), PooledFile::default());
        let held = open(&pool, &first, dir.path(), 1);
        open(&pool, &second, dir.path(), 2);
        held.write_all_at(&[std::io::IoSlice::new(b"x")], 0).unwrap();
        assert_eq!(open(&pool, &first, dir.path(), 1).len().unwrap(), 1);
    }

    #[test]
    fn when_the_process_is_out_of_descriptors_what_is_not_used_is_closed() {
        let disk = FaultyDisk::new(1);
        let pool = FilePool::new(Arc::new(disk.clone()), 100);
        let files: Vec<PooledFile> = (0..20).map(|_| PooledFile::default()).collect();
        let held = open(&pool, &files[0], Path::new("/"), 0);
        disk.set_files_open_max(Some(4));
        for (name, file) in files.iter().enumerate() {
            open(&pool, file, Path::new("/"), name);
        }
        assert!(disk.files_open() <= 4);
        held.len().unwrap();
    }

    #[test]
    fn a_dropped_file_frees_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let pool = FilePool::new(Arc::new(RealDisk), 8);
        let file = PooledFile::default();
        open(&pool, &file, dir.path(), 1);
        drop(file);
        assert_eq!(pool.open_files(), 0);
    }
}
