//! Random histories of commands, and what must hold after each.

use std::collections::{BTreeMap, BTreeSet};

use millrace_types::{LeaderEpoch, PartitionIndex, TopicId, TopicName, TopicPartition};
use proptest::collection::vec;
use proptest::prelude::*;

use super::decide::adopt_topics::FoundPartition;
use super::decide::alter_configs::{AlterConfigs, Alteration, AlteredResource, Resource};
use super::decide::apply_topics::{AppliedTopic, ApplyTopics};
use super::decide::create_partitions::{CreatePartitions, GrownTopic};
use super::decide::create_topics::CreateTopics;
use super::decide::delete_topics::{DeleteTopics, TopicKey};
use super::decide::{
    adopt_topics, allocate_producer_ids, alter_configs, apply_topics, create_partitions,
    create_topics, delete_topics, register_broker,
};
use super::fixture::{Fixture, broker, new_topic, registration};
use super::record::{decode_all, encode_all};
use super::{Delta, Image, Record, Touched, snapshot};
use crate::config::alter::{Change, Operation};

/// One command of a history. Names and ids are few, so that commands meet.
#[derive(Clone, Debug)]
enum Step {
    Create { names: Vec<usize>, partitions: i32 },
    Delete { name: usize },
    Grow { name: usize, count: i32 },
    Configure { name: Option<usize>, config: usize, value: i64, operation: i8 },
    Own { name: usize, owner: Option<bool>, partitions: i32 },
    Restart { broker: i32 },
    Allocate,
}

const NAMES: [&str; 5] = ["a", "a.b", "a_b", "c", "not/valid"];
const CONFIGS: [&str; 4] = ["retention.ms", "segment.bytes", "log.retention.ms", "max.connections"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (vec(0..NAMES.len(), 1..4), -1..5)
            .prop_map(|(names, partitions)| Step::Create { names, partitions }),
        1 => (0..NAMES.len()).prop_map(|name| Step::Delete { name }),
        1 => (0..NAMES.len(), 0..8).prop_map(|(name, count)| Step::Grow { name, count }),
        1 => (proptest::option::of(0..NAMES.len()), 0..CONFIGS.len(), -2..3_000_000_i64, 0_i8..4)
            .prop_map(|(name, config, value, operation)| {
                Step::Configure { name, config, value, operation }
            }),
        1 => (0..NAMES.len(), proptest::option::of(any::<bool>()), -1..6)
            .prop_map(|(name, owner, partitions)| Step::Own { name, owner, partitions }),
        1 => (1..4).prop_map(|broker| Step::Restart { broker }),
        1 => Just(Step::Allocate),
    ]
}

/// The records that a command comes to; a refused one comes to none.
fn records(fixture: &Fixture, step: &Step, ids: &mut u128, incarnation: u8) -> Vec<Record> {
    let (image, context) = (&fixture.image, fixture.context());
    match step {
        Step::Create { names, partitions } => {
            let topics = names
                .iter()
                .map(|name| {
                    *ids += 1;
                    new_topic(NAMES[*name], TopicId::from_bytes(ids.to_be_bytes()), *partitions)
                })
                .collect();
            let command = CreateTopics { topics, is_validate_only: false };
            create_topics::decide(image, &command, context).records
        }
        Step::Delete { name } => {
            let topics = vec![TopicKey::Name(NAMES[*name].to_owned())];
            delete_topics::decide(image, &DeleteTopics { topics }, context).records
        }
        Step::Grow { name, count } => {
            let name = NAMES[*name].to_owned();
            let topics = vec![GrownTopic { name, count: *count, assignments: None }];
            let command = CreatePartitions { topics, is_validate_only: false };
            create_partitions::decide(image, &command).records
        }
        Step::Configure { name, config, value, operation } => {
            let resource = match name {
                Some(name) => {
                    Resource { resource_type: Resource::TOPIC, name: NAMES[*name].to_owned() }
                }
                None => Resource { resource_type: Resource::BROKER, name: String::new() },
            };
            let change = Change {
                name: CONFIGS[*config].to_owned(),
                operation: Operation::from_wire(*operation).unwrap(),
                value: Some(value.to_string()),
            };
            let alteration = Alteration::Incremental(vec![change]);
            let resources = vec![AlteredResource { resource, alteration }];
            let command = AlterConfigs { resources, is_validate_only: false };
            alter_configs::decide(image, &command, context).records
        }
        Step::Own { name, owner, partitions } => {
            *ids += 1;
            let there = image.topic(NAMES[*name]);
            let topic = AppliedTopic {
                name: NAMES[*name].to_owned(),
                seen: there.map(|there| there.id),
                new_id: TopicId::from_bytes(ids.to_be_bytes()),
                expected_owner: there.and_then(|there| there.owner.clone()),
                owner: owner.map(|is_one| if is_one { "one" } else { "two" }.to_owned()),
                partitions: Some(*partitions),
                configs: None,
            };
            let command = ApplyTopics { topics: vec![topic] };
            apply_topics::decide(image, &command, context).records
        }
        Step::Restart { broker } => {
            register_broker::decide(image, &registration(*broker, incarnation)).unwrap().records
        }
        Step::Allocate => allocate_producer_ids::decide(image, broker(1)).unwrap().records,
    }
}

