//! The codecs by hand against the generated ones: same bytes, same values, same refusals.

use millrace_wire::hot::fetch::FetchWriter;
use millrace_wire::hot::produce::{ProduceRequest, ProduceTopic};
use millrace_wire::messages::{fetch, produce};
use millrace_wire::{Decode, DecodeError, Reader};

#[path = "harness/samples.rs"]
mod samples;

use samples::{Message, Random};

const ROUNDS: u64 = 300;

/// Random messages of this name, in every version.
fn each_sample(name: &str, mut check: impl FnMut(&[u8], i16)) {
    let messages = Message::each_version().filter(|(message, _)| message.name == name);
    let mut count = 0;
    for (message, version) in messages {
        for round in 0..ROUNDS {
            let mut random = Random::new(message.seed(version, round));
            check(&(message.sample)(&mut random, version), version);
            count += 1;
        }
    }
    assert!(count > 0, "no message is called {name}");
}

fn by_hand(bytes: &[u8], version: i16) -> Result<ProduceRequest<'_>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let request = ProduceRequest::decode(&mut reader, version)?;
    reader.finish("Produce request")?;
    Ok(request)
}

fn generated(bytes: &[u8], version: i16) -> Result<produce::Request<'_>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let request = produce::Request::decode(&mut reader, version)?;
    reader.finish("Produce request")?;
    Ok(request)
}

/// The generated value as the one by hand has it.
fn flat<'a>(request: &'a produce::Request<'a>, version: i16) -> ProduceRequest<'a> {
    let mut partitions = Vec::new();
    for topic in &request.topic_data {
        for partition in &topic.partition_data {
            partitions.push(millrace_wire::hot::produce::ProducePartition {
                topic: match version {
                    13.. => ProduceTopic::Id(topic.topic_id),
                    _ => ProduceTopic::Name(topic.name.clone()),
                },
                index: partition.index,
                records: partition.records.as_deref(),
            });
        }
    }
    ProduceRequest {
        transactional_id: request.transactional_id.clone(),
        acks: request.acks,
        timeout_ms: request.timeout_ms,
        partitions,
    }
}

#[test]
fn produce_requests_are_read_like_by_the_generated_codec() {
    each_sample("Produce request", |bytes, version| {
        let expected = generated(bytes, version).expect("the sample is good");
        assert_eq!(by_hand(bytes, version).as_ref(), Ok(&flat(&expected, version)));
    });
}

#[test]
fn broken_produce_requests_are_refused_like_by_the_generated_codec() {
    let mut random = Random::new(4);
    each_sample("Produce request", |bytes, version| {
        let mut broken = bytes.to_vec();
        let at = usize::try_from(random.next() % bytes.len() as u64).expect("below the length");
        if random.next().is_multiple_of(2) {
            broken.truncate(at);
        } else {
            broken[at] = random.next().to_le_bytes()[0];
        }
        let expected = generated(&broken, version);
        let found = by_hand(&broken, version);
        assert_eq!(found.is_ok(), expected.is_ok(), "{found:?} {expected:?}");
        if let Ok(expected) = &expected {
            assert_eq!(found.as_ref(), Ok(&flat(expected, version)));
        }
    });
}

#[test]
fn produce_versions_that_do_not_exist_are_refused() {
    for version in [-1, 0, 2, 14] {
        assert!(matches!(by_hand(&[], version), Err(DecodeError::Version { .. })), "{version}");
    }
}

#[test]
fn fetch_responses_are_written_like_by_the_generated_codec() {
    each_sample("Fetch response", |bytes, version| {
        let mut reader = Reader::new(bytes);
        let response = fetch::Response::decode(&mut reader, version).expect("the sample is good");
        let mut out = Vec::new();
        let topics = response.responses.len();
        let writer = FetchWriter::begin(&mut out, version, &response, topics).unwrap();
        for topic in &response.responses {
            let partitions = topic.partitions.len();
            writer.topic(&mut out, &topic.topic, topic.topic_id, partitions).unwrap();
            for partition in &topic.partitions {
                let records = partition.records.as_deref();
                writer.partition(&mut out, partition, records.map(<[u8]>::len)).unwrap();
                out.extend_from_slice(records.unwrap_or_default());
                writer.end_partition(&mut out, partition).unwrap();
            }
            writer.end_topic(&mut out);
        }
        writer.end(&mut out, &response).unwrap();
        assert_eq!(out, bytes, "version {version}");
    });
}
