//! API 13: members leave a group, or an admin takes them out.

use millrace_core::group::{GroupError, LeaveRequest, Leaver};
use millrace_types::ErrorCode;
use millrace_wire::messages::leave_group::{Request, RequestMember, Response, ResponseMember};

use super::RequestContext;
use super::group_fields::{ask, code, group, instance, instance_text, member, text};
use crate::refusal::Refusal;

/// The first version in which several members can leave at once. Source: KIP-345.
const SEVERAL_FROM: i16 = 3;

/// Takes the members out.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let is_single = context.version < SEVERAL_FROM;
    let members = if is_single {
        vec![Leaver { member: member(&request.member_id), instance: None }]
    } else {
        request.members.iter().map(leaver).collect()
    };
    let command = LeaveRequest { group: group(&request.group_id), members };
    let response = match ask(context, command).await {
        Err(error) => {
            Response { error_code: code::<()>(context, &Err(error)), ..Response::default() }
        }
        Ok(results) if is_single => Response {
            error_code: results.first().map_or(ErrorCode::None.code(), |it| code(context, it)),
            ..Response::default()
        },
        Ok(results) => Response {
            members: request.members.iter().zip(&results).map(|it| left(context, it)).collect(),
            ..Response::default()
        },
    };
    Ok(response)
}

fn leaver(asked: &RequestMember<'_>) -> Leaver {
    let instance = instance(asked.group_instance_id.as_ref());
    Leaver { member: member(&asked.member_id), instance }
}

fn left(
    context: &RequestContext,
    (asked, result): (&RequestMember<'_>, &Result<(), GroupError>),
) -> ResponseMember<'static> {
    ResponseMember {
        member_id: text(&asked.member_id),
        group_instance_id: instance_text(instance(asked.group_instance_id.as_ref()).as_ref()),
        error_code: code(context, result),
    }
}
