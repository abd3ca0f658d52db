//! Expiry: offsets go some time after their last use, and empty groups with their last offset.
//!
//! Source: KIP-211; `OffsetMetadataManager.cleanupExpiredOffsets`,
//! `ClassicGroup.offsetExpirationCondition`.

use std::collections::BTreeMap;

use millrace_types::{GroupId, TimestampMs};

use crate::group::committed::{CommittedOffset, Place};
use crate::group::config::GroupConfig;
use crate::group::record::GroupRecord;
use crate::group::state::{Group, State};
use crate::group::timers::Deadline;
use crate::group::turn::Turn;
use crate::limits;

/// From when the retention of an offset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    /// From its commit.
    Commit,
    /// From when the group became empty, if that is known.
    EmptySince(Option<TimestampMs>),
}

/// Takes away what has expired, and sets the time of the next look.
pub(crate) fn expire(groups: &mut BTreeMap<GroupId, Group>, turn: &mut Turn<'_>) {
    let mut is_done = true;
    let mut gone = Vec::new();
    for group in groups.values_mut() {
        if turn.records.len() >= limits::GROUP_EXPIRED_RECORDS_PER_TURN_MAX {
            is_done = false;
            break;
        }
        let expired = expired(group, turn.now, turn.config);
        turn.take_offsets(group, expired);
        let is_unused = group.state == State::Empty && group.pending_join.is_empty();
        if is_unused && group.offsets.is_empty() {
            turn.records.push(GroupRecord::GroupTombstone(group.id.clone()));
            gone.push(group.id.clone());
        }
    }
    for id in gone {
        groups.remove(&id);
    }
    if !groups.is_empty() {
        // What was left over for the sake of the others follows at once.
        let wait_ms = if is_done { turn.config.offsets_retention_check_interval_ms } else { 1 };
        turn.timers.set(Deadline::Expiry, turn.now.plus_ms(wait_ms));
    }
}

fn expired(group: &Group, now: TimestampMs, config: &GroupConfig) -> Vec<Place> {
    let Some(basis) = basis(group) else { return Vec::new() };
    group.offsets.find(|topic, offset| {
        !group.is_subscribed(topic.as_str()) && is_expired(offset, basis, now, config)
    })
}

/// `None` if nothing of the group may expire now: its members may be about to use it.
fn basis(group: &Group) -> Option<Basis> {
    if group.protocol_type.is_none() {
        return Some(Basis::Commit);
    }
    match group.state {
        State::Empty => Some(Basis::EmptySince(group.state_since)),
        State::Stable if group.is_consumer_group() && group.subscribed.is_some() => {
            Some(Basis::Commit)
        }
        State::PreparingRebalance(_) | State::CompletingRebalance(_) | State::Stable => None,
    }
}

fn is_expired(
    offset: &CommittedOffset,
    basis: Basis,
    now: TimestampMs,
    config: &GroupConfig,
) -> bool {
    if let Some(expires_at) = offset.expires_at {
        return now >= expires_at;
    }
    let since = match basis {
        Basis::EmptySince(Some(since)) => since,
        Basis::Commit | Basis::EmptySince(None) => offset.committed_at,
    };
    now.since_ms(since) >= config.offsets_retention_ms
}
