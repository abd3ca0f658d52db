//! CreatePartitions: more partitions for topics that exist.
//!
//! Source: Kafka's `ReplicationControlManager.createPartitions`. Differs from Kafka: internal
//! topics do not grow, because a group is found by the number of partitions.

use std::collections::BTreeMap;

use millrace_types::{ErrorCode, TopicName};

use super::Decision;
use crate::limits::{PARTITIONS_MAX, PARTITIONS_PER_REQUEST_MAX};
use crate::metadata::image::Image;
use crate::metadata::placement::{PlacementError, assign, place};
use crate::metadata::record::Record;
use crate::metadata::topic_rules::is_internal;
use crate::metadata::touched::Touched;

/// Adds partitions to topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePartitions {
    /// The topics.
    pub topics: Vec<GrownTopic>,
    /// Whether it is only asked if it could be done.
    pub is_validate_only: bool,
}

/// A topic to add partitions to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrownTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it shall have in all.
    pub count: i32,
    /// The brokers of each new partition, where the client chooses them.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// Why a topic gets no partitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreatePartitionsError {
    /// The request names it twice.
    #[error("topic {name:?} is named more than once in one request")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// There is no such topic.
    #[error("topic {name:?} does not exist")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The brokers need it as it is.
    #[error("topic {name} is internal: its number of partitions says where each group is kept")]
    Internal {
        /// The name.
        name: TopicName,
    },
    /// The number is no increase.
    #[error("topic {name} has {current} partition(s); {count} would not be an increase")]
    NoIncrease {
        /// The name.
        name: TopicName,
        /// How many it has.
        current: usize,
        /// How many it should have.
        count: i32,
    },
    /// Too much at once.
    #[error("{partitions} partitions are more than the {limit} that one request can create")]
    TooMany {
        /// The partitions of this topic and those before it in the request.
        partitions: usize,
        /// The largest number allowed.
        limit: usize,
    },
    /// Too much in all.
    #[error("{partitions} partitions are more than the {limit} that a cluster can have")]
    ClusterFull {
        /// The partitions that there would be.
        partitions: usize,
        /// The largest number allowed.
        limit: usize,
    },
    /// The client chooses brokers for another number of partitions.
    #[error("{added} partition(s) are to be added, but replicas are given for {assigned}")]
    AssignmentCount {
        /// How many are added.
        added: usize,
        /// How many assignments there are.
        assigned: usize,
    },
    /// The partitions cannot be placed.
    #[error(transparent)]
    Placement(#[from] PlacementError),
}

impl CreatePartitionsError {
    /// The error code that Kafka answers with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            CreatePartitionsError::Duplicate { .. } => ErrorCode::InvalidRequest,
            CreatePartitionsError::Unknown { .. } => ErrorCode::UnknownTopicOrPartition,
            CreatePartitionsError::Internal { .. } => ErrorCode::InvalidTopicException,
            CreatePartitionsError::NoIncrease { .. } => ErrorCode::InvalidPartitions,
            CreatePartitionsError::TooMany { .. } | CreatePartitionsError::ClusterFull { .. } => {
                ErrorCode::PolicyViolation
            }
            CreatePartitionsError::AssignmentCount { .. } => ErrorCode::InvalidReplicaAssignment,
            CreatePartitionsError::Placement(error) => error.code(),
        }
    }
}

/// What became of each topic of the request, in its order.
pub type Reply = Vec<Result<(), CreatePartitionsError>>;

/// Decides which partitions are added.
pub fn decide(image: &Image, command: &CreatePartitions) -> Decision<Reply> {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &command.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    let mut image = image.clone();
    let mut records = Vec::new();
    let mut reply = Vec::new();
    let mut created = 0;
    for topic in &command.topics {
        let is_duplicate = named.get(topic.name.as_str()).is_some_and(|times| *times > 1);
        let decided = if is_duplicate {
            Err(CreatePartitionsError::Duplicate { name: topic.name.clone() })
        } else {
            grow(&image, topic, created)
        };
        reply.push(decided.map(|(added, record)| {
            created += added;
            image.apply(&record, &mut Touched::default());
            records.push(record);
        }));
    }
    if command.is_validate_only {
        records.clear();
    }
    Decision { records, reply }
}

