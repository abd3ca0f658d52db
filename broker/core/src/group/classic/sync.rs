//! SyncGroup: the leader hands in who does what, and everybody fetches its own share.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millrace_types::GroupId;

use super::rebalance;
use crate::group::change::{Change, Reason};
use crate::group::error::GroupError;
use crate::group::id::{MemberId, Token};
use crate::group::record::GroupRecord;
use crate::group::reply::{Reply, Synced};
use crate::group::request::SyncRequest;
use crate::group::state::{Assigning, Group, State};
use crate::group::timers::Deadline;
use crate::group::turn::{AfterCommit, Turn};

/// Takes the leader's decision, or answers with a member's share as soon as it is known.
pub(crate) fn sync(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    request: SyncRequest,
) {
    let (group, member) = match check(groups, &request) {
        Ok(found) => found,
        Err(error) => return turn.reply(token, Reply::Sync(Err(error))),
    };
    group.pending_sync.remove(&member);
    if group.pending_sync.is_empty() {
        turn.timers.cancel(&Deadline::Sync(group.id.clone()));
    }
    match group.state {
        State::CompletingRebalance(assigning) => {
            wait(group, turn, token, &member);
            if group.is_leader(&member) && assigning == Assigning::Awaited {
                decide(group, turn, token, request.assignments);
            }
        }
        State::Stable => {
            let reply = synced(group, &member);
            turn.reply(token, reply);
        }
        State::Empty | State::PreparingRebalance(_) => {
            let phase = group.phase();
            turn.reply(token, Reply::Sync(Err(GroupError::RebalanceInProgress { phase })));
        }
    }
}

fn check<'a>(
    groups: &'a mut BTreeMap<GroupId, Group>,
    request: &SyncRequest,
) -> Result<(&'a mut Group, MemberId), GroupError> {
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
    let differs = |asked: &Option<Arc<str>>, known: &Option<Arc<str>>| {
        asked.is_some() && known.is_some() && asked != known
    };
    if differs(&request.protocol_type, &group.protocol_type)
        || differs(&request.protocol, &group.protocol)
    {
        let protocol_type = request.protocol_type.as_deref().unwrap_or_default().to_owned();
        return Err(GroupError::InconsistentProtocol { protocol_type });
    }
    Ok((group, member))
}

fn wait(group: &mut Group, turn: &mut Turn<'_>, token: Token, member: &MemberId) {
    let phase = group.phase();
    if let Some(member) = group.members.get_mut(member)
        && let Some(asked_before) = member.awaiting_sync.replace(token)
    {
        // Differs from Kafka, which never answers a request that was asked again.
        let error = GroupError::RebalanceInProgress { phase };
        turn.reply(asked_before, Reply::Sync(Err(error)));
    }
}

/// Writes the leader's decision down; it takes effect when it is durable.
fn decide(
    group: &mut Group,
    turn: &mut Turn<'_>,
    decision: Token,
    assignments: Vec<(MemberId, Bytes)>,
) {
    let assignments: BTreeMap<_, _> = assignments.into_iter().collect();
    let record = group.to_record(|member| assignments.get(&member.id).cloned().unwrap_or_default());
    let (size_bytes, limit_bytes) = (record.size_bytes_max(), turn.config.record_bytes_max);
    let checked = if size_bytes > limit_bytes {
        Err(GroupError::RecordTooLarge { size_bytes, limit_bytes })
    } else {
        let assigned = record.members.iter().map(|member| member.assignment.len());
        let more = assigned.sum::<usize>().saturating_sub(group.assigned_bytes());
        turn.check_memory(&group.id, more)
    };
    if let Err(error) = checked {
        rebalance::withdraw_assignments(group, turn, |_| error.clone());
        return rebalance::start(group, turn, Reason::AssignmentTooLarge(size_bytes));
    }
    turn.records.push(GroupRecord::Group(record));
    // The record was dated by the state that it was decided in, as Kafka's is.
    group.state = State::CompletingRebalance(Assigning::Persisting(decision));
    turn.after.push(AfterCommit::Assign { group: group.id.clone(), decision, assignments });
}

/// The leader's decision is durable: everybody who waits is told its share.
///
/// If another rebalance has begun meanwhile, or the group was deleted and is another one of the same
/// name and number of generation, the decision is of the past.
pub(crate) fn assign(
    group: &mut Group,
    turn: &mut Turn<'_>,
    decision: Token,
    assignments: BTreeMap<MemberId, Bytes>,
) {
    if group.state != State::CompletingRebalance(Assigning::Persisting(decision)) {
        return;
    }
    group.assign(assignments);
    group.enter(State::Stable, turn.now);
    turn.note(Change::Stable { group: group.id.clone(), generation: group.generation });
    for id in group.members.keys().cloned().collect::<Vec<_>>() {
        let reply = synced(group, &id);
        let Some(member) = group.members.get_mut(&id) else { continue };
        if let Some(token) = member.awaiting_sync.take() {
            turn.restart_session(&group.id, member);
            turn.reply(token, reply);
        }
    }
}

fn synced(group: &Group, member: &MemberId) -> Reply {
    Reply::Sync(Ok(Synced {
        protocol_type: group.protocol_type.clone(),
        protocol: group.protocol.clone(),
        assignment: group.members.get(member).map(|m| m.assignment.clone()).unwrap_or_default(),
    }))
}
