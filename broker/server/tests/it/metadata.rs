//! Topics and configs, as clients change and read them, in every version that is served.

use std::collections::{BTreeMap, BTreeSet};

use millrace_types::{ErrorCode, Offset, TopicId};
use millrace_wire::ApiKey;
use millrace_wire::messages::{
    alter_configs, create_partitions, create_topics, delete_topics, describe_configs,
    incremental_alter_configs, init_producer_id, metadata, produce,
};
use millrace_wire::record::{BatchBuilder, NewRecord};

use crate::support::{Client, TestBroker, read, versions};

fn new_topic(name: &str, partitions: i32) -> create_topics::RequestTopic<'static> {
    create_topics::RequestTopic {
        name: name.to_owned().into(),
        num_partitions: partitions,
        replication_factor: -1,
        configs: vec![create_topics::RequestTopicConfig {
            name: "retention.ms".into(),
            value: Some("5000".into()),
        }],
        ..create_topics::RequestTopic::default()
    }
}

/// Creates one topic and returns its error code and message.
async fn create(client: &mut Client, name: &str, partitions: i32) -> (i16, Option<String>) {
    let topics = vec![new_topic(name, partitions)];
    let request = create_topics::Request { topics, ..create_topics::Request::default() };
    let frame = client.call(7, &request).await;
    let response: create_topics::Response<'_> = read(ApiKey::CreateTopics, 7, &frame);
    let topic = &response.topics[0];
    (topic.error_code, topic.error_message.as_deref().map(str::to_owned))
}

/// The partitions of each topic that the broker knows.
async fn list(client: &mut Client) -> BTreeMap<String, usize> {
    let request = metadata::Request { topics: None, ..metadata::Request::default() };
    let frame = client.call(13, &request).await;
    let response: metadata::Response<'_> = read(ApiKey::Metadata, 13, &frame);
    assert_eq!((response.controller_id, response.brokers.len()), (1, 1));
    let topics = response.topics.iter();
    topics
        .map(|topic| (topic.name.as_deref().unwrap_or_default().to_owned(), topic.partitions.len()))
        .collect()
}

#[tokio::test]
async fn topics_are_created_in_every_version() {
    let broker = TestBroker::start(&[("num.partitions", "3")]).await;
    let mut client = broker.connect().await;
    for version in versions::<create_topics::Request<'_>>() {
        let name = format!("topic-{version}");
        for is_validate_only in [true, false] {
            let topics = vec![new_topic(&name, -1), new_topic("not/valid", 1)];
            let request = create_topics::Request {
                topics,
                validate_only: is_validate_only,
                ..create_topics::Request::default()
            };
            let frame = client.call(version, &request).await;
            let response: create_topics::Response<'_> = read(ApiKey::CreateTopics, version, &frame);
            let [good, bad] = response.topics.as_slice() else { panic!("{response:?}") };
            assert_eq!((good.name.as_ref(), good.error_code), (name.as_str(), 0));
            assert_eq!(good.error_message, None);
            assert_eq!(bad.error_code, ErrorCode::InvalidTopicException.code());
            assert!(bad.error_message.as_deref().unwrap().contains("holds '/'"));
            assert_eq!(good.topic_id == TopicId::ZERO, version < 7);
            if version >= 5 {
                assert_eq!((good.num_partitions, good.replication_factor), (3, 1));
                let configs = good.configs.as_ref().unwrap();
                let own = configs.iter().find(|config| config.name == "retention.ms").unwrap();
                assert_eq!((own.value.as_deref(), own.config_source), (Some("5000"), 1));
            }
            assert_eq!(list(&mut client).await.contains_key(&name), !is_validate_only);
        }
        let (code, message) = create(&mut client, &name, 1).await;
        assert_eq!(code, ErrorCode::TopicAlreadyExists.code(), "{message:?}");
    }
}

