//! The rules of append, one row each.

use bytes::Bytes;
use millrace_log::producer_state::{ProducerBatch, ProducerBatchKind, ProducerState};
use millrace_types::{
    ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs,
};
use millrace_wire::record::{
    Batch, BatchBuilder, BatchHeader, BatchProducer, Codec, Compression, HEADER_BYTES, NewRecord,
    TimestampType,
};

use super::{AppendError, AppendRules, Arrival, Candidate, Gathering, Placement, inspect};
use crate::limits;

const NOW: TimestampMs = TimestampMs::new(1_700_000_000_000);
const HOUR_MS: i64 = 3_600_000;
const ARRIVAL: Arrival = Arrival { version: 11, now: NOW };

fn rules() -> AppendRules {
    AppendRules {
        message_bytes_max: 1_048_588,
        segment_bytes: 1 << 30,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: HOUR_MS,
        is_compacted: false,
        codec: None,
    }
}

fn producer(id: i64, epoch: i16, sequence: i32) -> BatchProducer {
    BatchProducer {
        id: ProducerId::from_wire(id).unwrap(),
        epoch: ProducerEpoch::from_wire(epoch).unwrap(),
        base_sequence: Sequence::from_wire(sequence),
    }
}

/// A batch with one record for each of these ages in ms.
fn aged(builder: BatchBuilder, ages_ms: &[i64]) -> Bytes {
    let mut builder = builder;
    for &age_ms in ages_ms {
        let timestamp = Some(NOW.plus_ms(-age_ms));
        let record = NewRecord { timestamp, key: Some(b"k"), value: Some(b"v"), headers: &[] };
        builder.push(&record).unwrap();
    }
    Bytes::from(builder.build().unwrap())
}

fn plain(codec: Codec) -> Bytes {
    aged(BatchBuilder::new(Offset::ZERO).with_codec(codec), &[0, 0])
}

/// Changes the attributes or another field, and the checksum with it.
fn with_field(bytes: &Bytes, at: usize, value: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(bytes)
}

fn stored(candidate: &Candidate) -> Vec<u8> {
    let mut bytes = candidate.head().bytes().to_vec();
    bytes.extend_from_slice(candidate.payload());
    let (batch, rest) = Batch::split_first(&bytes).unwrap();
    batch.verify_crc().unwrap();
    assert!(rest.is_empty());
    assert_eq!(batch.header(), candidate.head().header());
    bytes
}

fn check(bytes: &Bytes, rules: &AppendRules, version: i16, expected: ErrorCode) {
    let found = inspect(Some(bytes), rules, Arrival { version, now: NOW });
    let code = found.as_ref().map_or_else(AppendError::error_code, |_| ErrorCode::None);
    assert_eq!(code, expected, "{found:?}");
}

#[test]
fn a_plain_batch_is_stored_as_it_came() {
    for codec in Compression::ALL.map(Codec::from) {
        let bytes = plain(codec);
        let candidate = inspect(Some(&bytes), &rules(), ARRIVAL).unwrap();
        assert_eq!(stored(&candidate), bytes);
        assert_eq!(candidate.payload().as_ptr(), bytes[HEADER_BYTES..].as_ptr(), "no copy");
    }
}

