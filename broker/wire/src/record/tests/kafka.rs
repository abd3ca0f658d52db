//! Against a codec that is not ours: the `kafka-protocol` crate writes what we read, and back.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as theirs;

use super::*;

fn to_theirs(record: &Owned, place: i32) -> theirs::Record {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().map(Bytes::from);
    let headers: IndexMap<_, _> = record
        .headers
        .iter()
        .map(|(key, value)| (StrBytes::from_string(text(key)), bytes(value)))
        .collect();
    theirs::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 6,
        producer_id: 5,
        producer_epoch: 4,
        timestamp_type: theirs::TimestampType::Creation,
        offset: 1_000 + i64::from(place),
        sequence: 30 + place,
        timestamp: record.timestamp.map_or(-1, TimestampMs::to_wire),
        key: bytes(&record.key),
        value: bytes(&record.value),
        headers,
    }
}

fn text(key: &[u8]) -> String {
    key.iter().map(|byte| char::from(byte & 0x7f)).collect()
}

/// As the other codec can carry it: header names are ASCII and stand once.
fn tame(record: &Owned) -> Owned {
    let mut headers: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for (key, value) in &record.headers {
        let key = text(key).into_bytes();
        if headers.iter().all(|(known, _)| *known != key) {
            headers.push((key, value.clone()));
        }
    }
    // Their arithmetic on timestamps overflows where ours wraps.
    let timestamp = record.timestamp.map(|time| TimestampMs::new(time.to_wire() >> 2));
    Owned { headers, timestamp, ..record.clone() }
}

proptest! {
    #[test]
    fn what_they_write_we_read(
        records in proptest::collection::vec(any_record(), 1..20),
    ) {
        let records: Vec<_> = records.iter().map(tame).collect();
        let sent: Vec<_> = records.iter().zip(0..).map(|(one, at)| to_theirs(one, at)).collect();
        let options =
            theirs::RecordEncodeOptions { version: 2, compression: theirs::Compression::None };
        let mut bytes = BytesMut::new();
        theirs::RecordBatchEncoder::encode(&mut bytes, &sent, &options).unwrap();
        let batch = sole(&bytes);
        batch.verify_crc().unwrap();
        prop_assert_eq!(batch.header().base_offset, Offset::new(1_000));
        prop_assert_eq!(batch.header().leader_epoch, Some(epoch(6)));
        prop_assert_eq!(batch.header().producer, Some(producer(5, 4, 30)));
        let open = batch.open(0).unwrap();
        let read: Vec<_> = open.records().map(|one| Owned::of(&one.unwrap())).collect();
        prop_assert_eq!(&read, &records);
    }

    #[test]
    fn what_we_write_they_read(records in proptest::collection::vec(any_record(), 1..20)) {
        let records: Vec<_> = records.iter().map(tame).collect();
        let builder = BatchBuilder::new(Offset::new(1_000))
            .with_producer(producer(5, 4, 30))
            .with_leader_epoch(epoch(6));
        let bytes = build(builder, &records);
        let read = theirs::RecordBatchDecoder::decode(&mut Bytes::from(bytes)).unwrap().records;
        prop_assert_eq!(read.len(), records.len());
        for ((read, record), place) in read.iter().zip(&records).zip(0..) {
            let expected = to_theirs(record, place);
            prop_assert_eq!(read.offset, expected.offset);
            prop_assert_eq!(read.sequence, expected.sequence);
            prop_assert_eq!(read.timestamp, expected.timestamp);
            prop_assert_eq!(&read.key, &expected.key);
            prop_assert_eq!(&read.value, &expected.value);
            prop_assert_eq!(&read.headers, &expected.headers);
            prop_assert_eq!(read.partition_leader_epoch, 6);
        }
    }
}
