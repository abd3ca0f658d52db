//! JoinGroup: new members, and members that take part in a rebalance or ask for one.

use std::collections::BTreeMap;

use bytes::Bytes;
use millrace_types::GroupId;

use super::joining::{Joining, inconsistent, parse, update};
use super::rebalance;
use super::replace;
use crate::group::change::Reason;
use crate::group::config::GroupConfig;
use crate::group::error::GroupError;
use crate::group::id::{MemberId, Token};
use crate::group::memory::said_bytes;
use crate::group::record::GroupRecord;
use crate::group::reply::Reply;
use crate::group::request::{Client, JoinRequest};
use crate::group::state::{Gathering, Group, Member, State, accepts_first};
use crate::group::turn::Turn;
use crate::limits;

/// Lets a member in, or into the next generation; the answer may wait for the others.
pub(crate) fn join(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    client: Client,
    request: JoinRequest,
) {
    let member = request.member.clone();
    let result = match parse(token, client, request, turn.config) {
        Ok(joining) => try_join(groups, turn, joining),
        Err(error) => Err((member, error)),
    };
    if let Err((member, error)) = result {
        turn.reply(token, Reply::Join { member, result: Err(error) });
    }
}

/// Why a join fails, with the member id to tell: mostly the one that came.
type Refusal = (Option<MemberId>, GroupError);

fn try_join(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    joining: Joining,
) -> Result<(), Refusal> {
    let request = &joining.request;
    check_memory(groups.get(&request.group), turn, &joining).map_err(|error| (None, error))?;
    let is_known = groups.contains_key(&request.group);
    if !is_known {
        if let Some(member) = request.member.clone() {
            let member = Some(member);
            return Err((member.clone(), GroupError::UnknownMember { member }));
        }
        if !accepts_first(&request.protocol_type, &joining.protocols) {
            return Err((None, inconsistent(request)));
        }
        turn.create_group(groups, &request.group).map_err(|error| (None, error))?;
    }
    let not_created = (None, GroupError::NotAvailable);
    let group = groups.get_mut(&joining.request.group).ok_or(not_created)?;
    let result = join_group(group, turn, joining);
    if !is_known && turn.records.is_empty() {
        // Without a record a restart would not know the group that clients have seen.
        let empty = Group::new(group.id.clone(), turn.now);
        turn.records.push(GroupRecord::Group(empty.to_record(|_| Bytes::new())));
    }
    result
}

/// Whether there is memory for what the member says beyond what it, or the static member of its name,
/// said before.
fn check_memory(
    group: Option<&Group>,
    turn: &mut Turn<'_>,
    joining: &Joining,
) -> Result<(), GroupError> {
    let request = &joining.request;
    let of_name = || group?.instances.get(request.instance.as_ref()?);
    let before = match (group, request.member.as_ref().or_else(of_name)) {
        (Some(group), Some(member)) => group.said_bytes(member),
        (None, _) | (_, None) => 0,
    };
    let more = said_bytes(&joining.client, &joining.protocols).saturating_sub(before);
    turn.check_memory(&request.group, more)
}

fn join_group(group: &mut Group, turn: &mut Turn<'_>, joining: Joining) -> Result<(), Refusal> {
    let member = joining.request.member.clone();
    if !has_room(group, member.as_ref(), turn.config) {
        if let Some(member) = &member {
            turn.dismiss(group, member);
            // Differs from Kafka: the others need not wait for the one that was sent away.
            rebalance::go_on(group, turn);
        }
        return Err((None, GroupError::GroupFull { limit: turn.config.members_max }));
    }
    if !group.supports(&joining.request.protocol_type, &joining.protocols) {
        return Err((member, inconsistent(&joining.request)));
    }
    match member {
        None => join_new(group, turn, joining),
        Some(member) => {
            join_existing(group, turn, joining, &member).map_err(|error| (Some(member), error))
        }
    }
}

