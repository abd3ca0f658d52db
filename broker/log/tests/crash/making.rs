//! Makes the batches of a history.

use millrace_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};
use millrace_wire::record::{
    Batch, BatchBuilder, BatchHead, BatchProducer, Codec, EndTxnMarker, NewRecord,
};

use crate::history::{Draft, Kind, PRODUCERS};
use crate::scan::Stored;
use crate::world::World;

/// The id of a producer, by its number.
pub fn producer_id(producer: usize) -> ProducerId {
    ProducerId::from_wire(i64::try_from(producer).unwrap()).unwrap()
}

/// Makes a batch as it is to be stored at `base`; `sequences` are the next ones of each producer.
pub fn make(
    world: &mut World,
    draft: &Draft,
    base: u64,
    sequences: &mut [i32; PRODUCERS],
) -> Stored {
    let is_data = draft.kind == Kind::Data;
    let codec = if is_data { draft.codec } else { Codec::None };
    let mut builder = BatchBuilder::new(Offset::new(base)).with_codec(codec);
    if let Some(producer) = draft.producer {
        let sequence = if is_data { Sequence::from_wire(sequences[producer]) } else { None };
        builder = builder.with_producer(BatchProducer {
            id: producer_id(producer),
            epoch: ProducerEpoch::ZERO,
            base_sequence: sequence,
        });
        if producer >= 2 {
            builder = builder.transactional();
        }
        if is_data {
            sequences[producer] += i32::try_from(draft.records.len()).unwrap();
        }
    }
    let builder = if is_data { data(world, draft, builder) } else { marker(world, draft, builder) };
    let bytes = builder.build().unwrap();
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    let mut head = BatchHead::of(&batch);
    head.place(Offset::new(base), LeaderEpoch::from_wire(world.epoch).unwrap());
    let placed = [&head.bytes()[..], batch.payload()].concat();
    Stored::new(&Batch::split_first(&placed).unwrap().0)
}

fn data(world: &mut World, draft: &Draft, mut builder: BatchBuilder) -> BatchBuilder {
    for (key, size) in &draft.records {
        world.counter += 1;
        // Not in order, so that the time index has something to do.
        let late = i64::try_from(world.counter % 7).unwrap() * 5;
        let value = size.map(|size| format!("{}{}", world.counter, "v".repeat(size)));
        let record = NewRecord {
            timestamp: Some(world.now.plus_ms(-late)),
            key: Some(&key.to_be_bytes()),
            value: value.as_ref().map(String::as_bytes),
            headers: &[],
        };
        builder.push(&record).unwrap();
    }
    builder
}

fn marker(world: &World, draft: &Draft, builder: BatchBuilder) -> BatchBuilder {
    let marker = EndTxnMarker { is_commit: draft.kind == Kind::Commit, coordinator_epoch: 1 };
    let mut builder = builder.control();
    let (key, value) = (marker.key(), marker.value());
    let record = NewRecord {
        timestamp: Some(world.now),
        key: Some(&key),
        value: Some(&value),
        headers: &[],
    };
    builder.push(&record).unwrap();
    builder
}
