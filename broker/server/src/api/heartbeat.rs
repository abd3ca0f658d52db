//! API 12: a member of a group is alive, and learns whether it is to join again.

use millrace_core::group::{GroupError, HeartbeatRequest};
use millrace_wire::messages::heartbeat::{Request, Response};

use super::RequestContext;
use super::group_fields::{ask, code, generation, group, instance, member};
use crate::refusal::Refusal;

/// Keeps the member's session.
pub async fn handle(context: &RequestContext, request: Request<'_>) -> Result<Response, Refusal> {
    let command = HeartbeatRequest {
        group: group(&request.group_id),
        generation: generation(request.generation_id),
        member: member(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
    };
    let result = match ask(context, command).await {
        // The session begins when the group is loaded; until then nothing is wrong.
        // Source: GroupCoordinatorService.heartbeat.
        Err(GroupError::LoadInProgress) => Ok(()),
        result => result,
    };
    Ok(Response { error_code: code(context, &result), ..Response::default() })
}
