//! DeleteGroups: an admin removes a group without members, and its offsets.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use super::error::GroupError;
use super::id::Token;
use super::record::GroupRecord;
use super::reply::Reply;
use super::state::{Group, State};
use super::timers::Deadline;
use super::turn::Turn;

/// Deletes a group without members, and its offsets.
pub(super) fn delete(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    id: &GroupId,
) {
    let mut group = match take(groups, id) {
        Ok(group) => group,
        Err(error) => return turn.reply(token, Reply::Delete(Err(error))),
    };
    for member in &group.pending_join {
        turn.end_session(id, member);
    }
    let all = group.offsets.find(|_, _| true);
    // The group's own tombstone comes last: a crash between them leaves a group, not lost offsets.
    turn.take_offsets(&mut group, all);
    turn.records.push(GroupRecord::GroupTombstone(id.clone()));
    if groups.is_empty() {
        turn.timers.cancel(&Deadline::Expiry);
    }
    turn.reply_after_commit(token, Reply::Delete(Ok(())));
}

fn take(groups: &mut BTreeMap<GroupId, Group>, id: &GroupId) -> Result<Group, GroupError> {
    let missing = || GroupError::GroupNotFound { group: id.clone() };
    let group = groups.get(id).ok_or_else(missing)?;
    if group.state != State::Empty {
        let (phase, members) = (group.phase(), group.members.len());
        return Err(GroupError::NonEmptyGroup { group: id.clone(), phase, members });
    }
    groups.remove(id).ok_or_else(missing)
}
