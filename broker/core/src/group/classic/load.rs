//! What happens when the log has been read: groups go on where they stood.
//!
//! A stable group stays stable and keeps its generation: members that heartbeat within their
//! session notice nothing.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use super::rebalance;
use crate::group::change::Reason;
use crate::group::state::Group;
use crate::group::turn::Turn;

/// Begins all sessions anew. Source: `GroupMetadataManager.onLoaded`.
pub(crate) fn on_loaded(groups: &mut BTreeMap<GroupId, Group>, turn: &mut Turn<'_>) {
    for group in groups.values_mut() {
        for member in group.members.values() {
            turn.restart_session(&group.id, member);
        }
        if group.members.len() > turn.config.members_max {
            rebalance::start(group, turn, Reason::OverCapacity(group.members.len()));
        }
    }
    if !groups.is_empty() {
        turn.watch_expiry();
    }
}
