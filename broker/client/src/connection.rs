//! One connection to one broker.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use millrace_types::ErrorCode;
use millrace_wire::messages::api_versions;
use millrace_wire::{ApiKey, Decode, DecodeError, Reader, Request, ResponseHeader, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{ClientError, Connect, Stream};

/// The largest answer that is read, in bytes.
const RESPONSE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A connection with its own count of requests. Dropping it closes it.
///
/// Requests may be sent ahead of their answers ([`Connection::send`], [`Connection::receive`]);
/// Kafka answers in the order of the requests. After an error the connection is of no more use.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    address: String,
    client_id: String,
    versions: BTreeMap<i16, (i16, i16)>,
    correlation_id_next: i32,
    open: VecDeque<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    correlation_id: i32,
    key: ApiKey,
    version: i16,
}

/// The bytes of an answer, to be read as the type that the request's API has.
#[derive(Debug)]
pub struct Reply {
    key: ApiKey,
    version: i16,
    frame: Vec<u8>,
    body_at: usize,
}

impl Reply {
    /// The version that request and answer have.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Reads the answer; it borrows from these bytes.
    ///
    /// # Errors
    /// If the bytes are not such an answer.
    pub fn read<R: Request>(&self) -> Result<R::Response<'_>, ClientError> {
        debug_assert_eq!(R::KEY, self.key, "an answer is read as that of another API");
        let body = self.frame.get(self.body_at..).unwrap_or_default();
        Ok(R::Response::decode(&mut Reader::new(body), self.version)?)
    }
}

impl<S: Stream> Connection<S> {
    /// Opens a connection and learns what the broker speaks.
    ///
    /// # Errors
    /// If the broker cannot be reached or does not answer as Kafka does.
    pub async fn open<C>(
        connect: &C,
        address: &str,
        client_id: &str,
    ) -> Result<Connection<S>, ClientError>
    where
        C: Connect<Stream = S>,
    {
        let stream = connect
            .connect(address)
            .await
            .map_err(|source| ClientError::Io { address: address.to_owned(), source })?;
        let mut connection = Connection {
            stream,
            address: address.to_owned(),
            client_id: client_id.to_owned(),
            versions: BTreeMap::new(),
            correlation_id_next: 0,
            open: VecDeque::new(),
        };
        connection.negotiate().await?;
        Ok(connection)
    }

    /// Asks with version 3, which every broker since Kafka 2.4 speaks.
    async fn negotiate(&mut self) -> Result<(), ClientError> {
        let request = api_versions::Request {
            client_software_name: "millrace".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        self.send_version(&request, 3).await?;
        let reply = self.receive().await?;
        let response = reply.read::<api_versions::Request<'_>>()?;
        refuse(ApiKey::ApiVersions, response.error_code)?;
        let range =
            |api: &api_versions::ResponseApiKey| (api.api_key, (api.min_version, api.max_version));
        self.versions = response.api_keys.iter().map(range).collect();
        Ok(())
    }

    /// The latest version of an API that both sides speak.
    ///
    /// # Errors
    /// If there is none.
    pub fn version(&self, api: ApiKey) -> Result<i16, ClientError> {
        let (broker_min, broker_max) = self.versions.get(&api.code()).copied().unwrap_or((0, -1));
        let (min, max) = (api.version_min(), api.version_max());
        let version = max.min(broker_max);
        if version < min.max(broker_min) {
            return Err(ClientError::Version { api, broker_min, broker_max, min, max });
        }
        Ok(version)
    }

    /// Sends a request in the latest version that both speak and waits for its answer, which must
    /// be the next one: none may be open.
    ///
    /// # Errors
    /// If the connection fails, or the broker serves no version of the API that we speak.
    pub async fn call<R: Request>(&mut self, request: &R) -> Result<Reply, ClientError> {
        self.send(request).await?;
        self.receive().await
    }

    /// Sends a request in the latest version that both speak.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn send<R: Request>(&mut self, request: &R) -> Result<(), ClientError> {
        let version = self.version(R::KEY)?;
        self.send_version(request, version).await
    }

    /// Sends a request in a given version.
    ///
    /// # Errors
    /// If the request cannot be written in it, or the connection fails.
    pub async fn send_version<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<(), ClientError> {
        let correlation_id = self.correlation_id_next;
        self.correlation_id_next = correlation_id.wrapping_add(1);
        let frame = frame::request(version, correlation_id, Some(&self.client_id), request)?;
        self.open.push_back(Open { correlation_id, key: R::KEY, version });
        let sent = self.stream.write_all(&frame).await;
        sent.map_err(|source| self.broken(source))
    }

    /// Takes the last request back from those that will be answered: `acks=0` has no answer.
    pub fn expect_no_answer(&mut self) {
        self.open.pop_back();
    }

    /// Number of requests that are not answered yet.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// Waits for the answer to the oldest open request.
    ///
    /// # Errors
    /// If the connection fails or the answer is not one to that request.
    pub async fn receive(&mut self) -> Result<Reply, ClientError> {
        let mut prefix = [0; frame::PREFIX_BYTES];
        self.fill(&mut prefix).await?;
        let length = frame::length(prefix, RESPONSE_BYTES_MAX)?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes).await?;
        let got = correlation_id(&bytes)?;
        let oldest = self.open.pop_front();
        let Some(Open { key, version, .. }) = oldest.filter(|open| open.correlation_id == got)
        else {
            let expected = oldest.map(|open| open.correlation_id);
            return Err(ClientError::Correlation { got, expected });
        };
        let mut reader = Reader::new(&bytes);
        ResponseHeader::decode(&mut reader, key, version)?;
        let body_at = length - reader.remaining().len();
        Ok(Reply { key, version, frame: bytes, body_at })
    }

    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ClientError> {
        let read = self.stream.read_exact(buffer).await;
        read.map(|_| ()).map_err(|source| self.broken(source))
    }

    fn broken(&self, source: io::Error) -> ClientError {
        ClientError::Io { address: self.address.clone(), source }
    }
}

fn correlation_id(frame: &[u8]) -> Result<i32, DecodeError> {
    Reader::new(frame).int32("response header.correlation_id")
}

/// Turns an error code into an error; an unknown number counts as `UNKNOWN_SERVER_ERROR`.
pub(crate) fn refuse(api: ApiKey, code: i16) -> Result<(), ClientError> {
    let code = ErrorCode::from_wire(code).unwrap_or(ErrorCode::UnknownServerError);
    if code.is_none() { Ok(()) } else { Err(ClientError::refused(api, code)) }
}
