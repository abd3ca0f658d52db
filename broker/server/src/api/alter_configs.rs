//! API 33: the configs of resources, replaced as a whole. Clients use API 44 instead if they can.
//!
//! What is allowed is decided in `core::metadata::decide::alter_configs`; the way there is shared
//! with API 44.

use std::borrow::Cow;

use millrace_core::metadata::decide::alter_configs::{
    self, AlterConfigs, Alteration, AlteredResource, Resource,
};
use millrace_types::ErrorCode;
use millrace_wire::messages::alter_configs::{
    Request, RequestResource, Response, ResponseResponse,
};

use super::RequestContext;
use crate::refusal::Refusal;

/// Answers once the configs have effect.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let resources = request.resources.into_iter().map(wanted).collect();
    let results = alter(context, resources, request.validate_only).await;
    let responses = results
        .into_iter()
        .map(|(resource, refused)| {
            let (code, message) = refused.unzip();
            ResponseResponse {
                error_code: code.unwrap_or_default().code(),
                error_message: message.map(Cow::Owned),
                resource_type: resource.resource_type,
                resource_name: resource.name.into(),
            }
        })
        .collect();
    Ok(Response { responses, ..Response::default() })
}

fn wanted(resource: RequestResource<'_>) -> AlteredResource {
    let values = resource
        .configs
        .into_iter()
        .map(|config| (config.name.into_owned(), config.value.map(Cow::into_owned)))
        .collect();
    AlteredResource {
        resource: Resource {
            resource_type: resource.resource_type,
            name: resource.resource_name.into_owned(),
        },
        alteration: Alteration::Replace(values),
    }
}

/// A resource, and why its configs were not changed.
pub(super) type Altered = (Resource, Option<(ErrorCode, String)>);

/// Changes the configs and tells of each resource what became of it.
pub(super) async fn alter(
    context: &RequestContext,
    resources: Vec<AlteredResource>,
    is_validate_only: bool,
) -> Vec<Altered> {
    let named: Vec<Resource> = resources.iter().map(|altered| altered.resource.clone()).collect();
    let command = AlterConfigs { resources, is_validate_only };
    let reply = context
        .broker
        .metadata()
        .run(move |image, with| alter_configs::decide(image, &command, with))
        .await;
    let refusals: Vec<Option<(ErrorCode, String)>> = match reply {
        Ok(reply) => reply
            .into_iter()
            .map(|result| result.err().map(|error| (error.code(), error.to_string())))
            .collect(),
        Err(error) => vec![Some((error.code(), error.to_string())); named.len()],
    };
    for (code, _) in refusals.iter().flatten() {
        context.count(*code);
    }
    named.into_iter().zip(refusals).collect()
}
