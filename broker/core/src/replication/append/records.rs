//! The rules for single records: well formed, a timestamp near the clock, a key where one is needed.

use millrace_types::TimestampMs;
use millrace_wire::record::{
    BatchError, BatchHeader, OpenBatch, Record, RecordsSummary, TimestampType,
};

use super::AppendRules;
use super::error::{AppendError, RecordRule, RefusedRecord};
use crate::limits;

/// Whether the header alone shows that every timestamp of the batch is in range.
pub(super) fn are_times_plain(header: &BatchHeader, rules: &AppendRules, now: TimestampMs) -> bool {
    match rules.timestamp_type {
        TimestampType::LogAppendTime => true,
        TimestampType::CreateTime => {
            let is_in_time = |max: TimestampMs| max.since_ms(now) <= rules.timestamp_after_max_ms;
            rules.timestamp_before_max_ms == i64::MAX && header.max_timestamp.is_none_or(is_in_time)
        }
    }
}

/// Walks through the records; returns the largest timestamp among them. Only if one of them may be at
/// fault are they read one by one, to say which.
pub(super) fn check(
    open: &OpenBatch<'_>,
    rules: &AppendRules,
    now: TimestampMs,
) -> Result<Option<TimestampMs>, AppendError> {
    match open.summarize() {
        Some(summary) if is_plain(&summary, rules, now) => Ok(summary.max_timestamp),
        Some(_) | None => check_each(open, rules, now),
    }
}

fn is_plain(summary: &RecordsSummary, rules: &AppendRules, now: TimestampMs) -> bool {
    let is_early = |time: TimestampMs| time.since_ms(now) <= rules.timestamp_after_max_ms;
    let is_late = |time: TimestampMs| now.since_ms(time) <= rules.timestamp_before_max_ms;
    let are_times_plain = rules.timestamp_type == TimestampType::LogAppendTime
        || (summary.max_timestamp.is_none_or(is_early)
            && summary.min_timestamp.is_none_or(is_late));
    are_times_plain && !(rules.is_compacted && summary.has_null_key)
}

/// Reads every record; returns the largest timestamp among them.
fn check_each(
    open: &OpenBatch<'_>,
    rules: &AppendRules,
    now: TimestampMs,
) -> Result<Option<TimestampMs>, AppendError> {
    let mut max_timestamp = None;
    let mut refused = Refused::default();
    for (index, record) in (0..).zip(open.records()) {
        let record = record.map_err(BatchError::Record)?;
        max_timestamp = max_timestamp.max(record.timestamp);
        if let Some(reason) = reason_against(&record, rules, now) {
            refused.add(index, &reason);
        }
    }
    refused.into_result().map(|()| max_timestamp)
}

fn reason_against(record: &Record<'_>, rules: &AppendRules, now: TimestampMs) -> Option<Reason> {
    if rules.is_compacted && record.key.is_none() {
        return Some(Reason::NoKey);
    }
    let timestamp = record.timestamp?;
    if rules.timestamp_type == TimestampType::LogAppendTime {
        return None;
    }
    let ahead_ms = timestamp.since_ms(now);
    let behind_ms = now.since_ms(timestamp);
    if ahead_ms > rules.timestamp_after_max_ms {
        let limit_ms = rules.timestamp_after_max_ms;
        return Some(Reason::Future { timestamp, ahead_ms, limit_ms });
    }
    if behind_ms > rules.timestamp_before_max_ms {
        let limit_ms = rules.timestamp_before_max_ms;
        return Some(Reason::Past { timestamp, behind_ms, limit_ms });
    }
    None
}

enum Reason {
    NoKey,
    Future { timestamp: TimestampMs, ahead_ms: i64, limit_ms: i64 },
    Past { timestamp: TimestampMs, behind_ms: i64, limit_ms: i64 },
}

impl Reason {
    const fn rule(&self) -> RecordRule {
        match self {
            Reason::NoKey => RecordRule::Key,
            Reason::Future { .. } | Reason::Past { .. } => RecordRule::Timestamp,
        }
    }

    fn text(&self) -> String {
        match self {
            Reason::NoKey => "has no key".to_owned(),
            Reason::Future { timestamp, ahead_ms, limit_ms } => format!(
                "has timestamp {timestamp}, {ahead_ms} ms ahead of the broker's clock; \
                 message.timestamp.after.max.ms={limit_ms}"
            ),
            Reason::Past { timestamp, behind_ms, limit_ms } => format!(
                "has timestamp {timestamp}, {behind_ms} ms behind the broker's clock; \
                 message.timestamp.before.max.ms={limit_ms}"
            ),
        }
    }
}

/// The records at fault so far. A batch with a wrong timestamp is refused for that, whatever else
/// is wrong with it. Source: `LogValidator.processRecordErrors`.
#[derive(Default)]
struct Refused {
    rule: Option<RecordRule>,
    records: Vec<RefusedRecord>,
}

impl Refused {
    fn add(&mut self, index: u32, reason: &Reason) {
        if self.rule != Some(RecordRule::Timestamp) {
            self.rule = Some(reason.rule());
        }
        if self.records.len() < limits::REFUSED_RECORDS_MAX {
            self.records.push(RefusedRecord { index, reason: reason.text() });
        }
    }

    fn into_result(self) -> Result<(), AppendError> {
        let mut records = self.records.into_iter();
        match (self.rule, records.next()) {
            (Some(rule), Some(first)) => {
                Err(AppendError::Records { rule, first, others: records.collect() })
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}
