//! API 14: the leader of a group hands in who does what, everybody fetches its share. Waits for the
//! leader.

use bytes::Bytes;
use millrace_core::group::{GroupError, SyncRequest, Synced};
use millrace_wire::messages::sync_group::{Request, Response};

use super::RequestContext;
use super::group_fields::{code, generation, group, instance, member, optional_text};

/// What the client asks of the coordinator.
pub fn command(_: &RequestContext, request: &Request<'_>) -> SyncRequest {
    let assignments = request.assignments.iter().filter_map(|assignment| {
        let member = member(&assignment.member_id)?;
        Some((member, Bytes::copy_from_slice(&assignment.assignment)))
    });
    SyncRequest {
        group: group(&request.group_id),
        generation: generation(request.generation_id),
        member: member(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        protocol_type: request.protocol_type.as_deref().map(Into::into),
        protocol: request.protocol_name.as_deref().map(Into::into),
        assignments: assignments.collect(),
    }
}

/// The response once the leader's decision is durable.
pub fn answer(context: &RequestContext, result: Result<Synced, GroupError>) -> Response<'static> {
    let response = Response { error_code: code(context, &result), ..Response::default() };
    match result {
        Ok(synced) => Response {
            protocol_type: optional_text(synced.protocol_type.as_ref()),
            protocol_name: optional_text(synced.protocol.as_ref()),
            assignment: synced.assignment.to_vec().into(),
            ..response
        },
        Err(_) => response,
    }
}