#[tokio::test]
async fn a_topic_that_is_named_twice_is_refused_and_told_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    let invalid = ErrorCode::InvalidRequest.code();
    let topics = vec![new_topic("a", 1), new_topic("b", 1), new_topic("a", 2)];
    let request = create_topics::Request { topics, ..create_topics::Request::default() };
    let frame = client.call(7, &request).await;
    let response: create_topics::Response<'_> = read(ApiKey::CreateTopics, 7, &frame);
    let rows: Vec<_> =
        response.topics.iter().map(|topic| (topic.name.as_ref(), topic.error_code)).collect();
    assert_eq!(rows, [("a", invalid), ("b", 0)]);

    let grown = || create_partitions::RequestTopic {
        name: "b".into(),
        count: 2,
        ..create_partitions::RequestTopic::default()
    };
    let topics = vec![grown(), grown()];
    let request = create_partitions::Request { topics, ..create_partitions::Request::default() };
    let frame = client.call(3, &request).await;
    let response: create_partitions::Response<'_> = read(ApiKey::CreatePartitions, 3, &frame);
    let codes: Vec<i16> = response.results.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [invalid]);

    let topic_names = vec!["b".into(), "b".into()];
    let request = delete_topics::Request { topic_names, ..delete_topics::Request::default() };
    let frame = client.call(5, &request).await;
    let response: delete_topics::Response<'_> = read(ApiKey::DeleteTopics, 5, &frame);
    let codes: Vec<i16> = response.responses.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [invalid]);
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    for version in 1..=6_i16 {
        create(&mut client, "a", 1).await;
        create(&mut client, "b", 1).await;
        let b_id = broker.server.broker().image().topic("b").unwrap().id;
        let by_key = |name: Option<&'static str>, topic_id| delete_topics::RequestTopic {
            name: name.map(Into::into),
            topic_id,
        };
        let request = delete_topics::Request {
            topic_names: vec!["a".into(), "b".into(), "gone".into()],
            topics: vec![
                by_key(Some("a"), TopicId::ZERO),
                by_key(None, b_id),
                by_key(Some("gone"), TopicId::ZERO),
            ],
            ..delete_topics::Request::default()
        };
        let frame = client.call(version, &request).await;
        let response: delete_topics::Response<'_> = read(ApiKey::DeleteTopics, version, &frame);
        let codes: Vec<i16> = response.responses.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 0, ErrorCode::UnknownTopicOrPartition.code()]);
        assert_eq!(response.responses[1].name.as_deref(), Some("b"));
        assert!(list(&mut client).await.is_empty());
    }
}

#[tokio::test]
async fn deletion_that_is_switched_off_is_told_as_the_version_knows() {
    let broker = TestBroker::start(&[("delete.topic.enable", "false")]).await;
    let mut client = broker.connect().await;
    create(&mut client, "a", 1).await;
    for (version, code) in [
        (1, ErrorCode::InvalidRequest),
        (2, ErrorCode::InvalidRequest),
        (3, ErrorCode::TopicDeletionDisabled),
    ] {
        let request = delete_topics::Request {
            topic_names: vec!["a".into()],
            ..delete_topics::Request::default()
        };
        let frame = client.call(version, &request).await;
        let response: delete_topics::Response<'_> = read(ApiKey::DeleteTopics, version, &frame);
        assert_eq!(response.responses[0].error_code, code.code());
    }
}

#[tokio::test]
async fn topics_grow_in_every_version() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    create(&mut client, "a", 1).await;
    for (count, version) in (2..).zip(versions::<create_partitions::Request<'_>>()) {
        let topics =
            vec![create_partitions::RequestTopic { name: "a".into(), count, assignments: None }];
        let request =
            create_partitions::Request { topics, ..create_partitions::Request::default() };
        for code in [ErrorCode::None, ErrorCode::InvalidPartitions] {
            let frame = client.call(version, &request).await;
            let response: create_partitions::Response<'_> =
                read(ApiKey::CreatePartitions, version, &frame);
            assert_eq!(response.results[0].error_code, code.code());
        }
        let grown = usize::try_from(count).unwrap();
        assert_eq!(list(&mut client).await, BTreeMap::from([("a".to_owned(), grown)]));
    }
}

