//! The rebalance: when it begins, how long members are waited for, and what they are told at its end.

use std::collections::BTreeMap;

use crate::group::change::{Change, Reason};
use crate::group::error::GroupError;
use crate::group::id::MemberId;
use crate::group::phase::Phase;
use crate::group::record::GroupRecord;
use crate::group::reply::{Joined, JoinedMember, Reply};
use crate::group::state::{Assigning, FirstGathering, Gathering, Group, State};
use crate::group::timers::Deadline;
use crate::group::turn::Turn;
use crate::limits;

/// Begins a rebalance; if one is going on, ends the wait of it if all have joined.
pub(super) fn start_or_go_on(group: &mut Group, turn: &mut Turn<'_>, reason: Reason) {
    match group.state {
        State::Empty | State::CompletingRebalance(_) | State::Stable => start(group, turn, reason),
        State::PreparingRebalance(_) => go_on(group, turn),
    }
}

/// Ends the wait for members if all have joined. The first wait of a group lasts its full time.
pub(super) fn go_on(group: &mut Group, turn: &mut Turn<'_>) {
    if group.state == State::PreparingRebalance(Gathering::Again) && group.has_all_joined() {
        complete(group, turn);
    }
}

/// Begins a rebalance.
pub(super) fn start(group: &mut Group, turn: &mut Turn<'_>, reason: Reason) {
    withdraw_assignments(group, turn, |phase| GroupError::RebalanceInProgress { phase });
    group.pending_sync.clear();
    turn.timers.cancel(&Deadline::Sync(group.id.clone()));
    let (id, generation) = (group.id.clone(), group.generation);
    turn.note(Change::Rebalancing { group: id, generation, reason });

    if group.state == State::Empty {
        let delay_ms = turn.config.initial_rebalance_delay_ms;
        let remaining_ms = group.rebalance_timeout_ms().saturating_sub(delay_ms);
        let first = FirstGathering { has_newcomer: false, delay_ms, remaining_ms };
        group.enter(State::PreparingRebalance(Gathering::First(first)), turn.now);
        turn.timers.set(Deadline::Join(group.id.clone()), turn.after_ms(delay_ms));
        return;
    }
    group.enter(State::PreparingRebalance(Gathering::Again), turn.now);
    wait_for_members(group, turn, 0);
    go_on(group, turn);
}

/// Lets no member have work while the leader decides: who waits for it is told `error`.
pub(super) fn withdraw_assignments(
    group: &mut Group,
    turn: &mut Turn<'_>,
    error: impl Fn(Phase) -> GroupError,
) {
    if !matches!(group.state, State::CompletingRebalance(_)) {
        return;
    }
    let phase = group.phase();
    group.assign(BTreeMap::new());
    for member in group.members.values_mut() {
        if let Some(token) = member.awaiting_sync.take() {
            turn.reply(token, Reply::Sync(Err(error(phase))));
            turn.restart_session(&group.id, member);
        }
    }
}

/// The wait of a rebalance is over.
pub(crate) fn on_join_deadline(group: &mut Group, turn: &mut Turn<'_>) {
    let State::PreparingRebalance(gathering) = &mut group.state else { return };
    if let Gathering::First(first) = gathering
        && first.has_newcomer
        && first.remaining_ms > 0
    {
        // Members still come: wait on, in all not longer than a rebalance may last.
        let delay_ms = turn.config.initial_rebalance_delay_ms.min(first.remaining_ms);
        first.has_newcomer = false;
        first.remaining_ms = first.remaining_ms.saturating_sub(first.delay_ms);
        first.delay_ms = delay_ms;
        turn.timers.set(Deadline::Join(group.id.clone()), turn.after_ms(delay_ms));
        return;
    }
    complete(group, turn);
}

/// Ends the wait for members: who has not joined is out, except static members, which are given
/// the time of their session.
pub(super) fn complete(group: &mut Group, turn: &mut Turn<'_>) {
    turn.timers.cancel(&Deadline::Join(group.id.clone()));
    let missing = group.members.values();
    let missing = missing.filter(|m| m.awaiting_join.is_none() && m.instance.is_none());
    for id in missing.map(|member| member.id.clone()).collect::<Vec<_>>() {
        turn.dismiss(group, &id);
    }
    if group.members.is_empty() {
        return become_empty(group, turn);
    }
    if !elect_joined_leader(group) {
        // Only static members are left and none has come back: wait until their sessions end.
        return wait_for_members(group, turn, limits::GROUP_REBALANCE_WAIT_MS_MIN);
    }
    group.generation = group.generation.next();
    group.protocol = group.vote();
    group.subscribed = group.subscriptions();
    group.enter(State::CompletingRebalance(Assigning::Awaited), turn.now);
    group.pending_sync = group.members.keys().cloned().collect();
    let (id, generation, members) = (group.id.clone(), group.generation, group.members.len());
    turn.note(Change::Joined { group: id, generation, members });
    tell_joined(group, turn);
    let sync_until = turn.after_ms(group.rebalance_timeout_ms());
    turn.timers.set(Deadline::Sync(group.id.clone()), sync_until);
}

fn become_empty(group: &mut Group, turn: &mut Turn<'_>) {
    group.generation = group.generation.next();
    group.protocol = None;
    group.pending_sync.clear();
    group.subscribed = group.subscriptions();
    group.enter(State::Empty, turn.now);
    turn.note(Change::Empty { group: group.id.clone(), generation: group.generation });
    turn.records.push(GroupRecord::Group(group.to_record(|member| member.assignment.clone())));
}

fn wait_for_members(group: &Group, turn: &mut Turn<'_>, wait_ms_min: u32) {
    let until = turn.after_ms(group.rebalance_timeout_ms().max(wait_ms_min));
    turn.timers.set(Deadline::Join(group.id.clone()), until);
}

/// The leader must have joined; if it has not, another does its work. `false` if nobody has.
fn elect_joined_leader(group: &mut Group) -> bool {
    let has_joined =
        |id: &MemberId| group.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
    if group.leader.as_ref().is_some_and(has_joined) {
        return true;
    }
    match group.members.keys().find(|id| has_joined(id)).cloned() {
        Some(leader) => {
            group.leader = Some(leader);
            true
        }
        None => false,
    }
}

fn tell_joined(group: &mut Group, turn: &mut Turn<'_>) {
    for id in group.members.keys().cloned().collect::<Vec<_>>() {
        let reply = joined(group, &id);
        let Some(member) = group.members.get_mut(&id) else { continue };
        member.is_new = false;
        turn.restart_session(&group.id, member);
        if let Some(token) = member.awaiting_join.take() {
            turn.reply(token, reply);
        }
    }
}

/// What a member is told of the generation: the leader learns who the others are.
pub(super) fn joined(group: &Group, id: &MemberId) -> Reply {
    let members = if group.is_leader(id) { roster(group) } else { Vec::new() };
    let joined = Joined {
        generation: group.generation,
        protocol_type: group.protocol_type.clone(),
        protocol: group.protocol.clone(),
        leader: group.leader.clone(),
        skip_assignment: false,
        members,
    };
    Reply::Join { member: Some(id.clone()), result: Ok(joined) }
}

/// All members with what they say for the protocol that was chosen.
pub(super) fn roster(group: &Group) -> Vec<JoinedMember> {
    let protocol = group.protocol.as_deref();
    let members = group.members.values().map(|member| JoinedMember {
        member: member.id.clone(),
        instance: member.instance.clone(),
        metadata: member.metadata(protocol),
    });
    members.collect()
}
