//! ApplyTopics: each topic as its owner wants it, if it still is what the owner saw.
//!
//! Our own, for the operator. A topic is made, grown, configured and given an owner in one change,
//! so that a crash between two of these is not possible. The topic's id and the owner that it had
//! say what was seen; if either is another meanwhile, the change is refused and nothing is done.

use std::collections::BTreeMap;

use millrace_types::{ErrorCode, TopicId};

use super::alter_configs::{
    AlterConfigs, Alteration, AlteredResource, ConfigResourceError, Resource,
};
use super::create_partitions::{CreatePartitions, CreatePartitionsError, GrownTopic};
use super::create_topics::{CreateTopicError, CreateTopics, NewTopic};
use super::{Context, Decision, alter_configs, create_partitions, create_topics};
use crate::config::Values;
use crate::limits::OWNER_BYTES_MAX;
use crate::metadata::image::Image;
use crate::metadata::record::Record;
use crate::metadata::topic_rules::is_internal;
use crate::metadata::touched::Touched;

/// Makes topics what they are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyTopics {
    /// The topics.
    pub topics: Vec<AppliedTopic>,
}

/// One topic as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedTopic {
    /// Its name.
    pub name: String,
    /// Its id as it was seen; `None` if there was no such topic, which is to be made then.
    pub seen: Option<TopicId>,
    /// The id that it gets if it is made: chosen by chance, for this topic alone.
    pub new_id: TopicId,
    /// The owner that it had when it was seen.
    pub expected_owner: Option<String>,
    /// Whose it is from now on.
    pub owner: Option<String>,
    /// How many partitions it is to have at least; `None` for those that it has, or the default.
    pub partitions: Option<i32>,
    /// All configs that are to be set on it; `None` for those that are.
    pub configs: Option<Values>,
}

/// Why a topic is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyTopicError {
    /// The request names it twice.
    #[error("topic {name:?} is named more than once in one request")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Brokers make it for themselves.
    #[error("topic {name} is internal: only brokers make and change it")]
    Internal {
        /// The name.
        name: String,
    },
    /// It is another topic than was seen.
    #[error("topic {name:?} is not the one that was seen: its id is {found:?}, not {seen:?}")]
    Other {
        /// The name.
        name: String,
        /// Its id now.
        found: Option<TopicId>,
        /// Its id as it was seen.
        seen: Option<TopicId>,
    },
    /// It has another owner than was seen.
    #[error("topic {name:?} belongs to {found:?} now, not to {expected:?}")]
    OtherOwner {
        /// The name.
        name: String,
        /// The owner now.
        found: Option<String>,
        /// The owner that was seen.
        expected: Option<String>,
    },
    /// The owner's text is too long.
    #[error("owner of {size_bytes} bytes exceeds the limit of {limit_bytes}")]
    LongOwner {
        /// How long it is.
        size_bytes: usize,
        /// How long it may be.
        limit_bytes: usize,
    },
    /// It cannot be made.
    #[error(transparent)]
    Create(#[from] CreateTopicError),
    /// It cannot grow.
    #[error(transparent)]
    Grow(#[from] CreatePartitionsError),
    /// Its configs are refused.
    #[error(transparent)]
    Configs(#[from] ConfigResourceError),
}

impl ApplyTopicError {
    /// The error code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            ApplyTopicError::Duplicate { .. } | ApplyTopicError::LongOwner { .. } => {
                ErrorCode::InvalidRequest
            }
            ApplyTopicError::Internal { .. } => ErrorCode::InvalidTopicException,
            ApplyTopicError::Other { .. } | ApplyTopicError::OtherOwner { .. } => {
                ErrorCode::InvalidUpdateVersion
            }
            ApplyTopicError::Create(error) => error.code(),
            ApplyTopicError::Grow(error) => error.code(),
            ApplyTopicError::Configs(error) => error.code(),
        }
    }
}

/// What became of each topic of the request, in its order: its id.
pub type Reply = Vec<Result<TopicId, ApplyTopicError>>;

