//! Storage of a Raft log: entries, the vote, snapshots. Not in Kafka's format: no tool reads it.
//!
//! ```text
//! <log dir>/millrace-metadata.vote                            term and vote, see `vote.rs`
//!           millrace-metadata.00000000000000000421.snapshot   state after entry 421, `snapshot.rs`
//!           millrace-metadata.00000000000000000422.log        entries from 422 on, `segment.rs`
//! ```
//! They are plain files beside the partitions' directories, because Apache Kafka takes every
//! directory there for a partition, and stops at one that is none.
//!
//! What [`RaftLog::append`] and [`RaftLog::write_snapshot`] returned `Ok` for is there after any
//! crash. After an error the log is as it was before the call and may be used on. Its twin, which
//! decides what is written and when, is `millrace-core`'s `raft`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{IoContext, LogError};

mod frame;
mod open;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod vote;

use self::segment::Segment;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 1; each follows the one before.
    pub index: u64,
    /// The term of the leader that wrote it; never less than that of the entry before.
    pub term: u64,
    /// What the data is, for whoever wrote it.
    pub kind: u8,
    /// The data.
    pub data: Vec<u8>,
}

/// What a node must not forget between two elections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vote {
    /// The latest term that the node has seen.
    pub term: u64,
    /// Whom it voted for in that term; 0 for nobody.
    pub candidate: u64,
}

/// The state after an entry, in place of that entry and all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry in it.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The state.
    pub data: Vec<u8>,
}

/// What was found on opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The vote.
    pub vote: Vote,
    /// The latest snapshot.
    pub snapshot: Option<Snapshot>,
    /// All entries after the snapshot.
    pub entries: Vec<Entry>,
    /// Bytes at the end of the log that a crash had torn, and that were cut off.
    pub cut_bytes: u64,
}

/// The first part of the names of all files of the metadata's log.
pub const METADATA_PREFIX: &str = "millrace-metadata";

/// An open Raft log, with the one right to write it.
#[derive(Debug)]
pub struct RaftLog {
    disk: Arc<dyn Disk>,
    names: Names,
    vote: Vote,
    /// Entries up to this one are in the snapshot.
    snapshot_index: u64,
    /// Segments whose last entry is this one, oldest first; all are needed.
    closed: Vec<(PathBuf, u64)>,
    current: Segment,
    /// A new segment was begun, perhaps in vain. It may be on the disk, so that the current one
    /// must not be written on: a segment ends where the next one begins.
    is_roll_due: bool,
}

impl RaftLog {
    /// Opens the log with names that begin with `prefix`, or makes an empty one. The directory is
    /// there already.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] if what was acknowledged is damaged or missing; what a crash had torn
    /// before it was acknowledged is cut off instead.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        prefix: &'static str,
    ) -> Result<(RaftLog, Recovered), LogError> {
        open::open(disk, Names { dir: dir.to_owned(), prefix })
    }

    /// Whether there is anything of a log with names that begin with `prefix`.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn exists(disk: &dyn Disk, dir: &Path, prefix: &str) -> Result<bool, LogError> {
        let entries = disk.list(dir).at("list", dir)?;
        Ok(entries.iter().any(|entry| entry.name.starts_with(prefix)))
    }

    /// Makes a vote and entries durable, the vote first.
    ///
    /// # Panics
    /// If the entries do not follow the last one: that is for the caller to know.
    ///
    /// # Errors
    /// If the disk refuses; the entries are not there then, the vote may be.
    pub fn append(&mut self, vote: Option<Vote>, entries: &[Entry]) -> Result<(), LogError> {
        if let Some(vote) = vote.filter(|vote| *vote != self.vote) {
            vote::write(&*self.disk, &self.names, vote)?;
            self.vote = vote;
        }
        self.roll_if_due()?;
        self.current.append(entries)
    }

    /// Makes a snapshot durable and drops the entries that it stands for.
    ///
    /// # Panics
    /// If the snapshot holds an entry that the log does not have.
    ///
    /// # Errors
    /// If the disk refuses; the log goes on as before.
    pub fn write_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), LogError> {
        let last = self.last_index();
        assert!(snapshot.index <= last, "snapshot of entry {} of {last}", snapshot.index);
        if snapshot.index <= self.snapshot_index {
            return Ok(());
        }
        snapshot::write(&*self.disk, &self.names, snapshot)?;
        let before = self.snapshot_index;
        self.snapshot_index = snapshot.index;
        // From here on the snapshot counts. That what it stands for cannot be dropped yet does no
        // harm: the next snapshot, or the next start, tries again.
        if before > 0 {
            drop(self.disk.remove_file(&self.names.snapshot(before)));
        }
        self.drop_entries()
    }

    /// The vote that is durable.
    pub fn vote(&self) -> Vote {
        self.vote
    }

    /// The last entry that is durable, or in the snapshot; 0 if there is none.
    pub fn last_index(&self) -> u64 {
        self.current.next_index() - 1
    }

    /// Bytes of entries that lie behind the snapshot: what a start has to read.
    pub fn tail_bytes(&self) -> u64 {
        self.current.bytes()
    }

    /// Starts a new segment and removes those that the snapshot stands for.
    fn drop_entries(&mut self) -> Result<(), LogError> {
        self.is_roll_due |= !self.current.is_empty();
        self.roll_if_due()?;
        let snapshot_index = self.snapshot_index;
        self.closed
            .retain(|(path, last)| *last > snapshot_index || self.disk.remove_file(path).is_err());
        Ok(())
    }

    fn roll_if_due(&mut self) -> Result<(), LogError> {
        if self.is_roll_due {
            let next = self.current.next_index();
            let segment = Segment::create(&self.disk, &self.names, next)?;
            let full = std::mem::replace(&mut self.current, segment);
            self.closed.push((full.path().to_owned(), next - 1));
            self.is_roll_due = false;
        }
        Ok(())
    }
}

