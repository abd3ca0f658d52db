//! A JoinGroup on its way: its numbers checked, and what it changes of a member that is known.

use crate::group::config::GroupConfig;
use crate::group::error::GroupError;
use crate::group::id::{MemberId, Token};
use crate::group::reply::Reply;
use crate::group::request::{Client, JoinRequest, Protocol};
use crate::group::state::Group;
use crate::group::turn::Turn;
use crate::limits;

/// A JoinGroup whose numbers were checked.
pub(super) struct Joining {
    pub(super) token: Token,
    pub(super) client: Client,
    pub(super) session_timeout_ms: u32,
    pub(super) rebalance_timeout_ms: u32,
    /// Without two of one name.
    pub(super) protocols: Vec<Protocol>,
    pub(super) request: JoinRequest,
}

/// Checks what can be told without the group.
pub(super) fn parse(
    token: Token,
    client: Client,
    mut request: JoinRequest,
    config: &GroupConfig,
) -> Result<Joining, GroupError> {
    if request.group.as_str().is_empty() {
        return Err(GroupError::EmptyGroupId);
    }
    let (min_ms, max_ms) = (config.session_timeout_ms_min, config.session_timeout_ms_max);
    let asked_ms = request.session_timeout_ms;
    let session_timeout_ms = u32::try_from(asked_ms)
        .ok()
        .filter(|session_ms| (min_ms..=max_ms).contains(session_ms))
        .ok_or(GroupError::InvalidSessionTimeout { asked_ms, min_ms, max_ms })?;
    // Version 0 has one timeout for both; less than no time is no time.
    let rebalance_timeout_ms = request.rebalance_timeout_ms.unwrap_or(asked_ms).max(0);
    let mut protocols: Vec<Protocol> = Vec::new();
    for protocol in std::mem::take(&mut request.protocols) {
        if !protocols.iter().any(|known| known.name == protocol.name) {
            protocols.push(protocol);
        }
        if protocols.len() > limits::GROUP_PROTOCOLS_PER_MEMBER_MAX {
            return Err(inconsistent(&request));
        }
    }
    let size = |protocol: &Protocol| protocol.name.len().saturating_add(protocol.metadata.len());
    let size_bytes = protocols.iter().map(size).fold(0, usize::saturating_add);
    let limit_bytes = limits::GROUP_PROTOCOLS_BYTES_PER_MEMBER_MAX;
    if size_bytes > limit_bytes {
        return Err(GroupError::RecordTooLarge { size_bytes, limit_bytes });
    }
    let rebalance_timeout_ms = rebalance_timeout_ms.unsigned_abs();
    Ok(Joining { token, client, session_timeout_ms, rebalance_timeout_ms, protocols, request })
}

/// Takes over what a known member says of itself now, and lets its request wait.
pub(super) fn update(group: &mut Group, turn: &mut Turn<'_>, joining: Joining, id: &MemberId) {
    let phase = group.phase();
    group.renew(id, joining.client, joining.protocols);
    let Some(member) = group.members.get_mut(id) else { return };
    member.session_timeout_ms = joining.session_timeout_ms;
    member.rebalance_timeout_ms = joining.rebalance_timeout_ms;
    if let Some(token) = member.awaiting_join.replace(joining.token) {
        // Differs from Kafka, which never answers a request that was asked again.
        let result = Err(GroupError::RebalanceInProgress { phase });
        turn.reply(token, Reply::Join { member: Some(id.clone()), result });
    }
}

/// No protocol that all support.
pub(super) fn inconsistent(request: &JoinRequest) -> GroupError {
    GroupError::InconsistentProtocol { protocol_type: request.protocol_type.to_string() }
}
