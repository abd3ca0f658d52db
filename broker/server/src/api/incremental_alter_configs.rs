//! API 44: single configs of resources, set, deleted, appended to and subtracted from.
//!
//! What is allowed is decided in `core::metadata::decide::alter_configs`.

use std::borrow::Cow;

use millrace_core::config::alter::{Change, Operation};
use millrace_core::metadata::decide::alter_configs::{Alteration, AlteredResource, Resource};
use millrace_types::ErrorCode;
use millrace_wire::messages::incremental_alter_configs::{
    Request, RequestResource, Response, ResponseResponse,
};

use super::RequestContext;
use super::alter_configs::{Altered, alter};
use crate::refusal::Refusal;

/// Answers once the configs have effect.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let (mut resources, mut results) = (Vec::new(), Vec::new());
    for resource in request.resources {
        match wanted(resource) {
            Ok(altered) => resources.push(altered),
            Err(refused) => results.push(refused),
        }
    }
    results.extend(alter(context, resources, request.validate_only).await);
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

fn wanted(asked: RequestResource<'_>) -> Result<AlteredResource, Altered> {
    let resource =
        Resource { resource_type: asked.resource_type, name: asked.resource_name.into_owned() };
    let mut changes = Vec::new();
    for config in asked.configs {
        let Some(operation) = Operation::from_wire(config.config_operation) else {
            let message = format!(
                "operation {} on config {} is none of set (0), delete (1), append (2), subtract (3)",
                config.config_operation, config.name
            );
            return Err((resource, Some((ErrorCode::InvalidRequest, message))));
        };
        let value = config.value.map(Cow::into_owned);
        changes.push(Change { name: config.name.into_owned(), operation, value });
    }
    Ok(AlteredResource { resource, alteration: Alteration::Incremental(changes) })
}
