//! What a broker tells of itself: the cluster, its directory, producers, resources and topics page
//! by page, in every version that is served.

use millrace_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence};
use millrace_wire::messages::{
    delete_groups, describe_cluster, describe_configs, describe_groups, describe_log_dirs,
    describe_producers, describe_topic_partitions, find_coordinator, list_config_resources,
    metadata, offset_fetch,
};
use millrace_wire::record::{BatchBuilder, BatchProducer, Codec, NewRecord};
use millrace_wire::{Decode, Request};

use crate::support::{Client, TestBroker, read, versions};
use crate::verbs::{batch, create_topic, produce};

/// Sends a request and hands its answer to `look`.
async fn ask<R: Request, T>(
    client: &mut Client,
    version: i16,
    request: &R,
    look: impl FnOnce(R::Response<'_>) -> T,
) -> T
where
    for<'a> R::Response<'a>: Decode<'a>,
{
    let frame = client.call(version, request).await;
    look(read(R::KEY, version, &frame))
}

/// A broker with topics `a` and `b`, one record in `a`.
async fn start() -> (TestBroker, Client) {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    for name in ["a", "b"] {
        assert_eq!(create_topic(&mut client, name, &[]).await, 0);
    }
    let record = batch(&[(None, Some(b"value".to_vec()))], Codec::None);
    assert_eq!(produce(&mut client, "a", record).await, (0, 0));
    (broker, client)
}

#[tokio::test]
async fn the_cluster_is_described_by_a_brokers_listener_as_its_brokers() {
    let (broker, mut client) = start().await;
    let port = i32::from(broker.address().port());
    for version in versions::<describe_cluster::Request>() {
        let request = describe_cluster::Request::default();
        let cluster_id = ask(&mut client, version, &request, |response| {
            assert_eq!((response.error_code, response.controller_id), (0, 1));
            let told = &response.brokers[0];
            assert_eq!((told.broker_id, told.host.as_ref(), told.port), (1, "127.0.0.1", port));
            assert_eq!((response.brokers.len(), told.is_fenced), (1, false));
            response.cluster_id.into_owned()
        });
        assert_eq!(cluster_id.await.len(), 22, "a uuid in base 64");
    }
    for (endpoint_type, code) in
        [(2, ErrorCode::MismatchedEndpointType), (3, ErrorCode::UnsupportedEndpointType)]
    {
        let request =
            describe_cluster::Request { endpoint_type, ..describe_cluster::Request::default() };
        let told = ask(&mut client, 1, &request, |response| response.error_code).await;
        assert_eq!(told, code.code());
    }
}

#[tokio::test]
async fn the_directory_tells_the_size_of_the_logs_that_are_asked_for() {
    let (_broker, mut client) = start().await;
    let asked = |topic: &'static str, partition| {
        let partitions = vec![partition];
        let topic = describe_log_dirs::RequestTopic { topic: topic.into(), partitions };
        describe_log_dirs::Request { topics: Some(vec![topic]) }
    };
    for version in versions::<describe_log_dirs::Request<'_>>() {
        let all = describe_log_dirs::Request { topics: None };
        for (request, names) in
            [(all, vec!["a", "b"]), (asked("a", 0), vec!["a"]), (asked("a", 1), vec![])]
        {
            ask(&mut client, version, &request, |response| {
                let result = &response.results[0];
                assert_eq!((response.results.len(), result.error_code), (1, 0));
                let told: Vec<_> = result.topics.iter().map(|topic| topic.name.as_ref()).collect();
                assert_eq!(told, names);
                if let Some(topic) = result.topics.first() {
                    // The batch of 61 bytes before its record.
                    assert!(topic.partitions[0].partition_size > 61);
                }
                let space = (result.total_bytes, result.usable_bytes);
                let is_told = space.0 > 0 && (0..=space.0).contains(&space.1);
                assert!(if version >= 4 { is_told } else { space == (-1, -1) }, "{space:?}");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_partition_tells_of_its_producers() {
    let (_broker, mut client) = start().await;
    let producer = BatchProducer {
        id: ProducerId::from_wire(5).expect("an id"),
        epoch: ProducerEpoch::ZERO,
        base_sequence: Sequence::from_wire(0),
    };
    let mut builder = BatchBuilder::new(Offset::ZERO).with_producer(producer);
    for _ in 0..3 {
        builder.push(&NewRecord::default()).expect("a record");
    }
    assert_eq!(produce(&mut client, "b", builder.build().expect("a batch")).await, (0, 0));
    let topic = |name: &'static str, partition_indexes| describe_producers::RequestTopic {
        name: name.into(),
        partition_indexes,
    };
    let topics = vec![topic("a", vec![0]), topic("b", vec![0, 7]), topic("c", vec![0])];
    let request = describe_producers::Request { topics };
    for version in versions::<describe_producers::Request<'_>>() {
        ask(&mut client, version, &request, |response| {
            let told = |topic: usize, partition: usize| {
                let partition = &response.topics[topic].partitions[partition];
                (partition.error_code, partition.active_producers.as_slice())
            };
            let unknown = ErrorCode::UnknownTopicOrPartition.code();
            assert_eq!(told(0, 0), (0, [].as_slice()), "no idempotent producer");
            assert_eq!(told(1, 1), (unknown, [].as_slice()));
            assert_eq!(told(2, 0), (unknown, [].as_slice()));
            let (code, [active]) = told(1, 0) else { panic!("one producer: {:?}", told(1, 0)) };
            assert_eq!((code, active.producer_id, active.producer_epoch), (0, 5, 0));
            assert_eq!((active.last_sequence, active.current_txn_start_offset), (2, -1));
        })
        .await;
    }
}

#[tokio::test]
async fn resources_with_configs_are_listed_by_kind() {
    const TOPIC: i8 = 2;
    const BROKER: i8 = 4;
    const GROUP: i8 = 32;
    let (_broker, mut client) = start().await;
    let all = vec![(TOPIC, "a"), (TOPIC, "b"), (BROKER, "1")];
    // Version 0 only knows how to ask for client metrics, of which there are none.
    for (version, resource_types, listed) in [
        (0, vec![], vec![]),
        (1, vec![], all.clone()),
        (1, vec![BROKER], vec![(BROKER, "1")]),
        (1, vec![TOPIC], all[..2].to_vec()),
        (1, vec![GROUP], vec![]),
    ] {
        let request = list_config_resources::Request { resource_types };
        ask(&mut client, version, &request, |response| {
            assert_eq!(response.error_code, 0);
            let resources = response.config_resources.iter();
            let told: Vec<_> =
                resources.map(|one| (one.resource_type, one.resource_name.as_ref())).collect();
            assert_eq!(told, listed);
        })
        .await;
    }
    let request = list_config_resources::Request { resource_types: vec![77] };
    let told = ask(&mut client, 1, &request, |response| response.error_code).await;
    assert_eq!(told, ErrorCode::UnsupportedVersion.code());
}

#[tokio::test]
async fn topics_are_described_page_by_page() {
    let (_broker, mut client) = start().await;
    for version in versions::<describe_topic_partitions::Request<'_>>() {
        let (mut cursor, mut pages) = (None, Vec::new());
        loop {
            let request = describe_topic_partitions::Request {
                response_partition_limit: 1,
                cursor: cursor.take(),
                ..describe_topic_partitions::Request::default()
            };
            let next = ask(&mut client, version, &request, |response| {
                let topic = &response.topics[0];
                assert_eq!((response.topics.len(), topic.error_code), (1, 0));
                let leaders: Vec<_> = topic.partitions.iter().map(|one| one.leader_id).collect();
                pages.push((topic.name.as_deref().map(str::to_owned), leaders));
                let next = response.next_cursor?;
                Some((next.topic_name.into_owned(), next.partition_index))
            });
            let Some((topic_name, partition_index)) = next.await else { break };
            let topic_name = topic_name.into();
            let place = describe_topic_partitions::RequestCursor { topic_name, partition_index };
            cursor = Some(place);
        }
        let page = |name: &str| (Some(name.to_owned()), vec![1]);
        assert_eq!(pages, [page("a"), page("b")]);
        let request = describe_topic_partitions::Request {
            topics: vec![describe_topic_partitions::RequestTopic { name: "c".into() }],
            response_partition_limit: 10,
            ..describe_topic_partitions::Request::default()
        };
        let told = ask(&mut client, version, &request, |response| response.topics[0].error_code);
        assert_eq!(told.await, ErrorCode::UnknownTopicOrPartition.code());
        let cursor = describe_topic_partitions::RequestCursor {
            topic_name: "a".into(),
            partition_index: -1,
        };
        let request = describe_topic_partitions::Request {
            topics: vec![describe_topic_partitions::RequestTopic { name: "a".into() }],
            cursor: Some(cursor),
            ..describe_topic_partitions::Request::default()
        };
        let told = ask(&mut client, version, &request, |response| {
            let topic = &response.topics[0];
            (topic.error_code, topic.partitions.len())
        });
        assert_eq!(told.await, (ErrorCode::InvalidRequest.code(), 0));
    }
}

#[tokio::test]
async fn who_names_something_twice_is_told_of_it_once() {
    let (_broker, mut client) = start().await;
    let client = &mut client;
    let by_name = |name: &'static str| metadata::RequestTopic {
        name: Some(name.into()),
        ..metadata::RequestTopic::default()
    };
    let topics = ["a", "b", "a", "gone", "gone"].map(by_name).to_vec();
    let request = metadata::Request { topics: Some(topics), ..metadata::Request::default() };
    let id = ask(client, 12, &request, |response| {
        let names: Vec<_> = response.topics.iter().map(|topic| topic.name.as_deref()).collect();
        assert_eq!(names, [Some("a"), Some("b"), Some("gone")]);
        response.topics[0].topic_id
    });
    let id = id.await;
    // The name beside an id says nothing.
    let by_id = |name| metadata::RequestTopic { topic_id: id, ..by_name(name) };
    let topics = Some(vec![by_id("x"), by_id("y")]);
    let request = metadata::Request { topics, ..metadata::Request::default() };
    assert_eq!(ask(client, 12, &request, |response| response.topics.len()).await, 1);

    let resource = |(resource_type, name): (i8, &'static str)| describe_configs::RequestResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
    };
    let resources = [(2, "a"), (4, "1"), (2, "a"), (4, "01"), (4, "+1"), (4, "")].map(resource);
    let request = describe_configs::Request {
        resources: resources.to_vec(),
        ..describe_configs::Request::default()
    };
    assert_eq!(ask(client, 4, &request, |response| response.results.len()).await, 3);

    let names = ["g", "h", "g"].map(Into::into);
    let request =
        describe_groups::Request { groups: names.to_vec(), ..describe_groups::Request::default() };
    assert_eq!(ask(client, 5, &request, |response| response.groups.len()).await, 2);
    let request = delete_groups::Request { groups_names: names.to_vec() };
    assert_eq!(ask(client, 2, &request, |response| response.results.len()).await, 2);
    let request = find_coordinator::Request {
        coordinator_keys: names.to_vec(),
        ..find_coordinator::Request::default()
    };
    assert_eq!(ask(client, 4, &request, |response| response.coordinators.len()).await, 2);

    let producers_of = |name: &'static str| describe_producers::RequestTopic {
        name: name.into(),
        partition_indexes: vec![0, 1, 0],
    };
    let topics = ["a", "b", "a"].map(producers_of).to_vec();
    let request = describe_producers::Request { topics };
    let told = ask(client, 0, &request, |response| {
        let counts = response.topics.iter().map(|topic| topic.partitions.len());
        counts.collect::<Vec<_>>()
    });
    assert_eq!(told.await, [2, 2]);
}

