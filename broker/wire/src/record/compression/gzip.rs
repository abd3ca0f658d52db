//! gzip, RFC 1952: written as one member, read as one or several.

use std::io::Write;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Failure, read_bounded};

/// How a member begins.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Deflate writes a copy of 258 bytes in two bits at the least.
pub(super) const UNFOLDS_TIMES_MAX: usize = 1032;

pub(super) fn compress(input: &[u8], level: Option<u8>) -> Result<Vec<u8>, String> {
    let level = level.map_or_else(flate2::Compression::default, |level| {
        flate2::Compression::new(u32::from(level.clamp(1, 9)))
    });
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(input).and_then(|()| encoder.finish()).map_err(|error| error.to_string())
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    read_bounded(MultiGzDecoder::new(input), limit_bytes)
}
