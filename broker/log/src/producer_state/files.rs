//! The snapshot files of one partition directory: which there are, which to load, which to remove.
//!
//! A snapshot named by offset N holds the state of all batches below N. One is taken at each roll
//! (so it bears a segment's base offset) and one at a clean stop (the log's end). A snapshot that
//! was lost or torn in a crash costs time, not truth: an older one is loaded and more log is read.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};

use super::{ProducerState, snapshot};
use crate::disk::{Disk, File, OpenMode};

const SUFFIX: &str = ".snapshot";

/// The snapshot files of one partition directory.
#[derive(Debug)]
pub struct ProducerSnapshots {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    offsets: BTreeSet<Offset>,
    /// Taken, but not yet written.
    unwritten: Vec<UnwrittenSnapshot>,
}

/// A snapshot in memory, to be written when all that it vouches for is durable.
#[derive(Clone, Debug)]
pub struct UnwrittenSnapshot {
    offset: Offset,
    path: PathBuf,
    bytes: Arc<[u8]>,
}

impl UnwrittenSnapshot {
    /// Writes the file and makes its content durable; its name needs a sync of the directory.
    pub fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        let file = disk.open(&self.path, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_all_at(&[IoSlice::new(&self.bytes)], 0)?;
        file.sync()
    }
}

impl ProducerSnapshots {
    /// Lists the snapshots in `dir`.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> io::Result<ProducerSnapshots> {
        let entries = disk.list(dir)?;
        let offsets = entries.iter().filter_map(|entry| offset_of(&entry.name)).collect();
        Ok(ProducerSnapshots::of(disk, dir, offsets))
    }

    /// The snapshots in `dir`, as its owner has listed them.
    pub fn of(disk: Arc<dyn Disk>, dir: &Path, offsets: BTreeSet<Offset>) -> ProducerSnapshots {
        ProducerSnapshots { disk, dir: dir.to_path_buf(), offsets, unwritten: Vec::new() }
    }

    /// Offsets of the files, ascending.
    pub fn offsets(&self) -> impl DoubleEndedIterator<Item = Offset> {
        self.offsets.iter().copied()
    }

    /// Where the snapshot of an offset is or would be.
    pub fn path(&self, offset: Offset) -> PathBuf {
        self.dir.join(format!("{:020}{SUFFIX}", offset.get()))
    }

    /// Keeps the state as of its end to be written later, unless there is a snapshot of that offset.
    pub fn take(&mut self, state: &ProducerState) {
        let offset = state.end_offset;
        let is_taken = self.unwritten.iter().any(|taken| taken.offset == offset);
        if is_taken || self.offsets.contains(&offset) {
            return;
        }
        let bytes = snapshot::encode(&state.producers).into();
        self.unwritten.push(UnwrittenSnapshot { offset, path: self.path(offset), bytes });
    }

    /// The snapshots that were taken and not written: to be written, then told to
    /// [`ProducerSnapshots::written`].
    pub fn unwritten(&self) -> Vec<UnwrittenSnapshot> {
        self.unwritten.clone()
    }

    /// Notes that a snapshot is on disk. One that was removed meanwhile is removed there, too.
    pub fn written(&mut self, snapshot: &UnwrittenSnapshot) -> io::Result<()> {
        let before = self.unwritten.len();
        self.unwritten.retain(|taken| !Arc::ptr_eq(&taken.bytes, &snapshot.bytes));
        if self.unwritten.len() < before {
            self.offsets.insert(snapshot.offset);
            return Ok(());
        }
        if self.offsets.contains(&snapshot.offset) { Ok(()) } else { self.unlink(snapshot.offset) }
    }

    /// Loads the newest usable snapshot at or below `log_end`, leaving out producers expired by
    /// `now`, and removes those above it, those at or below `log_start`, and the damaged ones.
    ///
    /// Returns the state to go on from: the log from its `end_offset` on is to be fed to
    /// [`ProducerState::update`]. Without any snapshot that is the log's start.
    ///
    /// Source: `ProducerStateManager.truncateAndReload`.
    pub fn load(
        &mut self,
        log_start: Offset,
        log_end: Offset,
        now: TimestampMs,
        expiration_ms: i64,
    ) -> io::Result<ProducerState> {
        self.remove_above(log_end)?;
        self.remove_below(log_start.plus(1))?;
        while let Some(&offset) = self.offsets.last() {
            let bytes = read_all(&*self.disk.open(&self.path(offset), OpenMode::Read)?)?;
            match snapshot::decode(&bytes) {
                Ok(producers) => {
                    let mut state = ProducerState::from_entries(producers, offset);
                    state.expire(now, expiration_ms);
                    return Ok(state);
                }
                Err(error) => {
                    let path = self.path(offset);
                    tracing::warn!(path = %path.display(), %error, "removing a producer snapshot");
                    self.remove(offset)?;
                }
            }
        }
        Ok(ProducerState { end_offset: log_start, ..ProducerState::default() })
    }

    /// Removes the snapshots that belong to no segment, but for the newest if it is above all
    /// segments: that one was taken at the log's end by a clean stop.
    ///
    /// Source: `ProducerStateManager.removeStraySnapshots`.
    pub fn remove_stray(&mut self, segment_bases: &BTreeSet<Offset>) -> io::Result<()> {
        let newest = self.offsets.last().copied();
        let keeps_newest = newest > segment_bases.last().copied();
        for offset in self.offsets.clone() {
            let is_kept_end = keeps_newest && Some(offset) == newest;
            if !segment_bases.contains(&offset) && !is_kept_end {
                self.remove(offset)?;
            }
        }
        Ok(())
    }

    /// Removes the snapshots below `offset`.
    pub fn remove_below(&mut self, offset: Offset) -> io::Result<()> {
        self.unwritten.retain(|taken| taken.offset >= offset);
        for below in self.offsets.range(..offset).copied().collect::<Vec<_>>() {
            self.remove(below)?;
        }
        Ok(())
    }

    /// Removes the snapshots above `offset`.
    pub fn remove_above(&mut self, offset: Offset) -> io::Result<()> {
        self.unwritten.retain(|taken| taken.offset <= offset);
        for above in self.offsets.iter().copied().filter(|at| *at > offset).collect::<Vec<_>>() {
            self.remove(above)?;
        }
        Ok(())
    }

    /// Removes one snapshot, if there is one of that offset.
    pub fn remove(&mut self, offset: Offset) -> io::Result<()> {
        self.unwritten.retain(|taken| taken.offset != offset);
        if !self.offsets.contains(&offset) {
            return Ok(());
        }
        self.unlink(offset)?;
        self.offsets.remove(&offset);
        Ok(())
    }

    fn unlink(&self, offset: Offset) -> io::Result<()> {
        match self.disk.remove_file(&self.path(offset)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The offset in a snapshot's name: twenty digits.
fn offset_of(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(SUFFIX)?;
    if digits.len() != 20 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().and_then(Offset::from_wire)
}

fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
