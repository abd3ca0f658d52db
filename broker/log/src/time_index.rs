//! The time index: from which offset on a segment holds records later than an instant, roughly.
//!
//! ```text
//! 12 bytes each: largest timestamp so far, i64
//!                | last offset of its batch - base offset of the segment, u32   (big endian)
//! ```
//! An entry is made together with one of the offset index, if the largest timestamp has grown since
//! the last; a last one when the segment is done with. So timestamps ascend strictly, and the last
//! entry of a segment that is done with holds its largest timestamp.
//!
//! Source: Kafka's `TimeIndex`.

use millrace_types::TimestampMs;

use crate::sparse_index::Entry;

/// The batch with the largest timestamp so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// The largest timestamp up to and with the batch.
    pub(crate) timestamp: TimestampMs,
    /// Last offset of the batch, counted from the segment's base.
    pub(crate) relative_offset: u32,
}

impl TimeEntry {
    /// Whether `next` may stand behind `previous`.
    pub(crate) fn ascends(previous: Option<&TimeEntry>, next: &TimeEntry) -> bool {
        previous.is_none_or(|previous| {
            previous.timestamp < next.timestamp && previous.relative_offset < next.relative_offset
        })
    }
}

impl Entry for TimeEntry {
    const BYTES: u64 = 12;

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.timestamp.to_wire().to_be_bytes());
        bytes.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> TimeEntry {
        let timestamp = bytes.first_chunk().copied().unwrap_or_default();
        let relative = bytes.last_chunk().copied().unwrap_or_default();
        TimeEntry {
            timestamp: TimestampMs::new(i64::from_be_bytes(timestamp)),
            relative_offset: u32::from_be_bytes(relative),
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::TimestampMs;

    use super::TimeEntry;
    use crate::sparse_index::Entry;

    #[test]
    fn entries_have_kafkas_bytes() {
        let entry = TimeEntry { timestamp: TimestampMs::new(0x0102), relative_offset: 0x0304 };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4]);
        assert_eq!(TimeEntry::decode(&bytes), entry);
    }
}
