//! Records in and out: Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, in every
//! version that is served.

use std::time::{Duration, Instant};

use millrace_core::config::TopicConfig;
use millrace_core::metadata::{Delta, Image, Partition, Record, Touched};
use millrace_types::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs,
    TopicId, TopicName,
};
use millrace_wire::messages::{
    delete_records, fetch, list_offsets, offset_for_leader_epoch, produce,
};
use millrace_wire::record::{BatchBuilder, BatchProducer, Batches, NewRecord};
use millrace_wire::{ApiKey, Request, frame};

use crate::support::{Client, TestBroker, read};

const TOPIC: &str = "orders";

fn topic_id() -> TopicId {
    TopicId::from_bytes([7; 16])
}

/// Starts a broker that leads a topic of three partitions.
async fn start(configs: &[(&str, &str)], change: fn(&mut TopicConfig)) -> TestBroker {
    let broker = TestBroker::start(configs).await;
    let id = BrokerId::from_wire(1).expect("an id");
    let partition = Partition {
        replicas: vec![id],
        isr: vec![id],
        leader: Some(id),
        leader_epoch: LeaderEpoch::ZERO,
        partition_epoch: 0,
    };
    let record = Record::TopicCreated {
        topic_id: topic_id(),
        name: TopicName::parse(TOPIC).expect("a name"),
        partitions: vec![partition; 3],
    };
    let (mut image, mut touched) = (Image::default(), Touched::default());
    image.apply(&record, &mut touched);
    let delta = Delta::between(&Image::default(), &image, &touched, id);
    let mut config = TopicConfig::default();
    change(&mut config);
    let partitions = broker.server.broker().partitions();
    partitions.follow(&delta, &image, &|_| config.clone(), &|_| {}).await;
    broker
}

/// Sends a request and returns the frame of its answer.
async fn call<R: Request>(client: &mut Client, version: i16, request: &R) -> Vec<u8> {
    client.call(version, request).await
}

fn now() -> TimestampMs {
    millrace_server::clock::Clock::System.now()
}

fn batch(producer: Option<BatchProducer>, values: &[&[u8]]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    if let Some(producer) = producer {
        builder = builder.with_producer(producer);
    }
    for value in values {
        let record =
            NewRecord { timestamp: Some(now()), value: Some(value), ..NewRecord::default() };
        builder.push(&record).expect("a record");
    }
    builder.build().expect("a batch")
}

fn produce_request(acks: i16, partition: i32, records: Vec<u8>) -> produce::Request<'static> {
    produce::Request {
        acks,
        timeout_ms: 1_000,
        topic_data: vec![produce::RequestTopicData {
            name: TOPIC.into(),
            topic_id: topic_id(),
            partition_data: vec![produce::RequestTopicDataPartitionData {
                index: partition,
                records: Some(records.into()),
            }],
        }],
        ..produce::Request::default()
    }
}

/// Produces and returns error code and base offset.
async fn produce(
    client: &mut Client,
    version: i16,
    partition: i32,
    records: Vec<u8>,
) -> (i16, i64) {
    let frame = call(client, version, &produce_request(-1, partition, records)).await;
    let response: produce::Response<'_> = read(ApiKey::Produce, version, &frame);
    let topic = &response.responses[0];
    match version {
        13.. => assert_eq!(topic.topic_id, topic_id()),
        _ => assert_eq!(topic.name, TOPIC),
    }
    let answer = &topic.partition_responses[0];
    assert_eq!(answer.index, partition);
    (answer.error_code, answer.base_offset)
}

struct Fetch {
    wait_ms: i32,
    bytes_min: i32,
    bytes_max: i32,
    session: (i32, i32),
    partitions: Vec<(i32, i64)>,
}

impl Default for Fetch {
    fn default() -> Fetch {
        let partitions = vec![(0, 0)];
        Fetch { wait_ms: 0, bytes_min: 1, bytes_max: 1 << 20, session: (0, -1), partitions }
    }
}

