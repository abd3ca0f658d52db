//! Frames: a 4-byte length, a header, a body.

use crate::{ApiKey, DecodeError, Encode, EncodeError, Request, RequestHeader, ResponseHeader};

/// Bytes of the length in front of each frame.
pub const PREFIX_BYTES: usize = 4;

/// Reads the length in front of a frame: how many bytes follow.
///
/// # Errors
/// If the length is negative or above `limit_bytes`.
pub fn length(prefix: [u8; PREFIX_BYTES], limit_bytes: usize) -> Result<usize, DecodeError> {
    let length = i32::from_be_bytes(prefix);
    match usize::try_from(length) {
        Ok(bytes) if bytes <= limit_bytes => Ok(bytes),
        _ => Err(DecodeError::Length {
            field: "frame",
            length: i64::from(length),
            limit: i64::try_from(limit_bytes).unwrap_or(i64::MAX),
        }),
    }
}

/// Writes a whole request frame.
///
/// # Errors
/// If `body` cannot be written in `version`, or the frame exceeds 2 GiB.
pub fn request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &R,
) -> Result<Vec<u8>, EncodeError> {
    let client_id = client_id.map(Into::into);
    let mut out = vec![0; PREFIX_BYTES];
    RequestHeader { key: R::KEY, version, correlation_id, client_id }.encode(&mut out)?;
    body.encode(&mut out, version)?;
    finish(&mut out, 0)?;
    Ok(out)
}

/// Writes a whole response frame.
///
/// # Errors
/// If `body` cannot be written in `version`, or the frame exceeds 2 GiB.
pub fn response<B: Encode>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &B,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = begin_response(key, version, correlation_id);
    body.encode(&mut out, version)?;
    finish(&mut out, 0)?;
    Ok(out)
}

/// Starts a response frame: room for the length, and the header. [`finish`] sets the length.
pub fn begin_response(key: ApiKey, version: i16, correlation_id: i32) -> Vec<u8> {
    let mut out = vec![0; PREFIX_BYTES];
    ResponseHeader { correlation_id }.encode(&mut out, key, version);
    out
}

/// Sets the length of the frame that `out` begins with: all of `out` after the length, and
/// `elsewhere_bytes` that are sent without passing through `out`.
///
/// # Errors
/// If that is more than a length can say.
pub fn finish(out: &mut [u8], elsewhere_bytes: usize) -> Result<(), EncodeError> {
    let limit = i32::MAX.unsigned_abs() as usize;
    let body = out.len().saturating_sub(PREFIX_BYTES).saturating_add(elsewhere_bytes);
    let length = i32::try_from(body).map_err(|_| EncodeError::Length {
        field: "frame",
        length: body,
        limit,
    })?;
    if let Some(prefix) = out.first_chunk_mut::<PREFIX_BYTES>() {
        *prefix = length.to_be_bytes();
    }
    Ok(())
}
