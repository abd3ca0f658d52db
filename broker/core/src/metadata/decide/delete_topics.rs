//! DeleteTopics, by name or by id.
//!
//! Source: Kafka's `ControllerApis.deleteTopics`. Differs from Kafka: internal topics cannot be
//! deleted, because every group would lose its offsets.

use std::collections::BTreeMap;

use millrace_types::{ErrorCode, TopicId, TopicName};

use super::{Context, Decision};
use crate::metadata::image::Image;
use crate::metadata::record::Record;
use crate::metadata::topic_rules::is_internal;

/// Deletes topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTopics {
    /// The topics, each by name or id.
    pub topics: Vec<TopicKey>,
}

/// A topic as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKey {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
    /// By both, which is not allowed.
    Both(String, TopicId),
    /// By neither, which is not allowed.
    Neither,
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: TopicName,
}

/// Why a topic is not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteTopicError {
    /// The broker deletes no topics.
    #[error("deletion of topics is switched off by delete.topic.enable=false")]
    Disabled,
    /// The request gives a name and an id.
    #[error("topic is named {name:?} and by id {id}; one of them must be left out")]
    NameAndId {
        /// The name.
        name: String,
        /// The id.
        id: TopicId,
    },
    /// The request gives neither.
    #[error("topic is named neither by name nor by id")]
    Unnamed,
    /// The request names it twice.
    #[error("topic {name} is named more than once in one request")]
    Duplicate {
        /// The name or id.
        name: String,
    },
    /// There is no such topic.
    #[error("topic {name:?} does not exist")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// There is no topic of this id.
    #[error("no topic has the id {id}")]
    UnknownId {
        /// The id.
        id: TopicId,
    },
    /// The brokers need it.
    #[error("topic {name} is internal and cannot be deleted")]
    Internal {
        /// The name.
        name: TopicName,
    },
}

impl DeleteTopicError {
    /// The error code that Kafka answers with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            DeleteTopicError::Disabled => ErrorCode::TopicDeletionDisabled,
            DeleteTopicError::NameAndId { .. }
            | DeleteTopicError::Unnamed
            | DeleteTopicError::Duplicate { .. } => ErrorCode::InvalidRequest,
            DeleteTopicError::UnknownName { .. } => ErrorCode::UnknownTopicOrPartition,
            DeleteTopicError::UnknownId { .. } => ErrorCode::UnknownTopicId,
            DeleteTopicError::Internal { .. } => ErrorCode::InvalidTopicException,
        }
    }
}

/// What became of each topic of the request, in its order.
pub type Reply = Vec<Result<DeletedTopic, DeleteTopicError>>;

/// Decides which topics are deleted.
pub fn decide(image: &Image, command: &DeleteTopics, context: Context<'_>) -> Decision<Reply> {
    let found: Reply = command.topics.iter().map(|key| find(image, key, context)).collect();
    let mut times: BTreeMap<TopicId, usize> = BTreeMap::new();
    for topic in found.iter().flatten() {
        *times.entry(topic.id).or_default() += 1;
    }
    let once = |topic: DeletedTopic| match times.get(&topic.id) {
        Some(1) => Ok(topic),
        Some(_) | None => Err(DeleteTopicError::Duplicate { name: topic.name.to_string() }),
    };
    let reply: Reply = found.into_iter().map(|result| result.and_then(once)).collect();
    let records =
        reply.iter().flatten().map(|topic| Record::TopicDeleted { topic_id: topic.id }).collect();
    Decision { records, reply }
}

fn find(
    image: &Image,
    key: &TopicKey,
    context: Context<'_>,
) -> Result<DeletedTopic, DeleteTopicError> {
    if !context.config.topics.is_delete_enabled {
        return Err(DeleteTopicError::Disabled);
    }
    let topic = match key {
        TopicKey::Name(name) => {
            image.topic(name).ok_or_else(|| DeleteTopicError::UnknownName { name: name.clone() })?
        }
        TopicKey::Id(id) => {
            image.topic_by_id(*id).ok_or(DeleteTopicError::UnknownId { id: *id })?
        }
        TopicKey::Both(name, id) => {
            return Err(DeleteTopicError::NameAndId { name: name.clone(), id: *id });
        }
        TopicKey::Neither => return Err(DeleteTopicError::Unnamed),
    };
    if is_internal(topic.name.as_str()) {
        return Err(DeleteTopicError::Internal { name: topic.name.clone() });
    }
    Ok(DeletedTopic { id: topic.id, name: topic.name.clone() })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{DeleteTopics, TopicKey, decide};
    use crate::metadata::fixture::{Fixture, id};

    fn check(fixture: &Fixture, topics: Vec<TopicKey>, expected: &Expect) {
        let decision = decide(&fixture.image, &DeleteTopics { topics }, fixture.context());
        let mut lines = String::new();
        for result in &decision.reply {
            lines += &match result {
                Ok(deleted) => format!("ok: {} {}\n", deleted.name, deleted.id),
                Err(error) => format!("{}: {error}\n", error.code()),
            };
        }
        let deleted = decision.reply.iter().flatten().count();
        assert_eq!(decision.records.len(), deleted);
        expected.assert_eq(&lines);
    }

    fn name(name: &str) -> TopicKey {
        TopicKey::Name(name.to_owned())
    }

    #[test]
    fn topics_go_by_name_or_id() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 1);
        fixture.create("b", 2, 1);
        fixture.create("__consumer_offsets", 3, 1);
        check(
            &fixture,
            vec![
                name("a"),
                TopicKey::Id(id(2)),
                name("c"),
                TopicKey::Id(id(9)),
                TopicKey::Both("a".to_owned(), id(1)),
                TopicKey::Neither,
                name("__consumer_offsets"),
            ],
            &expect![[r#"
                ok: a AQEBAQEBAQEBAQEBAQEBAQ
                ok: b AgICAgICAgICAgICAgICAg
                UNKNOWN_TOPIC_OR_PARTITION: topic "c" does not exist
                UNKNOWN_TOPIC_ID: no topic has the id CQkJCQkJCQkJCQkJCQkJCQ
                INVALID_REQUEST: topic is named "a" and by id AQEBAQEBAQEBAQEBAQEBAQ; one of them must be left out
                INVALID_REQUEST: topic is named neither by name nor by id
                INVALID_TOPIC_EXCEPTION: topic __consumer_offsets is internal and cannot be deleted
            "#]],
        );
        check(
            &fixture,
            vec![name("a"), TopicKey::Id(id(1))],
            &expect![[r#"
                INVALID_REQUEST: topic a is named more than once in one request
                INVALID_REQUEST: topic a is named more than once in one request
            "#]],
        );
    }

    #[test]
    fn deletion_can_be_switched_off() {
        let mut fixture = Fixture::new(1, &[("delete.topic.enable", "false")]);
        fixture.create("a", 1, 1);
        check(
            &fixture,
            vec![name("a")],
            &expect![[r#"
            TOPIC_DELETION_DISABLED: deletion of topics is switched off by delete.topic.enable=false
        "#]],
        );
    }
}
