//! Heartbeat: a member is alive, and learns whether it is to join again.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use crate::group::error::GroupError;
use crate::group::request::HeartbeatRequest;
use crate::group::state::{Group, State};
use crate::group::turn::Turn;

/// Keeps the session of a member of the current generation.
pub(crate) fn heartbeat(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    request: &HeartbeatRequest,
) -> Result<(), GroupError> {
    if request.group.as_str().is_empty() {
        return Err(GroupError::EmptyGroupId);
    }
    let unknown = || GroupError::UnknownMember { member: request.member.clone() };
    let group = groups.get_mut(&request.group).ok_or_else(unknown)?;
    let member = group.check_member(request.member.as_ref(), request.instance.as_ref())?;
    if request.generation != Some(group.generation) {
        let (asked, current) = (request.generation, group.generation);
        return Err(GroupError::IllegalGeneration { asked, current });
    }
    let member = group.members.get(&member).ok_or_else(unknown)?;
    turn.restart_session(&group.id, member);
    match group.state {
        State::PreparingRebalance(_) => {
            Err(GroupError::RebalanceInProgress { phase: group.phase() })
        }
        // While the leader decides the others already send heartbeats; nothing is wrong with that.
        State::CompletingRebalance(_) | State::Stable | State::Empty => Ok(()),
    }
}
