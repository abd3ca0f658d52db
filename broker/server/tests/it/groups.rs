//! Groups over a socket, in every version that is served: found, joined, synced, kept alive, with
//! offsets; described, left and deleted.

use millrace_core::metadata::decide::create_topics::{self, CreateTopics, NewTopic};
use millrace_types::{ErrorCode, TopicId};
use millrace_wire::messages::{
    delete_groups, delete_topics, describe_groups, find_coordinator, heartbeat, join_group,
    leave_group, list_groups, offset_commit, offset_delete, offset_fetch, sync_group,
};
use millrace_wire::record::Codec;
use millrace_wire::{ApiKey, Decode, Reader, Request, ResponseHeader, frame};

use crate::support::{Client, TestBroker};
use crate::verbs::{batch, produce};

const TOPIC: &str = "orders";
const GROUP: &str = "readers";
/// More than any of these APIs has versions.
const VERSIONS: std::ops::Range<i16> = 0..11;

fn topic_id() -> TopicId {
    TopicId::from_bytes([7; 16])
}

/// A broker with one topic and groups that form at once, and a connection to it.
async fn start(configs: &[(&str, &str)]) -> (TestBroker, Client) {
    let fixed = [
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "3"),
        ("offsets.topic.replication.factor", "1"),
    ];
    let configs: Vec<_> = fixed.iter().chain(configs).copied().collect();
    let broker = TestBroker::start(&configs).await;
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        id: topic_id(),
        partitions: 2,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    let command = CreateTopics { topics: vec![topic], is_validate_only: false };
    let metadata = broker.server.broker().metadata();
    let created =
        metadata.run(move |image, context| create_topics::decide(image, &command, context));
    assert!(created.await.expect("metadata").iter().all(Result::is_ok));
    let mut client = broker.connect().await;
    find(&mut client, 4).await;
    (broker, client)
}

/// Sends a request in the version nearest to `version` and hands its answer to `look`.
async fn ask<R: Request, T>(
    client: &mut Client,
    version: i16,
    request: &R,
    look: impl FnOnce(i16, R::Response<'_>) -> T,
) -> T {
    let version = version.clamp(R::KEY.version_min(), R::KEY.version_max());
    client.write(&frame::request(version, 5, Some("test"), request).expect("a request")).await;
    let frame = client.read_frame().await;
    look(version, read(R::KEY, version, &frame))
}

fn read<'a, T: Decode<'a>>(key: ApiKey, version: i16, frame: &'a [u8]) -> T {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, key, version).expect("a header");
    assert_eq!(header.correlation_id, 5);
    let response = T::decode(&mut reader, version).expect("a body");
    reader.finish("response").expect("nothing behind it");
    response
}

/// Finds the coordinator, and waits until it has loaded.
async fn find(client: &mut Client, version: i16) {
    let request = find_coordinator::Request {
        key: GROUP.into(),
        coordinator_keys: vec![GROUP.into()],
        ..find_coordinator::Request::default()
    };
    ask(client, version, &request, |version, response| {
        let found = response.coordinators.first();
        let (code, node, port) = match version {
            4.. => found.map(|it| (it.error_code, it.node_id, it.port)).expect("one"),
            _ => (response.error_code, response.node_id, response.port),
        };
        assert_eq!((code, node), (0, 1), "version {version}");
        assert!(port > 0);
    })
    .await;
    while list(client, 4).await.is_none() {
        tokio::task::yield_now().await;
    }
}

/// The groups; `None` while some are loading.
async fn list(client: &mut Client, version: i16) -> Option<Vec<(String, String)>> {
    ask(client, version, &list_groups::Request::default(), |_, response| {
        let names = |group: &list_groups::ResponseGroup<'_>| {
            (group.group_id.to_string(), group.protocol_type.to_string())
        };
        (response.error_code == 0).then(|| response.groups.iter().map(names).collect())
    })
    .await
}

fn join_request(member: &str) -> join_group::Request<'_> {
    join_group::Request {
        group_id: GROUP.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![join_group::RequestProtocol {
            name: "range".into(),
            metadata: (&b"says"[..]).into(),
        }],
        ..join_group::Request::default()
    }
}

