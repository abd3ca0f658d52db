//! Rows and properties of batches as a whole: what goes in comes out, and garbage is refused.

use millrace_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use proptest::prelude::*;

use super::*;

mod damage;
mod kafka;
mod roundtrip;

/// A record that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    timestamp: Option<TimestampMs>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Owned {
    fn value(value: &[u8]) -> Owned {
        Owned {
            timestamp: TimestampMs::from_wire(1_700_000_000_000),
            key: None,
            value: Some(value.to_vec()),
            headers: Vec::new(),
        }
    }

    fn of(record: &Record<'_>) -> Owned {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Owned {
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers: record
                .headers
                .iter()
                .map(|one| (one.key.to_vec(), owned(one.value)))
                .collect(),
        }
    }

    fn push_to(&self, builder: &mut BatchBuilder) {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(key, value)| RecordHeader { key, value: value.as_deref() })
            .collect();
        let record = NewRecord {
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        };
        builder.push(&record).unwrap();
    }
}

fn build(builder: BatchBuilder, records: &[Owned]) -> Vec<u8> {
    let mut builder = builder;
    for record in records {
        record.push_to(&mut builder);
    }
    builder.build().unwrap()
}

fn sole(bytes: &[u8]) -> Batch<'_> {
    let (batch, rest) = Batch::split_first(bytes).unwrap();
    assert!(rest.is_empty());
    batch
}

fn producer(id: i64, epoch: i16, sequence: i32) -> BatchProducer {
    BatchProducer {
        id: ProducerId::from_wire(id).unwrap(),
        epoch: ProducerEpoch::from_wire(epoch).unwrap(),
        base_sequence: Sequence::from_wire(sequence),
    }
}

fn epoch(value: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(value).unwrap()
}

fn any_codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        proptest::option::of(1..=9_u8).prop_map(|level| Codec::Gzip { level }),
        Just(Codec::Snappy),
        Just(Codec::Lz4),
        (-7..=6_i32).prop_map(|level| Codec::Zstd { level }),
    ]
}

fn any_record() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80));
    let header = (proptest::collection::vec(any::<u8>(), 0..9), bytes());
    let headers = proptest::collection::vec(header, 0..4);
    (proptest::option::of(0..i64::MAX), bytes(), bytes(), headers).prop_map(
        |(timestamp, key, value, headers)| Owned {
            timestamp: timestamp.and_then(TimestampMs::from_wire),
            key,
            value,
            headers,
        },
    )
}
