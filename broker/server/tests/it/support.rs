//! A broker on free ports in a directory of its own, and a client that writes any bytes.

use std::net::SocketAddr;
use std::time::Duration;

use millrace_core::config::StaticConfig;
use millrace_server::env::Env;
use millrace_server::health::Probes;
use millrace_server::server::Server;
use millrace_wire::messages::api_versions;
use millrace_wire::{ApiKey, Decode, Reader, Request, ResponseHeader, frame};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes, short enough to fail soon.
pub const SOON: Duration = Duration::from_secs(10);

/// A broker that ends with the test.
pub struct TestBroker {
    pub server: Server,
    dir: TempDir,
}

impl TestBroker {
    /// Starts a broker with further configs.
    pub async fn start(configs: &[(&str, &str)]) -> TestBroker {
        TestBroker::start_in(tempfile::tempdir().expect("a directory"), configs).await
    }

    /// Starts a broker in another world than this machine's.
    pub async fn start_on(env: Env, configs: &[(&str, &str)]) -> TestBroker {
        TestBroker::open(env, tempfile::tempdir().expect("a directory"), configs).await
    }

    async fn start_in(dir: TempDir, configs: &[(&str, &str)]) -> TestBroker {
        TestBroker::open(Env::real(), dir, configs).await
    }

    async fn open(env: Env, dir: TempDir, configs: &[(&str, &str)]) -> TestBroker {
        let data = dir.path().join("data").display().to_string();
        let fixed =
            [("node.id", "1"), ("listeners", "PLAINTEXT://127.0.0.1:0"), ("log.dirs", &data)];
        let pairs = fixed.iter().chain(configs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let config = StaticConfig::new(pairs).expect("sound configs");
        let server = Server::start(env, config, Probes::default()).await.expect("a broker");
        TestBroker { server, dir }
    }

    /// Stops the broker in order and starts it on the same disk.
    pub async fn restart(self, configs: &[(&str, &str)]) -> TestBroker {
        self.server.stop().await;
        TestBroker::start_in(self.dir, configs).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address()).await.expect("a connection") }
    }

    /// Fails unless a new client is answered.
    pub async fn assert_serves(&self) {
        self.connect().await.assert_is_served().await;
    }

    /// One figure of the metrics.
    pub fn figure(&self, name: &str) -> f64 {
        let text = self.server.broker().metrics().text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.expect("the figure is there").parse().expect("a number")
    }
}

/// A connection that can write anything.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    /// Reads the next frame, without its length.
    pub async fn read_frame(&mut self) -> Vec<u8> {
        let read = async {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).await.expect("a length");
            let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("length")];
            self.stream.read_exact(&mut frame).await.expect("a frame");
            frame
        };
        timeout(SOON, read).await.expect("an answer")
    }

    /// Sends a request and returns the frame of its answer.
    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> Vec<u8> {
        self.write(&frame::request(version, 5, Some("test"), request).expect("a request")).await;
        self.read_frame().await
    }

    /// Asks for the versions and checks that the answer is one.
    pub async fn assert_is_served(&mut self) {
        self.write(&api_versions_request(7)).await;
        let frame = self.read_frame().await;
        let response = read_api_versions(&frame, 7);
        assert_eq!(response.error_code, 0);
    }

    /// Fails unless the broker closes the connection without a word.
    pub async fn assert_is_closed(&mut self) {
        let mut rest = Vec::new();
        match timeout(SOON, self.stream.read_to_end(&mut rest)).await.expect("closed in time") {
            Ok(_) => assert_eq!(rest, b"", "closed without a word"),
            // What the broker had not read when it closed resets the connection.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

/// Every version of an API that is served.
pub fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    R::KEY.version_min()..=R::KEY.version_max()
}

/// A whole ApiVersions frame in version 0.
pub fn api_versions_request(correlation_id: i32) -> Vec<u8> {
    frame::request(0, correlation_id, Some("test"), &api_versions::Request::default())
        .expect("a request")
}

/// Reads an answer to [`api_versions_request`] and checks its number.
pub fn read_api_versions(frame: &[u8], correlation_id: i32) -> api_versions::Response<'_> {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, ApiKey::ApiVersions, 0).expect("a header");
    assert_eq!(header.correlation_id, correlation_id);
    api_versions::Response::decode(&mut reader, 0).expect("a body")
}

/// Reads the answer in a frame that [`Client::call`] returned.
pub fn read<'a, T: Decode<'a>>(key: ApiKey, version: i16, frame: &'a [u8]) -> T {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, key, version).expect("a header");
    assert_eq!(header.correlation_id, 5);
    let response = T::decode(&mut reader, version).expect("a body");
    reader.finish("response").expect("nothing behind it");
    response
}