/// Joins, with the id that a new member is told first where the version has that.
async fn join(client: &mut Client, version: i16) -> (String, i32) {
    let mut member = String::new();
    loop {
        let request = join_request(&member);
        let (code, id, generation, version) =
            ask(client, version, &request, |version, response| {
                if response.error_code == 0 {
                    assert_eq!(response.protocol_name.as_deref(), Some("range"));
                    assert_eq!(response.leader, response.member_id);
                    assert_eq!(response.members.len(), 1);
                    assert_eq!(*response.members[0].metadata, *b"says");
                }
                let id = response.member_id.to_string();
                (response.error_code, id, response.generation_id, version)
            })
            .await;
        member.clone_from(&id);
        if code == 0 {
            return (id, generation);
        }
        assert_eq!(code, ErrorCode::MemberIdRequired.code(), "version {version}");
        assert!(version >= 4);
    }
}

async fn sync(client: &mut Client, version: i16, member: &str, generation: i32) {
    let request = sync_group::Request {
        group_id: GROUP.into(),
        generation_id: generation,
        member_id: member.into(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![sync_group::RequestAssignment {
            member_id: member.into(),
            assignment: (&b"work"[..]).into(),
        }],
        ..sync_group::Request::default()
    };
    ask(client, version, &request, |version, response| {
        assert_eq!((response.error_code, &*response.assignment), (0, &b"work"[..]));
        if version >= 5 {
            assert_eq!(response.protocol_name.as_deref(), Some("range"));
        }
    })
    .await;
}

async fn beat(client: &mut Client, version: i16, member: &str, generation: i32) -> i16 {
    let request = heartbeat::Request {
        group_id: GROUP.into(),
        generation_id: generation,
        member_id: member.into(),
        ..heartbeat::Request::default()
    };
    ask(client, version, &request, |_, response| response.error_code).await
}

/// Commits an offset in partition 0, and one in a partition that does not exist.
async fn commit(client: &mut Client, version: i16, member: &str, generation: i32, offset: i64) {
    let partition = |partition_index| offset_commit::RequestTopicPartition {
        partition_index,
        committed_offset: offset,
        committed_leader_epoch: 3,
        committed_metadata: Some("note".into()),
    };
    let topic = |name: &'static str, topic_id| offset_commit::RequestTopic {
        name: name.into(),
        topic_id,
        partitions: vec![partition(0), partition(2)],
    };
    let request = offset_commit::Request {
        group_id: GROUP.into(),
        generation_id_or_member_epoch: generation,
        member_id: member.into(),
        topics: vec![topic(TOPIC, topic_id()), topic("nothing", TopicId::from_bytes([9; 16]))],
        ..offset_commit::Request::default()
    };
    ask(client, version, &request, |version, response| {
        let codes: Vec<i16> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|partition| partition.error_code))
            .collect();
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        let missing = if version >= 10 { ErrorCode::UnknownTopicId.code() } else { unknown };
        assert_eq!(codes, [0, unknown, missing, missing], "version {version}");
    })
    .await;
}

type Fetched = (i64, i32, String, i16);

/// Fetches partitions 0 and 1, by name or id, or all that there is.
async fn fetch(client: &mut Client, version: i16, asks_for_all: bool) -> Vec<Fetched> {
    let topics = offset_fetch::RequestTopic { name: TOPIC.into(), partition_indexes: vec![0, 1] };
    let group_topics = offset_fetch::RequestGroupTopic {
        name: TOPIC.into(),
        topic_id: topic_id(),
        partition_indexes: vec![0, 1],
    };
    let request = offset_fetch::Request {
        group_id: GROUP.into(),
        topics: (!asks_for_all).then(|| vec![topics]),
        groups: vec![offset_fetch::RequestGroup {
            group_id: GROUP.into(),
            topics: (!asks_for_all).then(|| vec![group_topics]),
            ..offset_fetch::RequestGroup::default()
        }],
        require_stable: true,
    };
    ask(client, version, &request, |version, response| {
        if version < 8 {
            assert_eq!(response.error_code, 0);
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            return partitions
                .map(|it| {
                    let metadata = it.metadata.as_deref().unwrap_or("null").to_owned();
                    (it.committed_offset, it.committed_leader_epoch, metadata, it.error_code)
                })
                .collect();
        }
        assert_eq!(response.groups[0].error_code, 0);
        let topics = &response.groups[0].topics;
        match version {
            10.. => assert!(topics.iter().all(|topic| topic.topic_id == topic_id())),
            _ => assert!(topics.iter().all(|topic| topic.name == TOPIC)),
        }
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .map(|it| {
                let metadata = it.metadata.as_deref().unwrap_or("null").to_owned();
                (it.committed_offset, it.committed_leader_epoch, metadata, it.error_code)
            })
            .collect()
    })
    .await
}