/// Whether the group may take the member. A rebalance counts those who joined it, so that a group
/// that is too large loses the last ones to join again.
fn has_room(group: &Group, member: Option<&MemberId>, config: &GroupConfig) -> bool {
    let known = member.and_then(|id| group.members.get(id));
    match group.state {
        State::Empty => true,
        State::PreparingRebalance(_) => {
            known.is_some_and(|member| member.awaiting_join.is_some())
                || group.members.len() < config.members_max
                || group.count_awaiting_join() < config.members_max
        }
        State::CompletingRebalance(_) | State::Stable => {
            known.is_some() || group.members.len() < config.members_max
        }
    }
}

fn join_new(group: &mut Group, turn: &mut Turn<'_>, joining: Joining) -> Result<(), Refusal> {
    let request = &joining.request;
    let known = request.instance.as_ref().and_then(|instance| group.instances.get(instance));
    if let (Some(instance), Some(old)) = (&request.instance, known.cloned()) {
        let id = MemberId::new(instance.as_str(), request.random);
        replace::replace(group, turn, joining, &old, id);
        return Ok(());
    }
    let limit = limits::GROUP_SESSIONS_PER_COORDINATOR_MAX;
    if turn.timers.len() >= limit {
        return Err((None, GroupError::TooManySessions { limit }));
    }
    if let Some(instance) = &request.instance {
        let id = MemberId::new(instance.as_str(), request.random);
        add(group, turn, joining, id);
        return Ok(());
    }
    let id = MemberId::new(&joining.client.id, request.random);
    if !request.accepts_member_id_first {
        add(group, turn, joining, id);
        return Ok(());
    }
    let limit = limits::GROUP_PENDING_MEMBERS_MAX;
    if group.pending_join.len() >= limit {
        return Err((None, GroupError::GroupFull { limit }));
    }
    // A client whose answer is lost asks for another id; it leaves no member behind that way.
    turn.set_session(&group.id, &id, joining.session_timeout_ms);
    group.pending_join.insert(id.clone());
    Err((Some(id.clone()), GroupError::MemberIdRequired { member: id }))
}

fn join_existing(
    group: &mut Group,
    turn: &mut Turn<'_>,
    joining: Joining,
    id: &MemberId,
) -> Result<(), GroupError> {
    if group.pending_join.contains(id) {
        if joining.request.instance.is_some() {
            // An id that waits for its first join was given to a dynamic member.
            return Err(GroupError::UnknownMember { member: Some(id.clone()) });
        }
        add(group, turn, joining, id.clone());
        return Ok(());
    }
    group.check_member(Some(id), joining.request.instance.as_ref())?;
    let has_news = group.members.get(id).is_some_and(|known| known.protocols != joining.protocols);
    let must_rebalance = match group.state {
        State::PreparingRebalance(_) => true,
        // With the same metadata the member only did not get its answer.
        State::CompletingRebalance(_) => has_news,
        // The leader asks again when what it divides has changed, such as the number of partitions.
        State::Stable => has_news || group.is_leader(id),
        State::Empty => return Err(GroupError::UnknownMember { member: Some(id.clone()) }),
    };
    if must_rebalance {
        update(group, turn, joining, id);
        rebalance::start_or_go_on(group, turn, Reason::Rejoined(id.clone()));
    } else {
        let reply = rebalance::joined(group, id);
        turn.reply(joining.token, reply);
    }
    Ok(())
}

/// Adds a member that is not in the group.
fn add(group: &mut Group, turn: &mut Turn<'_>, joining: Joining, id: MemberId) {
    if let State::PreparingRebalance(Gathering::First(first)) = &mut group.state {
        first.has_newcomer = true;
    }
    if group.members.is_empty() {
        group.protocol_type = Some(joining.request.protocol_type);
    }
    group.add(Member {
        id: id.clone(),
        instance: joining.request.instance,
        client: joining.client,
        session_timeout_ms: joining.session_timeout_ms,
        rebalance_timeout_ms: joining.rebalance_timeout_ms,
        protocols: joining.protocols,
        assignment: Bytes::new(),
        awaiting_join: Some(joining.token),
        awaiting_sync: None,
        is_new: true,
    });
    // It may not know its id and cannot send heartbeats. If it goes away meanwhile nothing tells,
    // so the wait ends some time; who is still there then joins again.
    turn.set_session(&group.id, &id, limits::GROUP_NEW_MEMBER_JOIN_MS_MAX);
    rebalance::start_or_go_on(group, turn, Reason::Joined(id));
}
