//! From bytes to values: the reader that every decoder goes through.

use std::borrow::Cow;

use millrace_types::Uuid;

use crate::DecodeError;

/// How much more memory than the frame's own size the arrays of one message may take together.
///
/// In memory an element is larger than on the wire (an empty string takes 24 bytes there and one
/// here), so a real message of many small elements needs more than its frame: 16 MiB allow for
/// some 500,000 partitions in one message, far above what brokers are run with.
const ARRAYS_BYTES_ABOVE_FRAME: usize = 16 << 20;

/// The longest string that Kafka writes or reads, in any version.
pub(crate) const STRING_BYTES_MAX: usize = 0x7fff;

/// The rest of a frame, read from the front.
///
/// Each length is compared with what remains before anything is allocated for it.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Memory that arrays may still take.
    allowed_bytes: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the front of `frame` (without its length prefix).
    pub fn new(frame: &'a [u8]) -> Reader<'a> {
        let allowed_bytes = frame.len().saturating_add(ARRAYS_BYTES_ABOVE_FRAME);
        Reader { bytes: frame, allowed_bytes }
    }

    /// What has not been read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.bytes
    }

    /// Checks that nothing follows the message called `message`.
    ///
    /// # Errors
    /// Tells how many bytes remain.
    pub fn finish(&self, message: &'static str) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            excess_bytes => Err(DecodeError::Trailing { message, excess_bytes }),
        }
    }

    /// Takes the next `length` bytes.
    ///
    /// # Errors
    /// If fewer remain.
    #[inline]
    pub fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.bytes.split_at_checked(length) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(self.truncated(field, length)),
        }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.bytes.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(*taken)
            }
            None => Err(self.truncated(field, N)),
        }
    }

    #[cold]
    fn truncated(&self, field: &'static str, needed_bytes: usize) -> DecodeError {
        DecodeError::Truncated { field, needed_bytes, remaining_bytes: self.bytes.len() }
    }

    /// Reads one byte; any but 0 is true.
    ///
    /// # Errors
    /// If the frame ends before.
    #[inline]
    pub fn boolean(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.fixed::<1>(field)? != [0])
    }

    /// Reads an `int8`.
    ///
    /// # Errors
    /// If the frame ends before.
    #[inline]
    pub fn int8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.fixed(field)?))
    }

    /// Reads an `int16`.
    ///
    /// # Errors
    /// If the frame ends before.
    #[inline]
    pub fn int16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.fixed(field)?))
    }

    /// Reads an `int32`.
    ///
    /// # Errors
    /// If the frame ends before.
    #[inline]
    pub fn int32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.fixed(field)?))
    }

    /// Reads an `int64`.
    ///
    /// # Errors
    /// If the frame ends before.
    #[inline]
    pub fn int64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.fixed(field)?))
    }

    /// Reads 16 bytes as an id.
    ///
    /// # Errors
    /// If the frame ends before.
    #[inline]
    pub fn uuid(&mut self, field: &'static str) -> Result<Uuid, DecodeError> {
        Ok(Uuid::from_bytes(self.fixed(field)?))
    }

    /// Reads an unsigned number of 7 bits a byte, low ones first, at most 32 bits.
    ///
    /// # Errors
    /// If the frame ends before or the number is larger.
    #[inline]
    pub fn unsigned_varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        match self.bytes.split_first() {
            Some((&first, rest)) if first < 0x80 => {
                self.bytes = rest;
                Ok(u32::from(first))
            }
            _ => self.long_varint(field),
        }
    }

    fn long_varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint { field });
            }
        }
        Err(DecodeError::Varint { field })
    }

    /// A length in front of a value: `None` is null. `width` is that of the fixed-size form.
    #[inline]
    fn length(
        &mut self,
        field: &'static str,
        flexible: bool,
        width: Width,
        limit: usize,
    ) -> Result<Option<usize>, DecodeError> {
        // Compact lengths are one more than the length, so that 0 is left for null.
        let length = match (flexible, width) {
            (true, _) => i64::from(self.unsigned_varint(field)?) - 1,
            (false, Width::Two) => i64::from(self.int16(field)?),
            (false, Width::Four) => i64::from(self.int32(field)?),
        };
        match usize::try_from(length) {
            Ok(length) if length <= limit => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            _ => Err(too_long(field, length, limit)),
        }
    }

    /// Reads a string that may be null; what is not UTF-8 becomes U+FFFD, as in Kafka.
    #[inline]
    pub(crate) fn nullable_string(
        &mut self,
        field: &'static str,
        flexible: bool,
    ) -> Result<Option<Cow<'a, str>>, DecodeError> {
        let Some(length) = self.length(field, flexible, Width::Two, STRING_BYTES_MAX)? else {
            return Ok(None);
        };
        let bytes = self.take(field, length)?;
        Ok(Some(std::str::from_utf8(bytes).map_or_else(|_| replaced(bytes), Cow::Borrowed)))
    }

    /// Reads a string.
    #[inline]
    pub(crate) fn string(
        &mut self,
        field: &'static str,
        flexible: bool,
    ) -> Result<Cow<'a, str>, DecodeError> {
        self.nullable_string(field, flexible)?.ok_or(DecodeError::Null { field })
    }

    /// Reads a blob that may be null.
    #[inline]
    pub(crate) fn nullable_bytes(
        &mut self,
        field: &'static str,
        flexible: bool,
    ) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        match self.length(field, flexible, Width::Four, LENGTH_MAX)? {
            Some(length) => Ok(Some(Cow::Borrowed(self.take(field, length)?))),
            None => Ok(None),
        }
    }

    /// Reads a blob.
    #[inline]
    pub(crate) fn bytes(
        &mut self,
        field: &'static str,
        flexible: bool,
    ) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.nullable_bytes(field, flexible)?.ok_or(DecodeError::Null { field })
    }

    /// Reads an array that may be null; each element takes at least `element_bytes` on the wire.
    #[inline]
    pub(crate) fn nullable_array<T>(
        &mut self,
        field: &'static str,
        flexible: bool,
        element_bytes: usize,
        mut element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(field, flexible, Width::Four, LENGTH_MAX)? else {
            return Ok(None);
        };
        self.pay(field, count, element_bytes.max(1), size_of::<T>())?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// Reads an array; each element takes at least `element_bytes` on the wire.
    #[inline]
    pub(crate) fn array<T>(
        &mut self,
        field: &'static str,
        flexible: bool,
        element_bytes: usize,
        element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(field, flexible, element_bytes, element)?
            .ok_or(DecodeError::Null { field })
    }

    /// Reads the count of an array whose elements the caller reads; each takes at least
    /// `element_bytes` on the wire.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        flexible: bool,
        element_bytes: usize,
    ) -> Result<usize, DecodeError> {
        let count = self.length(field, flexible, Width::Four, LENGTH_MAX)?;
        let count = count.ok_or(DecodeError::Null { field })?;
        self.pay(field, count, element_bytes.max(1), 0)?;
        Ok(count)
    }

    /// Makes room for `count` more elements, if the frame may take that memory.
    pub(crate) fn reserve<T>(
        &mut self,
        field: &'static str,
        count: usize,
        elements: &mut Vec<T>,
    ) -> Result<(), DecodeError> {
        self.pay(field, count, 1, size_of::<T>())?;
        elements.reserve(count);
        Ok(())
    }

    /// Reads a blob that may be null, as the bytes of the frame.
    pub(crate) fn blob(
        &mut self,
        field: &'static str,
        flexible: bool,
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.length(field, flexible, Width::Four, LENGTH_MAX)? {
            Some(length) => self.take(field, length).map(Some),
            None => Ok(None),
        }
    }

    /// Refuses an array that the rest of the frame cannot fill, or that takes too much memory.
    #[inline]
    fn pay(
        &mut self,
        field: &'static str,
        count: usize,
        element_bytes: usize,
        memory_bytes: usize,
    ) -> Result<(), DecodeError> {
        let remaining_bytes = self.bytes.len();
        if count > remaining_bytes / element_bytes {
            return Err(DecodeError::Count { field, count, element_bytes, remaining_bytes });
        }
        let needed_bytes = count.saturating_mul(memory_bytes);
        let allowed_bytes = self.allowed_bytes;
        match allowed_bytes.checked_sub(needed_bytes) {
            Some(left) => self.allowed_bytes = left,
            None => return Err(DecodeError::Memory { field, count, needed_bytes, allowed_bytes }),
        }
        Ok(())
    }

    /// Reads whether a nullable struct follows.
    pub(crate) fn is_present(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.int8(field)? {
            -1 => Ok(false),
            1 => Ok(true),
            other => Err(too_long(field, i64::from(other), 1)),
        }
    }

    /// Reads the tagged section of a struct. `known` reads the value of a tag, or returns false
    /// to have it skipped.
    pub(crate) fn tagged_fields(
        &mut self,
        field: &'static str,
        mut known: impl FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint(field)? {
            let tag = self.unsigned_varint(field)?;
            let size = self.unsigned_varint(field)?;
            let size = usize::try_from(size).map_err(|_| DecodeError::Varint { field })?;
            let value = self.take(field, size)?;
            let after = std::mem::replace(&mut self.bytes, value);
            if known(self, tag)? && !self.bytes.is_empty() {
                let excess_bytes = self.bytes.len();
                return Err(DecodeError::TaggedField { field, tag, excess_bytes });
            }
            self.bytes = after;
        }
        Ok(())
    }

    /// Skips the tagged section of a struct that knows no tag.
    #[inline]
    pub(crate) fn skip_tagged_fields(&mut self, field: &'static str) -> Result<(), DecodeError> {
        match self.bytes.split_first() {
            Some((0, rest)) => {
                self.bytes = rest;
                Ok(())
            }
            _ => self.tagged_fields(field, |_, _| Ok(false)),
        }
    }
}

/// The largest length of a blob and the largest count of an array.
pub(crate) const LENGTH_MAX: usize = i32::MAX as usize;

/// Bytes of a fixed-size length.
#[derive(Clone, Copy)]
enum Width {
    Two,
    Four,
}

/// Bytes of the shortest string: its length alone.
pub(crate) const fn string_bytes_min(flexible: bool) -> usize {
    if flexible { 1 } else { 2 }
}

/// Bytes of the shortest blob or array: its length alone.
pub(crate) const fn length_bytes_min(flexible: bool) -> usize {
    if flexible { 1 } else { 4 }
}

#[cold]
fn replaced(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cold]
fn too_long(field: &'static str, length: i64, limit: usize) -> DecodeError {
    DecodeError::Length { field, length, limit: i64::try_from(limit).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests;
