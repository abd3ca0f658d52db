//! One broker of the world: a process that is started and stopped on a disk that stays.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::config::StaticConfig;
use millrace_core::config::listener::Endpoint;
use millrace_log::disk::{Disk, FaultyDisk, Loss};
use millrace_server::broker::{Broker, BrokerOptions};
use millrace_server::clock::Clock;
use millrace_server::env::Env;
use millrace_server::health::Probes;
use millrace_server::net::ListenerName;
use millrace_server::net::listener::serve_stream;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};

use crate::coverage;
use crate::history::Event;
use crate::network::Network;
use crate::options::Options;
use crate::workload::{Clients, WORLD_BEGINS, address};

/// Where a broker keeps its data.
const DATA: &str = "/data";

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
    /// Calls of the disk that had failed when the power last went.
    errors_forgotten: u64,
    running: Option<Running>,
    panicked: Option<&'static str>,
}

#[derive(Debug)]
struct Running {
    env: Env,
    broker: Arc<Broker>,
    probes: Probes,
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
            errors_forgotten: 0,
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

    /// Lets one of so many calls of the disk fail, or none any more.
    pub fn set_error_one_in(&self, calls: Option<u64>) {
        self.disk.set_error_one_in(calls);
    }

    /// Ends the faults of the disk.
    pub fn heal(&self) {
        self.set_full(false);
        self.set_error_one_in(None);
    }

    /// Whether the broker runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Why a broker that runs does not serve; empty if it does.
    pub fn unready(&self) -> String {
        self.running.as_ref().map_or(String::new(), |running| running.probes.readiness.reasons())
    }

    /// Counts what the disk did, and what is to be seen on it.
    pub fn count(&self, clients: &Clients) {
        clients.count(coverage::DISK_ERROR, self.disk.errors());
        clients.count(coverage::FULL_REFUSAL, self.disk.refusals());
        let path = Path::new(DATA).join("cleaner-offset-checkpoint");
        let compacted = millrace_log::checkpoint::read_offsets(&self.disk, &path);
        clients.count(coverage::COMPACTED, compacted.map_or(0, |logs| logs.len() as u64));
        for dir in self.disk.list(Path::new(DATA)).unwrap_or_default() {
            let files = self.disk.list(&Path::new(DATA).join(&dir.name)).unwrap_or_default();
            let logs = files.iter().filter(|file| file.name.ends_with(".log")).count();
            clients.count(coverage::SEGMENT_ROLLED, logs.saturating_sub(1) as u64);
        }
    }

    /// Starts the broker, and again after a while if it cannot start; nothing to do if it runs.
    pub async fn start_until_up(&mut self, clients: &Clients) {
        let mut last_reason = String::new();
        for _ in 0..STARTS_MAX {
            if self.running.is_some() {
                clients.note(|| format!("broker {} runs", self.number));
                return;
            }
            if let Err(reason) = self.try_start(clients).await {
                last_reason = reason;
                sleep(Duration::from_millis(500)).await;
            }
        }
        let what = format!("broker {} does not start any more: {last_reason}", self.number);
        clients.record(Event::Stuck { what });
    }

    /// Starts the broker, if it can be.
    pub async fn try_start(&mut self, clients: &Clients) -> Result<(), String> {
        let started = self.start(clients).await;
        if let Err(reason) = &started {
            clients.count(coverage::START_REFUSED, 1);
            clients.note(|| format!("broker {} does not start: {reason}", self.number));
        }
        started
    }

    /// Starts the broker and cuts the power so many changes of the disk later, or after a second.
    pub async fn start_and_lose_power(&mut self, changes: u64, clients: &Clients) {
        self.disk.crash_at(self.disk.changes() + changes);
        clients.count(coverage::POWER_CUT_IN_START, 1);
        if let Err(reason) = self.start(clients).await {
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
            let is_halted = self.disk.is_halted();
            clients.count(coverage::POWER_CUT_IN_WRITE, u64::from(is_halted));
        }
        self.network.take_down(&address(self.number));
        if let Some(Running { env, broker, probes }) = self.running.take() {
            let was_unready = !probes.readiness.reasons().is_empty();
            clients.count(coverage::READINESS_LOST, u64::from(was_unready));
            if stop == Stop::Clean {
                broker.close().await;
            }
            if let Ok(task) = tokio::time::timeout(Duration::ZERO, env.tasks.failed()).await {
                self.panicked.get_or_insert(task);
            }
            env.tasks.kill();
            env.tasks.stop().await;
        }
        self.lose(match stop {
            Stop::Clean | Stop::Kill => Loss::Nothing,
            Stop::PowerCut | Stop::PowerCutInWrite { .. } => Loss::Unsynced,
        });
        let kind = match stop {
            Stop::Clean => coverage::CLEAN_STOP,
            Stop::Kill => coverage::KILL,
            Stop::PowerCut | Stop::PowerCutInWrite { .. } => coverage::POWER_CUT,
        };
        clients.count(kind, 1);
    }

    /// Ends the run of the process on its disk.
    ///
    /// A sync that failed is known to the process alone. The next one takes for synced what the
    /// system shows it of a partition, as in Kafka: so the machine goes with the process then, in a
    /// world where the power goes at all.
    fn lose(&mut self, loss: Loss) {
        let has_failed = self.disk.errors() > self.errors_forgotten;
        let loss = if has_failed && self.options.faults.power_cuts { Loss::Unsynced } else { loss };
        if loss == Loss::Unsynced {
            self.errors_forgotten = self.disk.errors();
        }
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

    async fn start(&mut self, clients: &Clients) -> Result<(), String> {
        self.starts += 1;
        let seed = self.options.seed ^ (u64::from(self.number) << 40) ^ (self.starts << 48);
        let env = Env::simulated(Arc::new(self.disk.clone()), self.clock(seed, clients), seed);
        let probes = Probes::default();
        let opened = open(env.clone(), self.number, &self.options, probes.clone()).await;
        let broker = match opened {
            Ok(broker) => broker,
            Err(reason) => {
                env.tasks.kill();
                env.tasks.stop().await;
                self.lose(Loss::Nothing);
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
        self.running = Some(Running { env, broker, probes });
        Ok(())
    }

    /// A wall clock that may be wrong, but for that of the first start.
    fn clock(&self, seed: u64, clients: &Clients) -> Clock {
        let mut base = WORLD_BEGINS;
        if self.options.faults.clock_steps && self.starts > 1 {
            clients.count(coverage::CLOCK_STEP, 1);
            base = base.plus_ms(ChaCha8Rng::seed_from_u64(seed).random_range(-60_000..60_000));
        }
        Clock::Virtual { base, origin: self.origin }
    }
}

/// Opens the production broker as its binary does, with a config of the run's options.
async fn open(
    env: Env,
    number: u32,
    options: &Options,
    probes: Probes,
) -> Result<Arc<Broker>, String> {
    let address = address(number);
    let (host, port) = address.split_once(':').unwrap_or((&address, "9092"));
    let mut configs = vec![
        ("node.id", number.to_string()),
        ("listeners", format!("PLAINTEXT://{address}")),
        ("log.dirs", DATA.to_owned()),
        ("log.roll.ms", options.segment_ms.to_string()),
        ("log.cleaner.backoff.ms", "500".to_owned()),
        ("log.cleaner.min.cleanable.ratio", "0.01".to_owned()),
        ("log.retention.check.interval.ms", "1000".to_owned()),
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
    let options = BrokerOptions { config, advertised: vec![endpoint], probes };
    Broker::open(env, options).await.map_err(|error| chain(&error))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
