//! The way from a frame to its handler.

use std::sync::Arc;

use bytes::Buf;
use millrace_wire::{ApiKey, Reader, RequestHeader};
use tokio::time::Instant;

use super::{Api, RequestContext, api_versions};
use crate::broker::Broker;
use crate::env::Env;
use crate::metrics::Stamp;
use crate::net::Net;
use crate::net::frame::Frame;
use crate::net::service::{ConnectionFacts, Service, Started};
use crate::refusal::Refusal;
use crate::reply::Outcome;

impl Service for Broker {
    fn start(
        self: &Arc<Self>,
        connection: &Arc<ConnectionFacts>,
        frame: Frame,
    ) -> Result<Started, Refusal> {
        dispatch(self, connection, frame)
    }

    fn answered(&self, stamp: &Stamp, response_bytes: usize) {
        self.metrics().answered(stamp, response_bytes);
    }

    fn refused(&self) {
        self.metrics().refused();
    }

    fn net(&self) -> &Net {
        self.net()
    }

    fn env(&self) -> &Env {
        self.env()
    }
}

/// Starts the handler of a request.
///
/// # Errors
/// A request that no handler can be found for; the connection is to be closed then.
fn dispatch(
    broker: &Arc<Broker>,
    connection: &Arc<ConnectionFacts>,
    mut frame: Frame,
) -> Result<Started, Refusal> {
    let size_bytes = frame.bytes.len();
    let stamp = |key| Stamp { key, request_bytes: size_bytes, received_at: Instant::now() };
    if let Some(reply) = api_versions::answer_to_unknown_version(&frame.bytes) {
        let outcome = Box::pin(std::future::ready(reply.map(Outcome::Reply)));
        return Ok(Started { stamp: stamp(ApiKey::ApiVersions), outcome });
    }
    let mut reader = Reader::new(&frame.bytes);
    let header = RequestHeader::decode(&mut reader)
        .map_err(|source| Refusal::Header { size_bytes, source })?;
    let api = Api::find(header.key).ok_or(Refusal::UnknownApi { key: header.key.code() })?;
    if !api.key.has_version(header.version) {
        return Err(Refusal::UnsupportedVersion {
            api: api.key,
            version: header.version,
            min: api.key.version_min(),
            max: api.key.version_max(),
        });
    }
    let context = RequestContext {
        broker: Arc::clone(broker),
        connection: Arc::clone(connection),
        api,
        version: header.version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.as_deref().map(Arc::from),
    };
    let body_at = size_bytes.saturating_sub(reader.remaining().len());
    frame.bytes.advance(body_at);
    Ok(Started { stamp: stamp(api.key), outcome: (api.handler)(context, frame) })
}