/// How the files are called.
#[derive(Clone, Debug)]
struct Names {
    dir: PathBuf,
    prefix: &'static str,
}

/// What a file of the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Vote,
    Snapshot(u64),
    Segment(u64),
    /// Half written; void.
    Temporary,
}

/// Digits of an index in a file's name.
const INDEX_DIGITS: usize = 20;

impl Names {
    fn vote(&self) -> PathBuf {
        self.dir.join(format!("{}.vote", self.prefix))
    }

    fn snapshot(&self, index: u64) -> PathBuf {
        self.dir.join(format!("{}.{index:0INDEX_DIGITS$}.snapshot", self.prefix))
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{}.{first:0INDEX_DIGITS$}.log", self.prefix))
    }

    /// The name that a file has until it is complete.
    fn temporary(&self) -> PathBuf {
        self.dir.join(format!("{}.tmp", self.prefix))
    }

    fn parse(&self, name: &str) -> Option<Kind> {
        let rest = name.strip_prefix(self.prefix)?.strip_prefix('.')?;
        match rest {
            "vote" => return Some(Kind::Vote),
            "tmp" => return Some(Kind::Temporary),
            _ => {}
        }
        let (digits, suffix) = rest.split_once('.')?;
        let is_index = digits.len() == INDEX_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
        let index = digits.parse().ok().filter(|_| is_index)?;
        match suffix {
            "snapshot" => Some(Kind::Snapshot(index)),
            "log" => Some(Kind::Segment(index)),
            _ => None,
        }
    }
}

/// Puts a whole file in place: after a crash it is as before or as now, never in between.
fn write_whole(
    disk: &dyn Disk,
    names: &Names,
    path: &Path,
    content: &[u8],
) -> Result<(), LogError> {
    let temporary = names.temporary();
    let file = disk.open(&temporary, crate::disk::OpenMode::Create).at("create", &temporary)?;
    file.set_len(0).at("empty", &temporary)?;
    file.write_all_at(&[std::io::IoSlice::new(content)], 0).at("write", &temporary)?;
    file.sync().at("sync", &temporary)?;
    disk.rename(&temporary, path).at("rename", &temporary)?;
    disk.sync_dir(&names.dir).at("sync", &names.dir)
}

/// Reads a whole file.
fn read_whole(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, LogError> {
    let file = disk.open(path, crate::disk::OpenMode::Read).at("open", path)?;
    let length = file.len().at("measure", path)?;
    let length = usize::try_from(length).map_err(|_| corrupt(path, 0, "is too large"))?;
    let mut content = vec![0; length];
    file.read_exact_at(&mut content, 0).at("read", path)?;
    Ok(content)
}

fn corrupt(path: &Path, position: u64, reason: impl Into<String>) -> LogError {
    LogError::Corrupt { path: path.to_owned(), position, reason: reason.into() }
}
