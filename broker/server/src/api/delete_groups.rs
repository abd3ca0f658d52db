//! API 42: groups without members are deleted, and their offsets with them.

use millrace_wire::messages::delete_groups::{Request, Response, ResponseResult};

use super::RequestContext;
use super::group_fields::{ask, code, group, text};
use super::once::once;
use crate::group::Delete;
use crate::refusal::Refusal;

/// Deletes each group; answers when that is durable.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for name in once(&request.groups_names, |name| *name) {
        let result = ask(context, Delete(group(name))).await;
        results.push(ResponseResult { group_id: text(name), error_code: code(context, &result) });
    }
    Ok(Response { results, ..Response::default() })
}
