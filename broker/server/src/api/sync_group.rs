//! API 14: the leader of a group hands in who does what, everybody fetches its share. Waits for the
//! leader.

use bytes::Bytes;
use millrace_core::group::SyncRequest;
use millrace_wire::messages::sync_group::{Request, Response};

use super::RequestContext;
use super::group_fields::{ask, code, generation, group, instance, member, optional_text};
use crate::refusal::Refusal;

/// Answers when the leader's decision is durable.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let assignments = request.assignments.iter().filter_map(|assignment| {
        let member = member(&assignment.member_id)?;
        Some((member, Bytes::copy_from_slice(&assignment.assignment)))
    });
    let command = SyncRequest {
        group: group(&request.group_id),
        generation: generation(request.generation_id),
        member: member(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        protocol_type: request.protocol_type.as_deref().map(Into::into),
        protocol: request.protocol_name.as_deref().map(Into::into),
        assignments: assignments.collect(),
    };
    let result = ask(context, command).await;
    let response = Response { error_code: code(context, &result), ..Response::default() };
    Ok(match result {
        Ok(synced) => Response {
            protocol_type: optional_text(synced.protocol_type.as_ref()),
            protocol_name: optional_text(synced.protocol.as_ref()),
            assignment: synced.assignment.to_vec().into(),
            ..response
        },
        Err(_) => response,
    })
}