/// Value and source of a config, as version `version` tells them.
async fn describe(
    client: &mut Client,
    version: i16,
    (resource_type, resource_name): (i8, &str),
    name: &str,
) -> Option<(String, i8)> {
    let request = describe_configs::Request {
        resources: vec![describe_configs::RequestResource {
            resource_type,
            resource_name: resource_name.to_owned().into(),
            configuration_keys: Some(vec![name.to_owned().into()]),
        }],
        ..describe_configs::Request::default()
    };
    let frame = client.call(version, &request).await;
    let response: describe_configs::Response<'_> = read(ApiKey::DescribeConfigs, version, &frame);
    assert_eq!(response.results[0].error_code, 0, "{:?}", response.results[0].error_message);
    let config = response.results[0].configs.first()?;
    Some((config.value.as_deref().unwrap_or("-").to_owned(), config.config_source))
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Sets (0), deletes (1), appends (2) or subtracts (3) and returns the error code.
async fn alter(
    client: &mut Client,
    version: i16,
    (resource_type, resource_name): (i8, &str),
    (name, operation, value): (&str, i8, Option<&str>),
) -> i16 {
    let request = incremental_alter_configs::Request {
        resources: vec![incremental_alter_configs::RequestResource {
            resource_type,
            resource_name: resource_name.to_owned().into(),
            configs: vec![incremental_alter_configs::RequestResourceConfig {
                name: name.to_owned().into(),
                config_operation: operation,
                value: value.map(|value| value.to_owned().into()),
            }],
        }],
        ..incremental_alter_configs::Request::default()
    };
    let frame = client.call(version, &request).await;
    let key = ApiKey::IncrementalAlterConfigs;
    let response: incremental_alter_configs::Response<'_> = read(key, version, &frame);
    assert_eq!(response.responses[0].resource_name, resource_name);
    response.responses[0].error_code
}

#[tokio::test]
async fn configs_are_changed_and_told_with_their_source() {
    let broker = TestBroker::start(&[("log.retention.hours", "1")]).await;
    let mut client = broker.connect().await;
    let request = create_topics::Request {
        topics: vec![create_topics::RequestTopic { configs: Vec::new(), ..new_topic("a", 1) }],
        ..create_topics::Request::default()
    };
    client.call(7, &request).await;
    let (topic, all, own) = ((TOPIC, "a"), (BROKER, ""), (BROKER, "1"));
    let told = |value: &str, source| Some((value.to_owned(), source));
    for version in versions::<describe_configs::Request<'_>>() {
        assert_eq!(describe(&mut client, version, topic, "retention.ms").await, told("3600000", 4));
    }
    for (resource, config, value, source) in [
        (all, "log.retention.ms", "7000", 3),
        (own, "log.retention.ms", "6000", 2),
        (topic, "retention.ms", "5000", 1),
    ] {
        for version in versions::<incremental_alter_configs::Request<'_>>() {
            assert_eq!(alter(&mut client, version, resource, (config, 0, Some(value))).await, 0);
        }
        assert_eq!(describe(&mut client, 4, topic, "retention.ms").await, told(value, source));
    }
    let broker = broker.restart(&[("log.retention.hours", "1")]).await;
    let mut client = broker.connect().await;
    for (resource, config, left) in [
        (topic, "retention.ms", told("6000", 2)),
        (own, "log.retention.ms", told("7000", 3)),
        (all, "log.retention.ms", told("3600000", 4)),
    ] {
        assert_eq!(alter(&mut client, 1, resource, (config, 1, None)).await, 0);
        assert_eq!(describe(&mut client, 4, topic, "retention.ms").await, left);
    }
}

