//! The side of a log that many share: reads, look-ups, and the offsets that bound them.
//!
//! A reader never waits for a writer's disk write: the offsets are atomics, the list of segments
//! is behind a lock that is held for a copy of one pointer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use millrace_types::{LeaderEpoch, Offset, TimestampMs};

use crate::epoch_cache::EpochCache;
use crate::error::{IoContext, LogError, ReadError};
use crate::file_name::FileKind;
use crate::segment::{FoundOffset, Home, Outcome, ReadRequest, Segment, Slice};
use crate::txn_index::AbortedTransaction;

/// A handle for reading one log. Cheap to clone; lives on when the writer is gone.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

/// What the writer publishes and the readers see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: Arc<Home>,
    /// By base offset; never empty. The last is the one that is written to.
    segments: RwLock<Vec<Arc<Segment>>>,
    start: AtomicU64,
    end: AtomicU64,
    high_watermark: AtomicU64,
    /// Where the oldest transaction begins that is not decided; `Offset::MAX` if there is none.
    first_unstable: AtomicU64,
    epochs: RwLock<EpochCache>,
    /// Which version of the epochs stands in their file.
    epochs_saved: Mutex<u64>,
}

/// How often a read is tried again because the segments changed under it.
const READ_ATTEMPTS: usize = 3;

impl LogReader {
    pub(crate) const fn new(shared: Arc<Shared>) -> LogReader {
        LogReader { shared }
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        load(&self.shared.start)
    }

    /// The offset of the next record to be appended.
    pub fn end_offset(&self) -> Offset {
        load(&self.shared.end)
    }

    /// The offset below which every record is committed, as far as this broker knows.
    pub fn high_watermark(&self) -> Offset {
        load(&self.shared.high_watermark)
    }

    /// The offset below which every transaction has ended; at most the high watermark.
    pub fn last_stable_offset(&self) -> Offset {
        load(&self.shared.first_unstable).min(self.high_watermark())
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        read(&self.shared.segments).iter().map(|segment| segment.size_bytes()).sum()
    }

    /// Whole batches from the one that holds `request.offset` on; `None` if none ends below the
    /// bound or fits. Never spans two segments: who wants more asks again at `next_offset`.
    ///
    /// # Errors
    /// The offset is outside the log, or the disk fails, or the reader has no patience.
    pub fn read(&self, request: &ReadRequest) -> Result<Option<Slice>, ReadError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.read_once(request) {
                // A segment that was taken out of the log meanwhile says nothing about the log.
                Err((segment, error)) => {
                    if attempts == READ_ATTEMPTS || self.shared.holds(&segment) {
                        return Err(error.into());
                    }
                }
                Ok(outcome) => return outcome,
            }
        }
    }

    fn read_once(
        &self,
        request: &ReadRequest,
    ) -> Result<Result<Option<Slice>, ReadError>, (Arc<Segment>, LogError)> {
        let (offset, start_offset, end_offset) =
            (request.offset, self.start_offset(), self.end_offset());
        if offset < start_offset || offset > end_offset {
            return Ok(Err(ReadError::OutOfRange { offset, start_offset, end_offset }));
        }
        let request = ReadRequest { upper_bound: request.upper_bound.min(end_offset), ..*request };
        let mut at = offset;
        while at < request.upper_bound {
            let Some((segment, next_base)) = self.shared.segment_at(at) else { break };
            match segment.read(&request, next_base) {
                Ok(Outcome::Slice(slice)) => return Ok(Ok(Some(slice))),
                Ok(Outcome::Withheld) => break,
                Ok(Outcome::Beyond) => {
                    let Some(next_base) = next_base else { break };
                    at = next_base;
                }
                Err(error) => return Err((segment, error)),
            }
        }
        Ok(Ok(None))
    }

    /// The first record at or after `timestamp`, below `upper_bound`.
    ///
    /// # Errors
    /// The disk fails.
    pub fn offset_by_timestamp(
        &self,
        timestamp: TimestampMs,
        upper_bound: Offset,
    ) -> Result<Option<FoundOffset>, LogError> {
        let start = self.start_offset();
        for segment in self.shared.segments() {
            if segment.largest_timestamp()?.is_none_or(|(largest, _)| largest < timestamp) {
                continue;
            }
            if let Some(found) = segment.find_by_timestamp(timestamp, start)? {
                return Ok(Some(found).filter(|found| found.offset < upper_bound));
            }
        }
        Ok(None)
    }

    /// The first of the records with the largest timestamp. Source: KIP-734.
    ///
    /// # Errors
    /// The disk fails.
    pub fn max_timestamp(&self, upper_bound: Offset) -> Result<Option<FoundOffset>, LogError> {
        let mut latest: Option<(TimestampMs, Arc<Segment>)> = None;
        for segment in self.shared.segments() {
            if let Some((timestamp, _)) = segment.largest_timestamp()?
                && latest.as_ref().is_none_or(|(largest, _)| timestamp > *largest)
            {
                latest = Some((timestamp, segment));
            }
        }
        let found = match latest {
            Some((_, segment)) => segment.find_largest_timestamp()?,
            None => None,
        };
        Ok(found.filter(|found| found.offset < upper_bound))
    }

    /// The aborted transactions that touch the offsets from `fetch_offset` on and below
    /// `upper_bound`, by where they begin: what a reader of committed records has to leave out.
    ///
    /// # Errors
    /// The disk fails.
    pub fn aborted_transactions(
        &self,
        fetch_offset: Offset,
        upper_bound: Offset,
    ) -> Result<Vec<AbortedTransaction>, LogError> {
        let mut transactions = Vec::new();
        for segment in self.shared.segments_from(fetch_offset) {
            let Some(index) = segment.txn_index()? else { continue };
            let found = index
                .aborted_in(fetch_offset, upper_bound)
                .at("read", segment.path(FileKind::TxnIndex))?;
            transactions.extend(found.transactions);
            if found.is_complete {
                break;
            }
        }
        transactions.sort();
        Ok(transactions)
    }

    /// The largest known epoch that is at most `epoch`, and where it ends. Source: KIP-101, KIP-279.
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        read(&self.shared.epochs).end_offset_for(epoch, self.end_offset())
    }

    /// The newest epoch in the log.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        read(&self.shared.epochs).latest()
    }

    /// The epoch of the leader that wrote the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        read(&self.shared.epochs).epoch_of(offset)
    }
}

