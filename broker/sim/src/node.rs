//! One broker of the world: a process that is started and stopped on a disk that stays.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use millrace_core::config::StaticConfig;
use millrace_core::config::listener::Endpoint;
use millrace_log::disk::{FaultyDisk, Loss};
use millrace_server::broker::{Broker, BrokerOptions};
use millrace_server::clock::Clock;
use millrace_server::env::Env;
use millrace_server::health::Probes;
use millrace_server::net::ListenerName;
use millrace_server::net::listener::serve_stream;
use millrace_types::TimestampMs;
use tokio::time::{Instant, sleep};

use crate::history::Event;
use crate::network::Network;
use crate::options::Options;
use crate::workload::{Clients, address};

/// What the wall clock shows when the world begins.
const WORLD_BEGINS: TimestampMs = TimestampMs::new(1_700_000_000_000);

/// Bytes that the disk holds when it is not meant to be full.
const DISK_BYTES: u64 = 1 << 30;

/// How often a broker is started before it is given up: longer than any fault lasts.
const STARTS_MAX: u32 = 100;

/// How a broker comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is told to and does it in order.
    Clean,
    /// The process ends; what it wrote is there.
    Kill,
    /// The power goes; what was not synced may be lost, torn or there.
    PowerCut,
    /// The power goes in the midst of a write or sync, so many changes of the disk from now.
    PowerCutInWrite {
        /// Changes from now, from 1.
        changes: u64,
    },
}

/// One broker.
#[derive(Debug)]
pub struct Node {
    number: u32,
    options: Arc<Options>,
    network: Network,
    origin: Instant,
    disk: FaultyDisk,
    starts: u64,
    running: Option<Running>,
    panicked: Option<&'static str>,
}

#[derive(Debug)]
struct Running {
    env: Env,
    broker: Arc<Broker>,
}

impl Node {
    /// A broker that was never started, on an empty disk.
    pub fn new(number: u32, options: &Arc<Options>, network: &Network, origin: Instant) -> Node {
        let disk = FaultyDisk::new(options.seed ^ u64::from(number));
        disk.set_capacity_bytes(Some(DISK_BYTES));
        Node {
            number,
            options: Arc::clone(options),
            network: network.clone(),
            origin,
            disk,
            starts: 0,
            running: None,
            panicked: None,
        }
    }

    /// The task that panicked, if one did.
    pub fn panic(&self) -> Option<&'static str> {
        self.panicked
    }

    /// Fills the disk up, or gives it room again.
    pub fn set_full(&self, is_full: bool) {
        let used_bytes = self.disk.used_bytes();
        self.disk.set_capacity_bytes(Some(if is_full { used_bytes } else { DISK_BYTES }));
    }

    /// Ends the faults of the disk.
    pub fn heal(&self) {
        self.set_full(false);
    }

    /// Starts the broker, and again after a while if it cannot start; nothing to do if it runs.
    pub async fn start_until_up(&mut self, clients: &Clients) {
        let mut last_reason = String::new();
        for _ in 0..STARTS_MAX {
            if self.running.is_some() {
                clients.note(|| format!("broker {} runs", self.number));
                return;
            }
            if let Err(reason) = self.start().await {
                clients.note(|| format!("broker {} does not start: {reason}", self.number));
                last_reason = reason;
                sleep(Duration::from_millis(500)).await;
            }
        }
        let what = format!("broker {} does not start any more: {last_reason}", self.number);
        clients.record(Event::Stuck { what });
    }

    /// Starts the broker and cuts the power so many changes of the disk later, or after a second.
    pub async fn start_and_lose_power(&mut self, changes: u64, clients: &Clients) {
        self.disk.crash_at(self.disk.changes() + changes);
        if let Err(reason) = self.start().await {
            clients.note(|| format!("broker {} does not start: {reason}", self.number));
        }
        self.wait_for_halt().await;
        self.stop(Stop::PowerCut, clients).await;
    }

    /// Stops the broker, if it runs.
    pub async fn stop(&mut self, stop: Stop, clients: &Clients) {
        clients.note(|| format!("broker {}: {stop:?}", self.number));
        if let Stop::PowerCutInWrite { changes } = stop {
            self.disk.crash_at(self.disk.changes() + changes);
            self.wait_for_halt().await;
        }
        self.network.take_down(&address(self.number));
        if let Some(Running { env, broker }) = self.running.take() {
            if stop == Stop::Clean {
                broker.close().await;
            }
            if let Ok(task) = tokio::time::timeout(Duration::ZERO, env.tasks.failed()).await {
                self.panicked.get_or_insert(task);
            }
            env.tasks.kill();
            env.tasks.stop().await;
        }
        let loss = match stop {
            Stop::Clean | Stop::Kill => Loss::Nothing,
            Stop::PowerCut | Stop::PowerCutInWrite { .. } => Loss::Unsynced,
        };
        self.disk = self.disk.crash(loss);
    }

    /// A broker that writes nothing never comes to the change that was chosen.
    async fn wait_for_halt(&self) {
        for _ in 0..100 {
            if self.disk.is_halted() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn start(&mut self) -> Result<(), String> {
        self.starts += 1;
        let clock = Clock::Virtual { base: WORLD_BEGINS, origin: self.origin };
        let seed = self.options.seed ^ (u64::from(self.number) << 40) ^ (self.starts << 48);
        let env = Env::simulated(Arc::new(self.disk.clone()), clock, seed);
        let opened = open(env.clone(), self.number, &self.options).await;
        let broker = match opened {
            Ok(broker) => broker,
            Err(reason) => {
                env.tasks.kill();
                env.tasks.stop().await;
                self.disk = self.disk.crash(Loss::Nothing);
                return Err(reason);
            }
        };
        let mut accepted = self.network.listen(&address(self.number));
        let accepting = Arc::clone(&broker);
        env.tasks.spawn("accept", async move {
            let listener = ListenerName("PLAINTEXT".into());
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            while let Some(stream) = accepted.recv().await {
                serve_stream(&accepting, listener.clone(), peer, stream);
            }
        });
        self.running = Some(Running { env, broker });
        Ok(())
    }
}

/// Opens the production broker as its binary does, with a config of the run's options.
async fn open(env: Env, number: u32, options: &Options) -> Result<Arc<Broker>, String> {
    let address = address(number);
    let (host, port) = address.split_once(':').unwrap_or((&address, "9092"));
    let mut configs = vec![
        ("node.id", number.to_string()),
        ("listeners", format!("PLAINTEXT://{address}")),
        ("log.dirs", "/data".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ("auto.create.topics.enable", "false".to_owned()),
        ("offsets.topic.num.partitions", "3".to_owned()),
    ];
    if options.faults.power_cuts {
        configs.push(("log.flush.interval.messages", "1".to_owned()));
    }
    let pairs = configs.into_iter().map(|(name, value)| (name.to_owned(), value));
    let config =
        StaticConfig::new(pairs.collect::<Vec<_>>()).map_err(|errors| format!("{errors:?}"))?;
    let endpoint = Endpoint {
        listener: "PLAINTEXT".into(),
        host: host.to_owned(),
        port: port.parse().map_err(|error| format!("port {port}: {error}"))?,
    };
    let options = BrokerOptions { config, advertised: vec![endpoint], probes: Probes::default() };
    Broker::open(env, options).await.map_err(|error| chain(&error))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
