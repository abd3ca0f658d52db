//! What is to be told of one `Topic`: `plan` finds it, `told` knows whether it was told already, and
//! `status` tells it.

use millrace_client::OwnedTopic;
use millrace_types::TopicId;

/// What is told of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the topic is what the resource says.
    pub is_ready: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
    /// The topic's id, if the resource has a topic.
    pub id: Option<TopicId>,
    /// How many partitions the topic has.
    pub partitions: Option<i32>,
}

impl Verdict {
    /// That the topic is not what the resource says, and why.
    pub(super) fn not(reason: &'static str, message: String) -> Verdict {
        Verdict { is_ready: false, reason, message, id: None, partitions: None }
    }

    /// As it is, about the topic that is there.
    pub(super) fn about(mut self, topic: Option<&OwnedTopic>) -> Verdict {
        self.id = topic.map(|topic| topic.id);
        self.partitions = topic.map(|topic| topic.partitions);
        self
    }
}
