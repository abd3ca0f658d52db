//! The files of a segment: opening, naming and removing them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Segment;
use crate::disk::{Disk, File, InMemory, OpenMode, Patience};
use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileName, FileStage};
use crate::file_pool::PooledFile;
use crate::txn_index::TxnIndex;

impl Segment {
    /// One of the segment's files, opened if need be.
    pub(crate) fn file(&self, kind: FileKind) -> Result<Arc<dyn File>, LogError> {
        self.open_file(kind, OpenMode::Write)
    }

    /// The same for a reader with so much patience: who has none gets only a file that is open.
    pub(super) fn file_for(
        &self,
        kind: FileKind,
        patience: Patience,
    ) -> Result<Arc<dyn File>, LogError> {
        match patience {
            Patience::Waits => self.file(kind),
            Patience::Never => {
                let held = self.slot(kind).held();
                let held = held.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock));
                held.at_path("open at once", || self.path(kind))
            }
        }
    }

    /// The same to be read: who has no patience reads only what is in memory.
    pub(super) fn content_for(
        &self,
        kind: FileKind,
        patience: Patience,
    ) -> Result<Arc<dyn File>, LogError> {
        let file = self.file_for(kind, patience)?;
        Ok(match patience {
            Patience::Waits => file,
            Patience::Never => Arc::new(InMemory(file)),
        })
    }

    /// Whether there are files of the offset and the time index.
    pub(crate) fn has_index_files(&self) -> bool {
        self.has_index_files.load(Ordering::Acquire)
    }

    /// Makes the files of the offset and the time index, if there are none yet. Only the segment's
    /// writer does that. Returns whether it made any.
    pub(crate) fn make_index_files(&self) -> Result<bool, LogError> {
        if self.has_index_files.load(Ordering::Acquire) {
            return Ok(false);
        }
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
            self.open_file(kind, OpenMode::Create)?.set_len(0).at("empty", self.path(kind))?;
        }
        self.has_index_files.store(true, Ordering::Release);
        Ok(true)
    }

    pub(super) fn close_file(&self, kind: FileKind) {
        self.slot(kind).close();
    }

    const fn slot(&self, kind: FileKind) -> &PooledFile {
        match kind {
            FileKind::Log | FileKind::Snapshot | FileKind::TxnIndex => &self.log,
            FileKind::OffsetIndex => &self.offset_index,
            FileKind::TimeIndex => &self.time_index,
        }
    }

    fn open_file(&self, kind: FileKind, mode: OpenMode) -> Result<Arc<dyn File>, LogError> {
        let slot = self.slot(kind);
        slot.get(&self.home.pool, mode, || self.path(kind)).at_path("open", || self.path(kind))
    }

    /// Where one of the segment's files is.
    pub(crate) fn path(&self, kind: FileKind) -> PathBuf {
        self.home.path(FileName { offset: self.base_offset, kind, stage: self.stage })
    }

    /// The index of aborted transactions; `None` if there is none.
    pub(crate) fn txn_index(&self) -> Result<Option<&TxnIndex>, LogError> {
        if !self.has_txn_index.load(Ordering::Acquire) {
            return Ok(None);
        }
        self.txn_index_or_new().map(Some)
    }

    /// The index of aborted transactions, for its writer: made with its first entry.
    pub(crate) fn txn_index_or_new(&self) -> Result<&TxnIndex, LogError> {
        if let Some(index) = self.txn_index.get() {
            return Ok(index);
        }
        let path = self.path(FileKind::TxnIndex);
        let index =
            TxnIndex::open(Arc::clone(self.home.pool.disk()), path.clone()).at("open", path)?;
        self.has_txn_index.store(true, Ordering::Release);
        Ok(self.txn_index.get_or_init(|| index))
    }

    /// Gives files the names of another stage. With the log first: indexes without a log are swept
    /// at the next start, a log without indexes gets new ones. A file that is not there is passed
    /// over. Returns the new paths.
    ///
    /// # Errors
    /// The disk refused one name; the others are taken back, as far as it lets us.
    pub(crate) fn rename(
        &self,
        kinds: &[FileKind],
        stage: FileStage,
    ) -> Result<Vec<PathBuf>, LogError> {
        let mut renamed: Vec<(PathBuf, PathBuf)> = Vec::new();
        for &kind in kinds {
            let from = self.path(kind);
            let to = self.home.path(FileName { offset: self.base_offset, kind, stage });
            match self.home.disk().rename(&from, &to) {
                Ok(()) => renamed.push((from, to)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    for (before, after) in renamed.iter().rev() {
                        if let Err(error) = self.home.disk().rename(after, before) {
                            tracing::warn!(path = %after.display(), %error, "a file keeps its name");
                        }
                    }
                    return Err(error).at("rename", from);
                }
            }
        }
        Ok(renamed.into_iter().map(|(_, to)| to).collect())
    }
}

/// Removes files that a log has done with; one that is gone already is no error.
pub(crate) fn remove_files(disk: &dyn Disk, paths: &[PathBuf]) -> Result<(), LogError> {
    for path in paths {
        remove_file(disk, path)?;
    }
    Ok(())
}

pub(crate) fn remove_file(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        Ok(()) | Err(_) => Ok(()),
    }
}