/// State, protocol, and each member with what it said and got.
async fn describe(client: &mut Client, version: i16) -> (i16, String, String, Vec<String>) {
    let request = describe_groups::Request {
        groups: vec![GROUP.into()],
        ..describe_groups::Request::default()
    };
    ask(client, version, &request, |_, response| {
        let group = &response.groups[0];
        let member = |member: &describe_groups::ResponseGroupMember<'_>| {
            let said = String::from_utf8_lossy(&member.member_metadata);
            let got = String::from_utf8_lossy(&member.member_assignment);
            format!("{}@{} {said} {got}", member.client_id, member.client_host)
        };
        let members = group.members.iter().map(member).collect();
        (group.error_code, group.group_state.to_string(), group.protocol_data.to_string(), members)
    })
    .await
}

async fn leave(client: &mut Client, version: i16, member: &str) -> i16 {
    let leaver = |member_id: &str| leave_group::RequestMember {
        member_id: member_id.to_owned().into(),
        ..leave_group::RequestMember::default()
    };
    let request = leave_group::Request {
        group_id: GROUP.into(),
        member_id: member.into(),
        members: vec![leaver(member), leaver("stranger")],
    };
    ask(client, version, &request, |version, response| {
        if version < 3 {
            return response.error_code;
        }
        assert_eq!(response.error_code, 0);
        assert_eq!(response.members[1].error_code, ErrorCode::UnknownMemberId.code());
        response.members[0].error_code
    })
    .await
}

async fn delete(client: &mut Client, version: i16) -> i16 {
    let request = delete_groups::Request { groups_names: vec![GROUP.into()] };
    ask(client, version, &request, |_, response| response.results[0].error_code).await
}

#[tokio::test]
async fn a_group_lives_in_every_version() {
    let (broker, mut client) = start(&[]).await;
    for version in VERSIONS {
        find(&mut client, version).await;
        let (member, generation) = join(&mut client, version).await;
        sync(&mut client, version, &member, generation).await;
        assert_eq!(beat(&mut client, version, &member, generation).await, 0);
        let (code, state, protocol, members) = describe(&mut client, version).await;
        assert_eq!((code, &*state, &*protocol), (0, "Stable", "range"));
        assert_eq!(members, ["test@/127.0.0.1 says work"]);
        let listed = list(&mut client, version).await.expect("loaded");
        assert_eq!(listed, [(GROUP.to_owned(), "consumer".to_owned())]);
        commit(&mut client, version, &member, generation, 40 + i64::from(version)).await;
        assert_eq!(delete(&mut client, version).await, ErrorCode::NonEmptyGroup.code());
        assert_eq!(leave(&mut client, version, &member).await, 0);
        let gone = ErrorCode::UnknownMemberId.code();
        assert_eq!(leave(&mut client, version, &member).await, gone);
        assert_eq!(beat(&mut client, version, &member, generation).await, gone);
        assert_eq!(describe(&mut client, version).await.1, "Empty");
        assert_eq!(delete(&mut client, version).await, 0);
    }
    broker.server.stop().await;
}

#[tokio::test]
async fn the_metrics_count_groups() {
    let (broker, mut client) = start(&[]).await;
    assert_eq!(broker.figure("millrace_groups"), 0.0);
    join(&mut client, 3).await;
    assert_eq!(broker.figure("millrace_groups"), 1.0);
    for name in ["coordinators_loading", "partitions_offline", "partitions_uncompactable"] {
        assert_eq!(broker.figure(&format!("millrace_{name}")), 0.0, "{name}");
    }
    assert_eq!(broker.figure("millrace_fetch_sessions"), 0.0);
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let (broker, mut client) = start(&[]).await;
    for version in VERSIONS {
        // Old versions have no epochs: each commits what it can carry.
        commit(&mut client, version, "", -1, 7).await;
        for fetched_in in VERSIONS {
            let has_epoch = version >= 6 && fetched_in >= 5;
            let kept = (7, if has_epoch { 3 } else { -1 }, "note".to_owned(), 0);
            let none = (-1, -1, String::new(), 0);
            let both = fetch(&mut client, fetched_in, false).await;
            assert_eq!(both, [kept.clone(), none], "{version} and {fetched_in}");
            if fetched_in >= 2 {
                assert_eq!(fetch(&mut client, fetched_in, true).await, [kept]);
            }
        }
        assert_eq!(delete(&mut client, version).await, 0);
    }
    broker.server.stop().await;
}

