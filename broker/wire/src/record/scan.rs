//! Walks through the records of a batch as fast as it can be done, for batches that are as they should
//! be; which record of another one is at fault is for [`super::Records`] to say.

use millrace_types::TimestampMs;

use super::header::{BatchHeader, TimestampType};
use super::varint;

/// What a walk through well-formed records has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSummary {
    /// The largest timestamp; `None` if no record has one.
    pub max_timestamp: Option<TimestampMs>,
    /// The smallest timestamp; `None` if no record has one.
    pub min_timestamp: Option<TimestampMs>,
    /// Whether some record has no key.
    pub has_null_key: bool,
}

/// Walks through the records in `bytes`; `None` if they are not as the header counts, or do not take
/// all offsets of the batch.
pub(super) fn scan(header: &BatchHeader, bytes: &[u8]) -> Option<RecordsSummary> {
    if !header.is_dense() {
        return None;
    }
    let mut rest = bytes;
    let (mut max_ms, mut min_ms) = (i64::MIN, i64::MAX);
    let mut has_null_key = false;
    for index in 0..header.records_count {
        let length = usize::try_from(take_i32(&mut rest)?).ok()?;
        let (record, after) = rest.split_at_checked(length)?;
        rest = after;
        // The attributes byte of a record has no meaning.
        let mut record = record.get(1..)?;
        let time_ms = header.base_timestamp_ms.wrapping_add(take_i64(&mut record)?);
        if time_ms >= 0 {
            max_ms = max_ms.max(time_ms);
            min_ms = min_ms.min(time_ms);
        }
        if take_i32(&mut record)? != index.cast_signed() {
            return None;
        }
        has_null_key |= !skip(&mut record)?;
        skip(&mut record)?;
        let headers = take_i32(&mut record)?;
        if headers != 0 {
            skip_headers(&mut record, headers)?;
        }
        if !record.is_empty() {
            return None;
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let times = match header.attributes.timestamp_type() {
        TimestampType::CreateTime => {
            (TimestampMs::from_wire(max_ms), TimestampMs::from_wire(min_ms).filter(|_| max_ms >= 0))
        }
        TimestampType::LogAppendTime => (header.max_timestamp, header.max_timestamp),
    };
    let (max_timestamp, min_timestamp) = times;
    Some(RecordsSummary { max_timestamp, min_timestamp, has_null_key })
}

fn skip_headers(record: &mut &[u8], headers: i32) -> Option<()> {
    for _ in 0..u32::try_from(headers).ok()? {
        // The name of a header is never null.
        if !skip(record)? {
            return None;
        }
        skip(record)?;
    }
    Some(())
}

/// Passes over bytes with their length in front; false if they are null.
#[inline]
fn skip(record: &mut &[u8]) -> Option<bool> {
    let length = take_i32(record)?;
    if length < 0 {
        return Some(false);
    }
    *record = record.get(usize::try_from(length).ok()?..)?;
    Some(true)
}

/// Most varints of records take one or two bytes.
#[inline]
fn take_i32(input: &mut &[u8]) -> Option<i32> {
    match **input {
        [first, ref rest @ ..] if first < 0x80 => {
            *input = rest;
            Some(unzigzag(u32::from(first)))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *input = rest;
            Some(unzigzag(u32::from(first & 0x7f) | u32::from(second) << 7))
        }
        _ => varint::take_i32(input),
    }
}

#[inline]
fn take_i64(input: &mut &[u8]) -> Option<i64> {
    match **input {
        [first, ref rest @ ..] if first < 0x80 => {
            *input = rest;
            Some(i64::from(unzigzag(u32::from(first))))
        }
        _ => varint::take_i64(input),
    }
}

#[inline]
const fn unzigzag(raw: u32) -> i32 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}