impl Fetch {
    fn request(&self) -> fetch::Request<'static> {
        let partition = |&(partition, fetch_offset): &(i32, i64)| fetch::RequestTopicPartition {
            partition,
            fetch_offset,
            partition_max_bytes: self.bytes_max,
            ..fetch::RequestTopicPartition::default()
        };
        let topic = fetch::RequestTopic {
            topic: TOPIC.into(),
            topic_id: topic_id(),
            partitions: self.partitions.iter().map(partition).collect(),
        };
        fetch::Request {
            max_wait_ms: self.wait_ms,
            min_bytes: self.bytes_min,
            max_bytes: self.bytes_max,
            session_id: self.session.0,
            session_epoch: self.session.1,
            topics: if self.partitions.is_empty() { vec![] } else { vec![topic] },
            ..fetch::Request::default()
        }
    }

    async fn send(&self, client: &mut Client, version: i16) -> Fetched {
        let frame = call(client, version, &self.request()).await;
        let response: fetch::Response<'_> = read(ApiKey::Fetch, version, &frame);
        let mut partitions = Vec::new();
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            let records = partition.records.as_deref().unwrap_or_default();
            let values = Batches::new(records).flat_map(|batch| {
                let open = batch.expect("a batch").open(1 << 20).expect("readable");
                let values = open.records().map(|record| {
                    let record = record.expect("a record");
                    (record.offset.get(), record.value.expect("a value").to_vec())
                });
                values.collect::<Vec<_>>()
            });
            partitions.push(FetchedPartition {
                index: partition.partition_index,
                error_code: partition.error_code,
                high_watermark: partition.high_watermark,
                values: values.collect(),
            });
        }
        Fetched {
            error_code: response.error_code,
            session_id: response.session_id,
            partitions,
            size_bytes: frame.len(),
        }
    }
}

#[derive(Debug)]
struct Fetched {
    error_code: i16,
    session_id: i32,
    partitions: Vec<FetchedPartition>,
    size_bytes: usize,
}

#[derive(Debug)]
struct FetchedPartition {
    index: i32,
    error_code: i16,
    high_watermark: i64,
    values: Vec<(u64, Vec<u8>)>,
}

#[tokio::test]
async fn what_is_produced_in_any_version_is_fetched_in_any_version() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    let mut expected = Vec::new();
    for version in 3..=13 {
        let value = vec![u8::try_from(version).expect("small"); 10];
        let answer = produce(&mut client, version, 0, batch(None, &[&value])).await;
        assert_eq!(answer, (0, i64::try_from(expected.len()).expect("small")));
        expected.push((expected.len() as u64, value));
    }
    for version in 4..=18 {
        let fetched = Fetch::default().send(&mut client, version).await;
        assert_eq!(fetched.error_code, 0);
        let partition = &fetched.partitions[0];
        assert_eq!((partition.index, partition.error_code), (0, 0));
        assert_eq!(partition.high_watermark, 11);
        assert_eq!(partition.values, expected, "version {version}");
    }
}

#[tokio::test]
async fn large_batches_are_sent_from_their_file() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    let large = vec![9; 700_000];
    for _ in 0..3 {
        let (code, _) = produce(&mut client, 9, 1, batch(None, &[&large, b"small"])).await;
        assert_eq!(code, 0);
    }
    let all = Fetch { partitions: vec![(1, 1)], bytes_max: 4 << 20, ..Fetch::default() };
    let fetched = all.send(&mut client, 12).await;
    let offsets: Vec<_> = fetched.partitions[0].values.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5], "whole batches, from the one that holds the offset");
    // The first batch is given even if it is larger than what was asked for.
    let little = Fetch { partitions: vec![(1, 2)], bytes_max: 100, ..Fetch::default() };
    let fetched = little.send(&mut client, 12).await;
    let offsets: Vec<_> = fetched.partitions[0].values.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [2, 3]);
}

#[tokio::test]
async fn no_answer_is_larger_than_the_broker_allows() {
    let broker = start(&[("fetch.max.bytes", "2000")], |_| {}).await;
    let mut client = broker.connect().await;
    for partition in [0, 1, 2] {
        for _ in 0..3 {
            produce(&mut client, 9, partition, batch(None, &[&[1; 900]])).await;
        }
    }
    let partitions = vec![(0, 0), (1, 0), (2, 0)];
    let fetched = Fetch { partitions, ..Fetch::default() }.send(&mut client, 12).await;
    assert!(fetched.size_bytes < 2_300, "{}", fetched.size_bytes);
    let counts: Vec<_> = fetched.partitions.iter().map(|one| one.values.len()).collect();
    assert_eq!(counts, [2, 0, 0]);
}

