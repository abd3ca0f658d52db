//! What holds for certain names of topics. Source: Kafka's `org.apache.kafka.common.internals.Topic`.

use millrace_types::TopicName;

/// The topic that groups keep their offsets and members in.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// Kafka's metadata log; no topic can be called that.
pub(super) const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Whether a topic belongs to the brokers: clients may read it, but not write to it nor change it.
/// The names that later parts of the broker will keep their state under are theirs already.
pub fn is_internal(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS | "__transaction_state" | "__share_group_state")
}

/// The name with each `.` as `_`, as metric names have it; `None` if it has neither, because such
/// a name collides with nothing but itself.
pub(super) fn folded(name: &TopicName) -> Option<String> {
    name.as_str().contains(['.', '_']).then(|| name.as_str().replace('.', "_"))
}
