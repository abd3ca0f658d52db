//! One segment of a log: a file of batches from a base offset on, and its indexes.
//!
//! A segment is shared by its writer and all readers. What readers need of the newest batches is in
//! memory behind a short lock, so that reading the tail touches no file but the one to be sent.
//! Its files are in `files`, writing in `writer`, reading in `read`; which segments there are is the
//! log's business.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::BatchHeader;

use crate::disk::{Disk, OpenMode, Patience};
use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileName, FileStage};
use crate::file_pool::{FilePool, PooledFile};
use crate::offset_index::OffsetEntry;
use crate::sparse_index::{self, SparseIndex};
use crate::time_index::TimeEntry;
use crate::txn_index::TxnIndex;

mod files;
mod read;
mod rebuild;
mod scan;
mod timestamp;
mod walk;
mod writer;

pub(crate) use files::{remove_file, remove_files};
pub(crate) use read::Outcome;
pub use read::{ReadRequest, Slice};
pub(crate) use scan::{ScanEnd, Scanner};
pub use timestamp::{FoundOffset, LOOK_UP_BYTES_MAX};
pub(crate) use writer::{Incoming, SegmentWriter, WriteError};

/// Batches at the tail whose place is kept in memory.
const RECENT_MAX: usize = 32;

/// The directory that the segments of one log are in.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) pool: Arc<FilePool>,
    pub(crate) dir: PathBuf,
}

impl Home {
    pub(crate) fn disk(&self) -> &dyn Disk {
        &**self.pool.disk()
    }

    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.dir.join(name.to_string())
    }
}

/// Where a batch stands in its segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchPlace {
    pub(crate) position: u64,
    pub(crate) size_bytes: u64,
    pub(crate) base_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: Option<TimestampMs>,
}

impl BatchPlace {
    pub(crate) fn new(header: &BatchHeader, position: u64) -> BatchPlace {
        BatchPlace {
            position,
            size_bytes: header.size_bytes as u64,
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
        }
    }

    /// Where the next batch begins in the file.
    pub(crate) fn end(&self) -> u64 {
        self.position.saturating_add(self.size_bytes)
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.last_offset.plus(1)
    }
}

/// Which files a segment has besides its log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Files {
    /// The offset and the time index.
    pub(crate) has_index: bool,
    /// The index of aborted transactions.
    pub(crate) has_txn_index: bool,
}

/// A file of batches and its indexes.
#[derive(Debug)]
pub(crate) struct Segment {
    home: Arc<Home>,
    base_offset: Offset,
    stage: FileStage,
    log: PooledFile,
    offset_index: PooledFile,
    time_index: PooledFile,
    /// Whether the offset and time index have files: an empty segment needs none.
    has_index_files: AtomicBool,
    /// Whether a transaction index exists; it rarely does.
    has_txn_index: AtomicBool,
    txn_index: OnceLock<TxnIndex>,
    tail: Mutex<Tail>,
}

/// What changes while a segment is written to.
#[derive(Debug)]
struct Tail {
    /// Bytes of whole batches in the file.
    size_bytes: u64,
    /// The offset after the last batch; `None` if that was not read yet.
    end_offset: Option<Offset>,
    /// `None` if the files were not looked at yet.
    indexes: Option<Indexes>,
    /// The last batches, one behind the other up to the end.
    recent: VecDeque<BatchPlace>,
}

#[derive(Debug)]
struct Indexes {
    offsets: SparseIndex<OffsetEntry>,
    times: SparseIndex<TimeEntry>,
    /// The batch with the largest timestamp; perhaps not in the time index yet.
    largest: Option<TimeEntry>,
}

impl Indexes {
    const fn empty() -> Indexes {
        Indexes {
            offsets: SparseIndex::new(0, None),
            times: SparseIndex::new(0, None),
            largest: None,
        }
    }
}