#[tokio::test]
async fn what_is_wrong_with_a_produce_is_told_by_partition() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    let mut damaged = batch(None, &[b"x"]);
    *damaged.last_mut().expect("bytes") ^= 1;
    let good = || batch(None, &[b"x"]);
    for (version, partition, records, code) in [
        (12, 0, damaged, ErrorCode::CorruptMessage),
        (12, 0, Vec::new(), ErrorCode::InvalidRecord),
        (12, 0, [good(), good()].concat(), ErrorCode::InvalidRecord),
        (12, 3, good(), ErrorCode::UnknownTopicOrPartition),
        (12, -1, good(), ErrorCode::UnknownTopicOrPartition),
        (12, 0, batch(None, &[&[0; 1_048_588]]), ErrorCode::MessageTooLarge),
        (12, 0, good(), ErrorCode::None),
    ] {
        let base_offset = if code.is_none() { 0 } else { -1 };
        assert_eq!(
            produce(&mut client, version, partition, records).await,
            (code.code(), base_offset)
        );
    }
    let mut request = produce_request(2, 0, good());
    let frame = call(&mut client, 9, &request).await;
    let response: produce::Response<'_> = read(ApiKey::Produce, 9, &frame);
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::InvalidRequiredAcks.code());
    request.acks = 1;
    request.topic_data[0].topic_id = TopicId::from_bytes([8; 16]);
    let frame = call(&mut client, 13, &request).await;
    let response: produce::Response<'_> = read(ApiKey::Produce, 13, &frame);
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::UnknownTopicId.code());
}

#[tokio::test]
async fn records_at_fault_are_named_one_by_one() {
    let broker = start(&[], |config| config.log.cleanup.compacts = true).await;
    let mut client = broker.connect().await;
    let request = produce_request(1, 0, batch(None, &[b"x", b"y"]));
    let frame = call(&mut client, 8, &request).await;
    let response: produce::Response<'_> = read(ApiKey::Produce, 8, &frame);
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::InvalidRecord.code());
    let named: Vec<_> = answer.record_errors.iter().map(|one| one.batch_index).collect();
    assert_eq!(named, [0, 1]);
    assert!(answer.error_message.as_deref().is_some_and(|text| text.contains("key")));
    assert_eq!(answer.log_start_offset, 0);
    let frame = call(&mut client, 8, &produce_request(1, 0, Vec::new())).await;
    let response: produce::Response<'_> = read(ApiKey::Produce, 8, &frame);
    assert_eq!(response.responses[0].partition_responses[0].log_start_offset, -1);
}

#[tokio::test]
async fn a_producer_that_wants_no_answer_gets_none_and_hears_of_errors_by_the_close() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    for _ in 0..3 {
        let request = produce_request(0, 0, batch(None, &[b"x"]));
        client.write(&frame::request(9, 4, Some("test"), &request).expect("a request")).await;
    }
    let fetched = Fetch::default().send(&mut client, 12).await;
    assert_eq!(fetched.partitions[0].values.len(), 3, "the next answer is that of the fetch");
    let request = produce_request(0, 9, batch(None, &[b"x"]));
    client.write(&frame::request(9, 4, Some("test"), &request).expect("a request")).await;
    client.assert_is_closed().await;
    broker.assert_serves().await;
}

