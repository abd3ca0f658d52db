//! LeaveGroup: members leave, or an admin takes static ones out by their name.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use super::rebalance;
use crate::group::change::Reason;
use crate::group::error::GroupError;
use crate::group::id::{MemberId, Token};
use crate::group::reply::Reply;
use crate::group::request::{LeaveRequest, Leaver};
use crate::group::state::{Group, State};
use crate::group::turn::Turn;

/// Takes members out; one rebalance follows for all of them.
pub(crate) fn leave(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    request: &LeaveRequest,
) {
    if request.group.as_str().is_empty() {
        return turn.reply(token, Reply::Leave(Err(GroupError::EmptyGroupId)));
    }
    let Some(group) = groups.get_mut(&request.group) else {
        let unknown =
            |leaver: &Leaver| Err(GroupError::UnknownMember { member: leaver.member.clone() });
        let results = request.members.iter().map(unknown).collect();
        return turn.reply(token, Reply::Leave(Ok(results)));
    };
    let mut left = Vec::new();
    let mut results = Vec::with_capacity(request.members.len());
    for leaver in &request.members {
        results.push(find(group, leaver).map(|id| {
            turn.dismiss(group, &id);
            left.push(id);
        }));
    }
    if !left.is_empty() {
        match group.state {
            State::CompletingRebalance(_) | State::Stable => {
                rebalance::start(group, turn, Reason::Left(left));
            }
            State::PreparingRebalance(_) => rebalance::go_on(group, turn),
            State::Empty => {}
        }
    }
    turn.reply_after_commit(token, Reply::Leave(Ok(results)));
}

fn find(group: &Group, leaver: &Leaver) -> Result<MemberId, GroupError> {
    let unknown = || GroupError::UnknownMember { member: leaver.member.clone() };
    match (&leaver.member, &leaver.instance) {
        (None, None) => Err(unknown()),
        (None, Some(instance)) => group.instances.get(instance).cloned().ok_or_else(unknown),
        (Some(member), _) if group.pending_join.contains(member) => Ok(member.clone()),
        (Some(member), instance) => group.check_member(Some(member), instance.as_ref()),
    }
}