/// Decides what changes.
pub fn decide(image: &Image, command: &ApplyTopics, context: Context<'_>) -> Decision<Reply> {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &command.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    let mut image = image.clone();
    let mut records = Vec::new();
    let mut reply = Vec::new();
    for topic in &command.topics {
        let is_duplicate = named.get(topic.name.as_str()).is_some_and(|times| *times > 1);
        let decided = if is_duplicate {
            Err(ApplyTopicError::Duplicate { name: topic.name.clone() })
        } else {
            apply(&image, topic, context)
        };
        reply.push(decided.map(|(id, of_topic)| {
            for record in &of_topic {
                image.apply(record, &mut Touched::default());
            }
            records.extend(of_topic);
            id
        }));
    }
    Decision { records, reply }
}

fn apply(
    image: &Image,
    topic: &AppliedTopic,
    context: Context<'_>,
) -> Result<(TopicId, Vec<Record>), ApplyTopicError> {
    let size_bytes = topic.owner.as_ref().map_or(0, String::len);
    if size_bytes > OWNER_BYTES_MAX {
        return Err(ApplyTopicError::LongOwner { size_bytes, limit_bytes: OWNER_BYTES_MAX });
    }
    if is_internal(&topic.name) {
        return Err(ApplyTopicError::Internal { name: topic.name.clone() });
    }
    let there = image.topic(&topic.name);
    let found = there.map(|there| there.id);
    if found != topic.seen {
        let (name, seen) = (topic.name.clone(), topic.seen);
        return Err(ApplyTopicError::Other { name, found, seen });
    }
    let owner = there.and_then(|there| there.owner.clone());
    if owner != topic.expected_owner {
        let (name, expected) = (topic.name.clone(), topic.expected_owner.clone());
        return Err(ApplyTopicError::OtherOwner { name, found: owner, expected });
    }
    let (id, mut records) = match there {
        None => (topic.new_id, create(image, topic, context)?),
        Some(there) => (there.id, change(image, topic, there.partitions.len(), context)?),
    };
    if owner != topic.owner {
        records.push(Record::TopicOwned { topic_id: id, owner: topic.owner.clone() });
    }
    Ok((id, records))
}

fn create(
    image: &Image,
    topic: &AppliedTopic,
    context: Context<'_>,
) -> Result<Vec<Record>, CreateTopicError> {
    let configs = topic.configs.iter().flatten();
    let new = NewTopic {
        name: topic.name.clone(),
        id: topic.new_id,
        partitions: topic.partitions.unwrap_or(-1),
        replication_factor: -1,
        assignments: Vec::new(),
        configs: configs.map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
    };
    let command = CreateTopics { topics: vec![new], is_validate_only: false };
    only(create_topics::decide(image, &command, context)).map(|(_, records)| records)
}

fn change(
    image: &Image,
    topic: &AppliedTopic,
    partitions: usize,
    context: Context<'_>,
) -> Result<Vec<Record>, ApplyTopicError> {
    let mut records = Vec::new();
    let wanted = topic.partitions.filter(|count| usize::try_from(*count) != Ok(partitions));
    if let Some(count) = wanted {
        let grown = GrownTopic { name: topic.name.clone(), count, assignments: None };
        let command = CreatePartitions { topics: vec![grown], is_validate_only: false };
        records.extend(only(create_partitions::decide(image, &command))?.1);
    }
    if let Some(configs) = &topic.configs {
        let wanted = configs.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
        let altered = AlteredResource {
            resource: Resource { resource_type: Resource::TOPIC, name: topic.name.clone() },
            alteration: Alteration::Replace(wanted.collect()),
        };
        let command = AlterConfigs { resources: vec![altered], is_validate_only: false };
        records.extend(only(alter_configs::decide(image, &command, context))?.1);
    }
    Ok(records)
}