#[tokio::test]
async fn pipelined_batches_of_an_idempotent_producer_are_appended_in_order_and_once() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    let records = |sequence: i32| {
        let producer = BatchProducer {
            id: ProducerId::from_wire(5).expect("an id"),
            epoch: ProducerEpoch::ZERO,
            base_sequence: Sequence::from_wire(sequence),
        };
        let large = vec![0; if sequence % 3 == 0 { 200_000 } else { 10 }];
        batch(Some(producer), &[&large])
    };
    // Each batch is sent twice, five in flight, large ones and small ones mixed.
    for round in 0..6 {
        let sequences: Vec<i32> = (5 * round..5 * round + 5).collect();
        for &sequence in sequences.iter().chain(&sequences) {
            let request = produce_request(-1, 0, records(sequence));
            client.write(&frame::request(9, 5, Some("test"), &request).expect("a request")).await;
        }
        for &sequence in sequences.iter().chain(&sequences) {
            let frame = client.read_frame().await;
            let response: produce::Response<'_> = read(ApiKey::Produce, 9, &frame);
            let answer = &response.responses[0].partition_responses[0];
            assert_eq!((answer.error_code, answer.base_offset), (0, i64::from(sequence)));
        }
    }
    let (code, _) = produce(&mut client, 9, 0, records(31)).await;
    assert_eq!(code, ErrorCode::OutOfOrderSequenceNumber.code());
}

#[tokio::test]
async fn a_long_poll_ends_when_there_is_enough_or_its_time_is_up() {
    let broker = start(&[], |_| {}).await;
    let (mut reader, mut writer) = (broker.connect().await, broker.connect().await);
    let began = Instant::now();
    let poll = Fetch { wait_ms: 200, ..Fetch::default() };
    assert_eq!(poll.send(&mut reader, 12).await.partitions[0].values, []);
    assert!(began.elapsed() >= Duration::from_millis(200));

    let began = Instant::now();
    let partitions = vec![(0, 0), (1, 0), (2, 0)];
    let poll = Fetch { wait_ms: 9_000, bytes_min: 150, partitions, ..Fetch::default() };
    let append = async {
        for partition in [2, 1, 2] {
            tokio::time::sleep(Duration::from_millis(20)).await;
            produce(&mut writer, 9, partition, batch(None, &[b"x"])).await;
        }
    };
    let (fetched, ()) = tokio::join!(poll.send(&mut reader, 12), append);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let counts: Vec<_> = fetched.partitions.iter().map(|one| one.values.len()).collect();
    assert_eq!(counts, [0, 1, 2]);

    let began = Instant::now();
    let wrong = Fetch { wait_ms: 9_000, partitions: vec![(0, 0), (1, 77)], ..Fetch::default() };
    let fetched = wrong.send(&mut reader, 12).await;
    assert_eq!(fetched.partitions[1].error_code, ErrorCode::OffsetOutOfRange.code());
    assert!(began.elapsed() < Duration::from_secs(5), "errors do not wait");
}

#[tokio::test]
async fn a_session_tells_only_what_changes() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    let partitions = vec![(0, 0), (1, 0), (2, 0)];
    let full = Fetch { session: (0, 0), partitions, ..Fetch::default() };
    let fetched = full.send(&mut client, 13).await;
    let id = fetched.session_id;
    assert!(id > 0);
    assert_eq!(fetched.partitions.len(), 3);
    let next = |epoch| Fetch { session: (id, epoch), partitions: vec![], ..Fetch::default() };
    assert_eq!(next(1).send(&mut client, 13).await.partitions.len(), 0);
    produce(&mut client, 13, 1, batch(None, &[b"x"])).await;
    let fetched = next(2).send(&mut client, 13).await;
    assert_eq!((fetched.session_id, fetched.partitions.len()), (id, 1));
    assert_eq!(fetched.partitions[0].index, 1);
    for (epoch, version, code) in
        [(2, 13, ErrorCode::InvalidFetchSessionEpoch), (3, 12, ErrorCode::FetchSessionTopicIdError)]
    {
        let fetched = next(epoch).send(&mut client, version).await;
        assert_eq!(fetched.error_code, code.code());
    }
    let closed = Fetch { session: (id, -1), partitions: vec![], ..Fetch::default() };
    assert_eq!(closed.send(&mut client, 13).await.session_id, 0);
    let fetched = next(3).send(&mut client, 13).await;
    assert_eq!(fetched.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn offsets_are_found_by_name_and_by_time() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    for _ in 0..4 {
        produce(&mut client, 9, 0, batch(None, &[b"x"])).await;
    }
    for version in 1..=11 {
        for (timestamp, offset, version_min) in
            [(-1, 4, 1), (-2, 0, 1), (0, 0, 1), (i64::MAX, -1, 1), (-4, 0, 8), (-5, -1, 9)]
        {
            if version < version_min {
                continue;
            }
            let partition = list_offsets::RequestTopicPartition {
                timestamp,
                ..list_offsets::RequestTopicPartition::default()
            };
            let topic =
                list_offsets::RequestTopic { name: TOPIC.into(), partitions: vec![partition] };
            let request = list_offsets::Request {
                replica_id: -1,
                topics: vec![topic],
                ..list_offsets::Request::default()
            };
            let frame = call(&mut client, version, &request).await;
            let response: list_offsets::Response<'_> = read(ApiKey::ListOffsets, version, &frame);
            let answer = &response.topics[0].partitions[0];
            assert_eq!((answer.error_code, answer.offset), (0, offset), "{timestamp} {version}");
        }
    }
}

