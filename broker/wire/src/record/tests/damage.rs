//! Damaged and hostile bytes: each gets an error that says what is wrong, none a panic.

use super::*;

/// Changes bytes of a good batch and gives it the checksum of what it now holds.
fn with_field(at: usize, value: &[u8]) -> Vec<u8> {
    let builder = BatchBuilder::new(Offset::ZERO).with_producer(producer(8, 1, 0));
    let mut bytes = build(builder, &[Owned::value(b"one"), Owned::value(b"two")]);
    bytes[at..at + value.len()].copy_from_slice(value);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn each_field_of_the_header_is_checked() {
    let size_bytes = with_field(0, &[]).len();
    let count = |count: i32, last_offset_delta: i32| HeaderError::Count {
        count,
        last_offset_delta,
        size_bytes,
    };
    let offsets = |base_offset: i64, last_offset_delta: i32| HeaderError::Offsets {
        base_offset,
        last_offset_delta,
    };
    let rows: &[(usize, &[u8], HeaderError)] = &[
        (0, &(-1_i64).to_be_bytes(), offsets(-1, 1)),
        (0, &i64::MAX.to_be_bytes(), offsets(i64::MAX, 1)),
        (8, &48_i32.to_be_bytes(), HeaderError::Length { length: 48 }),
        (8, &(-1_i32).to_be_bytes(), HeaderError::Length { length: -1 }),
        (16, &[1], HeaderError::Magic { magic: 1 }),
        (16, &[0xff], HeaderError::Magic { magic: -1 }),
        (21, &[0, 5], HeaderError::Compression { id: 5 }),
        (23, &(-1_i32).to_be_bytes(), offsets(0, -1)),
        (23, &0_i32.to_be_bytes(), count(2, 0)),
        (51, &(-1_i16).to_be_bytes(), {
            HeaderError::ProducerEpoch { producer_id: ProducerId::from_wire(8).unwrap(), epoch: -1 }
        }),
        (57, &(-1_i32).to_be_bytes(), count(-1, 1)),
        (57, &3_i32.to_be_bytes(), count(3, 1)),
    ];
    for (at, value, expected) in rows {
        let bytes = with_field(*at, value);
        let result = Batch::split_first(&bytes);
        assert_eq!(result, Err(BatchError::Header(expected.clone())), "{at} {value:?}");
    }
}

#[test]
fn more_records_than_the_bytes_could_hold_are_refused_before_they_are_read() {
    let mut bytes = with_field(23, &i32::MAX.to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let refused = Batch::split_first(&bytes);
    assert!(matches!(refused, Err(BatchError::Header(HeaderError::Count { .. }))), "{refused:?}");
}

#[test]
fn a_length_beyond_the_bytes_is_refused() {
    let bytes = with_field(8, &i32::MAX.to_be_bytes());
    let size_bytes = i32::MAX as usize + SIZE_BYTES;
    let expected = BatchError::CutOff { size_bytes, available_bytes: bytes.len() };
    assert_eq!(Batch::split_first(&bytes), Err(expected));
}

#[test]
fn every_prefix_of_a_batch_is_refused() {
    let bytes = with_field(0, &[]);
    for length in 0..bytes.len() {
        assert!(Batch::split_first(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn every_flipped_bit_behind_the_checksum_is_found() {
    let bytes = with_field(0, &[]);
    for bit in 17 * 8..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let is_refused = match Batch::split_first(&damaged) {
            Ok((batch, _)) => batch.verify_crc().is_err(),
            Err(_) => true,
        };
        assert!(is_refused, "bit {bit}");
    }
}

#[test]
fn records_that_are_not_as_the_header_counts_are_refused() {
    let size = with_field(0, &[]).len();
    for (at, value, expected) in [
        (57, &1_i32.to_be_bytes()[..], "batch has 10 bytes after its 1 records"),
        (61, &[0x14], "record 0 of 2 has 1 bytes after its last header"),
        (61, &[0x10], "record 0 of 2 has no readable header count within its 0 bytes"),
        (61, &[0x7e], "record 0 of 2 has no readable length within its 19 bytes"),
        (61, &[0x13], "record 0 of 2 has no readable length within its 19 bytes"),
        (61, &[0x00], "record 0 of 2 has no readable attributes within its 0 bytes"),
        (64, &[2], "record 1 has offset delta 1, outside 2 to 1"),
        (74, &[0], "record 1 has offset delta 0, outside 1 to 1"),
        (74, &[4], "record 1 has offset delta 2, outside 1 to 1"),
        (66, &[0x7e], "record 0 of 2 has no readable value within its 4 bytes"),
    ] {
        let bytes = with_field(at, value);
        assert_eq!(bytes.len(), size);
        let open = sole(&bytes).open(0).unwrap();
        let error = open.check().unwrap_err();
        assert_eq!(error.to_string(), expected, "{at} {value:?}");
    }
}

#[test]
fn a_bomb_stops_at_the_limit_and_says_so() {
    let input = vec![0; 8 << 20];
    for codec in Compression::ALL.map(Codec::from) {
        let compression = codec.compression();
        let bomb = compress(codec, &input).unwrap();
        for limit_bytes in [0, 1, 1 << 20, input.len() - 1] {
            let input_bytes = bomb.len();
            let expected =
                CompressionError::LimitExceeded { compression, input_bytes, limit_bytes };
            assert_eq!(decompress(compression, &bomb, limit_bytes), Err(expected));
        }
        assert_eq!(decompress(compression, &bomb, input.len()).unwrap().len(), input.len());
    }
}

#[test]
fn a_snappy_block_that_lies_about_its_size_costs_no_memory() {
    // Declares 2^31 bytes and holds none.
    let lie = [0x80, 0x80, 0x80, 0x80, 0x08];
    let refused = decompress(Compression::Snappy, &lie, usize::MAX);
    assert!(matches!(refused, Err(CompressionError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn compressed_streams_that_lost_data_at_their_end_are_refused() {
    let input: Vec<u8> = (0..9_000_u32).flat_map(|number| (number * 7_919).to_be_bytes()).collect();
    for codec in Compression::ALL.map(Codec::from).into_iter().skip(1) {
        let whole = compress(codec, &input).unwrap();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            let result = decompress(codec.compression(), &whole[..length], input.len());
            // lz4's last byte belongs to the mark of its end, not to the data.
            let is_complete = result.as_ref() == Ok(&input) && codec == Codec::Lz4;
            assert!(result.is_err() || is_complete, "{codec:?} {length}");
        }
    }
}

proptest! {
    #[test]
    fn garbage_is_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Batches::new(&bytes).collect::<Vec<_>>();
        for compression in Compression::ALL {
            let _ = decompress(compression, &bytes, 4096);
        }
    }

    #[test]
    fn a_batch_with_any_bytes_changed_is_refused_or_read_but_never_a_panic(
        records in proptest::collection::vec(any_record(), 1..6),
        codec in any_codec(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = build(BatchBuilder::new(Offset::ZERO).with_codec(codec), &records);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for batch in Batches::new(&bytes).flatten() {
            let _ = batch.verify_crc();
            if let Ok(open) = batch.open(1 << 16) {
                // The fast walk passes what the careful one passes, and no more.
                let is_good = open.check().is_ok() && batch.header().is_dense();
                prop_assert_eq!(open.summarize().is_some(), is_good);
                for record in open.records().flatten() {
                    prop_assert!(record.offset <= batch.header().last_offset());
                    let _ = record.headers.iter().count();
                    let _ = ControlRecord::parse(&record);
                }
            }
        }
    }
}
