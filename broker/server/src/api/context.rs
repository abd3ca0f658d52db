//! What a handler knows of the request beside its body.

use std::sync::Arc;

use millrace_types::ErrorCode;
use millrace_wire::{Decode, DecodeError, Encode, EncodeError, Reader};

use super::Api;
use crate::broker::Broker;
use crate::net::service::ConnectionFacts;
use crate::refusal::Refusal;
use crate::reply::Reply;

/// One request, without its body.
pub struct RequestContext {
    /// The broker.
    pub broker: Arc<Broker>,
    /// The connection that the request came on.
    pub connection: Arc<ConnectionFacts>,
    /// The row of the API.
    pub api: &'static Api,
    /// The version of the request and of its answer.
    pub version: i16,
    /// The number that the answer carries back.
    pub correlation_id: i32,
    /// The name that the client gave itself.
    pub client_id: Option<Arc<str>>,
}

impl RequestContext {
    /// Reads the body.
    ///
    /// # Errors
    /// Bytes that are no such request.
    pub fn decode<'a, R: Decode<'a>>(&self, body: &'a [u8]) -> Result<R, Refusal> {
        R::decode(&mut Reader::new(body), self.version)
            .map_err(|source| self.unreadable(body, source))
    }

    /// The refusal of a body that cannot be read.
    pub fn unreadable(&self, body: &[u8], source: DecodeError) -> Refusal {
        let (api, version, size_bytes) = (self.api.key, self.version, body.len());
        Refusal::Body { api, version, size_bytes, source }
    }

    /// The refusal of an answer that cannot be written.
    pub fn unwritable(&self, source: EncodeError) -> Refusal {
        Refusal::Encode { api: self.api.key, version: self.version, source }
    }

    /// An answer of which only the header is written; [`Reply::seal`] is left to the caller.
    pub fn begin_reply(&self) -> Reply {
        Reply::begin(self.api.key, self.version, self.correlation_id)
    }

    /// Counts an error code of the answer; success is not counted.
    pub fn count(&self, error: ErrorCode) {
        self.broker.metrics().failed(self.api.key, error);
    }

    /// Writes the answer.
    ///
    /// # Errors
    /// A response that this version cannot carry.
    pub fn reply(&self, response: &impl Encode) -> Result<Reply, Refusal> {
        super::reply_to(self.api.key, self.version, self.correlation_id, response)
    }
}