impl Shared {
    pub(crate) fn new(home: Arc<Home>, segments: Vec<Arc<Segment>>, epochs: EpochCache) -> Shared {
        Shared {
            home,
            segments: RwLock::new(segments),
            start: AtomicU64::new(0),
            end: AtomicU64::new(0),
            high_watermark: AtomicU64::new(0),
            first_unstable: AtomicU64::new(Offset::MAX.get()),
            epochs: RwLock::new(epochs),
            epochs_saved: Mutex::new(0),
        }
    }

    pub(crate) fn set_start(&self, offset: Offset) {
        self.start.store(offset.get(), Ordering::Release);
    }

    pub(crate) fn set_end(&self, offset: Offset) {
        self.end.store(offset.get(), Ordering::Release);
    }

    pub(crate) fn set_high_watermark(&self, offset: Offset) {
        self.high_watermark.store(offset.get(), Ordering::Release);
    }

    pub(crate) fn set_first_unstable(&self, offset: Option<Offset>) {
        self.first_unstable.store(offset.unwrap_or(Offset::MAX).get(), Ordering::Release);
    }

    /// All segments, as they are now.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        read(&self.segments).clone()
    }

    /// Changes the list of segments; only the writer does.
    pub(crate) fn change_segments<T>(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>) -> T) -> T {
        change(&mut write(&self.segments))
    }

    /// Looks at the epochs.
    pub(crate) fn epochs(&self) -> EpochCache {
        read(&self.epochs).clone()
    }

    /// Changes the epochs; only the writer does.
    pub(crate) fn change_epochs<T>(&self, change: impl FnOnce(&mut EpochCache) -> T) -> T {
        change(&mut write(&self.epochs))
    }

    /// Takes over what `other` has found in the same directory; its epochs stand in their file as
    /// `version`. What is published must not lie behind its end any more.
    pub(crate) fn adopt(&self, other: &Shared, version: u64) {
        *self.epochs_saved.lock().unwrap_or_else(PoisonError::into_inner) = version;
        let epochs = other.epochs();
        self.change_epochs(|held| *held = epochs);
        let segments = other.segments();
        self.change_segments(|held| *held = segments);
        self.set_end(load(&other.end));
        let start = load(&self.start).max(load(&other.start));
        self.set_start(start);
        self.first_unstable.store(load(&other.first_unstable).get(), Ordering::Release);
    }

    /// Writes the file of the epochs, unless a later version was faster.
    pub(crate) fn save_epochs(&self, epochs: &EpochCache, version: u64) -> Result<(), LogError> {
        let mut saved = self.epochs_saved.lock().unwrap_or_else(PoisonError::into_inner);
        if *saved < version {
            epochs.save(self.home.disk(), &self.home.dir)?;
            *saved = version;
        }
        Ok(())
    }

    /// The segment that holds `offset` and where the next one begins.
    fn segment_at(&self, offset: Offset) -> Option<(Arc<Segment>, Option<Offset>)> {
        let segments = read(&self.segments);
        let after = segments.partition_point(|segment| segment.base_offset() <= offset);
        // Compaction may leave nothing at the front: then the first segment is the next one.
        let index = after.saturating_sub(1);
        let next_base = segments.get(index + 1).map(|segment| segment.base_offset());
        segments.get(index).map(|segment| (Arc::clone(segment), next_base))
    }

    /// The segments from the one that holds `offset` on.
    pub(crate) fn segments_from(&self, offset: Offset) -> Vec<Arc<Segment>> {
        let segments = read(&self.segments);
        let after = segments.partition_point(|segment| segment.base_offset() <= offset);
        segments.get(after.saturating_sub(1)..).unwrap_or_default().to_vec()
    }

    fn holds(&self, segment: &Arc<Segment>) -> bool {
        read(&self.segments).iter().any(|held| Arc::ptr_eq(held, segment))
    }
}

fn load(offset: &AtomicU64) -> Offset {
    Offset::new(offset.load(Ordering::Acquire))
}

/// Whoever panicked while holding one of these locks changed nothing by halves.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
