//! May the oldest records of a partition be removed, and which.

use millrace_log::CleanupPolicy;
use millrace_types::{ErrorCode, Offset, TopicName};

use super::last_stable::LogBounds;

/// Why records are not removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRecordsError {
    /// The coordinators need every record of their topics.
    #[error("records of the internal topic {topic} cannot be deleted")]
    Internal {
        /// The topic.
        topic: TopicName,
    },
    /// The topic keeps the last record of each key, however old.
    #[error("records of a topic with cleanup.policy=compact cannot be deleted")]
    Policy,
    /// Only committed records can be removed.
    #[error("offset {offset} is outside of 0 to the high watermark {high_watermark}")]
    OutOfRange {
        /// As it came.
        offset: i64,
        /// The largest that is possible.
        high_watermark: Offset,
    },
}

/// Topics that brokers write for themselves.
pub const INTERNAL_TOPICS: [&str; 3] =
    ["__consumer_offsets", "__share_group_state", "__transaction_state"];

/// Decides where a log is to start, when a client asks to remove what lies below `offset`; -1 is
/// all that is committed. A start that lies further already stays.
///
/// # Errors
/// Says which rule forbids it.
///
/// Source: Kafka's `ReplicaManager.deleteRecordsOnLocalLog`, `Partition.deleteRecordsOnLeader`.
pub fn decide(
    topic: &TopicName,
    policy: CleanupPolicy,
    bounds: &LogBounds,
    offset: i64,
) -> Result<Offset, DeleteRecordsError> {
    if INTERNAL_TOPICS.contains(&topic.as_str()) {
        return Err(DeleteRecordsError::Internal { topic: topic.clone() });
    }
    if policy.compacts && !policy.deletes {
        return Err(DeleteRecordsError::Policy);
    }
    let high_watermark = bounds.high_watermark;
    let wanted = match offset {
        -1 => Some(high_watermark),
        _ => Offset::from_wire(offset).filter(|wanted| *wanted <= high_watermark),
    };
    let wanted = wanted.ok_or(DeleteRecordsError::OutOfRange { offset, high_watermark })?;
    Ok(wanted.max(bounds.start))
}

impl DeleteRecordsError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            DeleteRecordsError::Internal { .. } => ErrorCode::InvalidTopicException,
            DeleteRecordsError::Policy => ErrorCode::PolicyViolation,
            DeleteRecordsError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_log::CleanupPolicy;
    use millrace_types::{ErrorCode, Offset, TopicName};

    use super::super::last_stable::LogBounds;
    use super::decide;

    #[test]
    fn only_committed_records_of_ordinary_topics_are_removed() {
        let bounds = LogBounds {
            start: Offset::new(10),
            last_stable: Offset::new(15),
            high_watermark: Offset::new(20),
            end: Offset::new(30),
        };
        for (topic, policy, offset, expected) in [
            ("t", "delete", 12, Ok(12)),
            ("t", "delete", 5, Ok(10)),
            ("t", "delete", 20, Ok(20)),
            ("t", "delete", -1, Ok(20)),
            ("t", "", 12, Ok(12)),
            ("t", "compact,delete", 12, Ok(12)),
            ("t", "compact", 12, Err(ErrorCode::PolicyViolation)),
            ("t", "delete", 21, Err(ErrorCode::OffsetOutOfRange)),
            ("t", "delete", -2, Err(ErrorCode::OffsetOutOfRange)),
            ("__consumer_offsets", "compact", 12, Err(ErrorCode::InvalidTopicException)),
        ] {
            let cleanup = CleanupPolicy {
                deletes: policy.contains("delete"),
                compacts: policy.contains("compact"),
            };
            let topic = TopicName::parse(topic).unwrap();
            let found = decide(&topic, cleanup, &bounds, offset);
            let found = found.map(Offset::get).map_err(|error| error.error_code());
            assert_eq!(found, expected, "{topic} {policy} {offset}");
        }
    }
}
