//! The zigzag varints of records: small magnitudes take few bytes, the sign sits in the lowest bit.
//!
//! Source: Kafka's `ByteUtils`; Protocol Buffers' `sint32` and `sint64`.

/// Takes an `int32` off the front of `input`; `None` if it is cut off or has more than 32 bits.
#[inline]
pub(super) fn take_i32(input: &mut &[u8]) -> Option<i32> {
    // One byte holds -64 to 63: most fields of most records.
    if let Some((&first, rest)) = input.split_first()
        && first < 0x80
    {
        *input = rest;
        return Some(unzigzag_u32(u32::from(first)));
    }
    let raw = take_raw(input, 5)?;
    Some(unzigzag_u32(u32::try_from(raw).ok()?))
}

/// Takes an `int64` off the front of `input`; `None` if it is cut off or has more than 64 bits.
#[inline]
pub(super) fn take_i64(input: &mut &[u8]) -> Option<i64> {
    let raw = take_raw(input, 10)?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Appends an `int32`.
pub(super) fn put_i32(output: &mut Vec<u8>, value: i32) {
    put_raw(output, u64::from(zigzag_u32(value)));
}

/// Appends an `int64`.
pub(super) fn put_i64(output: &mut Vec<u8>, value: i64) {
    put_raw(output, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Bytes that an `int32` takes.
pub(super) fn size_i32(value: i32) -> usize {
    size_raw(u64::from(zigzag_u32(value)))
}

/// Bytes that an `int64` takes.
pub(super) fn size_i64(value: i64) -> usize {
    size_raw(((value << 1) ^ (value >> 63)).cast_unsigned())
}

const fn zigzag_u32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

const fn unzigzag_u32(raw: u32) -> i32 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

fn take_raw(input: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut raw: u64 = 0;
    for (position, &byte) in input.iter().take(bytes_max).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * position;
        if position == 9 && bits > 1 {
            return None;
        }
        raw |= bits << shift;
        if byte < 0x80 {
            *input = input.get(position + 1..)?;
            return Some(raw);
        }
    }
    None
}

fn put_raw(output: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        output.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    output.push(raw.to_le_bytes()[0]);
}

fn size_raw(raw: u64) -> usize {
    let bits = 64 - (raw | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::{put_i32, put_i64, size_i32, size_i64, take_i32, take_i64};
    use proptest::prelude::*;

    #[test]
    fn small_numbers_take_the_bytes_that_kafka_gives_them() {
        for (value, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut output = Vec::new();
            put_i32(&mut output, value);
            assert_eq!(output, bytes, "{value}");
            assert_eq!(take_i32(&mut &output[..]), Some(value));
        }
    }

    #[test]
    fn numbers_that_are_cut_off_or_too_wide_are_refused() {
        for bytes in [&[][..], &[0x80], &[0xff; 4], &[0xff; 6], &[0xff, 0xff, 0xff, 0xff, 0x1f]] {
            assert_eq!(take_i32(&mut { bytes }), None, "{bytes:?}");
        }
        let mut wide = [0xff; 10];
        wide[9] = 2;
        for bytes in [&[][..], &[0x80], &[0xff; 9], &[0xff; 11], &wide] {
            assert_eq!(take_i64(&mut { bytes }), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back_and_has_the_size_foretold(a: i32, b: i64) {
            let mut output = Vec::new();
            put_i32(&mut output, a);
            prop_assert_eq!(output.len(), size_i32(a));
            put_i64(&mut output, b);
            prop_assert_eq!(output.len(), size_i32(a) + size_i64(b));
            let mut input = &output[..];
            prop_assert_eq!(take_i32(&mut input), Some(a));
            prop_assert_eq!(take_i64(&mut input), Some(b));
            prop_assert!(input.is_empty());
        }
    }
}
