//! Our own APIs for the operator: the state in one answer, topics changed as their owner wants.

use millrace_types::{ErrorCode, TopicId};
use millrace_wire::ApiKey;
use millrace_wire::messages::{apply_topics, describe_state};

use crate::support::{Client, TestBroker, read};

async fn state(client: &mut Client, names: Option<Vec<&'static str>>) -> Vec<String> {
    let topics = names.map(|names| names.into_iter().map(Into::into).collect());
    let frame = client.call(0, &describe_state::Request { topics }).await;
    let response: describe_state::Response<'_> = read(ApiKey::DescribeState, 0, &frame);
    assert_eq!(response.cluster_id.len(), 22, "{response:?}");
    assert_ne!(response.directory_id, TopicId::ZERO);
    let line = |topic: &describe_state::ResponseTopic<'_>| {
        let configs: Vec<String> =
            topic.configs.iter().map(|it| format!(" {}={}", it.name, it.value)).collect();
        let owner = topic.owner.as_deref().unwrap_or("-");
        format!("{} {} {owner}{}", topic.name, topic.partitions, configs.concat())
    };
    response.topics.iter().map(line).collect()
}

async fn apply(client: &mut Client, topic: apply_topics::RequestTopic<'static>) -> (i16, TopicId) {
    let frame = client.call(0, &apply_topics::Request { topics: vec![topic] }).await;
    let response: apply_topics::Response<'_> = read(ApiKey::ApplyTopics, 0, &frame);
    (response.topics[0].error_code, response.topics[0].topic_id)
}

#[tokio::test]
async fn a_topic_has_an_owner_from_its_first_moment_and_through_a_restart() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    let wanted = apply_topics::RequestTopic {
        name: "a".into(),
        owner: Some("me".into()),
        partitions: 2,
        configs: Some(vec![apply_topics::RequestTopicConfig {
            name: "retention.ms".into(),
            value: "5".into(),
        }]),
        ..apply_topics::RequestTopic::default()
    };
    let (code, topic_id) = apply(&mut client, wanted.clone()).await;
    assert_eq!(code, 0);
    assert_eq!(state(&mut client, None).await, ["a 2 me retention.ms=5"]);
    let (code, _) = apply(&mut client, wanted).await;
    assert_eq!(code, ErrorCode::InvalidUpdateVersion.code());
    let broker = broker.restart(&[]).await;
    let mut client = broker.connect().await;
    assert_eq!(state(&mut client, Some(vec!["a", "b"])).await, ["a 2 me retention.ms=5"]);
    let released = apply_topics::RequestTopic {
        name: "a".into(),
        topic_id,
        expected_owner: Some("me".into()),
        ..apply_topics::RequestTopic::default()
    };
    assert_eq!(apply(&mut client, released).await, (0, topic_id));
    assert_eq!(state(&mut client, None).await, ["a 2 - retention.ms=5"]);
    assert_eq!(state(&mut client, Some(vec![])).await, [""; 0]);
    broker.server.stop().await;
}
