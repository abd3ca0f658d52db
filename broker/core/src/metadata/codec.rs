//! The primitives that metadata records are written in.
//!
//! ```text
//! number   unsigned, 7 bits a byte, low ones first, at most 64 bits
//! text     number of bytes, then UTF-8
//! id       16 bytes
//! option   0, or 1 and the value
//! list     number of elements, then the elements
//! ```

use millrace_types::{BrokerId, LeaderEpoch, Uuid};
use millrace_wire::Reader;

use super::record_error::RecordError;

/// Appends a number.
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a text.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a text or nothing.
pub(super) fn put_optional_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.push(0),
        Some(text) => {
            out.push(1);
            put_text(out, text);
        }
    }
}

/// Appends an id.
pub(super) fn put_id(out: &mut Vec<u8>, id: Uuid) {
    out.extend_from_slice(id.as_bytes());
}

/// Appends the number of a broker.
pub(super) fn put_broker(out: &mut Vec<u8>, broker: BrokerId) {
    put_number(out, u64::from(broker.to_wire().unsigned_abs()));
}

/// Appends a list of brokers.
pub(super) fn put_brokers(out: &mut Vec<u8>, brokers: &[BrokerId]) {
    put_number(out, brokers.len() as u64);
    for broker in brokers {
        put_broker(out, *broker);
    }
}

/// Appends a broker or nothing: 0, or its number and one.
pub(super) fn put_optional_broker(out: &mut Vec<u8>, broker: Option<BrokerId>) {
    put_number(out, broker.map_or(0, |broker| u64::from(broker.to_wire().unsigned_abs()) + 1));
}

/// Appends an epoch of leaders.
pub(super) fn put_leader_epoch(out: &mut Vec<u8>, epoch: LeaderEpoch) {
    put_number(out, u64::from(epoch.to_wire().unsigned_abs()));
}

/// What is left of an encoded record.
pub(super) struct Source<'a> {
    reader: Reader<'a>,
}

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Source<'a> {
        Source { reader: Reader::new(bytes) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reader.remaining().is_empty()
    }

    pub(super) fn remaining_bytes(&self) -> usize {
        self.reader.remaining().len()
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, RecordError> {
        Ok(self.reader.int8(field)?.cast_unsigned())
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.byte(field)?);
            let bits = byte & 0x7f;
            if bits.leading_zeros() < shift {
                return Err(RecordError::Number { field });
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RecordError::Number { field })
    }

    /// A number of a smaller type.
    pub(super) fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, RecordError> {
        T::try_from(self.number(field)?).map_err(|_| RecordError::Number { field })
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, RecordError> {
        let length = self.small(field)?;
        let bytes = self.reader.take(field, length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(RecordError::Text { field }),
        }
    }

    pub(super) fn optional_text(
        &mut self,
        field: &'static str,
    ) -> Result<Option<String>, RecordError> {
        match self.byte(field)? {
            0 => Ok(None),
            1 => self.text(field).map(Some),
            _ => Err(RecordError::Number { field }),
        }
    }

    pub(super) fn id(&mut self, field: &'static str) -> Result<Uuid, RecordError> {
        Ok(self.reader.uuid(field)?)
    }

    pub(super) fn broker(&mut self, field: &'static str) -> Result<BrokerId, RecordError> {
        let number: i32 = self.small(field)?;
        BrokerId::from_wire(number).ok_or(RecordError::Number { field })
    }

    pub(super) fn brokers(&mut self, field: &'static str) -> Result<Vec<BrokerId>, RecordError> {
        self.list(field, |source| source.broker(field))
    }

    pub(super) fn optional_broker(
        &mut self,
        field: &'static str,
    ) -> Result<Option<BrokerId>, RecordError> {
        let Some(number) = self.number(field)?.checked_sub(1) else { return Ok(None) };
        let number = i32::try_from(number).map_err(|_| RecordError::Number { field })?;
        Ok(BrokerId::from_wire(number))
    }

    pub(super) fn leader_epoch(&mut self, field: &'static str) -> Result<LeaderEpoch, RecordError> {
        let number: i32 = self.small(field)?;
        LeaderEpoch::from_wire(number).ok_or(RecordError::Number { field })
    }

    /// A list; its length is believed only as far as there are bytes for it.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        mut element: impl FnMut(&mut Source<'a>) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let count: usize = self.small(field)?;
        if count > self.remaining_bytes() {
            return Err(RecordError::Number { field });
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }
}