#[tokio::test]
async fn lists_are_appended_to_and_the_impossible_is_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    create(&mut client, "a", 1).await;
    let topic = (TOPIC, "a");
    for (operation, value, after) in [(2, "compact", "delete,compact"), (3, "delete", "compact")] {
        let change = ("cleanup.policy", operation, Some(value));
        assert_eq!(alter(&mut client, 1, topic, change).await, 0);
        let told = describe(&mut client, 4, topic, "cleanup.policy").await;
        assert_eq!(told, Some((after.to_owned(), 1)));
    }
    for (resource, change, code) in [
        (topic, ("retention.ms", 0, Some("x")), ErrorCode::InvalidConfig),
        (topic, ("retention.ms", 2, Some("1")), ErrorCode::InvalidConfig),
        (topic, ("retention.mss", 0, Some("1")), ErrorCode::InvalidConfig),
        (topic, ("retention.ms", 0, None), ErrorCode::InvalidRequest),
        (topic, ("retention.ms", 9, Some("1")), ErrorCode::InvalidRequest),
        ((TOPIC, "b"), ("retention.ms", 0, Some("1")), ErrorCode::UnknownTopicOrPartition),
        ((BROKER, "2"), ("max.connections", 0, Some("1")), ErrorCode::InvalidRequest),
        ((BROKER, ""), ("num.partitions", 0, Some("1")), ErrorCode::InvalidRequest),
        ((8, "1"), ("root", 0, Some("DEBUG")), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(alter(&mut client, 1, resource, change).await, code.code(), "{change:?}");
    }
}

#[tokio::test]
async fn the_legacy_change_replaces_all_in_every_version() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    create(&mut client, "a", 1).await;
    for version in versions::<alter_configs::Request<'_>>() {
        alter(&mut client, 1, (TOPIC, "a"), ("segment.ms", 0, Some("9"))).await;
        let request = alter_configs::Request {
            resources: vec![alter_configs::RequestResource {
                resource_type: TOPIC,
                resource_name: "a".into(),
                configs: vec![alter_configs::RequestResourceConfig {
                    name: "flush.ms".into(),
                    value: Some("8".into()),
                }],
            }],
            ..alter_configs::Request::default()
        };
        let frame = client.call(version, &request).await;
        let response: alter_configs::Response<'_> = read(ApiKey::AlterConfigs, version, &frame);
        assert_eq!(response.responses[0].error_code, 0);
        let values = broker.server.broker().image().topic("a").unwrap().values.clone();
        assert_eq!(values.get("flush.ms").map(String::as_str), Some("8"));
        assert_eq!(values.len(), 1);
    }
}

/// Produces one record of so many bytes and returns the error code.
async fn produce(client: &mut Client, topic: &str, bytes: usize) -> i16 {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    let value = vec![b'x'; bytes];
    let timestamp = Some(millrace_server::clock::Clock::System.now());
    let record = NewRecord { timestamp, value: Some(&value), ..NewRecord::default() };
    builder.push(&record).expect("a record");
    let partition = produce::RequestTopicDataPartitionData {
        index: 0,
        records: Some(builder.build().expect("a batch").into()),
    };
    let request = produce::Request {
        acks: -1,
        timeout_ms: 1_000,
        topic_data: vec![produce::RequestTopicData {
            name: topic.to_owned().into(),
            partition_data: vec![partition],
            ..produce::RequestTopicData::default()
        }],
        ..produce::Request::default()
    };
    let frame = client.call(9, &request).await;
    let response: produce::Response<'_> = read(ApiKey::Produce, 9, &frame);
    response.responses[0].partition_responses[0].error_code
}

#[tokio::test]
async fn a_changed_config_has_effect_at_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    create(&mut client, "a", 1).await;
    assert_eq!(produce(&mut client, "a", 2_000).await, 0);
    let too_large = ErrorCode::MessageTooLarge.code();
    alter(&mut client, 1, (TOPIC, "a"), ("max.message.bytes", 0, Some("1000"))).await;
    assert_eq!(produce(&mut client, "a", 2_000).await, too_large);
    alter(&mut client, 1, (TOPIC, "a"), ("max.message.bytes", 1, None)).await;
    assert_eq!(produce(&mut client, "a", 2_000).await, 0);
    alter(&mut client, 1, (BROKER, ""), ("message.max.bytes", 0, Some("1000"))).await;
    assert_eq!(produce(&mut client, "a", 2_000).await, too_large);
    create(&mut client, "b", 1).await;
    assert_eq!(produce(&mut client, "b", 2_000).await, too_large);
}