#[tokio::test]
async fn a_partition_that_is_named_twice_is_refused_and_told_once() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    for version in 1..=11 {
        let partitions = vec![list_offsets::RequestTopicPartition::default(); 2];
        let topic = list_offsets::RequestTopic { name: TOPIC.into(), partitions };
        let topics = vec![topic];
        let request =
            list_offsets::Request { replica_id: -1, topics, ..list_offsets::Request::default() };
        let frame = call(&mut client, version, &request).await;
        let response: list_offsets::Response<'_> = read(ApiKey::ListOffsets, version, &frame);
        let [answer] = response.topics[0].partitions.as_slice() else { panic!("{response:?}") };
        assert_eq!(answer.error_code, ErrorCode::InvalidRequest.code());
    }
}

#[tokio::test]
async fn a_leaders_epoch_ends_with_its_log() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    produce(&mut client, 9, 0, batch(None, &[b"x", b"y"])).await;
    for version in 2..=4 {
        for (leader_epoch, current, expected) in [
            (0, -1, (ErrorCode::None, 0, 2)),
            (1, -1, (ErrorCode::None, -1, -1)),
            (0, 1, (ErrorCode::UnknownLeaderEpoch, -1, -1)),
        ] {
            let partition = offset_for_leader_epoch::RequestTopicPartition {
                partition: 0,
                current_leader_epoch: current,
                leader_epoch,
            };
            let topic = offset_for_leader_epoch::RequestTopic {
                topic: TOPIC.into(),
                partitions: vec![partition],
            };
            let request = offset_for_leader_epoch::Request {
                topics: vec![topic],
                ..offset_for_leader_epoch::Request::default()
            };
            let frame = call(&mut client, version, &request).await;
            let response: offset_for_leader_epoch::Response<'_> =
                read(ApiKey::OffsetForLeaderEpoch, version, &frame);
            let answer = &response.topics[0].partitions[0];
            let found = (answer.error_code, answer.leader_epoch, answer.end_offset);
            assert_eq!(found, (expected.0.code(), expected.1, expected.2), "{leader_epoch}");
        }
    }
}

#[tokio::test]
async fn deleted_records_cannot_be_fetched() {
    let broker = start(&[], |_| {}).await;
    let mut client = broker.connect().await;
    for _ in 0..5 {
        produce(&mut client, 9, 0, batch(None, &[b"x"])).await;
    }
    for (offset, code, low_watermark) in [
        (2, ErrorCode::None, 2),
        (1, ErrorCode::None, 2),
        (9, ErrorCode::OffsetOutOfRange, -1),
        (-1, ErrorCode::None, 5),
    ] {
        let partition = delete_records::RequestTopicPartition { partition_index: 0, offset };
        let topic =
            delete_records::RequestTopic { name: TOPIC.into(), partitions: vec![partition] };
        let request =
            delete_records::Request { topics: vec![topic], ..delete_records::Request::default() };
        let frame = call(&mut client, 2, &request).await;
        let response: delete_records::Response<'_> = read(ApiKey::DeleteRecords, 2, &frame);
        let answer = &response.topics[0].partitions[0];
        assert_eq!((answer.error_code, answer.low_watermark), (code.code(), low_watermark));
    }
    let fetched = Fetch::default().send(&mut client, 12).await;
    assert_eq!(fetched.partitions[0].error_code, ErrorCode::OffsetOutOfRange.code());
}
