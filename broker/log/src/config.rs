//! The settings of a topic that its logs obey, by Kafka's names in snake case.
//!
//! Values are parsed and checked where configs live (`core/config`); here they are taken as valid.

/// The settings of one log. May be exchanged while the log is in use: see `Log::set_config`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment that would outgrow this is rolled. At most `i32::MAX`.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment that spans more is rolled.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: each segment is rolled by a random time up to this earlier.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment whose indexes reach this is rolled.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: how much log there is between two entries of the offset index.
    pub index_interval_bytes: u32,
    /// `cleanup.policy`.
    pub cleanup: CleanupPolicy,
    /// `retention.ms`; `None` keeps records of any age.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` keeps any number of bytes.
    pub retention_bytes: Option<u64>,
    /// `file.delete.delay.ms`: how long the files of a removed segment stay.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: after so many records the log is flushed before it answers.
    pub flush_messages: u64,
    /// `flush.ms`: records older than this are flushed; `None` leaves it to the system.
    pub flush_ms: Option<i64>,
    /// `min.compaction.lag.ms`: records younger than this are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: records older than this are due for compaction.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: share of uncompacted bytes that makes a log due.
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`: how long tombstones and markers outlive their compaction.
    pub delete_retention_ms: i64,
}

/// What happens to old records: `cleanup.policy`. With neither they stay for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted by time and size.
    pub deletes: bool,
    /// Of each key only the last record is kept.
    pub compacts: bool,
}

impl LogConfig {
    /// How much time a segment may span: what must be compacted by `max.compaction.lag.ms` has to
    /// leave the active segment by then.
    ///
    /// Source: `LogConfig.maxSegmentMs`.
    pub(crate) fn segment_ms_max(&self) -> i64 {
        let is_bounded = self.cleanup.compacts && self.max_compaction_lag_ms > 0;
        if is_bounded { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: DAY_MS * 7,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            cleanup: CleanupPolicy { deletes: true, compacts: false },
            retention_ms: Some(DAY_MS * 7),
            retention_bytes: None,
            file_delete_delay_ms: 60_000,
            flush_messages: u64::MAX,
            flush_ms: None,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention_ms: DAY_MS,
        }
    }
}

const DAY_MS: i64 = 86_400_000;
