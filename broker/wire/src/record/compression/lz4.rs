//! The LZ4 frame format, as Kafka writes it for magic 2: independent blocks of up to 64 KiB,
//! no checksums but the header's. Read: any block size, with checksums or without.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Failure, read_bounded};

/// How a frame begins.
pub(super) const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Each further byte of a copy's length stands for 255.
pub(super) const UNFOLDS_TIMES_MAX: usize = 255;

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, String> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(input).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    if input.is_empty() {
        return Err(Failure::Corrupt("no frame".to_owned()));
    }
    read_bounded(FrameDecoder::new(input), limit_bytes)
}
