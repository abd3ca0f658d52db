//! API 16: the groups that this broker coordinates.

use millrace_core::group::{GROUP_TYPE, ListRequest, ListedGroup};
use millrace_wire::messages::list_groups::{Request, Response, ResponseGroup};

use super::RequestContext;
use super::group_fields::{client, code, text};
use crate::refusal::Refusal;

/// Lists the groups that pass the filters.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let filters = ListRequest {
        states: request.states_filter.iter().map(|state| state.to_string()).collect(),
        types: request.types_filter.iter().map(|kind| kind.to_string()).collect(),
    };
    let result = context.broker.groups().list(&client(context), &filters).await;
    Ok(Response {
        error_code: code(context, &result),
        groups: result.unwrap_or_default().iter().map(line).collect(),
        ..Response::default()
    })
}

fn line(listed: &ListedGroup) -> ResponseGroup<'static> {
    ResponseGroup {
        group_id: text(listed.group.as_str()),
        protocol_type: text(listed.protocol_type.as_deref().unwrap_or_default()),
        group_state: listed.phase.name().into(),
        group_type: GROUP_TYPE.into(),
    }
}
