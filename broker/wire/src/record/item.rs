//! The records inside a batch, borrowed from its (decompressed) bytes, each field checked.

use millrace_types::{Offset, TimestampMs};

use super::header::{BatchHeader, TimestampType};
use super::varint;

/// One record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// When it was made, or appended (see [`TimestampType`]); `None` if it has no time.
    pub timestamp: Option<TimestampMs>,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, which deletes the key in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers, already checked.
    pub headers: RecordHeaders<'a>,
}

/// The headers of a record, in its order; iterating cannot fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHeaders<'a> {
    count: u32,
    bytes: &'a [u8],
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// The name, UTF-8 by convention.
    pub key: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// Why the bytes behind a batch's header are not the records that it counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is cut off or its varint has too many bits.
    #[error("record {index} of {count} has no readable {field} within its {available_bytes} bytes")]
    Field {
        /// Place of the record in the batch, from 0.
        index: u32,
        /// Records that the header counts.
        count: u32,
        /// Name of the field.
        field: &'static str,
        /// Bytes that were left for it.
        available_bytes: usize,
    },
    /// The fields of a record end before its length does.
    #[error("record {index} of {count} has {surplus_bytes} bytes after its last header")]
    Surplus {
        /// Place of the record in the batch, from 0.
        index: u32,
        /// Records that the header counts.
        count: u32,
        /// Bytes left in the record.
        surplus_bytes: usize,
    },
    /// The offset of a record is not above the one before it or lies behind the batch.
    #[error("record {index} has offset delta {delta}, outside {smallest} to {largest}")]
    OffsetDelta {
        /// Place of the record in the batch, from 0.
        index: u32,
        /// The field's value.
        delta: i32,
        /// One more than the delta before.
        smallest: u32,
        /// The last offset delta of the batch.
        largest: u32,
    },
    /// Bytes follow the last record.
    #[error("batch has {surplus_bytes} bytes after its {count} records")]
    Trailing {
        /// Records that the header counts.
        count: u32,
        /// Bytes left.
        surplus_bytes: usize,
    },
}

/// Iterates over the records of a batch; ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    index: u32,
    delta_min: u32,
    is_done: bool,
}

impl<'a> Records<'a> {
    /// Reads `bytes`, which are the decompressed records of the batch with this header.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Records<'a> {
        Records { header: *header, rest: bytes, index: 0, delta_min: 0, is_done: false }
    }

    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let mut rest = self.rest;
        let length = varint::take_i32(&mut rest).and_then(|length| usize::try_from(length).ok());
        let (Some(mut body), Some(next)) = (
            length.and_then(|length| rest.get(..length)),
            length.and_then(|length| rest.get(length..)),
        ) else {
            return Err(self.unreadable("length", rest));
        };
        self.rest = next;
        // The attributes byte of a record has no meaning; Kafka skips it.
        body = body.get(1..).ok_or_else(|| self.unreadable("attributes", body))?;
        let time_delta =
            varint::take_i64(&mut body).ok_or_else(|| self.unreadable("timestamp", body))?;
        let offset_delta =
            varint::take_i32(&mut body).ok_or_else(|| self.unreadable("offset", body))?;
        let offset = self.accept_offset(offset_delta)?;
        let key = take_nullable(&mut body).ok_or_else(|| self.unreadable("key", body))?;
        let value = take_nullable(&mut body).ok_or_else(|| self.unreadable("value", body))?;
        let headers = self.read_headers(&mut body)?;
        if !body.is_empty() {
            let (index, count) = (self.index, self.header.records_count);
            return Err(RecordError::Surplus { index, count, surplus_bytes: body.len() });
        }
        Ok(Record { offset, timestamp: self.timestamp(time_delta), key, value, headers })
    }

    fn accept_offset(&mut self, delta: i32) -> Result<Offset, RecordError> {
        let largest = self.header.last_offset_delta;
        match u32::try_from(delta) {
            Ok(accepted) if (self.delta_min..=largest).contains(&accepted) => {
                self.delta_min = accepted.saturating_add(1);
                Ok(self.header.base_offset.plus(u64::from(accepted)))
            }
            _ => Err(RecordError::OffsetDelta {
                index: self.index,
                delta,
                smallest: self.delta_min,
                largest,
            }),
        }
    }

    fn timestamp(&self, delta: i64) -> Option<TimestampMs> {
        match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => {
                TimestampMs::from_wire(self.header.base_timestamp_ms.wrapping_add(delta))
            }
            TimestampType::LogAppendTime => self.header.max_timestamp,
        }
    }

    fn read_headers(&self, body: &mut &'a [u8]) -> Result<RecordHeaders<'a>, RecordError> {
        let count = varint::take_i32(body)
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| self.unreadable("header count", body))?;
        let bytes = *body;
        for _ in 0..count {
            RecordHeader::take(body).ok_or_else(|| self.unreadable("header", body))?;
        }
        Ok(RecordHeaders { count, bytes: &bytes[..bytes.len() - body.len()] })
    }

    fn unreadable(&self, field: &'static str, rest: &[u8]) -> RecordError {
        let (index, count) = (self.index, self.header.records_count);
        RecordError::Field { index, count, field, available_bytes: rest.len() }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let count = self.header.records_count;
        if self.index == count {
            self.is_done = true;
            let surplus_bytes = self.rest.len();
            return (surplus_bytes > 0)
                .then_some(Err(RecordError::Trailing { count, surplus_bytes }));
        }
        let record = self.read();
        self.is_done = record.is_err();
        self.index += 1;
        Some(record)
    }
}

impl<'a> RecordHeaders<'a> {
    /// Number of headers.
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers as they stand in the record, without their count.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The headers in their order.
    pub fn iter(&self) -> impl Iterator<Item = RecordHeader<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || RecordHeader::take(&mut rest))
    }
}

impl<'a> RecordHeader<'a> {
    fn take(input: &mut &'a [u8]) -> Option<RecordHeader<'a>> {
        let key = take_nullable(input)??;
        let value = take_nullable(input)?;
        Some(RecordHeader { key, value })
    }
}

/// Takes bytes with their length in front; a negative length is null.
#[inline]
#[expect(clippy::option_option, reason = "outer: unreadable; inner: null")]
fn take_nullable<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::take_i32(input)?;
    if length < 0 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(Some(taken))
}
