//! OffsetDelete: an admin takes offsets away that nobody uses. Source: KIP-496.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use crate::group::error::GroupError;
use crate::group::id::Token;
use crate::group::reply::Reply;
use crate::group::request::OffsetDeleteRequest;
use crate::group::state::{Group, State};
use crate::group::turn::Turn;

/// Takes away the offsets of topics to which no member is subscribed.
pub(crate) fn delete(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    request: &OffsetDeleteRequest,
) {
    let group = match check(groups, &request.group) {
        Ok(group) => group,
        Err(error) => return turn.reply(token, Reply::OffsetDelete(Err(error))),
    };
    let mut results = Vec::with_capacity(request.topics.len());
    for (topic, partitions) in &request.topics {
        if group.is_subscribed(topic) {
            results.push(Err(GroupError::SubscribedToTopic));
            continue;
        }
        let places = group.offsets.places(topic, partitions);
        turn.take_offsets(group, places);
        results.push(Ok(()));
    }
    turn.reply_after_commit(token, Reply::OffsetDelete(Ok(results)));
}

fn check<'a>(
    groups: &'a mut BTreeMap<GroupId, Group>,
    id: &GroupId,
) -> Result<&'a mut Group, GroupError> {
    if id.as_str().is_empty() {
        return Err(GroupError::EmptyGroupId);
    }
    let group =
        groups.get_mut(id).ok_or_else(|| GroupError::GroupNotFound { group: id.clone() })?;
    // Of members that are no consumers nobody can say which topics they use.
    if group.state != State::Empty && !group.is_consumer_group() {
        let (phase, members) = (group.phase(), group.members.len());
        return Err(GroupError::NonEmptyGroup { group: id.clone(), phase, members });
    }
    Ok(group)
}
