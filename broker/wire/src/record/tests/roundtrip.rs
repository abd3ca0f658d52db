//! What was built is what is read.

use super::*;

const LIMIT_BYTES: usize = 1 << 20;

#[test]
fn a_patched_prefix_moves_the_batch_and_keeps_its_checksum() {
    let bytes = build(BatchBuilder::new(Offset::ZERO), &[Owned::value(b"a"), Owned::value(b"b")]);
    let batch = sole(&bytes);
    let mut stored = batch.patched_prefix(Offset::new(1 << 40), epoch(7)).to_vec();
    stored.extend_from_slice(batch.after_prefix());
    let stored = sole(&stored);
    stored.verify_crc().unwrap();
    assert_eq!(stored.header().base_offset, Offset::new(1 << 40));
    assert_eq!(stored.header().last_offset(), Offset::new((1 << 40) + 1));
    assert_eq!(stored.header().next_offset(), Offset::new((1 << 40) + 2));
    assert_eq!(stored.header().leader_epoch, Some(epoch(7)));
    assert_eq!(stored.payload(), batch.payload());
}

#[test]
fn the_brokers_time_replaces_that_of_every_record() {
    for codec in Compression::ALL.map(Codec::from) {
        let builder = BatchBuilder::new(Offset::ZERO).with_codec(codec);
        let bytes = build(builder, &[Owned::value(b"a"), Owned::value(b"b")]);
        let batch = sole(&bytes);
        let now = TimestampMs::new(1_800_000_000_000);
        let mut head = BatchHead::of(&batch);
        head.place(Offset::new(9), epoch(1));
        head.stamp(TimestampType::LogAppendTime, Some(now), batch.payload());
        let mut stored = head.bytes().to_vec();
        stored.extend_from_slice(batch.payload());
        let stored = sole(&stored);
        stored.verify_crc().unwrap();
        assert_eq!(stored.header(), head.header());
        assert_eq!(stored.header().base_offset, Offset::new(9));
        assert_eq!(stored.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(stored.header().max_timestamp, Some(now));
        for record in stored.open(LIMIT_BYTES).unwrap().records() {
            assert_eq!(record.unwrap().timestamp, Some(now));
        }
    }
}

#[test]
fn an_end_of_transaction_marker_is_understood() {
    for is_commit in [false, true] {
        let marker = EndTxnMarker { is_commit, coordinator_epoch: 12 };
        let (key, value) = (marker.key(), marker.value());
        let mut builder = BatchBuilder::new(Offset::new(5))
            .with_producer(producer(4, 2, -1))
            .transactional()
            .control();
        let record = NewRecord { key: Some(&key), value: Some(&value), ..NewRecord::default() };
        builder.push(&record).unwrap();
        let bytes = builder.build().unwrap();
        let batch = sole(&bytes);
        assert!(batch.header().attributes.is_control());
        assert!(batch.header().attributes.is_transactional());
        assert_eq!(batch.header().producer, Some(producer(4, 2, -1)));
        let open = batch.open(0).unwrap();
        let record = open.records().next().unwrap().unwrap();
        assert_eq!(ControlRecord::parse(&record), Ok(ControlRecord::EndTxn(marker)));
    }
}

#[test]
fn a_control_record_that_is_cut_short_is_refused() {
    let record = |key, value| Record {
        offset: Offset::ZERO,
        timestamp: None,
        key,
        value,
        headers: RecordHeaders::default(),
    };
    for (key, value, expected) in [
        (None, None, Err(ControlError::Key { key_bytes: 0 })),
        (Some(&[0, 0, 0][..]), None, Err(ControlError::Key { key_bytes: 3 })),
        (Some(&[0, 0, 0, 1]), None, Err(ControlError::Value { value_bytes: 0 })),
        (Some(&[0xff, 0xff, 0, 1]), None, Err(ControlError::Version { version: -1 })),
        (Some(&[0, 0, 0, 2]), None, Ok(ControlRecord::Other { kind: 2 })),
    ] {
        assert_eq!(ControlRecord::parse(&record(key, value)), expected, "{key:?}");
    }
}

#[test]
fn compaction_keeps_offsets_producer_and_times_of_what_it_keeps() {
    let records: Vec<_> = (0..5_u8).map(|number| Owned::value(&[number])).collect();
    let builder = BatchBuilder::new(Offset::new(100))
        .with_producer(producer(1, 0, 40))
        .with_leader_epoch(epoch(3))
        .with_codec(Codec::Lz4);
    let bytes = build(builder, &records);
    let open = sole(&bytes).open(LIMIT_BYTES).unwrap();
    let horizon = TimestampMs::new(1_700_000_099_000);
    let mut kept = BatchBuilder::like(open.header(), Codec::Snappy).with_delete_horizon(horizon);
    for record in open.records().map(Result::unwrap).filter(|one| one.offset.get() % 3 == 2) {
        kept.retain(&record).unwrap();
    }
    let kept = kept.build().unwrap();
    let kept = sole(&kept);
    kept.verify_crc().unwrap();
    let header = kept.header();
    assert_eq!(header.base_offset, Offset::new(100));
    assert_eq!(header.last_offset(), Offset::new(104));
    assert!(!header.is_dense());
    assert_eq!(header.last_sequence(), Sequence::from_wire(44));
    assert_eq!(header.leader_epoch, Some(epoch(3)));
    assert_eq!(header.compression(), Compression::Snappy);
    assert_eq!(header.delete_horizon(), Some(horizon));
    let open = kept.open(LIMIT_BYTES).unwrap();
    assert_eq!(open.summarize(), None, "not for batches with gaps");
    let left: Vec<_> = open.records().map(Result::unwrap).collect();
    assert_eq!(left.iter().map(|one| one.offset.get()).collect::<Vec<_>>(), [101, 104]);
    assert!(left.iter().all(|one| one.timestamp == records[0].timestamp));
}

#[test]
fn a_batch_of_which_nothing_is_left_still_stands_for_its_offsets() {
    let builder = BatchBuilder::new(Offset::new(7)).with_producer(producer(1, 0, 0));
    let bytes = build(builder.with_codec(Codec::Zstd { level: 3 }), &vec![Owned::value(b""); 3]);
    let empty = BatchBuilder::like(sole(&bytes).header(), Codec::Zstd { level: 3 });
    let empty = empty.build().unwrap();
    assert_eq!(empty.len(), HEADER_BYTES);
    let batch = sole(&empty);
    batch.verify_crc().unwrap();
    assert_eq!(batch.header().records_count, 0);
    assert_eq!(batch.header().last_offset(), Offset::new(9));
    assert_eq!(batch.header().max_timestamp, sole(&bytes).header().max_timestamp);
    assert_eq!(batch.header().compression(), Compression::None);
    assert_eq!(batch.open(0).unwrap().records().count(), 0);
}

#[test]
fn a_batch_without_records_or_offsets_is_not_built() {
    let refused = BatchBuilder::new(Offset::new(3)).build();
    assert_eq!(refused, Err(BuildError::Empty { base_offset: Offset::new(3) }));
}

#[test]
fn batches_are_read_one_behind_the_other() {
    let mut bytes = build(BatchBuilder::new(Offset::ZERO), &[Owned::value(b"a")]);
    bytes.extend(build(BatchBuilder::new(Offset::new(1)), &[Owned::value(b"b")]));
    let whole = bytes.len();
    assert_eq!(Batches::new(&bytes).map(Result::unwrap).count(), 2);
    let results: Vec<_> = Batches::new(&bytes[..whole - 1]).collect();
    assert!(matches!(results[..], [Ok(_), Err(BatchError::CutOff { .. })]), "{results:?}");
}

proptest! {
    #[test]
    fn every_record_comes_back(
        records in proptest::collection::vec(any_record(), 1..20),
        codec in any_codec(),
        base in 0..i64::MAX - 100,
        sequence in 0..i32::MAX,
    ) {
        let base = Offset::from_wire(base).unwrap();
        let builder = BatchBuilder::new(base)
            .with_codec(codec)
            .with_producer(producer(77, 3, sequence));
        let bytes = build(builder, &records);
        let batch = sole(&bytes);
        batch.verify_crc().unwrap();
        let header = batch.header();
        prop_assert!(header.is_dense());
        prop_assert_eq!(header.size_bytes, bytes.len());
        prop_assert_eq!(header.compression(), codec.compression());
        prop_assert_eq!(header.producer, Some(producer(77, 3, sequence)));
        prop_assert_eq!(header.max_timestamp, records.iter().filter_map(|one| one.timestamp).max());
        let open = batch.open(LIMIT_BYTES).unwrap();
        open.check().unwrap();
        for (place, (record, expected)) in open.records().zip(&records).enumerate() {
            let record = record.unwrap();
            prop_assert_eq!(record.offset, base.plus(place as u64));
            prop_assert_eq!(&Owned::of(&record), expected);
        }
        prop_assert_eq!(open.records().count(), records.len());
        let summary = open.summarize().unwrap();
        let times = || records.iter().filter_map(|one| one.timestamp);
        prop_assert_eq!(summary.max_timestamp, times().max());
        prop_assert_eq!(summary.min_timestamp, times().min());
        prop_assert_eq!(summary.has_null_key, records.iter().any(|one| one.key.is_none()));
    }

    #[test]
    fn what_a_codec_compresses_it_gives_back(
        codec in any_codec(),
        seed in proptest::collection::vec(any::<u8>(), 0..600),
        repeat in 1..300_usize,
    ) {
        let input = seed.repeat(repeat);
        let compressed = compress(codec, &input).unwrap();
        let output = decompress(codec.compression(), &compressed, input.len()).unwrap();
        prop_assert_eq!(output, input);
    }
}
