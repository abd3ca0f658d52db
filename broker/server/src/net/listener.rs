//! Accepting connections, and giving each a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::config::listener::Endpoint;
use millrace_core::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::sleep;

use super::ListenerName;
use super::bind;
use super::connection::{Connection, End};
use super::frame::ReadError;
use super::refusal_log::Chain;
use super::service::{ConnectionFacts, Service};
use super::transport::pipe::{PipeReader, PipeWriter};
use super::transport::{ReadHalf, WriteHalf, tcp};

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The host has no address.
    #[error("listener {listener}: host {host:?} has no address")]
    Resolve {
        /// The listener.
        listener: ListenerName,
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: Option<io::Error>,
    },
    /// The system refused.
    #[error("listener {listener}: cannot listen on {address}")]
    Bind {
        /// The listener.
        listener: ListenerName,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}

/// A port that is ours; nobody can connect before [`Bound::listen`].
#[derive(Debug)]
pub struct Bound {
    listener: ListenerName,
    socket: TcpSocket,
    address: SocketAddr,
}

impl Bound {
    /// Takes the port of `endpoint`; port 0 takes any free one, an empty host every address, of
    /// IPv6 and IPv4.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(endpoint: &Endpoint) -> Result<Bound, BindError> {
        let listener = ListenerName(Arc::from(endpoint.listener.as_str()));
        let no_address = |source| BindError::Resolve {
            listener: listener.clone(),
            host: endpoint.host.clone(),
            source,
        };
        let address = if endpoint.host.is_empty() {
            bind::every(endpoint.port)
        } else {
            lookup_host((endpoint.host.as_str(), endpoint.port))
                .await
                .map_err(|error| no_address(Some(error)))?
                .next()
                .ok_or_else(|| no_address(None))?
        };
        let open = || {
            let socket = bind::bind(address)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        };
        match open() {
            Ok((socket, address)) => Ok(Bound { listener, socket, address }),
            Err(source) => Err(BindError::Bind { listener, address, source }),
        }
    }

    /// The name of the listener.
    pub fn listener(&self) -> &ListenerName {
        &self.listener
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept connections for `service`.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn listen<S: Service>(self, service: &Arc<S>, backlog: u32) -> Result<(), BindError> {
        let Bound { listener, socket, address } = self;
        let sockets = socket.listen(backlog).map_err(|source| BindError::Bind {
            listener: listener.clone(),
            address,
            source,
        })?;
        tracing::info!(%listener, %address, "listening");
        let service = Arc::clone(service);
        let tasks = service.env().tasks.clone();
        tasks.spawn("listener", async move { accept(&service, &listener, &sockets).await });
        Ok(())
    }
}

/// Accepts until the connections are drained. No error ends it: a broker out of file descriptors
/// goes on serving those that it has, and accepts again when some are closed.
async fn accept<S: Service>(service: &Arc<S>, listener: &ListenerName, sockets: &TcpListener) {
    let draining = service.net().draining().clone();
    loop {
        let accepted = tokio::select! { biased;
            () = draining.cancelled() => return,
            accepted = sockets.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => start(service, listener, stream, bind::canonical(peer)),
            Err(error) => {
                service.net().refusals.write(listener, &error);
                // What failed is most likely the process and not the one connection.
                sleep(Duration::from_millis(limits::ACCEPT_BACKOFF_MS)).await;
            }
        }
    }
}

fn start<S: Service>(
    service: &Arc<S>,
    listener: &ListenerName,
    stream: TcpStream,
    peer: SocketAddr,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "connection was gone before it was served");
        return;
    }
    let (reader, writer) = tcp::split(stream, service.env().blocking);
    serve(service, listener.clone(), peer, reader, writer);
}

/// Serves a stream that is not a socket: the simulator's connections.
pub fn serve_stream<S, T>(service: &Arc<S>, listener: ListenerName, peer: SocketAddr, stream: T)
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let writer = PipeWriter::new(writer, service.env().blocking);
    serve(service, listener, peer, PipeReader(reader), writer);
}

/// Gives a connection its task, if there is room for it.
fn serve<S: Service, R: ReadHalf, W: WriteHalf>(
    service: &Arc<S>,
    listener: ListenerName,
    peer: SocketAddr,
    reader: R,
    writer: W,
) {
    let net = service.net();
    let ticket = match net.admission.admit(peer.ip()) {
        Ok(ticket) => ticket,
        Err(refused) => {
            service.refused();
            return net.refusals.write(&peer, &refused);
        }
    };
    let facts = ConnectionFacts { listener, peer };
    let mut connection = Box::new(Connection::new(service, facts, reader, writer));
    let tracked = net.connections.token();
    let service = Arc::clone(service);
    let tasks = service.env().tasks.clone();
    tasks.spawn("connection", async move {
        let _tracked = tracked;
        let _ticket = ticket;
        let net = service.net();
        let end = tokio::select! { biased;
            () = net.aborting.cancelled() => End::Drained,
            end = connection.serve(&net.draining) => end,
        };
        tell(&*service, peer, &end);
    });
}

/// Logs the end of a connection: aloud if the client broke a rule.
fn tell<S: Service>(service: &S, peer: SocketAddr, end: &End) {
    match end {
        End::Refused(_) | End::Read(ReadError::Refused(_)) => {
            service.refused();
            service.net().refusals.write(&peer, end);
        }
        End::Read(_) | End::Write(_) | End::Unused(_) | End::Drained => {
            tracing::debug!(%peer, end = %Chain(end), "connection ended");
        }
    }
}
