//! Makes a log whole after a crash: reads what was not flushed, cuts at the first bad batch, makes
//! the indexes, the epochs and the producers' state anew.
//!
//! ```text
//!   below the recovery point          behind it
//! ├───────────────────┬──────────────┬───────────────────┬─ ─ ─ ─
//! │ nothing is read   │ headers only │ checksums too     │ bad: cut
//! └───────────────────┴──────────────┴───────────────────┴─ ─ ─ ─
//!                     newest snapshot recovery point
//! ```
//! The flush writes batches before indexes and indexes before snapshots (see `flush`), so below the
//! newest snapshot that is not above the recovery point the indexes are good.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::{Batch, BatchHeader};

use super::append::note_aborted;
use crate::config::LogConfig;
use crate::disk::Patience;
use crate::epoch_cache::EpochCache;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::new_batch::producer_batch_of;
use crate::producer_state::{ProducerSnapshots, ProducerState};
use crate::segment::{BatchPlace, Home, ScanEnd, Scanner, Segment, SegmentWriter, remove_files};

/// How far the opening of a log got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Bytes read so far.
    pub bytes_done: u64,
    /// Bytes to read in all.
    pub bytes_total: u64,
}

/// What recovery works on.
pub(super) struct Recovery<'a> {
    pub(super) home: &'a Arc<Home>,
    pub(super) config: &'a LogConfig,
    pub(super) expiration_ms: i64,
    pub(super) recovery_point: Offset,
    pub(super) start_offset: Offset,
    pub(super) high_watermark: Offset,
    pub(super) now: TimestampMs,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) without_index: BTreeSet<Offset>,
    pub(super) snapshots: ProducerSnapshots,
    pub(super) epochs: EpochCache,
    pub(super) producers: ProducerState,
    /// Segments whose files were written to.
    pub(super) touched: Vec<Arc<Segment>>,
    /// Whether files were removed or made.
    pub(super) has_new_names: bool,
    pub(super) progress: RecoveryProgress,
    pub(super) report: &'a mut dyn FnMut(RecoveryProgress),
}

/// What is reported, in bytes, between two calls of the progress function.
const REPORT_EVERY_BYTES: u64 = 1 << 20;

