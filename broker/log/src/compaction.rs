//! Compaction: of each key only the last record stays.
//!
//! Works on segments that are done with, beside the writer and without its lock: only taking the
//! [`Source`] and putting a finished segment into place happen under it, and both are short.
//!
//! ```text
//! log.flush()?;                                               // as ever
//! let source = log.compaction_source();                       // writer's lock
//! let Some(plan) = Plan::new(source, checkpoint, now)? else { .. };
//! let mut cleaning = Cleaning::begin(plan, &options, now)?;   // reads what is not cleaned yet
//! while let Some(cleaned) = cleaning.next_segment()? {        // reads and writes all
//!     deletions.extend(log.replace(cleaned, now)?);           // writer's lock
//! }
//! checkpoint = cleaning.end_offset();                         // into cleaner-offset-checkpoint
//! ```
//!
//! A record goes only for a later one that is flushed, or a power cut could take both. Differs from
//! Kafka, which leaves that to the other replicas.
//!
//! On disk, so that a crash at any step leaves the old segments or the new one:
//! 1. the new segment is written as `.cleaned` and synced with its names: void at a restart;
//! 2. its files are renamed to `.swap`, names synced: from here on a restart completes the rest;
//! 3. the old segments are renamed to `.deleted`, names synced, so that none shows up beside
//! 4. the new segment, which loses its `.swap`; names synced.
//!
//! Source: Kafka's `LogCleaner`, `Cleaner`; KIP-58, KIP-354, KIP-534.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millrace_types::{Offset, TimestampMs};

use crate::error::LogError;
use crate::file_name::{FileKind, FileName, FileStage};
use crate::segment::{Segment, remove_files};

mod filter;
mod offset_map;
mod output;
mod pass;
mod plan;
mod transactions;

pub use filter::LastRecord;
pub use plan::{Plan, Source};

use filter::Filter;
use offset_map::OffsetMap;
use output::Output;
use plan::Closed;
use transactions::Transactions;

/// The name of the checkpoint of what was cleaned, in the log directory.
pub const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// Bounds of one compaction.
#[derive(Clone, Copy, Debug)]
pub struct CompactionOptions<'a> {
    /// Memory for the keys (`log.cleaner.dedupe.buffer.size`); if they are more, several passes are
    /// needed.
    pub dedupe_bytes_max: usize,
    /// Bound for the records of one batch when decompressed.
    pub batch_bytes_max: usize,
    /// Becomes true when the work is to stop.
    pub is_cancelled: &'a AtomicBool,
}

/// Why a compaction did not come to its end. The log is as good as before.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// It was asked to stop.
    #[error("compaction was cancelled")]
    Cancelled,
    /// The disk failed or a segment is damaged: it stays as it is.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A batch is as it was written, and yet cannot be read: whoever sent it made it so.
    #[error(
        "the batch at offset {base_offset} in {} cannot be read, though its checksum is right, so \
         that its producer has sent it so: {reason}",
        path.display()
    )]
    Batch {
        /// The file.
        path: PathBuf,
        /// The batch.
        base_offset: Offset,
        /// What is wrong with it.
        reason: String,
    },
}

/// A segment that is ready to take the place of others.
#[derive(Debug)]
pub struct Cleaned {
    pub(crate) segment: Arc<Segment>,
    /// The segments that it stands for, ascending, and their sizes when they were read.
    pub(crate) replaced: Vec<(Arc<Segment>, u64)>,
}

/// One pass over a log: everything from its start up to where the keys fit into memory.
#[derive(Debug)]
pub struct Cleaning<'a> {
    plan: Plan,
    options: CompactionOptions<'a>,
    now: TimestampMs,
    map: OffsetMap,
    map_end: Offset,
    transactions: Transactions,
    groups: VecDeque<Vec<Closed>>,
}

impl<'a> Cleaning<'a> {
    /// Reads what is not cleaned yet and notes the last offset of each key.
    ///
    /// `now` stamps the delete horizons and says which of them have passed.
    pub fn begin(
        plan: Plan,
        options: &CompactionOptions<'a>,
        now: TimestampMs,
    ) -> Result<Cleaning<'a>, CompactionError> {
        let aborted = pass::aborted_transactions(&plan.source)?;
        let keys_max = plan.clean_end.since(plan.first_dirty);
        let mut map = OffsetMap::new(keys_max, options.dedupe_bytes_max);
        let map_end = pass::fill(&mut map, &plan, aborted.clone(), options)?;
        let groups = plan.groups(map_end)?.into();
        let transactions = Transactions::new(aborted);
        Ok(Cleaning { plan, options: *options, now, map, map_end, transactions, groups })
    }

    /// Cleans the next group of segments; `None` after the last. Groups that compaction would not
    /// change are passed over.
    pub fn next_segment(&mut self) -> Result<Option<Cleaned>, CompactionError> {
        while let Some(group) = self.groups.pop_front() {
            let Some(base_offset) = group.first().map(|first| first.segment.base_offset()) else {
                continue;
            };
            let written = self.clean_group(base_offset, &group);
            if !matches!(written, Ok(Some(_))) {
                self.discard(base_offset);
            }
            if let Some(segment) = written? {
                let old = group.into_iter().map(|closed| (closed.segment, closed.size_bytes));
                return Ok(Some(Cleaned { segment, replaced: old.collect() }));
            }
        }
        Ok(None)
    }

    /// Where the next compaction goes on: all below is cleaned once every segment is in place.
    pub const fn end_offset(&self) -> Offset {
        self.map_end
    }

    /// Writes what is kept of a group; `None` if that is all of a single segment.
    fn clean_group(
        &mut self,
        base_offset: Offset,
        group: &[Closed],
    ) -> Result<Option<Arc<Segment>>, CompactionError> {
        let source = &self.plan.source;
        let interval = source.config.index_interval_bytes;
        let mut output = Output::create(&source.home, base_offset, interval, self.now)?;
        let filter = Filter {
            map: &self.map,
            map_end: self.map_end,
            group_end: group_end(group)?,
            producers: &self.plan.source.producers,
            now: self.now,
            delete_retention_ms: self.plan.source.config.delete_retention_ms,
            batch_bytes_max: self.options.batch_bytes_max,
        };
        for closed in group {
            pass::each_batch(closed, self.options.is_cancelled, |batch| {
                let kept = filter.keep(batch, &mut self.transactions)?;
                output.append(batch, &kept)?;
                Ok(true)
            })?;
        }
        if group.len() == 1 && !output.is_changed {
            return Ok(None);
        }
        Ok(Some(output.finish(&source.home)?))
    }

    /// Removes what was written of a group; a restart would do so too.
    fn discard(&self, base_offset: Offset) {
        let home = &self.plan.source.home;
        let stage = FileStage::Cleaned;
        let paths: Vec<_> = FileKind::OF_SEGMENT
            .into_iter()
            .map(|kind| home.path(FileName { offset: base_offset, kind, stage }))
            .collect();
        if let Err(error) = remove_files(home.disk(), &paths) {
            tracing::warn!(%error, "leaving files of an unfinished compaction behind");
        }
    }
}

/// Where the last batch of a group ends. What takes the place of the group ends there too, so that a
/// restart in the midst of it knows which segments it stands for.
///
/// Differs from Kafka, which keeps the last batch of a whole pass only.
fn group_end(group: &[Closed]) -> Result<Offset, LogError> {
    let last = group.iter().rev().find(|closed| closed.size_bytes > 0);
    last.map_or(Ok(Offset::ZERO), |closed| closed.segment.end_offset())
}

#[cfg(test)]
mod tests;
