//! Zstandard, RFC 8878, read as a stream: the declared size of a frame is never trusted.

use super::{Failure, read_bounded};

/// The largest window accepted, as a power of two: what level 22 uses, 128 MiB. The window is
/// address space that only what is really decompressed fills, and that the limit bounds.
const WINDOW_LOG_MAX: u32 = 27;

/// How a frame begins.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A block of 128 KiB that repeats one byte takes four.
pub(super) const UNFOLDS_TIMES_MAX: usize = 32 * 1024;

pub(super) fn compress(input: &[u8], level: i32) -> Result<Vec<u8>, String> {
    zstd::bulk::compress(input, level).map_err(|error| error.to_string())
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    if input.is_empty() {
        return Err(Failure::Corrupt("no frame".to_owned()));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    read_bounded(decoder, limit_bytes)
}
