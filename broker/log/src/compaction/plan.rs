//! What of a log can be cleaned, whether it is worth it, and which segments go together.
//!
//! ```text
//!  start           first dirty                clean end      active        end
//!    ├── cleaned before ──┼──── not cleaned yet ────┼── too young ──┼── written ──┤
//!    └───────────── read and written anew ─────────┘      or not stable yet
//! ```
//!
//! Source: Kafka's `LogCleanerManager.cleanableOffsets`, `LogToClean`,
//! `Cleaner.groupSegmentsBySize`.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_types::{Offset, ProducerId, TimestampMs};

use super::filter::LastRecord;
use crate::config::LogConfig;
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::segment::{Home, Segment};

/// A log as compaction finds it: copied under the writer's lock, used without it.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) home: Arc<Home>,
    /// The settings in force.
    pub(crate) config: LogConfig,
    /// The log's start.
    pub(crate) start_offset: Offset,
    /// Below it, all transactions have ended, and all records are committed and on disk for certain.
    pub(crate) stable_end: Offset,
    /// All segments, ascending; the last is the active one.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The newest record of each producer that is remembered.
    pub(crate) producers: BTreeMap<ProducerId, LastRecord>,
}

/// A segment that is done with, and where the next one begins.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) segment: Arc<Segment>,
    pub(crate) size_bytes: u64,
    pub(crate) end: Offset,
}

impl Closed {
    pub(crate) fn new(segment: &Arc<Segment>, end: Offset) -> Closed {
        Closed { segment: Arc::clone(segment), size_bytes: segment.size_bytes(), end }
    }
}

/// What could be cleaned now.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) source: Source,
    /// Everything below was cleaned before.
    pub(crate) first_dirty: Offset,
    /// The base of the first segment that cannot be cleaned.
    pub(crate) clean_end: Offset,
    clean_bytes: u64,
    dirty_bytes: u64,
    is_overdue: bool,
}

impl Source {
    /// Base offset of the active segment.
    pub(crate) fn active_base(&self) -> Offset {
        self.segments.last().map_or(self.start_offset, |active| active.base_offset())
    }

    /// The segments that begin below `end`, but not the active one.
    pub(crate) fn closed_below(&self, end: Offset) -> Vec<Closed> {
        let next = self.segments.iter().skip(1).map(|next| next.base_offset());
        let closed = self.segments.iter().zip(next);
        closed
            .map(|(segment, end)| Closed::new(segment, end))
            .take_while(|closed| closed.segment.base_offset() < end)
            .collect()
    }
}

impl Plan {
    /// Looks at a log whose records below `checkpoint` (of `cleaner-offset-checkpoint`) were cleaned
    /// before. A checkpoint outside the log counts as none. `None` if there is nothing to clean.
    pub fn new(
        source: Source,
        checkpoint: Option<Offset>,
        now: TimestampMs,
    ) -> Result<Option<Plan>, LogError> {
        let first_dirty = checkpoint
            .filter(|offset| (source.start_offset..=source.active_base()).contains(offset))
            .unwrap_or(source.start_offset);
        let is_dirty = |closed: &Closed| closed.end > first_dirty;
        let mut cleanable = Vec::new();
        for closed in source.closed_below(source.active_base()) {
            let is_stable = closed.end <= source.stable_end;
            if !is_stable || (is_dirty(&closed) && is_young(&closed, &source.config, now)?) {
                break;
            }
            cleanable.push(closed);
        }
        // A segment that is in part dirty counts as dirty.
        let (dirty, clean): (Vec<_>, Vec<_>) = cleanable.into_iter().partition(is_dirty);
        let Some(clean_end) = dirty.last().map(|closed| closed.end) else {
            return Ok(None);
        };
        let size = |some: &[Closed]| some.iter().map(|closed| closed.size_bytes).sum();
        let (clean_bytes, dirty_bytes): (u64, u64) = (size(&clean), size(&dirty));
        let is_overdue = is_overdue(&dirty, &source.config, now)?;
        let plan = Plan { source, first_dirty, clean_end, clean_bytes, dirty_bytes, is_overdue };
        Ok((dirty_bytes > 0).then_some(plan))
    }