#[tokio::test]
async fn offsets_are_deleted_one_by_one() {
    let (broker, mut client) = start(&[]).await;
    commit(&mut client, 9, "", -1, 7).await;
    let partitions =
        [0, 1, 2].map(|partition_index| offset_delete::RequestTopicPartition { partition_index });
    let request = offset_delete::Request {
        group_id: GROUP.into(),
        topics: vec![offset_delete::RequestTopic {
            name: TOPIC.into(),
            partitions: partitions.into(),
        }],
    };
    let codes = ask(&mut client, 0, &request, |_, response| {
        assert_eq!(response.error_code, 0);
        response.topics[0].partitions.iter().map(|it| it.error_code).collect::<Vec<_>>()
    })
    .await;
    assert_eq!(codes, [0, 0, ErrorCode::UnknownTopicOrPartition.code()]);
    assert_eq!(fetch(&mut client, 9, true).await, []);
    broker.server.stop().await;
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_dead_or_not_found_by_version() {
    let (broker, mut client) = start(&[]).await;
    for version in VERSIONS {
        let code = if version >= 6 { ErrorCode::GroupIdNotFound } else { ErrorCode::None };
        let (found, state, ..) = describe(&mut client, version).await;
        assert_eq!((found, &*state), (code.code(), "Dead"));
        assert_eq!(delete(&mut client, version).await, ErrorCode::GroupIdNotFound.code());
    }
    broker.server.stop().await;
}

#[tokio::test]
async fn a_member_of_a_group_that_is_gone_is_told_by_version() {
    let (broker, mut client) = start(&[]).await;
    for version in VERSIONS {
        let request = offset_commit::Request {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: 3,
            member_id: "m".into(),
            topics: vec![offset_commit::RequestTopic {
                name: TOPIC.into(),
                topic_id: topic_id(),
                partitions: vec![offset_commit::RequestTopicPartition::default()],
            }],
            ..offset_commit::Request::default()
        };
        ask(&mut client, version, &request, |version, response| {
            let wanted = match version {
                9.. => ErrorCode::GroupIdNotFound,
                _ => ErrorCode::IllegalGeneration,
            };
            assert_eq!(response.topics[0].partitions[0].error_code, wanted.code());
        })
        .await;
    }
    broker.server.stop().await;
}

#[tokio::test]
async fn a_broker_that_stops_does_not_wait_for_members_that_wait() {
    let (broker, mut client) = start(&[("group.initial.rebalance.delay.ms", "60000")]).await;
    let request = frame::request(3, 5, Some("test"), &join_request("")).expect("a request");
    client.write(&request).await;
    // The same connection would wait behind the join.
    let mut admin = broker.connect().await;
    while describe(&mut admin, 5).await.1 != "PreparingRebalance" {
        tokio::task::yield_now().await;
    }
    let started_at = std::time::Instant::now();
    broker.server.stop().await;
    assert!(started_at.elapsed().as_secs() < 4, "{:?}", started_at.elapsed());
    client.assert_is_closed().await;
}

#[tokio::test]
async fn offsets_are_gone_when_the_deletion_of_their_topic_is_answered() {
    let (broker, mut client) = start(&[]).await;
    commit(&mut client, 9, "", -1, 7).await;
    let request = delete_topics::Request {
        topic_names: vec![TOPIC.into()],
        timeout_ms: 1_000,
        ..delete_topics::Request::default()
    };
    ask(&mut client, 5, &request, |_, response| assert_eq!(response.responses[0].error_code, 0))
        .await;
    assert_eq!(fetch(&mut client, 9, true).await, []);
    broker.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_commit_at_once_and_none_is_forgotten() {
    let (broker, mut client) = start(&[]).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let mut client = broker.connect().await;
        clients.spawn(async move {
            for offset in 0..50 {
                commit(&mut client, 9, "", -1, offset).await;
                let fetched = fetch(&mut client, 9, true).await;
                assert!(fetched[0].0 >= 0, "{fetched:?}");
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("a client that was answered");
    }
    assert_eq!(fetch(&mut client, 9, true).await[0].0, 49);
    broker.server.stop().await;
}

#[tokio::test]
async fn clients_do_not_write_what_coordinators_keep() {
    let (_broker, mut client) = start(&[]).await;
    let record = batch(&[(Some(b"key".to_vec()), Some(b"value".to_vec()))], Codec::None);
    let refused = (ErrorCode::InvalidTopicException.code(), -1);
    assert_eq!(produce(&mut client, "__consumer_offsets", record).await, refused);
}
