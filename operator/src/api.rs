//! The way to the API of Kubernetes: it may fail, but not be silent for ever.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Service};

/// How long an answer may take to begin: as long as the API server itself works at one request
/// (`--request-timeout`). A watch has begun once it is accepted; how long it may be silent then is
/// the connection's matter.
const ANSWERS: Duration = Duration::from_secs(60);

/// A client whose requests end: a server that dies over one must not hold up a look for ever.
pub fn limited<S, B>(way: ClientBuilder<S>) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    way.with_layer(&TimeoutLayer::new(ANSWERS)).build()
}