#[tokio::test]
async fn who_asks_for_an_offset_twice_is_told_of_it_once() {
    let (_broker, mut client) = start().await;
    let request = find_coordinator::Request {
        coordinator_keys: vec!["g".into()],
        ..find_coordinator::Request::default()
    };
    let found = ask(&mut client, 4, &request, |response| response.coordinators[0].error_code);
    assert_eq!(found.await, 0);
    let topic = |name: &'static str, partition_indexes: Vec<i32>| offset_fetch::RequestGroupTopic {
        name: name.into(),
        partition_indexes,
        ..offset_fetch::RequestGroupTopic::default()
    };
    let topics = vec![
        topic("a", vec![0, 0, 1]),
        topic("b", vec![]),
        topic("a", vec![0]),
        topic("a", vec![2]),
    ];
    let group = offset_fetch::RequestGroup {
        group_id: "g".into(),
        topics: Some(topics),
        ..offset_fetch::RequestGroup::default()
    };
    let groups = vec![group.clone(), group];
    let request = offset_fetch::Request { groups, ..offset_fetch::Request::default() };
    // The coordinator reads its log first.
    while ask(&mut client, 8, &request, |response| response.groups[0].error_code).await != 0 {
        tokio::task::yield_now().await;
    }
    ask(&mut client, 8, &request, |response| {
        assert_eq!(response.groups.len(), 1);
        let topics = response.groups[0].topics.iter().map(|topic| {
            let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
            (topic.name.as_ref(), indexes.collect::<Vec<_>>())
        });
        let expected = [("a", vec![0, 1]), ("b", vec![]), ("a", vec![2])];
        assert_eq!(topics.collect::<Vec<_>>(), expected);
    })
    .await;
}