#[tokio::test]
async fn producer_ids_are_new_in_every_version_and_after_a_restart() {
    let mut broker = TestBroker::start(&[]).await;
    let mut given = BTreeSet::new();
    for _ in 0..2 {
        let mut client = broker.connect().await;
        for version in versions::<init_producer_id::Request<'_>>() {
            for (transactional_id, code) in [
                (None, ErrorCode::None),
                (Some(""), ErrorCode::InvalidRequest),
                (Some("t"), ErrorCode::TransactionalIdAuthorizationFailed),
            ] {
                let request = init_producer_id::Request {
                    transactional_id: transactional_id.map(Into::into),
                    transaction_timeout_ms: 60_000,
                    ..init_producer_id::Request::default()
                };
                let frame = client.call(version, &request).await;
                let response: init_producer_id::Response =
                    read(ApiKey::InitProducerId, version, &frame);
                assert_eq!(response.error_code, code.code());
                if code.is_none() {
                    assert_eq!(response.producer_epoch, 0);
                    assert!(given.insert(response.producer_id), "{} again", response.producer_id);
                } else {
                    assert_eq!((response.producer_id, response.producer_epoch), (-1, -1));
                }
            }
        }
        drop(client);
        broker = broker.restart(&[]).await;
    }
}

/// Asks for the metadata of one topic; its error code and how many partitions it has.
async fn ask(client: &mut Client, version: i16, name: &str, creates: bool) -> (i16, usize) {
    let topics = vec![metadata::RequestTopic {
        name: Some(name.to_owned().into()),
        ..metadata::RequestTopic::default()
    }];
    let request = metadata::Request {
        topics: Some(topics),
        allow_auto_topic_creation: creates,
        ..metadata::Request::default()
    };
    let frame = client.call(version, &request).await;
    let response: metadata::Response<'_> = read(ApiKey::Metadata, version, &frame);
    (response.topics[0].error_code, response.topics[0].partitions.len())
}

#[tokio::test]
async fn a_topic_that_is_asked_for_is_created_if_client_and_broker_want_it() {
    let configs = [("num.partitions", "2"), ("offsets.topic.replication.factor", "1")];
    let broker = TestBroker::start(&configs).await;
    let mut client = broker.connect().await;
    let unknown = (ErrorCode::UnknownTopicOrPartition.code(), 0);
    for version in versions::<metadata::Request<'_>>() {
        let name = format!("topic_{version}");
        if version >= 4 {
            assert_eq!(ask(&mut client, version, &name, false).await, unknown);
        }
        assert_eq!(ask(&mut client, version, &name, true).await, (0, 2));
        let invalid = (ErrorCode::InvalidTopicException.code(), 0);
        assert_eq!(ask(&mut client, version, "not/valid", true).await, invalid);
        assert_eq!(ask(&mut client, version, &name.replace('_', "."), true).await, invalid);
        assert_eq!(produce(&mut client, &name, 10).await, 0);
    }
    assert_eq!(ask(&mut client, 13, "__consumer_offsets", true).await, (0, 50));
    let broker = TestBroker::start(&[("auto.create.topics.enable", "false")]).await;
    assert_eq!(ask(&mut broker.connect().await, 13, "a", true).await, unknown);
    let broker = TestBroker::start(&[("default.replication.factor", "2")]).await;
    let too_many = (ErrorCode::InvalidReplicationFactor.code(), 0);
    assert_eq!(ask(&mut broker.connect().await, 13, "a", true).await, too_many);
}

#[tokio::test]
async fn topics_and_records_outlive_a_restart_and_ids_tell_old_from_new() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    create(&mut client, "a", 2).await;
    assert_eq!(produce(&mut client, "a", 10).await, 0);
    let before = broker.server.broker().image();
    let broker = broker.restart(&[]).await;
    let after = broker.server.broker().image();
    assert_eq!(before.cluster_id(), after.cluster_id());
    let [old, new] = [&before, &after].map(|image| image.topic("a").unwrap().clone());
    assert_eq!((old.id, old.partitions.len()), (new.id, new.partitions.len()));
    let mut client = broker.connect().await;
    let request = delete_topics::Request {
        topics: vec![delete_topics::RequestTopic { topic_id: old.id, name: None }],
        ..delete_topics::Request::default()
    };
    client.call(6, &request).await;
    create(&mut client, "a", 2).await;
    assert_ne!(broker.server.broker().image().topic("a").unwrap().id, old.id);
    assert_eq!(produce(&mut client, "a", 10).await, 0);
}
