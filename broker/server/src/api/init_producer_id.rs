//! API 22: an id for a producer that writes without duplicates. Each call gives a new one.
//!
//! Transactions are not served yet: a transactional id is refused.

use millrace_types::{ErrorCode, ProducerEpoch, ProducerId};
use millrace_wire::messages::init_producer_id::{Request, Response};

use super::RequestContext;
use crate::refusal::Refusal;

/// Answers with an id that no producer had before, in its first epoch.
pub async fn handle(context: &RequestContext, request: Request<'_>) -> Result<Response, Refusal> {
    let error_code = match new_id(context, request.transactional_id.as_deref()).await {
        Ok(id) => {
            return Ok(Response {
                producer_id: id.to_wire(),
                producer_epoch: ProducerEpoch::ZERO.to_wire(),
                ..Response::default()
            });
        }
        Err(error) => error,
    };
    context.count(error_code);
    Ok(Response { error_code: error_code.code(), producer_epoch: -1, ..Response::default() })
}

async fn new_id(
    context: &RequestContext,
    transactional_id: Option<&str>,
) -> Result<ProducerId, ErrorCode> {
    match transactional_id {
        None => {}
        Some("") => return Err(ErrorCode::InvalidRequest),
        Some(id) => {
            tracing::debug!(transactional_id = id, "transactions are not served");
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
    }
    match context.broker.metadata().next_producer_id().await {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(ErrorCode::UnknownServerError),
        // The client tries again, as it does with Kafka when no block can be had.
        Err(_) => Err(ErrorCode::CoordinatorLoadInProgress),
    }
}