/// What holds for every image that decisions lead to.
fn assert_sound(image: &Image) {
    let mut count = 0;
    let mut ids = BTreeSet::new();
    let mut folded = BTreeSet::new();
    for topic in image.topics() {
        assert_eq!(image.topic_by_id(topic.id).map(|found| &found.name), Some(&topic.name));
        assert!(ids.insert(topic.id), "topic id {} stands twice", topic.id);
        assert!(folded.insert(topic.name.as_str().replace('.', "_")), "{} collides", topic.name);
        assert!(!topic.partitions.is_empty(), "{} has no partition", topic.name);
        count += topic.partitions.len();
        for partition in &topic.partitions {
            let replicas: BTreeSet<_> = partition.replicas.iter().collect();
            assert_eq!(replicas.len(), partition.replicas.len(), "a replica stands twice");
            assert!(partition.isr.iter().all(|id| replicas.contains(id)), "isr beyond replicas");
            assert!(
                partition.leader.is_none_or(|id| partition.isr.contains(&id)),
                "leader not in isr"
            );
            assert!(replicas.iter().all(|id| image.brokers().contains_key(*id)), "unknown broker");
        }
    }
    assert_eq!(image.partitions_count(), count);
    assert_eq!(image.topics_count(), ids.len());
}

/// The partitions that broker 1 holds, as it learns of them from deltas alone.
type Held = BTreeMap<TopicPartition, (TopicId, i32)>;

fn follow(held: &mut Held, delta: &Delta) {
    for (partition, topic_id) in &delta.closed {
        let before = held.remove(partition);
        assert_eq!(before.map(|(id, _)| id), Some(*topic_id), "{partition} was not open");
    }
    for state in &delta.opened {
        let now = (state.topic_id, state.leader_epoch.to_wire());
        let before = held.insert(state.partition.clone(), now);
        assert_eq!(before, None, "{} was open", state.partition);
    }
    for state in &delta.changed {
        let now = (state.topic_id, state.leader_epoch.to_wire());
        let before = held.insert(state.partition.clone(), now);
        assert!(before.is_some_and(|(id, epoch)| id == now.0 && epoch < now.1), "{state:?}");
    }
}

