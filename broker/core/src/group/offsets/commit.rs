//! OffsetCommit: who may commit, and what is kept.
//!
//! Source: `OffsetMetadataManager.commitOffset`, `ClassicGroup.validateOffsetCommit`.

use std::collections::BTreeMap;

use millrace_types::{GroupId, TimestampMs};

use crate::group::committed::CommittedOffset;
use crate::group::config::GroupConfig;
use crate::group::error::GroupError;
use crate::group::id::{Generation, Token};
use crate::group::record::GroupRecord;
use crate::group::reply::Reply;
use crate::group::request::{OffsetCommitRequest, OffsetToCommit};
use crate::group::state::{Group, State};
use crate::group::turn::Turn;

/// Takes in what a member, or a consumer outside of any group, has read.
pub(crate) fn commit(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    request: OffsetCommitRequest,
) {
    let group = match groups.get_mut(&request.group) {
        Some(group) => check_sender(group, &request).map(|()| group),
        // A consumer that only keeps its offsets here: its group is made of them.
        None if request.generation.is_none() => turn.create_group(groups, &request.group),
        None => Err(GroupError::GroupNotFound { group: request.group.clone() }),
    };
    let group = match group {
        Ok(group) => group,
        Err(error) => return turn.reply(token, Reply::OffsetCommit(Err(error))),
    };
    // A commit keeps the session, except while the assignment is made: there only heartbeats do.
    if matches!(group.state, State::Stable | State::PreparingRebalance(_))
        && let Some(member) = request.member.as_ref().and_then(|id| group.members.get(id))
    {
        turn.restart_session(&group.id, member);
    }
    let expires_at = request.retention_ms.map(|retention_ms| turn.now.plus_ms(retention_ms));
    let mut results = Vec::with_capacity(request.offsets.len());
    for offset in request.offsets {
        let result = check_metadata(&offset.metadata, turn.config);
        if result.is_ok() {
            turn.records.push(keep(group, offset, turn.now, expires_at));
        }
        results.push(result);
    }
    turn.reply_after_commit(token, Reply::OffsetCommit(Ok(results)));
}

fn keep(
    group: &mut Group,
    given: OffsetToCommit,
    now: TimestampMs,
    expires_at: Option<TimestampMs>,
) -> GroupRecord {
    let offset = CommittedOffset {
        offset: given.offset,
        leader_epoch: given.leader_epoch,
        metadata: given.metadata,
        committed_at: now,
        expires_at,
        topic_id: given.topic_id,
    };
    group.offsets.set(&given.topic, given.partition, Some(offset.clone()));
    let (group, topic, partition) = (group.id.clone(), given.topic, given.partition);
    GroupRecord::Offset { group, topic, partition, offset: Some(offset) }
}

fn check_sender(group: &Group, request: &OffsetCommitRequest) -> Result<(), GroupError> {
    let is_empty = group.state == State::Empty;
    if request.generation.is_none() && is_empty {
        return Ok(());
    }
    let claims_membership =
        request.generation.is_some() || request.member.is_some() || request.instance.is_some();
    if claims_membership {
        group.check_member(request.member.as_ref(), request.instance.as_ref())?;
        check_generation(group, request.generation)?;
    } else if !is_empty {
        // An outsider must not move the offsets of members.
        return Err(GroupError::UnknownMember { member: None });
    }
    match group.state {
        // The member knows the new generation, but not yet what it owns in it.
        State::CompletingRebalance(_) => {
            Err(GroupError::RebalanceInProgress { phase: group.phase() })
        }
        State::Empty | State::PreparingRebalance(_) | State::Stable => Ok(()),
    }
}

fn check_generation(group: &Group, asked: Option<Generation>) -> Result<(), GroupError> {
    if asked == Some(group.generation) {
        return Ok(());
    }
    Err(GroupError::IllegalGeneration { asked, current: group.generation })
}

fn check_metadata(metadata: &str, config: &GroupConfig) -> Result<(), GroupError> {
    let limit = config.offset_metadata_length_max;
    // UTF-16 never needs more units than UTF-8 bytes.
    if metadata.len() <= limit {
        return Ok(());
    }
    let length = metadata.encode_utf16().count();
    if length <= limit {
        return Ok(());
    }
    Err(GroupError::OffsetMetadataTooLarge { length, limit })
}
