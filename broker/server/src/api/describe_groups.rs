//! API 15: groups with their members.

use millrace_core::group::{DescribedGroup, DescribedMember, GroupError};
use millrace_types::ErrorCode;
use millrace_wire::messages::describe_groups::{
    Request, Response, ResponseGroup, ResponseGroupMember,
};

use super::RequestContext;
use super::authorized;
use super::group_fields::{ask, group, instance_text, refusal, text};
use super::once::once;
use crate::group::Describe;
use crate::refusal::Refusal;

/// The first version that tells a group that does not exist from a dead one. Source: KIP-1043.
const NOT_FOUND_FROM: i16 = 6;
/// What a group is called that does not exist.
const DEAD: &str = "Dead";

/// Describes each group.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let mut groups = Vec::with_capacity(request.groups.len());
    for name in once(&request.groups, |name| *name) {
        let mut response = ResponseGroup {
            group_id: text(name),
            authorized_operations: authorized::group(request.include_authorized_operations),
            ..ResponseGroup::default()
        };
        match ask(context, Describe(group(name))).await {
            Ok(described) => fill(&mut response, &described),
            Err(error) => fail(context, &mut response, &error),
        }
        groups.push(response);
    }
    Ok(Response { groups, ..Response::default() })
}

fn fail(context: &RequestContext, response: &mut ResponseGroup<'static>, error: &GroupError) {
    if let GroupError::GroupNotFound { .. } = error {
        response.group_state = DEAD.into();
        if context.version < NOT_FOUND_FROM {
            return;
        }
        response.error_message = Some(error.to_string().into());
    }
    response.error_code = refusal(context, error).code();
}

fn fill(response: &mut ResponseGroup<'static>, described: &DescribedGroup) {
    response.error_code = ErrorCode::None.code();
    response.group_state = described.phase.name().into();
    response.protocol_type = text(described.protocol_type.as_deref().unwrap_or_default());
    response.protocol_data = text(described.protocol.as_deref().unwrap_or_default());
    response.members = described.members.iter().map(member).collect();
}

fn member(described: &DescribedMember) -> ResponseGroupMember<'static> {
    ResponseGroupMember {
        member_id: text(described.member.as_str()),
        group_instance_id: instance_text(described.instance.as_ref()),
        client_id: text(&described.client_id),
        client_host: text(&described.client_host),
        member_metadata: described.metadata.to_vec().into(),
        member_assignment: described.assignment.to_vec().into(),
    }
}