    /// The share of bytes not cleaned yet in those that can be, 0 to 1: the larger, the more urgent.
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 52 bits")]
    pub fn dirty_ratio(&self) -> f64 {
        self.dirty_bytes as f64 / self.clean_bytes.saturating_add(self.dirty_bytes).max(1) as f64
    }

    /// Whether it is worth it (`min.cleanable.dirty.ratio`) or due (`max.compaction.lag.ms`).
    pub fn is_due(&self) -> bool {
        self.is_overdue || self.dirty_ratio() > self.source.config.min_cleanable_dirty_ratio
    }

    /// The segments below `end` in groups, each to become one segment: as many in a row as fit the
    /// size of a segment and of its indexes, and whose offsets fit an `int32` counted from the first.
    pub(crate) fn groups(&self, end: Offset) -> Result<Vec<Vec<Closed>>, LogError> {
        let config = &self.source.config;
        let index_bytes_max = u64::from(config.segment_index_bytes);
        let mut groups: Vec<Vec<Closed>> = Vec::new();
        let mut sum = Sum::default();
        for closed in self.source.closed_below(end) {
            let grown = sum.plus(&closed)?;
            let fits = groups.last().and_then(|group| group.first()).is_some_and(|first| {
                grown.log_bytes <= u64::from(config.segment_bytes)
                    && grown.offset_index_bytes <= index_bytes_max
                    && grown.time_index_bytes <= index_bytes_max
                    && closed.end.since(first.segment.base_offset()) <= OFFSETS_MAX
            });
            match groups.last_mut() {
                Some(group) if fits => {
                    group.push(closed);
                    sum = grown;
                }
                Some(_) | None => {
                    sum = Sum::default().plus(&closed)?;
                    groups.push(vec![closed]);
                }
            }
        }
        Ok(groups)
    }
}

/// How many offsets the indexes of one segment can tell apart.
const OFFSETS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

/// Sizes of a group.
#[derive(Clone, Copy, Default)]
struct Sum {
    log_bytes: u64,
    offset_index_bytes: u64,
    time_index_bytes: u64,
}

impl Sum {
    fn plus(self, closed: &Closed) -> Result<Sum, LogError> {
        let segment = &closed.segment;
        let size = |kind| segment.file(kind)?.len().at("measure", segment.path(kind));
        let add = |sum: u64, more: u64| sum.saturating_add(more);
        Ok(Sum {
            log_bytes: add(self.log_bytes, closed.size_bytes),
            offset_index_bytes: add(self.offset_index_bytes, size(FileKind::OffsetIndex)?),
            time_index_bytes: add(self.time_index_bytes, size(FileKind::TimeIndex)?),
        })
    }
}

/// Whether a segment holds records younger than `min.compaction.lag.ms`.
fn is_young(closed: &Closed, config: &LogConfig, now: TimestampMs) -> Result<bool, LogError> {
    let lag = config.min_compaction_lag_ms;
    if lag <= 0 {
        return Ok(false);
    }
    let largest = closed.segment.largest_timestamp()?;
    Ok(largest.is_some_and(|(largest, _)| now.since_ms(largest) < lag))
}

/// Whether a segment begins with a batch older than `max.compaction.lag.ms`.
fn is_overdue(dirty: &[Closed], config: &LogConfig, now: TimestampMs) -> Result<bool, LogError> {
    let lag = config.max_compaction_lag_ms.max(0);
    for closed in dirty {
        let first = closed.segment.first_batch()?.and_then(|batch| batch.max_timestamp);
        if first.is_some_and(|first| now.since_ms(first) > lag) {
            return Ok(true);
        }
    }
    Ok(false)
}
