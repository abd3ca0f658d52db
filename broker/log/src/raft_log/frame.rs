//! The bytes of one entry.
//!
//! ```text
//! ┌────────┬────────┬───────┬──────┬─────────┬──────┬──────────┐
//! │ length │ crc32c │ index │ term │ durable │ kind │ data     │
//! │ 4 B    │ 4 B    │ 8 B   │ 8 B  │ 8 B     │ 1 B  │ length-25│
//! └────────┴────────┴───────┴──────┴─────────┴──────┴──────────┘
//!  numbers big-endian; length counts from index on; the checksum covers length and all from index on
//! ```
//! `durable` is the entry up to which the log was synced when this one was written. It tells a torn
//! tail from rot: a damaged entry that a later one calls durable was there once.

use super::Entry;

const PREFIX_BYTES: usize = 8;
const FIXED_BYTES: usize = 25;

/// The largest length that is believed.
const LENGTH_MAX: usize = 1 << 30;

/// An entry, how long its bytes are, and what was durable when it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub entry: Entry,
    pub durable: u64,
    pub bytes: usize,
}

/// Appends the bytes of an entry.
///
/// # Panics
/// If the data is larger than 1 GiB: the metadata's entries are bounded far below.
pub(super) fn put(out: &mut Vec<u8>, entry: &Entry, durable: u64) {
    let length = FIXED_BYTES + entry.data.len();
    assert!(length <= LENGTH_MAX, "entry {} of {length} bytes", entry.index);
    let start = out.len();
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&entry.index.to_be_bytes());
    out.extend_from_slice(&entry.term.to_be_bytes());
    out.extend_from_slice(&durable.to_be_bytes());
    out.push(entry.kind);
    out.extend_from_slice(&entry.data);
    let frame = out.get_mut(start..).unwrap_or_default();
    if let Some((prefix, body)) = frame.split_at_mut_checked(PREFIX_BYTES) {
        let (length, checksum) = prefix.split_at_mut(4);
        checksum.copy_from_slice(&checksum_of(length, body).to_be_bytes());
    }
}

fn checksum_of(length: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(length), body)
}

/// Reads the entry at the front of `bytes`; `None` if there is no whole and sound one.
pub(super) fn take(bytes: &[u8]) -> Option<Frame> {
    let (prefix, rest) = bytes.split_at_checked(PREFIX_BYTES)?;
    let (length_bytes, checksum) = prefix.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length_bytes.try_into().ok()?)).ok()?;
    if !(FIXED_BYTES..=LENGTH_MAX).contains(&length) {
        return None;
    }
    let body = rest.get(..length)?;
    if checksum_of(length_bytes, body).to_be_bytes() != checksum {
        return None;
    }
    let (fixed, data) = body.split_at_checked(FIXED_BYTES)?;
    let number = |at: usize| Some(u64::from_be_bytes(fixed.get(at..at + 8)?.try_into().ok()?));
    let entry =
        Entry { index: number(0)?, term: number(8)?, kind: *fixed.get(24)?, data: data.to_vec() };
    Some(Frame { entry, durable: number(16)?, bytes: PREFIX_BYTES + length })
}

#[cfg(test)]
mod tests {
    use super::{Entry, put, take};

    #[test]
    fn a_frame_is_read_back_and_any_flipped_bit_is_noticed() {
        let entry = Entry { index: 7, term: 3, kind: 1, data: b"hello".to_vec() };
        let mut bytes = Vec::new();
        put(&mut bytes, &entry, 6);
        let frame = take(&bytes).unwrap();
        assert_eq!((frame.entry, frame.durable, frame.bytes), (entry, 6, bytes.len()));
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[position] ^= 1 << bit;
                assert_eq!(take(&flipped), None, "bit {bit} of byte {position}");
            }
        }
        for end in 0..bytes.len() {
            assert_eq!(take(&bytes[..end]), None, "cut at {end}");
        }
    }
}