fn holding(image: &Image) -> Held {
    let delta = Delta::between(&Image::default(), image, &image.everything(), broker(1));
    assert!(delta.closed.is_empty() && delta.changed.is_empty());
    let mut held = Held::new();
    follow(&mut held, &delta);
    held
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn images_stay_sound_and_come_back_from_snapshot_and_tail(
        steps in vec(step(), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut fixture = Fixture::new(3, &[]);
        let (mut ids, mut held) = (1_000, Held::new());
        let cut = cut.index(steps.len());
        let mut restored = Image::default();
        for (index, step) in steps.iter().enumerate() {
            if index == cut {
                let bytes = snapshot::encode(&fixture.image);
                restored = snapshot::decode(&bytes).unwrap();
                prop_assert_eq!(&restored, &fixture.image);
            }
            let incarnation = u8::try_from(index + 2).unwrap();
            let decided = records(&fixture, step, &mut ids, incarnation);
            let bytes = encode_all(&decided);
            let decoded = decode_all(&bytes).unwrap();
            prop_assert_eq!(&decoded, &decided);
            follow(&mut held, &fixture.apply(&decided));
            assert_sound(&fixture.image);
            prop_assert_eq!(&held, &holding(&fixture.image));
            if index >= cut {
                decoded.iter().for_each(|record| restored.apply(record, &mut Touched::default()));
            }
        }
        prop_assert_eq!(&restored, &fixture.image);
    }

    #[test]
    fn garbage_is_refused_and_never_believed(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(records) = decode_all(&bytes) {
            prop_assert_eq!(decode_all(&encode_all(&records)).unwrap(), records);
        }
    }

    #[test]
    fn a_flipped_bit_never_panics(flipped in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut fixture = Fixture::new(2, &[]);
        fixture.create("a", 1, 3);
        let mut bytes = snapshot::encode(&fixture.image);
        let position = flipped.index(bytes.len());
        bytes[position] ^= 1_u8 << bit;
        drop(snapshot::decode(&bytes));
    }
}

#[test]
fn the_bytes_of_a_snapshot() {
    let mut fixture = Fixture::new(1, &[]);
    fixture.create("a", 1, 1);
    let bytes: Vec<String> =
        snapshot::encode(&fixture.image).chunks(16).map(|row| format!("{row:02x?}")).collect();
    expect_test::expect![[r#"
        [01, 00, 07, 63, 6c, 75, 73, 74, 65, 72, 02, 00, 01, 00, 01, 01]
        [01, 01, 01, 01, 01, 01, 01, 01, 01, 01, 01, 01, 01, 01, 65, 65]
        [65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 00, 01]
        [09, 50, 4c, 41, 49, 4e, 54, 45, 58, 54, 08, 62, 72, 6f, 6b, 65]
        [72, 2d, 31, 84, 47, 03, 00, 01, 01, 01, 01, 01, 01, 01, 01, 01]
        [01, 01, 01, 01, 01, 01, 01, 01, 61, 01, 01, 01, 01, 01, 02, 00]
        [00, 08, 00, 01, 00]"#]]
    .assert_eq(&bytes.join("\n"));
}

#[test]
fn a_topic_that_is_deleted_and_created_again_is_closed_and_opened() {
    let mut fixture = Fixture::new(1, &[]);
    fixture.create("a", 1, 1);
    let topics = vec![TopicKey::Name("a".to_owned())];
    let deleted =
        delete_topics::decide(&fixture.image, &DeleteTopics { topics }, fixture.context());
    let before = fixture.image.clone();
    fixture.apply(&deleted.records);
    fixture.create("a", 2, 1);
    let touched = Touched { topics: [1, 2].map(super::fixture::id).into(), ..Touched::default() };
    let delta = Delta::between(&before, &fixture.image, &touched, broker(1));
    assert_eq!((delta.closed.len(), delta.opened.len(), delta.changed.len()), (1, 1, 0));
}

#[test]
fn an_image_is_the_same_from_its_records_and_from_its_snapshot() {
    let mut fixture = Fixture::new(1, &[]);
    let found = |name: &str, number| FoundPartition {
        name: TopicName::parse(name).unwrap(),
        partition: PartitionIndex::default(),
        topic_id: super::fixture::id(number),
        leader_epoch: LeaderEpoch::ZERO,
    };
    // Names that collide come from the disk of an old Kafka only.
    let adopted = [found("a.b", 1), found("a_b", 2)];
    fixture.apply(&adopt_topics::decide(&fixture.image, &adopted, broker(1)).records);
    let partitions = fixture.image.topic("a.b").unwrap().partitions.clone();
    let gone = super::fixture::id(1);
    for record in [
        Record::TopicDeleted { topic_id: super::fixture::id(2) },
        Record::TopicDeleted { topic_id: super::fixture::id(9) },
        Record::PartitionsAdded { topic_id: super::fixture::id(9), partitions },
    ] {
        fixture.apply(&[record]);
        let restored = snapshot::decode(&snapshot::encode(&fixture.image)).unwrap();
        assert_eq!(restored, fixture.image);
        let collides = TopicName::parse("a_b").unwrap();
        assert_eq!(fixture.image.colliding(&collides).map(TopicName::as_str), Some("a.b"));
    }
    fixture.apply(&[Record::TopicDeleted { topic_id: gone }]);
    assert_eq!((fixture.image.topics_count(), fixture.image.partitions_count()), (0, 0));
}
