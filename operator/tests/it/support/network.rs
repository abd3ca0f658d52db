//! The network between operator and brokers: by address of a pod, with faults for each operator.
//!
//! A connection is two pipes with a carrier between them that sees whole requests and answers, so
//! that an operator can be crashed before and after each write to a broker.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_apiserver::{ApiServer, Faults};
use millrace_client::Connect;
use millrace_crds::listener::HTTP_PORT;
use millrace_operator::topic::owner::Owner;
use millrace_server::broker::Broker;
use millrace_server::health::Probes;
use millrace_server::net::ListenerName;
use millrace_server::net::listener::serve_stream;
use millrace_types::TopicId;
use millrace_wire::ApiKey;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Bytes that fit into a pipe before its writer waits.
const PIPE_BYTES: usize = 1 << 20;
/// The requests that change a broker.
const WRITES: [ApiKey; 3] =
    [ApiKey::ApplyTopics, ApiKey::DeleteTopics, ApiKey::IncrementalAlterConfigs];

/// What answers at an address.
#[derive(Clone)]
pub struct Host {
    /// The broker, once it is open.
    pub broker: Option<Arc<Broker>>,
    /// Why it does not serve.
    pub probes: Probes,
}

/// What a host does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Anything.
    All,
    /// Clients, though its probes are answered.
    Clients,
    /// Requests that change something.
    Writes,
}

/// A topic that was deleted at a broker.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// Its name.
    pub topic: String,
    /// A resource that was there at the time and owned it, or wanted it.
    pub wanted_by: Option<String>,
}

/// All hosts; clones are the same network.
#[derive(Clone)]
pub struct Network {
    server: ApiServer,
    hosts: Arc<Mutex<BTreeMap<String, Host>>>,
    silences: Arc<Mutex<BTreeMap<String, Silence>>>,
    deleted: Arc<Mutex<Vec<Deleted>>>,
}

/// When an operator dies: at its n-th write to a broker, before or after it is done.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// The write, from 1.
    pub at_write: usize,
    /// Whether the broker has done it.
    pub is_after: bool,
}

/// One operator's way to brokers.
#[derive(Clone)]
pub struct Dial {
    network: Network,
    faults: Faults,
    state: Arc<Mutex<DialState>>,
}

struct DialState {
    writes: Vec<&'static str>,
    crash: Option<Crash>,
    chance: ChaCha8Rng,
    loss: f64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// A network without hosts.
    pub fn new(server: &ApiServer) -> Network {
        Network {
            server: server.clone(),
            hosts: Arc::default(),
            silences: Arc::default(),
            deleted: Arc::default(),
        }
    }

    /// Puts a host at an address, or changes it.
    pub fn put(&self, address: &str, host: Host) {
        lock(&self.hosts).insert(address.to_owned(), host);
    }

    /// Nobody answers at an address any more.
    pub fn remove(&self, address: &str) {
        lock(&self.hosts).remove(address);
    }

    /// A host answers less than it should, and refuses nothing.
    pub fn mute(&self, address: &str, silence: Silence) {
        lock(&self.silences).insert(address.to_owned(), silence);
    }

    fn silence(&self, address: &str) -> Option<Silence> {
        lock(&self.silences).get(address).copied()
    }

    /// The broker at an address.
    pub fn broker(&self, address: &str) -> Option<Arc<Broker>> {
        lock(&self.hosts).get(address)?.broker.clone()
    }

    /// Topics that operators deleted.
    pub fn deleted(&self) -> Vec<Deleted> {
        lock(&self.deleted).clone()
    }

    /// The way of one operator, with its faults.
    pub fn dial(&self, faults: &Faults, crash: Option<Crash>, seed: u64, loss: f64) -> Dial {
        let chance = ChaCha8Rng::seed_from_u64(seed);
        let state = DialState { writes: Vec::new(), crash, chance, loss };
        let state = Arc::new(Mutex::new(state));
        Dial { network: self.clone(), faults: faults.clone(), state }
    }

    /// Notes which topics went by a request, and whether a resource wants one of them.
    fn note_deleted(&self, before: &BTreeMap<TopicId, (String, Option<String>)>, broker: &Broker) {
        let image = broker.image();
        for (id, (name, owner)) in before {
            if image.topic_by_id(*id).is_none() {
                let owner = owner.as_deref().and_then(Owner::read);
                let wanted_by = self.wanted_by(name, owner.as_ref());
                lock(&self.deleted).push(Deleted { topic: name.clone(), wanted_by });
            }
        }
    }

    fn wanted_by(&self, topic: &str, owner: Option<&Owner>) -> Option<String> {
        let topics = self.server.objects("millrace.io", "topics");
        let wants = |it: &serde_json::Value| {
            let is_owner = owner.is_some_and(|owner| it["metadata"]["uid"] == owner.uid.as_str());
            let name = it["spec"]["topicName"].as_str().or(it["metadata"]["name"].as_str());
            is_owner || (name == Some(topic) && it["spec"]["management"] == "Managed")
        };
        topics.iter().find(|it| wants(it)).map(|it| it["metadata"]["name"].to_string())
    }
}