#[test]
fn each_kind_of_damage_has_its_code() {
    let good = plain(Codec::None);
    let mut flipped = good.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let twice = [&good[..], &good[..]].concat();
    for (bytes, expected) in [
        (Bytes::new(), ErrorCode::InvalidRecord),
        (Bytes::from(flipped), ErrorCode::CorruptMessage),
        (Bytes::from(twice), ErrorCode::InvalidRecord),
        (good.slice(..20), ErrorCode::InvalidRecord),
        (good.slice(..good.len() - 1), ErrorCode::InvalidRecord),
        (with_field(&good, 0, &1_i64.to_be_bytes()), ErrorCode::InvalidRecord),
        (with_field(&good, 8, &5_i32.to_be_bytes()), ErrorCode::CorruptMessage),
        (with_field(&good, 16, &[1]), ErrorCode::InvalidRecord),
        (with_field(&good, 16, &[3]), ErrorCode::CorruptMessage),
        (with_field(&good, 21, &[0, 7]), ErrorCode::UnsupportedCompressionType),
        (with_field(&good, 21, &[0, 1]), ErrorCode::InvalidRecord),
        (with_field(&good, 57, &1_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        (with_field(&good, 57, &9_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        (with_field(&good, 23, &2_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        (with_field(&good, 61, &[0x7f]), ErrorCode::InvalidRecord),
    ] {
        check(&bytes, &rules(), 11, expected);
    }
    assert_eq!(inspect(None, &rules(), ARRIVAL).unwrap_err(), AppendError::NoBatch);
}

#[test]
fn compressed_records_are_looked_at_without_being_unpacked() {
    for codec in [Codec::Gzip { level: None }, Codec::Snappy, Codec::Lz4, Codec::Zstd { level: 3 }]
    {
        let good = plain(codec);
        check(&good, &rules(), 11, ErrorCode::None);
        let another = with_field(&good, 61, &[0xff; 8]);
        check(&another, &rules(), 11, ErrorCode::InvalidRecord);
        let many = with_field(&good, 57, &i32::MAX.to_be_bytes());
        let many = with_field(&many, 23, &(i32::MAX - 1).to_be_bytes());
        check(&many, &rules(), 11, ErrorCode::InvalidRecord);
    }
}

#[test]
fn what_only_brokers_write_is_refused_from_clients() {
    let builder = || BatchBuilder::new(Offset::ZERO).with_producer(producer(1, 0, 0));
    for (batch, expected) in [
        (aged(builder().control(), &[0]), ErrorCode::InvalidRecord),
        (aged(builder().transactional(), &[0]), ErrorCode::InvalidTxnState),
        (aged(builder().with_log_append_time(NOW), &[0]), ErrorCode::InvalidTimestamp),
        (aged(builder().with_delete_horizon(NOW), &[0]), ErrorCode::InvalidRecord),
        (aged(builder().with_producer(producer(1, 0, -1)), &[0]), ErrorCode::InvalidRecord),
        (aged(builder(), &[0]), ErrorCode::None),
    ] {
        check(&batch, &rules(), 11, expected);
    }
}

#[test]
fn zstd_needs_produce_7() {
    let bytes = plain(Codec::Zstd { level: 3 });
    check(&bytes, &rules(), 6, ErrorCode::UnsupportedCompressionType);
    check(&bytes, &rules(), 7, ErrorCode::None);
}

#[test]
fn the_whole_batch_counts_against_the_limits() {
    let bytes = plain(Codec::None);
    let size = bytes.len();
    for (message_bytes_max, segment_bytes, expected) in [
        (size, size, ErrorCode::None),
        (size - 1, size, ErrorCode::MessageTooLarge),
        (size, size - 1, ErrorCode::RecordListTooLarge),
    ] {
        let rules = AppendRules { message_bytes_max, segment_bytes, ..rules() };
        check(&bytes, &rules, 11, expected);
    }
}

#[test]
fn a_batch_that_grows_by_recompression_is_measured_again() {
    let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(Codec::Zstd { level: 3 });
    builder.push(&NewRecord { value: Some(&[0; 5000]), ..NewRecord::default() }).unwrap();
    let bytes = Bytes::from(builder.build().unwrap());
    let rules = AppendRules { message_bytes_max: 1000, codec: Some(Codec::None), ..rules() };
    assert!(bytes.len() < 1000);
    check(&bytes, &rules, 11, ErrorCode::MessageTooLarge);
}

#[test]
fn a_topic_with_its_own_compression_stores_that() {
    for source in Compression::ALL {
        for target in Compression::ALL {
            let bytes = plain(source.into());
            let rules = AppendRules { codec: Some(target.into()), ..rules() };
            let candidate = inspect(Some(&bytes), &rules, ARRIVAL).unwrap();
            let stored = stored(&candidate);
            let (batch, _) = Batch::split_first(&stored).unwrap();
            assert_eq!(batch.header().compression(), target);
            assert_eq!(source == target, stored == bytes, "{source:?} to {target:?}");
            let open = batch.open(1 << 20).unwrap();
            assert_eq!(open.records().map(Result::unwrap).count(), 2);
        }
    }
}

#[test]
fn a_bomb_is_refused_where_its_records_must_be_read() {
    let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(Codec::Gzip { level: None });
    let value = vec![0; 2 * limits::UNPACKED_BYTES_MIN];
    builder.push(&NewRecord { value: Some(&value), ..NewRecord::default() }).unwrap();
    let bomb = Bytes::from(builder.build().unwrap());
    check(&bomb, &rules(), 11, ErrorCode::None);
    let compacted = AppendRules { is_compacted: true, ..rules() };
    check(&bomb, &compacted, 11, ErrorCode::MessageTooLarge);
}

#[test]
fn timestamps_must_be_near_the_clock() {
    let day_ms = 24 * HOUR_MS;
    for (ages_ms, before_max_ms, expected) in [
        (&[0, -HOUR_MS][..], i64::MAX, &[][..]),
        (&[0, -HOUR_MS - 1, 0, -2 * HOUR_MS], i64::MAX, &[1, 3]),
        (&[day_ms, 9 * day_ms], i64::MAX, &[]),
        (&[day_ms, day_ms + 1, 0], day_ms, &[1]),
    ] {
        for codec in [Codec::None, Codec::Lz4] {
            let batch = aged(BatchBuilder::new(Offset::ZERO).with_codec(codec), ages_ms);
            let rules = AppendRules { timestamp_before_max_ms: before_max_ms, ..rules() };
            let refused: Vec<_> = match inspect(Some(&batch), &rules, ARRIVAL) {
                Ok(_) => Vec::new(),
                Err(error) => {
                    assert_eq!(error.error_code(), ErrorCode::InvalidTimestamp);
                    error.records().map(|record| record.index).collect()
                }
            };
            assert_eq!(refused, expected, "{ages_ms:?} {codec:?}");
        }
    }
}

#[test]
fn a_wrong_timestamp_is_the_reason_whatever_else_is_wrong() {
    for ahead_first in [true, false] {
        let mut builder = BatchBuilder::new(Offset::ZERO);
        for is_ahead in [ahead_first, !ahead_first] {
            let timestamp = Some(NOW.plus_ms(if is_ahead { 2 * HOUR_MS } else { 0 }));
            let key = is_ahead.then_some(&b"k"[..]);
            builder.push(&NewRecord { timestamp, key, ..NewRecord::default() }).unwrap();
        }
        let bytes = Bytes::from(builder.build().unwrap());
        let rules = AppendRules { is_compacted: true, ..rules() };
        check(&bytes, &rules, 11, ErrorCode::InvalidTimestamp);
    }
}

#[test]
fn a_batch_that_must_be_unpacked_is_costly() {
    let ahead = TimestampMs::new(NOW.to_wire() + 2 * HOUR_MS);
    let compacted = AppendRules { is_compacted: true, ..rules() };
    let repacked = AppendRules { codec: Some(Codec::Lz4), ..rules() };
    for (rules, codec, max, expected) in [
        (rules(), Codec::None, NOW, false),
        (rules(), Codec::Lz4, NOW, false),
        // Its header says that some record is refused: they are read to tell which.
        (rules(), Codec::Lz4, ahead, true),
        (compacted, Codec::None, NOW, false),
        (compacted, Codec::Lz4, NOW, true),
        (repacked, Codec::Lz4, NOW, false),
        (repacked, Codec::None, NOW, true),
    ] {
        let bytes = with_field(&plain(codec), 35, &max.to_wire().to_be_bytes());
        let header = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(rules.are_costly_for(&header, NOW), expected, "{rules:?} {codec:?} {max}");
    }
}

#[test]
fn the_reason_names_the_record_the_config_and_the_limit() {
    let batch = aged(BatchBuilder::new(Offset::ZERO), &[0, -2 * HOUR_MS]);
    let error = inspect(Some(&batch), &rules(), ARRIVAL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "one or more records have a timestamp that is out of range; first: record 1 has timestamp \
         1700007200000, 7200000 ms ahead of the broker's clock; \
         message.timestamp.after.max.ms=3600000"
    );
}

#[test]
fn records_without_time_are_always_in_range() {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.push(&NewRecord::default()).unwrap();
    let bytes = Bytes::from(builder.build().unwrap());
    let rules = AppendRules { timestamp_before_max_ms: 0, ..rules() };
    check(&bytes, &rules, 11, ErrorCode::None);
}

#[test]
fn the_brokers_clock_replaces_any_time_where_the_topic_says_so() {
    let rules = AppendRules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
    for codec in [Codec::None, Codec::Snappy] {
        let batch = aged(BatchBuilder::new(Offset::ZERO).with_codec(codec), &[0, -9 * HOUR_MS]);
        let candidate = inspect(Some(&batch), &rules, ARRIVAL).unwrap();
        let stored = stored(&candidate);
        let open = Batch::split_first(&stored).unwrap().0.open(1 << 20).unwrap();
        assert!(open.records().all(|record| record.unwrap().timestamp == Some(NOW)));
    }
}

#[test]
fn a_header_that_lies_about_its_largest_time_is_set_right() {
    let batch = aged(BatchBuilder::new(Offset::ZERO), &[500, 20]);
    for lie in [-1_i64, 0, NOW.to_wire()] {
        let batch = with_field(&batch, 35, &lie.to_be_bytes());
        let candidate = inspect(Some(&batch), &rules(), ARRIVAL).unwrap();
        stored(&candidate);
        assert_eq!(candidate.head().header().max_timestamp, Some(NOW.plus_ms(-20)));
    }
}

#[test]
fn a_compacted_topic_needs_keys() {
    let compacted = AppendRules { is_compacted: true, ..rules() };
    for codec in [Codec::None, Codec::Zstd { level: 1 }] {
        let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(codec);
        for key in [Some(&b""[..]), None, Some(b"k"), None] {
            builder.push(&NewRecord { key, ..NewRecord::default() }).unwrap();
        }
        let bytes = Bytes::from(builder.build().unwrap());
        check(&bytes, &rules(), 11, ErrorCode::None);
        let error = inspect(Some(&bytes), &compacted, ARRIVAL).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
        assert_eq!(error.records().map(|record| record.index).collect::<Vec<_>>(), [1, 3]);
    }
}

#[test]
fn a_refusal_names_a_bounded_number_of_records() {
    let ages_ms = vec![-2 * HOUR_MS; 10 * limits::REFUSED_RECORDS_MAX];
    let batch = aged(BatchBuilder::new(Offset::ZERO), &ages_ms);
    let error = inspect(Some(&batch), &rules(), ARRIVAL).unwrap_err();
    assert_eq!(error.records().count(), limits::REFUSED_RECORDS_MAX);
}

mod gathering {
    use super::*;

    fn candidate(producer: Option<BatchProducer>, records: usize) -> Candidate {
        let builder = BatchBuilder::new(Offset::ZERO);
        let builder = match producer {
            Some(producer) => builder.with_producer(producer),
            None => builder,
        };
        let bytes = aged(builder, &vec![0; records]);
        inspect(Some(&bytes), &rules(), ARRIVAL).unwrap()
    }

    fn epoch() -> LeaderEpoch {
        LeaderEpoch::from_wire(4).unwrap()
    }

    fn appended(base_offset: u64, next_offset: u64) -> Result<Placement, AppendError> {
        let (base_offset, next_offset) = (Offset::new(base_offset), Offset::new(next_offset));
        Ok(Placement::Append { base_offset, next_offset, log_append_time: None })
    }

    fn repeated(base_offset: u64, next_offset: u64) -> Result<Placement, AppendError> {
        let (base_offset, next_offset) = (Offset::new(base_offset), Offset::new(next_offset));
        Ok(Placement::Duplicate { base_offset, next_offset, log_append_time: Some(NOW) })
    }

    /// Producer 9 wrote three records at offset 10 with sequences 5 to 7 in epoch 2.
    fn state() -> ProducerState {
        let mut state = ProducerState::default();
        let BatchProducer { id, epoch, base_sequence } = producer(9, 2, 5);
        state.update(
            &ProducerBatch {
                producer_id: id,
                epoch,
                first_sequence: base_sequence,
                base_offset: Offset::new(10),
                last_offset: Offset::new(12),
                timestamp: Some(NOW),
                kind: ProducerBatchKind::Plain,
            },
            NOW,
        );
        state
    }

    #[test]
    fn candidates_follow_each_other_from_the_end_of_the_log() {
        let state = ProducerState::default();
        let mut gathering = Gathering::new(&state, Offset::new(100), epoch());
        let mut first = candidate(None, 3);
        assert_eq!(gathering.admit(&mut first), appended(100, 103));
        assert_eq!(gathering.admit(&mut candidate(None, 1)), appended(103, 104));
        assert_eq!(gathering.next_offset(), Offset::new(104));
        let header = *first.head().header();
        assert_eq!((header.base_offset, header.leader_epoch), (Offset::new(100), Some(epoch())));
        stored(&first);
    }

    #[test]
    fn a_producers_sequence_is_judged_against_the_log_and_what_was_gathered() {
        let state = state();
        let mut gathering = Gathering::new(&state, Offset::new(20), epoch());
        let mut admit = |epoch, sequence, records| {
            let result =
                gathering.admit(&mut candidate(Some(producer(9, epoch, sequence)), records));
            result.map_err(|error| error.error_code())
        };
        let appended = |base, next| appended(base, next).map_err(|_| ErrorCode::None);
        let repeated = |base, next| repeated(base, next).map_err(|_| ErrorCode::None);
        assert_eq!(admit(2, 5, 3), repeated(10, 13), "in the log");
        assert_eq!(admit(2, 8, 2), appended(20, 22));
        assert_eq!(admit(2, 8, 2), repeated(20, 22), "gathered only");
        assert_eq!(admit(2, 11, 1), Err(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(admit(2, 10, 1), appended(22, 23), "the refused one left no trace");
        assert_eq!(admit(1, 0, 1), Err(ErrorCode::InvalidProducerEpoch));
        assert_eq!(admit(3, 1, 1), Err(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(admit(3, 0, 1), appended(23, 24));
        assert_eq!(admit(2, 11, 1), Err(ErrorCode::InvalidProducerEpoch));
    }

    #[test]
    fn a_log_without_offsets_left_refuses() {
        let state = ProducerState::default();
        let mut gathering =
            Gathering::new(&state, Offset::new(i64::MAX.unsigned_abs() - 2), epoch());
        assert!(gathering.admit(&mut candidate(None, 2)).is_err());
        assert!(gathering.admit(&mut candidate(None, 1)).is_ok());
    }
}