/// The answer and the records of a decision about one thing.
fn only<T, E>(decision: Decision<Vec<Result<T, E>>>) -> Result<(T, Vec<Record>), E> {
    let Decision { records, mut reply } = decision;
    match reply.pop() {
        Some(Ok(answer)) => Ok((answer, records)),
        Some(Err(error)) => Err(error),
        None => unreachable!("one thing is asked, one is answered"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use millrace_types::TopicId;

    use super::{AppliedTopic, ApplyTopics, decide};
    use crate::metadata::fixture::{Fixture, id};

    fn topic(name: &str, seen: Option<u8>, owners: (Option<&str>, Option<&str>)) -> AppliedTopic {
        AppliedTopic {
            name: name.to_owned(),
            seen: seen.map(id),
            new_id: id(9),
            expected_owner: owners.0.map(str::to_owned),
            owner: owners.1.map(str::to_owned),
            partitions: Some(2),
            configs: Some([("retention.ms".to_owned(), "5".to_owned())].into()),
        }
    }

    fn check(fixture: &mut Fixture, topics: Vec<AppliedTopic>, expected: &Expect) {
        let decision = decide(&fixture.image, &ApplyTopics { topics }, fixture.context());
        let mut lines = String::new();
        for result in &decision.reply {
            lines += &match result {
                Ok(_) => "ok\n".to_owned(),
                Err(error) => format!("{}: {error}\n", error.code()),
            };
        }
        fixture.apply(&decision.records);
        for topic in fixture.image.topics() {
            let (name, count) = (&topic.name, topic.partitions.len());
            lines += &format!("{name}: {count} of {:?} {:?}\n", topic.owner, topic.values);
        }
        expected.assert_eq(&lines);
    }

    #[test]
    fn a_topic_is_made_with_its_owner_in_one_change() {
        let mut fixture = Fixture::new(1, &[]);
        check(
            &mut fixture,
            vec![topic("a", None, (None, Some("me")))],
            &expect![[r#"
                ok
                a: 2 of Some("me") {"retention.ms": "5"}
            "#]],
        );
        let grown = AppliedTopic {
            partitions: Some(3),
            configs: Some(Default::default()),
            ..topic("a", Some(9), (Some("me"), None))
        };
        check(
            &mut fixture,
            vec![grown],
            &expect![[r#"
                ok
                a: 3 of None {}
            "#]],
        );
    }

    #[test]
    fn what_was_not_seen_is_not_changed() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 1);
        let long = "x".repeat(2000);
        check(
            &mut fixture,
            vec![
                topic("a", None, (None, Some("me"))),
                topic("b", Some(1), (None, Some("me"))),
                topic("c", None, (None, Some(&long))),
                topic("__consumer_offsets", None, (None, Some("me"))),
            ],
            &expect![[r#"
                INVALID_UPDATE_VERSION: topic "a" is not the one that was seen: its id is Some(AQEBAQEBAQEBAQEBAQEBAQ), not None
                INVALID_UPDATE_VERSION: topic "b" is not the one that was seen: its id is None, not Some(AQEBAQEBAQEBAQEBAQEBAQ)
                INVALID_REQUEST: owner of 2000 bytes exceeds the limit of 1024
                INVALID_TOPIC_EXCEPTION: topic __consumer_offsets is internal: only brokers make and change it
                a: 1 of None {}
            "#]],
        );
        check(
            &mut fixture,
            vec![topic("a", Some(1), (Some("other"), Some("me")))],
            &expect![[r#"
                INVALID_UPDATE_VERSION: topic "a" belongs to None now, not to Some("other")
                a: 1 of None {}
            "#]],
        );
        assert_eq!(
            fixture.image.topic("a").map(|topic| topic.id),
            Some(TopicId::from_bytes([1; 16]))
        );
    }

    #[test]
    fn nothing_is_done_to_a_topic_of_which_a_part_is_refused() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 3);
        check(
            &mut fixture,
            vec![
                topic("a", Some(1), (None, Some("me"))),
                AppliedTopic {
                    configs: Some([("retention.ms".to_owned(), "x".to_owned())].into()),
                    ..topic("b", None, (None, Some("me")))
                },
                topic("c", None, (None, None)),
                topic("c", None, (None, None)),
            ],
            &expect![[r#"
                INVALID_PARTITIONS: topic a has 3 partition(s); 2 would not be an increase
                INVALID_CONFIG: invalid value "x" for config retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
                INVALID_REQUEST: topic "c" is named more than once in one request
                INVALID_REQUEST: topic "c" is named more than once in one request
                a: 3 of None {}
            "#]],
        );
    }
}
