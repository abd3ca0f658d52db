//! What a client does, as short calls: create a topic, write records, read them back.

use millrace_types::Offset;
use millrace_wire::messages::{create_topics, fetch, produce};
use millrace_wire::record::{BatchBuilder, Batches, Codec, NewRecord};
use millrace_wire::{ApiKey, Request};

use crate::support::{Client, read};

/// A record: key and value.
pub type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Creates a topic of one partition; returns the error code.
pub async fn create_topic(client: &mut Client, name: &str, configs: &[(&str, &str)]) -> i16 {
    let config = |(name, value): &(&str, &str)| create_topics::RequestTopicConfig {
        name: (*name).to_owned().into(),
        value: Some((*value).to_owned().into()),
    };
    let topic = create_topics::RequestTopic {
        name: name.to_owned().into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..create_topics::RequestTopic::default()
    };
    let request = create_topics::Request {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..create_topics::Request::default()
    };
    let version = 5;
    let frame = client.call(version, &request).await;
    let response: create_topics::Response<'_> = read(ApiKey::CreateTopics, version, &frame);
    response.topics[0].error_code
}

/// One batch with these records.
pub fn batch(records: &[Pair], codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(codec);
    let timestamp = Some(millrace_server::clock::Clock::System.now());
    for (key, value) in records {
        let (key, value) = (key.as_deref(), value.as_deref());
        builder.push(&NewRecord { timestamp, key, value, ..NewRecord::default() }).expect("short");
    }
    builder.build().expect("a batch")
}

/// Writes a batch to partition 0; returns error code and base offset.
pub async fn produce(client: &mut Client, topic: &str, batch: Vec<u8>) -> (i16, i64) {
    let data = produce::RequestTopicDataPartitionData { index: 0, records: Some(batch.into()) };
    let topic = produce::RequestTopicData {
        name: topic.to_owned().into(),
        partition_data: vec![data],
        ..produce::RequestTopicData::default()
    };
    let request = produce::Request {
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![topic],
        ..produce::Request::default()
    };
    let version = 9;
    let frame = client.call(version, &request).await;
    let response: produce::Response<'_> = read(produce::Request::KEY, version, &frame);
    let answer = &response.responses[0].partition_responses[0];
    (answer.error_code, answer.base_offset)
}

/// Reads partition 0 from its start to its end: offsets, keys and values.
pub async fn read_all(client: &mut Client, topic: &str) -> Vec<(u64, Pair)> {
    let mut all = Vec::new();
    let mut next = 0;
    loop {
        let bytes = fetch_from(client, topic, next).await;
        let before = next;
        for batch in Batches::new(&bytes) {
            // A fetch may end in the middle of a batch.
            let Ok(batch) = batch else { break };
            let open = batch.open(1 << 30).expect("unpacked");
            for record in open.records() {
                let record = record.expect("a record");
                let offset = record.offset.get();
                let owned = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
                if offset >= u64::try_from(next).expect("positive") {
                    all.push((offset, (owned(record.key), owned(record.value))));
                }
            }
            next = batch.header().next_offset().to_wire();
        }
        if next == before {
            return all;
        }
    }
}

async fn fetch_from(client: &mut Client, topic: &str, offset: i64) -> Vec<u8> {
    let partition = fetch::RequestTopicPartition {
        partition: 0,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..fetch::RequestTopicPartition::default()
    };
    let topic = fetch::RequestTopic {
        topic: topic.to_owned().into(),
        partitions: vec![partition],
        ..fetch::RequestTopic::default()
    };
    let request = fetch::Request {
        max_bytes: 1 << 20,
        topics: vec![topic],
        session_epoch: -1,
        ..fetch::Request::default()
    };
    let version = 11;
    let frame = client.call(version, &request).await;
    let response: fetch::Response<'_> = read(fetch::Request::KEY, version, &frame);
    let answer = &response.responses[0].partitions[0];
    assert_eq!(answer.error_code, 0);
    answer.records.as_deref().unwrap_or_default().to_vec()
}
