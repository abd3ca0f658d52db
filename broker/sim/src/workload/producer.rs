//! A producer: batches of stamped records, with and without idempotence, retried until they are in.

use millrace_client::Router;
use millrace_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence};
use millrace_wire::messages::{init_producer_id, produce};
use millrace_wire::record::{
    BatchBuilder, BatchProducer, Codec, Compression, NewRecord, RecordHeader,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Clients, Failure, Wire, accepted, within};
use crate::coverage;
use crate::history::{Event, Place, Stamp};

/// Works until it is told to finish and its last batch is in.
pub async fn run(clients: Clients, number: u32) {
    let is_idempotent = number.is_multiple_of(2);
    let mut producer = Producer {
        router: clients.router(&format!("producer-{number}")),
        rng: ChaCha8Rng::seed_from_u64(clients.options.seed ^ (u64::from(number) << 32) ^ 0x70),
        identity: None,
        sequences: BTreeMap::new(),
        stamped: 0,
        clients,
        number,
        is_idempotent,
        codec: Codec::from(compression_of(number)),
    };
    let places = producer.clients.places();
    loop {
        let finishing = producer.clients.is_finishing();
        let chosen = producer.rng.random_range(0..places.len());
        if let Some(place) = places.get(chosen) {
            producer.produce(place).await;
        }
        // The last batch is sent after the faults have stopped: it has to get in.
        if finishing {
            return;
        }
        let pause_ms = producer.rng.random_range(0..200);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

/// Each producer compresses in its own way.
fn compression_of(number: u32) -> Compression {
    let all = Compression::ALL;
    let index = usize::try_from(number).unwrap_or(0) % all.len();
    all.get(index).copied().unwrap_or(Compression::None)
}

struct Producer {
    clients: Clients,
    number: u32,
    is_idempotent: bool,
    codec: Codec,
    router: Router<Wire>,
    rng: ChaCha8Rng,
    identity: Option<(ProducerId, ProducerEpoch)>,
    sequences: BTreeMap<Place, Sequence>,
    stamped: u64,
}

impl Producer {
    /// Sends one batch. A producer without idempotence does not repeat itself.
    async fn produce(&mut self, place: &Place) {
        if self.is_idempotent && self.identity.is_none() {
            self.identify().await;
        }
        let count = self.rng.random_range(1..8);
        let stamps: Vec<Stamp> = (0..count)
            .map(|ahead| Stamp { producer: self.number, number: self.stamped + ahead })
            .collect();
        self.stamped += count;
        let batch = self.batch(place, &stamps);
        let (is_idempotent, sent) = (self.is_idempotent, stamps.clone());
        self.clients.record(Event::Sent { place: place.clone(), stamps: sent, is_idempotent });
        let mut attempts = 0;
        loop {
            attempts += 1;
            match within(send(&mut self.router, place, &batch)).await {
                Ok(base_offset) => {
                    let is_compressed = self.codec.compression() != Compression::None;
                    self.clients.count(coverage::COMPRESSED, u64::from(is_compressed));
                    self.clients.count(coverage::BATCH_REPEATED, u64::from(attempts > 1));
                    let place = place.clone();
                    self.clients.record(Event::Acked { place, base_offset, stamps });
                    break;
                }
                Err(Failure::Refused(
                    code @ (ErrorCode::OutOfOrderSequenceNumber
                    | ErrorCode::InvalidProducerEpoch
                    | ErrorCode::CorruptMessage
                    | ErrorCode::InvalidRecord),
                )) => {
                    let what = format!("producer {}: {code} at {place:?} {stamps:?}", self.number);
                    self.clients.record(Event::Stuck { what });
                    return;
                }
                Err(failure) if self.is_idempotent => {
                    let number = self.number;
                    self.clients.note(|| format!("producer-{number} tries again: {failure:?}"));
                }
                Err(_) => {
                    self.router.forget();
                    self.clients.settle().await;
                    return;
                }
            }
            self.router.forget();
            self.clients.settle().await;
        }
        let records = u32::try_from(count).unwrap_or(u32::MAX);
        let sequence = self.sequences.entry(place.clone()).or_insert(Sequence::ZERO);
        *sequence = sequence.plus(records);
    }

    fn batch(&self, place: &Place, stamps: &[Stamp]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(self.codec);
        if let Some((id, epoch)) = self.identity {
            let base_sequence = self.sequences.get(place).copied().unwrap_or(Sequence::ZERO);
            builder = builder.with_producer(BatchProducer {
                id,
                epoch,
                base_sequence: Some(base_sequence),
            });
        }
        for stamp in stamps {
            let value = stamp.to_value();
            let padding = self.padding(stamp);
            let headers = [RecordHeader { key: "padding".as_bytes(), value: Some(&padding) }];
            let record = NewRecord {
                timestamp: Some(self.clients.now()),
                key: None,
                value: Some(value.as_bytes()),
                headers: if padding.is_empty() { &[] } else { &headers },
            };
            if let Err(error) = builder.push(&record) {
                unreachable!("a few short records fit into a batch: {error}");
            }
        }
        builder.build().unwrap_or_else(|error| unreachable!("a batch with records: {error}"))
    }

    /// Bytes that no codec makes smaller, the same whenever the record is sent.
    fn padding(&self, stamp: &Stamp) -> Vec<u8> {
        let seed = (u64::from(stamp.producer) << 32) ^ stamp.number;
        let mut padding = vec![0; self.clients.options.padding_bytes];
        ChaCha8Rng::seed_from_u64(seed).fill(padding.as_mut_slice());
        padding
    }

    async fn identify(&mut self) {
        loop {
            match within(identify(&mut self.router)).await {
                Ok(identity) => {
                    self.identity = Some(identity);
                    return;
                }
                Err(_) => {
                    self.router.forget();
                    self.clients.settle().await;
                }
            }
        }
    }
}

async fn identify(router: &mut Router<Wire>) -> Result<(ProducerId, ProducerEpoch), Failure> {
    let request = init_producer_id::Request {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    let reply = router.any().await?.call(&request).await?;
    let response = reply.read::<init_producer_id::Request<'_>>()?;
    accepted(response.error_code)?;
    let id = ProducerId::from_wire(response.producer_id);
    let epoch = ProducerEpoch::from_wire(response.producer_epoch);
    id.zip(epoch).ok_or(Failure::Refused(ErrorCode::UnknownServerError))
}

async fn send(router: &mut Router<Wire>, place: &Place, batch: &[u8]) -> Result<i64, Failure> {
    let connection = router.leader(&place.topic, place.partition).await?;
    // Version 12 is the last that names topics; the ids belong to the metadata of real clients.
    let request = produce::Request {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![produce::RequestTopicData {
            name: place.topic.as_str().into(),
            partition_data: vec![produce::RequestTopicDataPartitionData {
                index: place.partition,
                records: Some(batch.into()),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    connection.send_version(&request, 12).await?;
    let reply = connection.receive().await?;
    let response = reply.read::<produce::Request<'_>>()?;
    let answer = response.responses.first().and_then(|topic| topic.partition_responses.first());
    let answer = answer.ok_or(Failure::Refused(ErrorCode::UnknownServerError))?;
    accepted(answer.error_code)?;
    Ok(answer.base_offset)
}
