//! The broker configs that the coordinator obeys, with Kafka's names in the docs and its defaults.

use crate::config::broker::GroupsConfig;

/// What a coordinator is told of the broker's configs.
///
/// Source: Kafka's `GroupCoordinatorConfig`; none of these can change while the broker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`: the shortest session that a member may ask for.
    pub session_timeout_ms_min: u32,
    /// `group.max.session.timeout.ms`: the longest session that a member may ask for.
    pub session_timeout_ms_max: u32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for further members.
    pub initial_rebalance_delay_ms: u32,
    /// `group.max.size`: how many members a group may have.
    pub members_max: usize,
    /// `offset.metadata.max.bytes`: the longest text beside a committed offset.
    ///
    /// Counted in UTF-16 units, as Kafka does in spite of the name.
    pub offset_metadata_length_max: usize,
    /// `offsets.retention.minutes`, in milliseconds: how long offsets outlive their use.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`: how often expired offsets are looked for.
    pub offsets_retention_check_interval_ms: i64,
    /// The largest record that the offsets topic takes, its `max.message.bytes` less overhead.
    pub record_bytes_max: usize,
}

impl From<&GroupsConfig> for GroupConfig {
    fn from(broker: &GroupsConfig) -> GroupConfig {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        GroupConfig {
            session_timeout_ms_min: broker.session_timeout_ms_min,
            session_timeout_ms_max: broker.session_timeout_ms_max,
            initial_rebalance_delay_ms: broker.initial_rebalance_delay_ms,
            members_max: count(broker.size_max),
            offset_metadata_length_max: count(broker.offset_metadata_bytes_max),
            offsets_retention_ms: broker.offsets_retention_ms,
            offsets_retention_check_interval_ms: i64::try_from(
                broker.offsets_retention_check_interval_ms,
            )
            .unwrap_or(i64::MAX),
            ..GroupConfig::default()
        }
    }
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
        GroupConfig {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            members_max: usize::try_from(i32::MAX).unwrap_or(usize::MAX),
            offset_metadata_length_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            record_bytes_max: 1_048_588 - crate::limits::GROUP_RECORD_OVERHEAD_BYTES,
        }
    }
}
