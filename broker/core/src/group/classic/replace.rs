//! A static member comes back under its name: the process of before loses its place, and in a
//! stable group the new one takes it over without a rebalance. Source: KIP-345, KIP-814.

use super::joining::{self, Joining};
use super::rebalance;
use crate::group::change::Reason;
use crate::group::error::GroupError;
use crate::group::id::{InstanceId, MemberId, Token};
use crate::group::record::GroupRecord;
use crate::group::reply::{Joined, Reply};
use crate::group::state::{Gathering, Group, State};
use crate::group::turn::{AfterCommit, Turn};

/// Gives the place of member `old` to the joining one, which becomes member `new`.
pub(super) fn replace(
    group: &mut Group,
    turn: &mut Turn<'_>,
    joining: Joining,
    old: &MemberId,
    new: MemberId,
) {
    let (token, accepts_skip) = (joining.token, joining.request.accepts_skip_assignment);
    let leader_before = group.leader.clone();
    rename(group, turn, joining.request.instance.as_ref(), old, &new);
    joining::update(group, turn, joining, &new);
    if let Some(member) = group.members.get(&new) {
        turn.restart_session(&group.id, member);
    }
    match group.state {
        State::Stable if group.vote() == group.protocol => {
            take_over(group, turn, token, &new, leader_before, accepts_skip);
        }
        // The leader may know the member by its old id and assign to that.
        State::Stable | State::CompletingRebalance(_) => {
            rebalance::start(group, turn, Reason::Replaced(new));
        }
        State::PreparingRebalance(Gathering::First(_) | Gathering::Again) | State::Empty => {
            rebalance::go_on(group, turn);
        }
    }
}

/// Moves the member to its new id; requests under the old id are told that they lost the place.
fn rename(
    group: &mut Group,
    turn: &mut Turn<'_>,
    instance: Option<&InstanceId>,
    old: &MemberId,
    new: &MemberId,
) {
    let was_leader = group.is_leader(old);
    turn.end_session(&group.id, old);
    let Some(mut member) = group.remove(old) else { return };
    if let Some(instance) = instance {
        let fenced =
            || GroupError::FencedInstance { instance: instance.clone(), current: new.clone() };
        if let Some(token) = member.awaiting_join.take() {
            let result = Err(fenced());
            turn.reply(token, Reply::Join { member: Some(old.clone()), result });
        }
        if let Some(token) = member.awaiting_sync.take() {
            turn.reply(token, Reply::Sync(Err(fenced())));
        }
    }
    member.id = new.clone();
    member.is_new = false;
    group.add(member);
    if was_leader {
        group.leader = Some(new.clone());
    }
}

/// The group goes on as it is; only the id of the member changes, and that is made durable.
fn take_over(
    group: &mut Group,
    turn: &mut Turn<'_>,
    token: Token,
    id: &MemberId,
    leader_before: Option<MemberId>,
    accepts_skip: bool,
) {
    let record = group.to_record(|member| member.assignment.clone());
    let (size_bytes, limit_bytes) = (record.size_bytes_max(), turn.config.record_bytes_max);
    if size_bytes > limit_bytes {
        // The new process never learns its id; its session ends and the group rebalances.
        if let Some(member) = group.members.get_mut(id) {
            member.awaiting_join = None;
        }
        let result = Err(GroupError::RecordTooLarge { size_bytes, limit_bytes });
        return turn.reply(token, Reply::Join { member: None, result });
    }
    turn.records.push(GroupRecord::Group(record));
    let skip_assignment = accepts_skip && group.is_leader(id);
    let joined = Joined {
        generation: group.generation,
        protocol_type: group.protocol_type.clone(),
        protocol: group.protocol.clone(),
        // A client that does not know how to skip must not believe that it leads: it would assign
        // from a list that it was not given. So it hears of the leader that was.
        leader: if accepts_skip { group.leader.clone() } else { leader_before },
        skip_assignment,
        members: if skip_assignment { rebalance::roster(group) } else { Vec::new() },
    };
    turn.after.push(AfterCommit::Welcome {
        group: group.id.clone(),
        member: id.clone(),
        token,
        reply: Reply::Join { member: Some(id.clone()), result: Ok(joined) },
    });
}

/// The record of [`take_over`] is durable: the member is told, unless a rebalance took it up.
pub(crate) fn welcome(
    group: &mut Group,
    turn: &mut Turn<'_>,
    id: &MemberId,
    token: Token,
    reply: Reply,
) {
    if group.state != State::Stable {
        return;
    }
    if let Some(member) = group.members.get_mut(id)
        && member.awaiting_join == Some(token)
    {
        member.awaiting_join = None;
        turn.restart_session(&group.id, member);
        turn.reply(token, reply);
    }
}
