//! Reading segments for compaction: batch by batch, each checked, stopping when asked to.

use std::sync::atomic::{AtomicBool, Ordering};

use millrace_types::Offset;
use millrace_wire::record::Batch;

use super::filter::{self, Damage};
use super::offset_map::OffsetMap;
use super::plan::{Closed, Plan, Source};
use super::transactions::Transactions;
use super::{CompactionError, CompactionOptions};
use crate::error::{IoContext, LogError};
use crate::file_name::FileKind;
use crate::segment::{ScanEnd, Scanner};
use crate::txn_index::AbortedTransaction;

/// Why a step stopped the reading.
#[derive(Debug)]
pub(crate) enum StepError {
    Damage(Damage),
    Log(LogError),
}

impl From<Damage> for StepError {
    fn from(damage: Damage) -> StepError {
        StepError::Damage(damage)
    }
}

impl From<LogError> for StepError {
    fn from(error: LogError) -> StepError {
        StepError::Log(error)
    }
}

/// Takes the batches of a segment one by one, until `step` says `false`.
///
/// Each is checked against its checksum first: a record that rotted must not get a fresh checksum by
/// being copied.
pub(crate) fn each_batch(
    closed: &Closed,
    is_cancelled: &AtomicBool,
    mut step: impl FnMut(&Batch<'_>) -> Result<bool, StepError>,
) -> Result<bool, CompactionError> {
    let segment = &closed.segment;
    let mut scanner = Scanner::new(segment, 0, closed.size_bytes)?;
    loop {
        if is_cancelled.load(Ordering::Relaxed) {
            return Err(CompactionError::Cancelled);
        }
        let position = scanner.position();
        let corrupt = |position, reason| {
            let path = segment.path(FileKind::Log);
            CompactionError::Log(LogError::Corrupt { path, position, reason })
        };
        let batch = match scanner.next_batch()? {
            Ok(batch) => batch,
            Err(ScanEnd::Complete) => return Ok(true),
            Err(ScanEnd::Bad { position, reason }) => return Err(corrupt(position, reason)),
        };
        batch.verify_crc().map_err(|error| corrupt(position, error.to_string()))?;
        match step(&batch) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(StepError::Damage(Damage { reason })) => {
                let (path, base_offset) = (segment.path(FileKind::Log), batch.header().base_offset);
                return Err(CompactionError::Batch { path, base_offset, reason });
            }
            Err(StepError::Log(error)) => return Err(error.into()),
        }
    }
}

/// Notes the last offset of each key from `first_dirty` to `clean_end`. Returns the offset up to
/// which they fitted.
///
/// Source: Kafka's `Cleaner.buildOffsetMap`.
pub(crate) fn fill(
    map: &mut OffsetMap,
    plan: &Plan,
    aborted: Vec<AbortedTransaction>,
    options: &CompactionOptions<'_>,
) -> Result<Offset, CompactionError> {
    // One that ended before would void whatever its producer wrote since: its marker is not met here.
    let aborted = aborted.into_iter().filter(|one| one.last_offset >= plan.first_dirty).collect();
    let mut transactions = Transactions::new(aborted);
    let mut full_at = None;
    for closed in plan.source.closed_below(plan.clean_end) {
        if closed.end <= plan.first_dirty {
            continue;
        }
        let fits = each_batch(&closed, options.is_cancelled, |batch| {
            full_at = note_keys(map, batch, plan.first_dirty, options, &mut transactions)?;
            Ok(full_at.is_none())
        })?;
        if !fits {
            break;
        }
    }
    Ok(full_at.unwrap_or(plan.clean_end))
}

/// Notes the keys of one batch. Returns the offset of the first record that did not fit.
fn note_keys(
    map: &mut OffsetMap,
    batch: &Batch<'_>,
    first_dirty: Offset,
    options: &CompactionOptions<'_>,
    transactions: &mut Transactions,
) -> Result<Option<Offset>, Damage> {
    let header = batch.header();
    if header.attributes.is_control() {
        let open = filter::open(batch, options.batch_bytes_max)?;
        transactions.on_control(header, filter::control_record(&open)?);
        return Ok(None);
    }
    if transactions.on_data(header) || header.last_offset() < first_dirty {
        return Ok(None);
    }
    let open = filter::open(batch, options.batch_bytes_max)?;
    for record in open.records() {
        let record = record.map_err(Damage::of)?;
        let Some(key) = record.key.filter(|_| record.offset >= first_dirty) else {
            continue;
        };
        if !map.put(key, record.offset) {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}

/// All aborted transactions that the log still knows.
pub(crate) fn aborted_transactions(source: &Source) -> Result<Vec<AbortedTransaction>, LogError> {
    let mut aborted = Vec::new();
    for segment in &source.segments {
        if let Some(index) = segment.txn_index()? {
            let path = || segment.path(FileKind::TxnIndex);
            aborted.extend(index.read().at("read", path())?);
        }
    }
    Ok(aborted)
}
