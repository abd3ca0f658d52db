//! What was told last of a topic: as much of its status as the next one is compared with, and no
//! more, for 10,000 of them are kept.

use std::sync::Arc;

use millrace_crds::{Condition, TopicStatus};
use millrace_types::TopicId;

use super::verdict::Verdict;
use crate::clock;
use crate::conditions::{Statement, clipped, condition};

/// The type of the one condition that a topic has.
const READY: &str = "Ready";

/// The status of a topic as it was told last. What others have added to it is none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The generation that it tells of.
    pub generation: i64,
    /// Whether it names the topic that the resource names now.
    pub names_topic: bool,
    /// The topic's id.
    pub id: Option<TopicId>,
    /// How many partitions the topic has.
    pub partitions: Option<i32>,
    /// The condition `Ready`; none if nothing was told that can be understood.
    pub ready: Option<Ready>,
}

/// The condition `Ready`. Thousands of topics are told the same words, which are kept once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word.
    pub reason: Arc<str>,
    /// Why, for people.
    pub message: Arc<str>,
    /// The generation that it tells of.
    pub generation: i64,
    /// Since when it holds or does not, in milliseconds since 1970.
    pub since_ms: i64,
}

impl Told {
    /// Reads the status of a resource that names this topic.
    pub fn read(status: &TopicStatus, topic: &str) -> Told {
        Told {
            generation: status.observed_generation,
            names_topic: status.topic_name.as_deref() == Some(topic),
            id: status.topic_id.as_deref().and_then(TopicId::parse),
            partitions: status.partitions,
            ready: status.conditions.iter().find(|it| it.kind == READY).and_then(Ready::read),
        }
    }

    /// Whether a verdict on this generation was told already.
    pub fn says(&self, verdict: &Verdict, generation: i64) -> bool {
        let Told { names_topic, id, partitions, .. } = *self;
        let Some(ready) = &self.ready else { return false };
        names_topic
            && (self.generation, ready.generation) == (generation, generation)
            && (id, partitions) == (verdict.id, verdict.partitions)
            && (ready.holds, &*ready.reason) == (verdict.is_ready, verdict.reason)
            && *ready.message == *clipped(&verdict.message)
    }

    /// The status that tells a verdict after this, of this topic and generation.
    pub fn next(&self, verdict: Verdict, topic: &str, generation: i64, now_ms: i64) -> TopicStatus {
        let since_ms = match &self.ready {
            Some(ready) if ready.holds == verdict.is_ready => ready.since_ms,
            Some(_) | None => now_ms,
        };
        let statement = Statement {
            kind: READY,
            holds: verdict.is_ready,
            reason: verdict.reason,
            message: verdict.message,
        };
        TopicStatus {
            observed_generation: generation,
            topic_name: Some(topic.to_owned()),
            topic_id: verdict.id.map(|id| id.to_string()),
            partitions: verdict.partitions,
            conditions: vec![condition(statement, &[], generation, since_ms)],
        }
    }
}

impl Ready {
    fn read(condition: &Condition) -> Option<Ready> {
        let holds = match condition.status.as_str() {
            "True" => true,
            "False" => false,
            _ => return None,
        };
        Some(Ready {
            holds,
            reason: condition.reason.as_str().into(),
            message: condition.message.as_str().into(),
            generation: condition.observed_generation,
            since_ms: clock::parse_ms(&condition.last_transition_time)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::TopicId;

    use super::Told;
    use crate::topic::verdict::Verdict;

    const NOW_MS: i64 = 1_764_000_000_000;

    fn verdict(is_ready: bool, message: &str) -> Verdict {
        let id = Some(TopicId::from_bytes([7; 16]));
        let (reason, message) = ("AsSpecified", message.to_owned());
        Verdict { is_ready, reason, message, id, partitions: Some(3) }
    }

    #[test]
    fn what_is_told_and_read_back_need_not_be_told_again() {
        for message in ["the topic is as specified", &"long ".repeat(1_000)] {
            let status = Told::default().next(verdict(true, message), "orders", 2, NOW_MS);
            let told = Told::read(&status, "orders");
            assert!(told.says(&verdict(true, message), 2));
            assert!(!told.says(&verdict(true, message), 3), "another generation");
            assert!(!told.says(&verdict(true, "other words"), 2));
            assert!(!told.says(&verdict(false, message), 2));
            let other = Verdict { partitions: Some(4), ..verdict(true, message) };
            assert!(!told.says(&other, 2));
            assert!(!Told::read(&status, "payments").says(&verdict(true, message), 2));
        }
    }

    #[test]
    fn the_time_of_a_condition_moves_with_its_status_alone() {
        let first = Told::default().next(verdict(true, "a"), "orders", 1, NOW_MS);
        let told = Told::read(&first, "orders");
        let words = told.next(verdict(true, "b"), "orders", 2, NOW_MS + 60_000);
        let since =
            |status: &millrace_crds::TopicStatus| status.conditions[0].last_transition_time.clone();
        assert_eq!(since(&words), since(&first));
        let turned = told.next(verdict(false, "b"), "orders", 2, NOW_MS + 60_000);
        assert_ne!(since(&turned), since(&first));
    }

    #[test]
    fn conditions_of_others_are_not_looked_at() {
        let mut status = Told::default().next(verdict(true, "a"), "orders", 1, NOW_MS);
        let mut other = status.conditions[0].clone();
        other.kind = "Reviewed".to_owned();
        status.conditions.insert(0, other);
        assert!(Told::read(&status, "orders").says(&verdict(true, "a"), 1));
        status.conditions[1].status = "Unknown".to_owned();
        assert!(!Told::read(&status, "orders").says(&verdict(true, "a"), 1));
    }
}