impl Segment {
    /// Makes a new segment; what was left there under its names goes.
    pub(crate) fn create(
        home: Arc<Home>,
        base_offset: Offset,
        stage: FileStage,
    ) -> Result<Segment, LogError> {
        let tail = Tail {
            size_bytes: 0,
            end_offset: Some(base_offset),
            indexes: Some(Indexes::empty()),
            recent: VecDeque::new(),
        };
        let segment = Segment::with_tail(home, base_offset, stage, tail);
        // A log alone is a whole segment as long as it is empty: many partitions are.
        match segment
            .log
            .get(&segment.home.pool, OpenMode::CreateNew, || segment.path(FileKind::Log))
        {
            Ok(_) => Ok(segment),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                segment.remove_leftovers()?;
                Ok(segment)
            }
            Err(error) => Err(error).at("make", segment.path(FileKind::Log)),
        }
    }

    fn remove_leftovers(&self) -> Result<(), LogError> {
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex] {
            remove_file(self.home.disk(), &self.path(kind))?;
        }
        self.file(FileKind::Log)?.set_len(0).at("empty", self.path(FileKind::Log))
    }

    /// Takes the files of a segment that is there; looks at nothing but the length of its log.
    pub(crate) fn open(
        home: Arc<Home>,
        base_offset: Offset,
        stage: FileStage,
        files: Files,
    ) -> Result<Segment, LogError> {
        let tail = Tail { size_bytes: 0, end_offset: None, indexes: None, recent: VecDeque::new() };
        let segment = Segment::with_tail(home, base_offset, stage, tail);
        let length = segment.file_size()?;
        {
            let mut tail = segment.lock();
            tail.size_bytes = length;
            if !files.has_index || length == 0 {
                tail.indexes = Some(Indexes::empty());
            }
        }
        segment.has_index_files.store(files.has_index, Ordering::Relaxed);
        segment.has_txn_index.store(files.has_txn_index, Ordering::Relaxed);
        Ok(segment)
    }

    fn with_tail(home: Arc<Home>, base_offset: Offset, stage: FileStage, tail: Tail) -> Segment {
        Segment {
            home,
            base_offset,
            stage,
            log: PooledFile::default(),
            offset_index: PooledFile::default(),
            time_index: PooledFile::default(),
            has_index_files: AtomicBool::new(false),
            has_txn_index: AtomicBool::new(false),
            txn_index: OnceLock::new(),
            tail: Mutex::new(tail),
        }
    }

    /// The offset in the files' names: no batch begins below it.
    pub(crate) const fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Bytes of whole batches.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.lock().size_bytes
    }

    /// The largest timestamp of the segment's records and the last offset of its batch.
    pub(crate) fn largest_timestamp(&self) -> Result<Option<(TimestampMs, Offset)>, LogError> {
        self.load_indexes(Patience::Waits)?;
        let tail = self.lock();
        let largest = tail.indexes.as_ref().and_then(|indexes| indexes.largest);
        Ok(largest.map(|entry| (entry.timestamp, self.absolute(entry.relative_offset))))
    }

    /// When the log file was last changed, by the disk's clock.
    pub(crate) fn modified(&self) -> Result<TimestampMs, LogError> {
        let path = self.path(FileKind::Log);
        self.home.disk().modified_ms(&path).map(TimestampMs::new).at("look at", path)
    }

    /// Reads the ends of the index files, once.
    fn load_indexes(&self, patience: Patience) -> Result<(), LogError> {
        if self.lock().indexes.is_some() {
            return Ok(());
        }
        let read = |kind| Ok::<_, LogError>((self.content_for(kind, patience)?, self.path(kind)));
        let (file, path) = read(FileKind::OffsetIndex)?;
        let (count, last) = sparse_index::read_last(&*file).at("read", path)?;
        let offsets = SparseIndex::new(count, last);
        let (file, path) = read(FileKind::TimeIndex)?;
        let (count, largest) = sparse_index::read_last(&*file).at("read", path)?;
        let times = SparseIndex::new(count, largest);
        // Another reader may have been faster: both read the same.
        self.lock().indexes.get_or_insert(Indexes { offsets, times, largest });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Tail> {
        // Whoever panicked while holding the lock left the tail whole: its updates are assignments.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An offset as the indexes count; `None` if it is too far from the base.
    fn relative(&self, offset: Offset) -> Option<u32> {
        // Kafka reads the number as signed.
        u32::try_from(offset.since(self.base_offset)).ok().filter(|&relative| relative < 1 << 31)
    }

    fn absolute(&self, relative: u32) -> Offset {
        self.base_offset.plus(u64::from(relative))
    }

    fn corrupt(&self, position: u64, reason: &dyn Display) -> LogError {
        let path = self.path(FileKind::Log);
        LogError::Corrupt { path, position, reason: reason.to_string() }
    }
}
