//! From values to bytes: what the generated encoders are made of.

use crate::EncodeError;
use crate::read::{LENGTH_MAX, STRING_BYTES_MAX};

/// Appends an unsigned number, 7 bits a byte, low ones first.
#[inline]
pub(crate) fn unsigned_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends the length of a string: compact, or an `int16`; `None` is null.
#[inline]
fn string_length(
    out: &mut Vec<u8>,
    field: &'static str,
    flexible: bool,
    length: Option<usize>,
) -> Result<(), EncodeError> {
    let Some(length) = length else {
        out.extend_from_slice(if flexible { &[0] } else { &[0xff, 0xff] });
        return Ok(());
    };
    let short = i16::try_from(length).map_err(|_| too_long(field, length, STRING_BYTES_MAX))?;
    if flexible {
        unsigned_varint(out, u32::from(short.unsigned_abs()) + 1);
    } else {
        out.extend_from_slice(&short.to_be_bytes());
    }
    Ok(())
}

/// Appends the length of a blob or the count of an array: compact, or an `int32`; `None` is null.
#[inline]
pub(crate) fn length(
    out: &mut Vec<u8>,
    field: &'static str,
    flexible: bool,
    length: Option<usize>,
) -> Result<(), EncodeError> {
    let Some(length) = length else {
        out.extend_from_slice(if flexible { &[0] } else { &[0xff; 4] });
        return Ok(());
    };
    let long = i32::try_from(length).map_err(|_| too_long(field, length, LENGTH_MAX))?;
    if flexible {
        unsigned_varint(out, long.unsigned_abs() + 1);
    } else {
        out.extend_from_slice(&long.to_be_bytes());
    }
    Ok(())
}

/// Appends a string or null.
#[inline]
pub(crate) fn string(
    out: &mut Vec<u8>,
    field: &'static str,
    flexible: bool,
    text: Option<&str>,
) -> Result<(), EncodeError> {
    string_length(out, field, flexible, text.map(str::len))?;
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
    Ok(())
}

/// Appends a blob or null.
#[inline]
pub(crate) fn bytes(
    out: &mut Vec<u8>,
    field: &'static str,
    flexible: bool,
    blob: Option<&[u8]>,
) -> Result<(), EncodeError> {
    length(out, field, flexible, blob.map(<[u8]>::len))?;
    out.extend_from_slice(blob.unwrap_or_default());
    Ok(())
}

/// Appends a tagged field: its number, the size of its value, and what `value` appends.
pub(crate) fn tagged(
    out: &mut Vec<u8>,
    field: &'static str,
    tag: u32,
    value: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    unsigned_varint(out, tag);
    let start = out.len();
    value(out)?;
    let end = out.len();
    let size = u32::try_from(end - start).map_err(|_| too_long(field, end - start, LENGTH_MAX))?;
    // The size stands in front of the value but is only known now: write it behind, then turn.
    unsigned_varint(out, size);
    let prefix = out.len() - end;
    out[start..].rotate_right(prefix);
    Ok(())
}

#[cold]
pub(crate) fn too_long(field: &'static str, length: usize, limit: usize) -> EncodeError {
    EncodeError::Length { field, length, limit }
}

#[cfg(test)]
mod tests {
    use crate::messages::{heartbeat, metadata};
    use crate::{Encode, EncodeError};

    #[test]
    fn a_null_that_a_version_cannot_say_is_refused() {
        let all_topics = metadata::Request { topics: None, ..Default::default() };
        let mut out = Vec::new();
        assert_eq!(all_topics.encode(&mut out, 1), Ok(()));
        assert_eq!(
            all_topics.encode(&mut out, 0),
            Err(EncodeError::Null { field: "Metadata request.topics", version: 0 })
        );
    }

    #[test]
    fn a_string_longer_than_kafka_reads_is_refused() {
        for (length, version, is_written) in
            [(32_767, 0, true), (32_768, 0, false), (32_767, 4, true), (32_768, 4, false)]
        {
            let group_id = "g".repeat(length).into();
            let body = heartbeat::Request { group_id, ..Default::default() };
            let written = body.encode(&mut Vec::new(), version);
            assert_eq!(written.is_ok(), is_written, "{length} in version {version}: {written:?}");
        }
    }

    #[test]
    fn a_version_that_does_not_exist_is_refused() {
        assert_eq!(
            heartbeat::Request::default().encode(&mut Vec::new(), 5).unwrap_err().to_string(),
            "Heartbeat request: version 5 is outside of 0 to 4"
        );
    }
}