/// How many partitions the topic gets, and the record of them.
fn grow(
    image: &Image,
    wanted: &GrownTopic,
    created: usize,
) -> Result<(usize, Record), CreatePartitionsError> {
    let unknown = || CreatePartitionsError::Unknown { name: wanted.name.clone() };
    let topic = image.topic(&wanted.name).ok_or_else(unknown)?;
    let name = topic.name.clone();
    if is_internal(name.as_str()) {
        return Err(CreatePartitionsError::Internal { name });
    }
    let current = topic.partitions.len();
    let added = usize::try_from(wanted.count).ok().and_then(|count| count.checked_sub(current));
    let Some(added) = added.filter(|added| *added > 0) else {
        return Err(CreatePartitionsError::NoIncrease { name, current, count: wanted.count });
    };
    let in_request = added.saturating_add(created);
    if in_request > PARTITIONS_PER_REQUEST_MAX {
        let limit = PARTITIONS_PER_REQUEST_MAX;
        return Err(CreatePartitionsError::TooMany { partitions: in_request, limit });
    }
    let in_cluster = added.saturating_add(image.partitions_count());
    if in_cluster > PARTITIONS_MAX {
        let limit = PARTITIONS_MAX;
        return Err(CreatePartitionsError::ClusterFull { partitions: in_cluster, limit });
    }
    let replicas = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
    let partitions = match &wanted.assignments {
        Some(assignments) if assignments.len() != added => {
            let assigned = assignments.len();
            return Err(CreatePartitionsError::AssignmentCount { added, assigned });
        }
        Some(assignments) => assign(image, assignments, current, Some(replicas))?,
        None => {
            let count = u32::try_from(added).unwrap_or(u32::MAX);
            place(image, count, u16::try_from(replicas).unwrap_or(u16::MAX))?
        }
    };
    Ok((added, Record::PartitionsAdded { topic_id: topic.id, partitions }))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{CreatePartitions, GrownTopic, decide};
    use crate::metadata::fixture::Fixture;

    fn grown(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> GrownTopic {
        let assignments =
            assignments.map(|lists| lists.iter().map(|brokers| brokers.to_vec()).collect());
        GrownTopic { name: name.to_owned(), count, assignments }
    }

    fn check(fixture: &Fixture, topics: Vec<GrownTopic>, expected: &Expect) {
        let command = CreatePartitions { topics, is_validate_only: false };
        let decision = decide(&fixture.image, &command);
        let mut lines = String::new();
        for result in &decision.reply {
            lines += &match result {
                Ok(()) => "ok\n".to_owned(),
                Err(error) => format!("{}: {error}\n", error.code()),
            };
        }
        expected.assert_eq(&lines);
    }

    #[test]
    fn topics_only_grow() {
        let mut fixture = Fixture::new(2, &[]);
        fixture.create("a", 1, 2);
        fixture.create("b", 2, 1);
        fixture.create("__consumer_offsets", 3, 1);
        for (topic, expected) in [
            (
                grown("a", 3, None),
                expect![[r#"
                ok
            "#]],
            ),
            (
                grown("a", 4, Some(&[&[1], &[2]])),
                expect![[r#"
                ok
            "#]],
            ),
            (
                grown("a", 2, None),
                expect![[r#"
                INVALID_PARTITIONS: topic a has 2 partition(s); 2 would not be an increase
            "#]],
            ),
            (
                grown("a", -1, None),
                expect![[r#"
                INVALID_PARTITIONS: topic a has 2 partition(s); -1 would not be an increase
            "#]],
            ),
            (
                grown("c", 2, None),
                expect![[r#"
                UNKNOWN_TOPIC_OR_PARTITION: topic "c" does not exist
            "#]],
            ),
            (
                grown("a", 4, Some(&[&[1]])),
                expect![[r#"
                INVALID_REPLICA_ASSIGNMENT: 2 partition(s) are to be added, but replicas are given for 1
            "#]],
            ),
            (
                grown("a", 3, Some(&[&[1, 2]])),
                expect![[r#"
                INVALID_REPLICA_ASSIGNMENT: the replicas given for partition 2 are 2, but those of the topic's other partitions are 1
            "#]],
            ),
            (
                grown("a", 20_000, None),
                expect![[r#"
                POLICY_VIOLATION: 19998 partitions are more than the 10000 that one request can create
            "#]],
            ),
            (
                grown("__consumer_offsets", 2, None),
                expect![[r#"
                INVALID_TOPIC_EXCEPTION: topic __consumer_offsets is internal: its number of partitions says where each group is kept
            "#]],
            ),
        ] {
            check(&fixture, vec![topic], &expected);
        }
    }

    #[test]
    fn a_topic_named_twice_does_not_grow() {
        let mut fixture = Fixture::new(2, &[]);
        fixture.create("a", 1, 2);
        fixture.create("b", 2, 1);
        check(
            &fixture,
            vec![grown("a", 3, None), grown("b", 2, None), grown("a", 4, None)],
            &expect![[r#"
                INVALID_REQUEST: topic "a" is named more than once in one request
                ok
                INVALID_REQUEST: topic "a" is named more than once in one request
            "#]],
        );
    }

    #[test]
    fn the_new_partitions_are_opened_and_the_old_ones_stay() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 2);
        let topics = vec![grown("a", 4, None)];
        let command = CreatePartitions { topics, is_validate_only: false };
        let delta = fixture.apply(&decide(&fixture.image, &command).records);
        let opened: Vec<String> =
            delta.opened.iter().map(|state| state.partition.to_string()).collect();
        assert_eq!(opened, ["a-2", "a-3"]);
        assert!(delta.closed.is_empty() && delta.changed.is_empty());
    }
}
