//! Snappy: blocks in the framing of xerial's snappy-java, or one raw block.
//!
//! ```text
//!  82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version int32 (1) | oldest reader int32 (1)
//!  then until the end: length int32 | raw snappy block       (all big endian)
//! ```
//! Streams may be joined: then the 16 bytes stand again where a length is awaited.

use super::Failure;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const STREAM_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What snappy-java puts into one block.
const BLOCK_BYTES: usize = 32 * 1024;

/// A copy of 64 bytes takes three.
pub(super) const UNFOLDS_TIMES_MAX: usize = 22;

/// Whether this is xerial's framing, or a block whose own length can be true.
pub(super) fn begins_well(input: &[u8]) -> bool {
    input.starts_with(&MAGIC)
        || snap::raw::decompress_len(input).is_ok_and(|n| is_possible(n, input))
}

fn is_possible(length: usize, block: &[u8]) -> bool {
    length / UNFOLDS_TIMES_MAX <= block.len()
}

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, String> {
    let mut output = STREAM_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(|error| error.to_string())?;
        let length = i32::try_from(compressed.len()).map_err(|error| error.to_string())?;
        output.extend_from_slice(&length.to_be_bytes());
        output.extend_from_slice(&compressed);
    }
    Ok(output)
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut output = Vec::new();
    if !input.starts_with(&MAGIC) {
        append_block(input, &mut output, limit_bytes)?;
        return Ok(output);
    }
    let mut rest = input;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC) {
            rest = rest.get(STREAM_HEADER.len()..).ok_or_else(|| cut_off(input, rest))?;
            continue;
        }
        let (length, after) = rest.split_first_chunk().ok_or_else(|| cut_off(input, rest))?;
        let length = i32::from_be_bytes(*length);
        let block = usize::try_from(length).ok().and_then(|length| after.split_at_checked(length));
        let (block, after) = block.ok_or_else(|| {
            let at = input.len() - rest.len();
            Failure::Corrupt(format!("block at byte {at} tells a length of {length}"))
        })?;
        append_block(block, &mut output, limit_bytes)?;
        rest = after;
    }
    Ok(output)
}

fn append_block(block: &[u8], output: &mut Vec<u8>, limit_bytes: usize) -> Result<(), Failure> {
    let corrupt = |error: snap::Error| Failure::Corrupt(error.to_string());
    let length = snap::raw::decompress_len(block).map_err(corrupt)?;
    let start = output.len();
    if length > limit_bytes - start {
        return Err(Failure::Limit);
    }
    // A larger claim is a lie, and would otherwise cost memory before the decoder finds out.
    if !is_possible(length, block) {
        return Err(Failure::Corrupt(format!("{} bytes claim to hold {length}", block.len())));
    }
    output.resize(start + length, 0);
    let target = output.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(block, target).map(|_| ()).map_err(corrupt)
}

fn cut_off(input: &[u8], rest: &[u8]) -> Failure {
    Failure::Corrupt(format!("cut off at byte {}", input.len() - rest.len()))
}
