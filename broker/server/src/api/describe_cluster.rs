//! API 60: the brokers of the cluster. Source: KIP-700, KIP-919, KIP-1073.

use millrace_types::ErrorCode;
use millrace_wire::messages::describe_cluster::{Request, Response, ResponseBroker};

use super::{RequestContext, authorized, metadata};
use crate::refusal::Refusal;

/// `EndpointType.BROKER`: the only one that a broker's listener tells of.
const BROKERS: i8 = 1;
/// `EndpointType.CONTROLLER`.
const CONTROLLERS: i8 = 2;

/// Answers with the image of this moment.
pub async fn handle(
    context: &RequestContext,
    request: Request,
) -> Result<Response<'static>, Refusal> {
    let asked_for = request.endpoint_type;
    if asked_for != BROKERS {
        let error = if asked_for == CONTROLLERS {
            ErrorCode::MismatchedEndpointType
        } else {
            ErrorCode::UnsupportedEndpointType
        };
        context.count(error);
        let message = format!("endpoint type is {asked_for}, a broker's listener has {BROKERS}");
        return Ok(Response {
            error_code: error.code(),
            error_message: Some(message.into()),
            ..Response::default()
        });
    }
    let image = context.broker.image();
    let brokers = metadata::brokers_on(&image, &context.connection.listener)
        .map(|(id, rack, endpoint)| ResponseBroker {
            broker_id: id.to_wire(),
            host: endpoint.host.clone().into(),
            port: endpoint.port.into(),
            rack: rack.map(|rack| rack.to_owned().into()),
            is_fenced: false,
        })
        .collect();
    let wants_operations = request.include_cluster_authorized_operations;
    Ok(Response {
        cluster_id: image.cluster_id().unwrap_or_default().to_owned().into(),
        controller_id: context.broker.id().to_wire(),
        brokers,
        cluster_authorized_operations: authorized::cluster(wants_operations),
        ..Response::default()
    })
}
