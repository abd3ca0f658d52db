//! Names of topics and groups, parsed once.

use std::fmt;
use std::sync::Arc;

use crate::PartitionIndex;

/// The name of a topic: 1 to 249 of `[a-zA-Z0-9._-]`, not `.` nor `..`.
///
/// Source: Kafka's `org.apache.kafka.common.internals.Topic`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Why a text is no topic name; maps to `INVALID_TOPIC_EXCEPTION`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopicName {
    /// The text is empty.
    #[error("topic name is empty")]
    Empty,
    /// The text is `.` or `..`, which no directory can be called.
    #[error("topic name cannot be \"{name}\"")]
    Dots {
        /// The text as it came.
        name: String,
    },
    /// The text is too long for a directory name with a partition number behind it.
    #[error("topic name of {length} characters exceeds the limit of {limit}")]
    TooLong {
        /// Length in bytes of the text.
        length: usize,
        /// The largest length allowed.
        limit: usize,
    },
    /// The text holds a character that is not allowed.
    #[error(
        "topic name {name:?} holds {character:?}; allowed are ASCII letters, digits, '.', '_' and '-'"
    )]
    Character {
        /// The text as it came.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl TopicName {
    /// The longest name, in bytes: the file system's 255 less `-` and five digits.
    pub const LENGTH_MAX: usize = 249;

    /// Checks a text from outside.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<TopicName, InvalidTopicName> {
        if text.is_empty() {
            return Err(InvalidTopicName::Empty);
        }
        if text == "." || text == ".." {
            return Err(InvalidTopicName::Dots { name: text.to_owned() });
        }
        if text.len() > TopicName::LENGTH_MAX {
            return Err(InvalidTopicName::TooLong {
                length: text.len(),
                limit: TopicName::LENGTH_MAX,
            });
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(character) = text.chars().find(|c| !allowed(c)) {
            return Err(InvalidTopicName::Character { name: text.to_owned(), character });
        }
        Ok(TopicName(Arc::from(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The name of a group of consumers; any text, even the empty one (which only old clients commit with).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

impl GroupId {
    /// Takes the text as it is; which commands accept the empty one is decided where they are.
    pub fn new(text: &str) -> GroupId {
        GroupId(Arc::from(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for GroupId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// One partition of one topic; its text is the name of its directory, `topic-3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition of that topic.
    pub partition: PartitionIndex,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidTopicName, TopicName};

    #[test]
    fn topic_names_follow_kafkas_rule() {
        for good in ["a", "orders.v1", "A_b-9", &"x".repeat(249)] {
            assert_eq!(TopicName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        assert_eq!(TopicName::parse(""), Err(InvalidTopicName::Empty));
        for bad in [".", "..", "a b", "a/b", "é", &"x".repeat(250)] {
            assert!(TopicName::parse(bad).is_err(), "{bad}");
        }
    }
}
