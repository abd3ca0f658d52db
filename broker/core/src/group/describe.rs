//! DescribeGroups: what an admin sees of a group and its members.

use std::collections::BTreeMap;

use bytes::Bytes;
use millrace_types::GroupId;

use super::error::GroupError;
use super::phase::Phase;
use super::reply::{DescribedGroup, DescribedMember};
use super::state::{Group, Member};

/// A group with its members; only a stable one tells what they said and which protocol was chosen.
pub(super) fn describe(
    groups: &BTreeMap<GroupId, Group>,
    id: &GroupId,
) -> Result<DescribedGroup, GroupError> {
    let group = groups.get(id).ok_or_else(|| GroupError::GroupNotFound { group: id.clone() })?;
    let protocol = group.protocol.clone().filter(|_| group.phase() == Phase::Stable);
    let member = |member: &Member| DescribedMember {
        member: member.id.clone(),
        instance: member.instance.clone(),
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        metadata: match &protocol {
            Some(protocol) => member.metadata(Some(protocol)),
            None => Bytes::new(),
        },
        assignment: member.assignment.clone(),
    };
    Ok(DescribedGroup {
        phase: group.phase(),
        protocol_type: group.protocol_type.clone(),
        members: group.members.values().map(member).collect(),
        protocol: protocol.clone(),
    })
}