fn topics(broker: &Broker) -> BTreeMap<TopicId, (String, Option<String>)> {
    let image = broker.image();
    image.topics().map(|it| (it.id, (it.name.to_string(), it.owner.clone()))).collect()
}

impl Dial {
    /// The writes to brokers so far.
    pub fn writes(&self) -> Vec<&'static str> {
        lock(&self.state).writes.clone()
    }

    /// Ends the faults by chance.
    pub fn heal(&self) {
        lock(&self.state).loss = 0.0;
    }

    fn is_lost(&self) -> bool {
        let mut state = lock(&self.state);
        let drawn: f64 = state.chance.random();
        drawn < state.loss
    }

    /// Carries one connection until either side closes it, or the operator dies.
    async fn carry(
        self,
        address: String,
        near: DuplexStream,
        far: DuplexStream,
        broker: Arc<Broker>,
    ) {
        let carried = self.exchange(&address, near, far, &broker);
        tokio::select! { biased;
            () = self.faults.crashed() => {}
            _ = carried => {}
        }
    }

    async fn exchange(
        &self,
        address: &str,
        mut near: DuplexStream,
        mut far: DuplexStream,
        broker: &Broker,
    ) -> io::Result<()> {
        loop {
            let request = frame(&mut near).await?;
            let key = request.get(..2).map_or(-1, |it| i16::from_be_bytes([it[0], it[1]]));
            let write = WRITES.iter().find(|api| api.code() == key);
            if write.is_some() && self.network.silence(address) == Some(Silence::Writes) {
                return std::future::pending().await;
            }
            let crash = write.and_then(|api| self.count(api.name()));
            if crash == Some(false) {
                self.faults.crash();
                return Ok(());
            }
            if self.is_lost() {
                return Ok(());
            }
            let before = (key == ApiKey::DeleteTopics.code()).then(|| topics(broker));
            send(&mut far, &request).await?;
            let answer = frame(&mut far).await?;
            if let Some(before) = before {
                self.network.note_deleted(&before, broker);
            }
            if crash == Some(true) {
                self.faults.crash();
                return Ok(());
            }
            if self.is_lost() {
                return Ok(());
            }
            send(&mut near, &answer).await?;
        }
    }

    /// Counts a write; whether to die of it, and then whether after it.
    fn count(&self, name: &'static str) -> Option<bool> {
        let mut state = lock(&self.state);
        state.writes.push(name);
        let number = state.writes.len();
        state.crash.filter(|crash| crash.at_write == number).map(|crash| crash.is_after)
    }
}

impl Connect for Dial {
    type Stream = DuplexStream;

    async fn connect(&self, address: &str) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        if self.faults.has_crashed() || self.is_lost() {
            return Err(refused());
        }
        let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
        let is_probe = port == HTTP_PORT.to_string();
        match self.network.silence(host) {
            Some(Silence::All) => return std::future::pending().await,
            Some(Silence::Clients) if !is_probe => return std::future::pending().await,
            Some(Silence::Clients | Silence::Writes) | None => {}
        }
        let found = lock(&self.network.hosts).get(host).cloned().ok_or_else(refused)?;
        let (client, near) = duplex(PIPE_BYTES);
        if is_probe {
            tokio::spawn(tell_readiness(near, found.probes));
            return Ok(client);
        }
        let broker = found.broker.ok_or_else(refused)?;
        let config = broker.config();
        let listeners = &config.network.listeners;
        let endpoint = listeners.iter().find(|it| it.port.to_string() == port);
        let listener = ListenerName(endpoint.ok_or_else(refused)?.listener.as_str().into());
        let (far, served) = duplex(PIPE_BYTES);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        serve_stream(&broker, listener, peer, served);
        tokio::spawn(self.clone().carry(host.to_owned(), near, far, broker));
        Ok(client)
    }
}

async fn frame(from: &mut DuplexStream) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut body = vec![0; usize::try_from(length).expect("a length")];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn send(to: &mut DuplexStream, body: &[u8]) -> io::Result<()> {
    to.write_u32(u32::try_from(body.len()).expect("a length")).await?;
    to.write_all(body).await
}

async fn tell_readiness(mut stream: DuplexStream, probes: Probes) {
    let reasons = probes.readiness.reasons();
    let answer = match reasons.as_str() {
        "" => "HTTP/1.0 200 OK\r\n\r\nok\n".to_owned(),
        reasons => format!("HTTP/1.0 503 Service Unavailable\r\n\r\n{reasons}"),
    };
    let mut request = [0; 1024];
    // Whoever asked may have gone.
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}
