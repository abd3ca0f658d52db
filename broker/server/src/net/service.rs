//! Who answers the frames. In production the broker with its table of APIs.

use std::net::SocketAddr;
use std::sync::Arc;

use super::frame::Frame;
use super::{ListenerName, Net};
use crate::env::Env;
use crate::metrics::Stamp;
use crate::refusal::Refusal;
use crate::reply::OutcomeFuture;

/// What is known of a connection as long as it lives.
#[derive(Debug)]
pub struct ConnectionFacts {
    /// The listener that accepted it: it decides which addresses the client is told.
    pub listener: ListenerName,
    /// Where the client is.
    pub peer: SocketAddr,
}

/// A handler on its way.
pub struct Started {
    /// What is measured of the request.
    pub stamp: Stamp,
    /// The handler.
    pub outcome: OutcomeFuture,
}

/// What stands behind all connections.
pub trait Service: Send + Sync + 'static {
    /// Starts the handler of a request.
    ///
    /// # Errors
    /// A request that no handler can be found for; the connection is closed then.
    fn start(
        self: &Arc<Self>,
        connection: &Arc<ConnectionFacts>,
        frame: Frame,
    ) -> Result<Started, Refusal>;

    /// Notes that a request was answered with so many bytes.
    fn answered(&self, stamp: &Stamp, response_bytes: usize);

    /// Notes that a client was refused.
    fn refused(&self);

    /// What the connections share.
    fn net(&self) -> &Net;

    /// The world.
    fn env(&self) -> &Env;
}