impl Recovery<'_> {
    /// Recovers the whole log.
    pub(super) fn run(&mut self) -> Result<(), LogError> {
        self.producers = self
            .snapshots
            .load(self.start_offset, self.recovery_point, self.now, self.expiration_ms)
            .at("load snapshots of", &self.home.dir)?;
        self.producers.set_high_watermark(self.high_watermark);
        // Without a snapshot nothing vouches for any index.
        let trusted = self.snapshots.offsets().next_back().unwrap_or_default();
        let after = self.segments.partition_point(|at| at.base_offset() <= self.recovery_point);
        let floor = after.saturating_sub(1);
        if trusted < self.recovery_point && self.segments.iter().any(|at| at.size_bytes() > 0) {
            // A snapshot that is gone must not come back and vouch for what is written now.
            self.home.disk().sync_dir(&self.home.dir).at("sync", &self.home.dir)?;
        }
        self.distrust_last_rolled(floor, trusted);
        let floor_base = self.segments.get(floor).map_or(Offset::ZERO, |at| at.base_offset());
        self.make_indexes(|base| base < floor_base)?;
        let from = trusted.max(floor_base);
        self.epochs.truncate_from_end(from);
        replay(&self.segments, &mut self.producers, from.min(floor_base), self.now)?;
        self.scan_from(floor, from)
    }

    /// Makes the indexes of segments that lack them, among those selected. No more than that: such
    /// segments were flushed, and nothing of them or behind them is cut.
    pub(super) fn make_indexes(
        &mut self,
        is_selected: impl Fn(Offset) -> bool,
    ) -> Result<(), LogError> {
        for segment in &self.segments {
            let base = segment.base_offset();
            if !is_selected(base) || !self.without_index.remove(&base) {
                continue;
            }
            let path = segment.path(FileKind::Log);
            tracing::info!(path = %path.display(), "making the indexes of a segment anew");
            let end = segment.remake_indexes(self.config.index_interval_bytes)?;
            if let ScanEnd::Bad { position, reason } = end {
                tracing::warn!(path = %path.display(), position, reason,
                    "what follows in this segment cannot be read");
            }
        }
        Ok(())
    }

    /// The segment before the first one to be read may have been rolled when the last flush was under
    /// way: then its batches were flushed, but not its last index entries.
    fn distrust_last_rolled(&mut self, floor: usize, trusted: Offset) {
        let base_of = |index: usize| self.segments.get(index).map(|at| at.base_offset());
        let rolled = floor.checked_sub(1).and_then(base_of);
        if let (Some(rolled), Some(floor_base)) = (rolled, base_of(floor))
            && self.recovery_point == floor_base
            && trusted < floor_base
        {
            self.without_index.insert(rolled);
        }
    }

    fn scan_from(&mut self, floor: usize, from: Offset) -> Result<(), LogError> {
        let scanned = self.segments.get(floor..).unwrap_or_default().to_vec();
        self.progress.bytes_total = scanned.iter().map(|segment| segment.size_bytes()).sum();
        let mut end_offset = None;
        for (index, segment) in scanned.iter().enumerate() {
            if index > 0 {
                if self.is_gap(end_offset, segment.base_offset()) {
                    return self.drop_from(floor + index);
                }
                self.producers.advance_to(segment.base_offset());
                self.snapshots.take(&self.producers);
            }
            let from = from.max(segment.base_offset());
            let scanned_end = self.scan(segment, from)?;
            end_offset = Some(segment.end_offset()?);
            if let ScanEnd::Bad { position, reason } = scanned_end {
                let path = segment.path(FileKind::Log);
                let cut_bytes = segment.file_size()?.saturating_sub(position);
                tracing::warn!(path = %path.display(), position, cut_bytes, reason,
                    "cutting the log at its first bad batch");
                let file = segment.file(FileKind::Log)?;
                file.set_len(position).at("cut", &path)?;
                // What is cut must not come back beside what is written there next.
                file.sync().at("sync", path)?;
                return self.drop_from(floor + index + 1);
            }
        }
        (self.report)(RecoveryProgress { bytes_done: self.progress.bytes_total, ..self.progress });
        Ok(())
    }

    /// Whether records are missing between two segments. Compaction leaves gaps, and so does a
    /// leader that compacted; elsewhere the end of a segment was lost that was not flushed.
    fn is_gap(&self, end_offset: Option<Offset>, next_base: Offset) -> bool {
        let Some(end_offset) = end_offset else { return false };
        let is_lost = next_base > end_offset
            && next_base > self.recovery_point
            && !self.config.cleanup.compacts;
        if is_lost || next_base < end_offset {
            tracing::warn!(dir = %self.home.dir.display(), %end_offset, %next_base,
                "the log ends where a segment is incomplete");
        }
        is_lost || next_base < end_offset
    }

    /// Removes the segments from the given one on, the last first and each for good before the next:
    /// a hole must never be left.
    pub(super) fn drop_from(&mut self, index: usize) -> Result<(), LogError> {
        for segment in self.segments.split_off(index.min(self.segments.len())).iter().rev() {
            self.has_new_names = true;
            let path = segment.path(FileKind::Log);
            tracing::warn!(path = %path.display(), "removing a segment behind the log's end");
            let paths = FileKind::OF_SEGMENT.map(|kind| segment.path(kind));
            remove_files(self.home.disk(), &paths)?;
            self.home.disk().sync_dir(&self.home.dir).at("sync", &self.home.dir)?;
        }
        (self.report)(RecoveryProgress { bytes_done: self.progress.bytes_total, ..self.progress });
        Ok(())
    }

    /// Reads one segment; takes in what stands at or behind `from`.
    fn scan(&mut self, segment: &Arc<Segment>, from: Offset) -> Result<ScanEnd, LogError> {
        let file_size = segment.file_size()?;
        let lacks_index = self.without_index.contains(&segment.base_offset());
        let index_from = if lacks_index { segment.base_offset() } else { from };
        let mut writer = SegmentWriter::rebuild(Arc::clone(segment), index_from, self.now)?;
        if let Some(index) = segment.txn_index()? {
            index.truncate(from).at("cut", segment.path(FileKind::TxnIndex))?;
        }
        let mut scanner = Scanner::new(segment, segment.size_bytes(), file_size)?;
        let mut expected = segment.base_offset();
        self.progress.bytes_done += scanner.position();
        let mut reported = self.progress.bytes_done;
        let end = loop {
            let position = scanner.position();
            let batch = match scanner.next_batch()? {
                Ok(batch) => batch,
                Err(end) => break end,
            };
            if let Err(reason) = self.check(&batch, segment, expected) {
                break ScanEnd::Bad { position, reason };
            }
            let header = *batch.header();
            expected = header.next_offset();
            writer
                .take_in(&BatchPlace::new(&header, position), self.config.index_interval_bytes)?;
            if header.base_offset >= from {
                self.take_in(segment, &batch)?;
            }
            self.progress.bytes_done += header.size_bytes as u64;
            if self.progress.bytes_done - reported >= REPORT_EVERY_BYTES {
                reported = self.progress.bytes_done;
                (self.report)(self.progress);
            }
        };
        if file_size > 0 || segment.has_index_files() {
            self.touched.push(Arc::clone(segment));
        }
        let is_last = self.segments.last().is_some_and(|last| Arc::ptr_eq(last, segment));
        if is_last {
            writer.write_indexes()?;
        } else {
            writer.complete_indexes()?;
        }
        Ok(end)
    }

    fn check(&self, batch: &Batch<'_>, segment: &Segment, expected: Offset) -> Result<(), String> {
        let header: &BatchHeader = batch.header();
        if header.base_offset < expected {
            return Err(format!("batch at offset {} where {expected} is due", header.base_offset));
        }
        if !segment.can_hold(header.last_offset()) {
            let (last, base) = (header.last_offset(), segment.base_offset());
            return Err(format!("offset {last} is too far from the segment's base {base}"));
        }
        // What was flushed is taken as it is: only its readers can tell whether it rots.
        if header.next_offset() > self.recovery_point {
            batch.verify_crc().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn take_in(&mut self, segment: &Segment, batch: &Batch<'_>) -> Result<(), LogError> {
        let header = batch.header();
        if let Some(epoch) = header.leader_epoch
            && self.epochs.latest().is_none_or(|latest| epoch > latest)
        {
            self.epochs.assign(epoch, header.base_offset);
        }
        if let Some(producer_batch) = producer_batch_of(batch)
            && let Some(completed) = self.producers.update(&producer_batch, self.now)
        {
            note_aborted(segment, &completed)?;
        }
        self.producers.advance_to(header.next_offset());
        Ok(())
    }
}

/// Tells the producers' state of the batches from its own end up to `end`, which are known good.
pub(super) fn replay(
    segments: &[Arc<Segment>],
    producers: &mut ProducerState,
    end: Offset,
    now: TimestampMs,
) -> Result<(), LogError> {
    for (index, segment) in segments.iter().enumerate() {
        let next_base = segments.get(index + 1).map(|next| next.base_offset());
        let from = producers.end_offset();
        if segment.base_offset() >= end || next_base.is_some_and(|next| next <= from) {
            continue;
        }
        let size_bytes = segment.size_bytes();
        let Some(first) = segment.first_batch_reaching(from, size_bytes, Patience::Waits)? else {
            continue;
        };
        let mut scanner = Scanner::new(segment, first.position, size_bytes)?;
        loop {
            match scanner.next_batch()? {
                Ok(batch) if batch.header().base_offset >= end => break,
                Ok(batch) => {
                    if let Some(producer_batch) = producer_batch_of(&batch) {
                        producers.update(&producer_batch, now);
                    }
                    producers.advance_to(batch.header().next_offset());
                }
                Err(ScanEnd::Complete) => break,
                Err(ScanEnd::Bad { position, reason }) => {
                    // Rotten, but flushed once: the rest of the log is worth more than this.
                    let path = segment.path(FileKind::Log);
                    tracing::warn!(path = %path.display(), position, reason,
                        "producers of a rotten part of the log are not known");
                    break;
                }
            }
        }
    }
    producers.advance_to(end);
    Ok(())
}
