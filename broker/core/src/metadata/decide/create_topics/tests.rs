//! What is asked of CreateTopics, row by row.

use expect_test::{Expect, expect};

use super::{CreateTopics, NewAssignment, NewTopic, decide};
use crate::metadata::fixture::{Fixture, id, new_topic};

fn check(fixture: &Fixture, topics: Vec<NewTopic>, expected: &Expect) {
    let command = CreateTopics { topics, is_validate_only: false };
    let decision = decide(&fixture.image, &command, fixture.context());
    let mut lines = String::new();
    for result in &decision.reply {
        lines += &match result {
            Ok(created) => format!(
                "ok: {} partition(s) x {} replica(s) {:?}\n",
                created.partitions, created.replication_factor, created.values
            ),
            Err(error) => format!("{}: {error}\n", error.code()),
        };
    }
    expected.assert_eq(&lines);
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> NewTopic {
    let assignments = assignments
        .iter()
        .map(|(partition, brokers)| NewAssignment {
            partition: *partition,
            brokers: brokers.to_vec(),
        })
        .collect();
    NewTopic { assignments, ..new_topic(name, id(9), -1) }
}

fn with(topic: NewTopic, configs: &[(&str, Option<&str>)]) -> NewTopic {
    let configs = configs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect();
    NewTopic { configs, ..topic }
}

#[test]
fn the_defaults_of_the_broker_fill_what_is_left_open() {
    let configs = [("num.partitions", "3"), ("default.replication.factor", "2")];
    let fixture = Fixture::new(3, &configs);
    check(
        &fixture,
        vec![
            new_topic("a", id(1), -1),
            new_topic("b", id(2), 1),
            NewTopic { replication_factor: 3, ..new_topic("c", id(3), -1) },
            with(new_topic("d", id(4), 1), &[("retention.ms", Some("5"))]),
        ],
        &expect![[r#"
            ok: 3 partition(s) x 2 replica(s) {}
            ok: 1 partition(s) x 2 replica(s) {}
            ok: 3 partition(s) x 3 replica(s) {}
            ok: 1 partition(s) x 2 replica(s) {"retention.ms": "5"}
        "#]],
    );
}

#[test]
fn names_are_valid_free_and_named_once() {
    let mut fixture = Fixture::new(1, &[]);
    fixture.create("a.b", 1, 1);
    check(
        &fixture,
        vec![
            new_topic("a.b", id(2), 1),
            new_topic("a_b", id(3), 1),
            new_topic("", id(4), 1),
            new_topic("x/y", id(5), 1),
            new_topic("twice", id(6), 1),
            new_topic("twice", id(7), 1),
            new_topic("__cluster_metadata", id(8), 1),
            new_topic("c_d", id(9), 1),
            new_topic("c.d", id(10), 1),
            new_topic("e", id(1), 1),
        ],
        &expect![[r#"
            TOPIC_ALREADY_EXISTS: topic 'a.b' already exists
            INVALID_TOPIC_EXCEPTION: topic 'a_b' collides with existing topic 'a.b': '.' and '_' count as one
            INVALID_TOPIC_EXCEPTION: topic name is empty
            INVALID_TOPIC_EXCEPTION: topic name "x/y" holds '/'; allowed are ASCII letters, digits, '.', '_' and '-'
            INVALID_REQUEST: topic "twice" is named more than once in one request
            INVALID_REQUEST: topic "twice" is named more than once in one request
            TOPIC_AUTHORIZATION_FAILED: topic name __cluster_metadata is reserved
            ok: 1 partition(s) x 1 replica(s) {}
            INVALID_TOPIC_EXCEPTION: topic 'c.d' collides with existing topic 'c_d': '.' and '_' count as one
            UNKNOWN_SERVER_ERROR: topic id AQEBAQEBAQEBAQEBAQEBAQ is not free
        "#]],
    );
}

#[test]
fn impossible_counts_are_refused() {
    let fixture = Fixture::new(1, &[]);
    let factor = |replication_factor| NewTopic { replication_factor, ..new_topic("a", id(1), 1) };
    for (topic, expected) in [
        (
            new_topic("a", id(1), 0),
            expect![[r#"
            INVALID_PARTITIONS: number of partitions is 0, must be at least 1, or -1 for the default
        "#]],
        ),
        (
            new_topic("a", id(1), -2),
            expect![[r#"
            INVALID_PARTITIONS: number of partitions is -2, must be at least 1, or -1 for the default
        "#]],
        ),
        (
            factor(0),
            expect![[r#"
            INVALID_REPLICATION_FACTOR: replication factor is 0, must be at least 1, or -1 for the default
        "#]],
        ),
        (
            factor(2),
            expect![[r#"
            INVALID_REPLICATION_FACTOR: replication factor 2 is larger than the number of brokers, 1
        "#]],
        ),
        (
            new_topic("a", id(1), 10_001),
            expect![[r#"
            POLICY_VIOLATION: 10001 partitions are more than the 10000 that one request can create
        "#]],
        ),
    ] {
        check(&fixture, vec![topic], &expected);
    }
    check(
        &fixture,
        vec![new_topic("a", id(1), 6_000), new_topic("b", id(2), 6_000)],
        &expect![[r#"
            ok: 6000 partition(s) x 1 replica(s) {}
            POLICY_VIOLATION: 12000 partitions are more than the 10000 that one request can create
        "#]],
    );
}

#[test]
fn brokers_chosen_by_hand_are_checked() {
    let fixture = Fixture::new(3, &[]);
    let numbered = NewTopic { partitions: 1, ..assigned("a", &[(0, &[1])]) };
    let replicated = NewTopic { replication_factor: 1, ..assigned("a", &[(0, &[1])]) };
    for (topic, expected) in [
        (
            assigned("a", &[(1, &[2, 1]), (0, &[1, 3])]),
            expect![[r#"
            ok: 2 partition(s) x 2 replica(s) {}
        "#]],
        ),
        (
            numbered,
            expect![[r#"
            INVALID_REQUEST: replicas were assigned by hand, so num_partitions must be -1, but is 1
        "#]],
        ),
        (
            replicated,
            expect![[r#"
            INVALID_REQUEST: replicas were assigned by hand, so replication_factor must be -1, but is 1
        "#]],
        ),
        (
            assigned("a", &[(0, &[1]), (2, &[1])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: replicas were assigned by hand to 2 partitions, so these must be 0 to 1 without gap, but one is 2
        "#]],
        ),
        (
            assigned("a", &[(0, &[1]), (0, &[1])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: replicas were assigned by hand to 2 partitions, so these must be 0 to 1 without gap, but one is 0
        "#]],
        ),
        (
            assigned("a", &[(0, &[])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: the replicas given for partition 0 are none
        "#]],
        ),
        (
            assigned("a", &[(0, &[4])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: the replicas given for partition 0 name broker 4, which is not registered
        "#]],
        ),
        (
            assigned("a", &[(0, &[-1])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: the replicas given for partition 0 name broker -1, which is not registered
        "#]],
        ),
        (
            assigned("a", &[(0, &[1, 2, 1])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: the replicas given for partition 0 name broker 1 more than once
        "#]],
        ),
        (
            assigned("a", &[(0, &[1]), (1, &[1, 2])]),
            expect![[r#"
            INVALID_REPLICA_ASSIGNMENT: the replicas given for partition 1 are 2, but those of the topic's other partitions are 1
        "#]],
        ),
    ] {
        check(&fixture, vec![topic], &expected);
    }
}

#[test]
fn configs_are_checked_and_the_later_of_two_counts() {
    let fixture = Fixture::new(1, &[]);
    let topic = || new_topic("a", id(1), 1);
    for (configs, expected) in [
        (
            &[("cleanup.policy", Some("compact")), ("cleanup.policy", Some("delete"))][..],
            expect![[r#"
            ok: 1 partition(s) x 1 replica(s) {"cleanup.policy": "delete"}
        "#]],
        ),
        (
            &[("segment.bytes", Some("1"))],
            expect![[r#"
            INVALID_CONFIG: invalid value "1" for config segment.bytes: must be at least 1048576
        "#]],
        ),
        (
            &[("segment.bites", Some("1"))],
            expect![[r#"
            INVALID_CONFIG: unknown config "segment.bites"; did you mean segment.bytes?
        "#]],
        ),
        (
            &[("segment.bytes", None)],
            expect![[r#"
            INVALID_CONFIG: config segment.bytes must have a value; to fall back to the default, delete it instead
        "#]],
        ),
    ] {
        check(&fixture, vec![with(topic(), configs)], &expected);
    }
}

#[test]
fn the_records_of_a_creation() {
    let mut fixture = Fixture::new(2, &[]);
    fixture.create("before", 8, 1);
    let topic = NewTopic { replication_factor: 2, ..new_topic("a", id(1), 2) };
    let topics = vec![with(topic, &[("retention.ms", Some("5"))])];
    let command = CreateTopics { topics, is_validate_only: false };
    let decision = decide(&fixture.image, &command, fixture.context());
    let lines: Vec<String> = decision.records.iter().map(|record| format!("{record:?}")).collect();
    expect![[r#"
        TopicCreated { topic_id: AQEBAQEBAQEBAQEBAQEBAQ, name: "a", partitions: [Partition { replicas: [BrokerId(2), BrokerId(1)], isr: [BrokerId(2), BrokerId(1)], leader: Some(BrokerId(2)), leader_epoch: LeaderEpoch(0), partition_epoch: 0 }, Partition { replicas: [BrokerId(1), BrokerId(2)], isr: [BrokerId(1), BrokerId(2)], leader: Some(BrokerId(1)), leader_epoch: LeaderEpoch(0), partition_epoch: 0 }] }
        ConfigChanged { owner: Topic(AQEBAQEBAQEBAQEBAQEBAQ), name: "retention.ms", value: Some("5") }"#]].assert_eq(&lines.join("\n"));
    let command = CreateTopics { is_validate_only: true, ..command };
    let validated = decide(&fixture.image, &command, fixture.context());
    assert_eq!(validated.reply, decision.reply);
    assert_eq!(validated.records, []);
}
