//! API 11: a member joins a group, or its next generation. Waits until the others have joined.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use millrace_core::group::{GroupError, JoinRequest, Joined, JoinedMember, MemberId, Protocol};
use millrace_wire::messages::join_group::{Request, Response, ResponseMember};

use super::RequestContext;
use super::group_fields::{
    code, group, instance, instance_text, member, member_text, optional_text, text,
};

/// The first version whose clients can be told their id before they join. Source: KIP-394.
const MEMBER_ID_FIRST_FROM: i16 = 4;
/// From this version on the name of the protocol may be null. Source: KIP-559.
const NULL_PROTOCOL_FROM: i16 = 7;
/// The first version whose leaders can be told to keep the assignment. Source: KIP-814.
const SKIP_ASSIGNMENT_FROM: i16 = 9;

/// The response once the generation is complete.
pub fn answer(
    context: &RequestContext,
    (member, result): (Option<MemberId>, Result<Joined, GroupError>),
) -> Response<'static> {
    let response = Response {
        error_code: code(context, &result),
        member_id: member_text(member.as_ref()),
        ..Response::default()
    };
    match result {
        Ok(joined) => fill(response, &joined, context.version),
        Err(_) => Response { protocol_name: protocol_text(None, context.version), ..response },
    }
}

/// What the client asks of the coordinator.
pub fn command(context: &RequestContext, request: &Request<'_>) -> JoinRequest {
    let random = &context.broker.env().random;
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: (&*protocol.name).into(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    JoinRequest {
        group: group(&request.group_id),
        member: member(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: (context.version > 0).then_some(request.rebalance_timeout_ms),
        protocol_type: (&*request.protocol_type).into(),
        protocols: protocols.collect(),
        accepts_member_id_first: context.version >= MEMBER_ID_FIRST_FROM,
        accepts_skip_assignment: context.version >= SKIP_ASSIGNMENT_FROM,
        random: (u128::from(random.bits()) << 64) | u128::from(random.bits()),
    }
}

fn fill(response: Response<'static>, joined: &Joined, version: i16) -> Response<'static> {
    let member = |member: &JoinedMember| ResponseMember {
        member_id: text(member.member.as_str()),
        group_instance_id: instance_text(member.instance.as_ref()),
        metadata: member.metadata.to_vec().into(),
    };
    Response {
        generation_id: joined.generation.to_wire(),
        protocol_type: optional_text(joined.protocol_type.as_ref()),
        protocol_name: protocol_text(joined.protocol.as_ref(), version),
        leader: member_text(joined.leader.as_ref()),
        skip_assignment: joined.skip_assignment,
        members: joined.members.iter().map(member).collect(),
        ..response
    }
}

fn protocol_text(protocol: Option<&Arc<str>>, version: i16) -> Option<Cow<'static, str>> {
    let protocol = optional_text(protocol);
    if version < NULL_PROTOCOL_FROM { Some(protocol.unwrap_or_default()) } else { protocol }
}
