//! One run from its first to its last virtual millisecond.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::checkers::{self, Broken};
use crate::history::Event;
use crate::network::Network;
use crate::node::{Node, Stop};
use crate::options::Options;
use crate::workload::{Clients, admin, member, producer, verify};

/// How long clients may take to finish once the faults have stopped, in virtual time.
const HEALING_MAX: Duration = Duration::from_secs(180);

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The promises that were broken, with how.
    pub broken: Vec<Broken>,
    /// Equal for two runs that went alike.
    pub fingerprint: u64,
    /// Batches that the broker acknowledged.
    pub acknowledged: usize,
    /// Times a broker was stopped, in any way.
    pub stops: u32,
}

/// Runs a world to its end and judges it. With `trace`, prints what happens.
///
/// # Panics
/// If the machine cannot even make a runtime of one thread.
pub fn run(options: &Options, trace: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap_or_else(|error| unreachable!("a runtime without IO: {error}"));
    runtime.block_on(World::new(options, trace).run())
}

struct World {
    options: Arc<Options>,
    rng: ChaCha8Rng,
    network: Network,
    nodes: Vec<Node>,
    clients: Clients,
    finish: watch::Sender<bool>,
    stops: u32,
}

impl World {
    fn new(options: &Options, trace: bool) -> World {
        let options = Arc::new(options.clone());
        let network = Network::new(options.seed, options.faults.latency_ms_max);
        let (finish, finishing) = watch::channel(false);
        let clients = Clients::new(network.clone(), Arc::clone(&options), finishing, trace);
        let origin = Instant::now();
        let node = |number| Node::new(number, &options, &network, origin);
        World {
            rng: ChaCha8Rng::seed_from_u64(options.seed ^ 0x77_6f72_6c64),
            nodes: (1..=options.brokers).map(node).collect(),
            options,
            network,
            clients,
            finish,
            stops: 0,
        }
    }

    async fn run(mut self) -> Report {
        for node in &mut self.nodes {
            node.start_until_up(&self.clients).await;
        }
        admin::create_workload_topics(&self.clients).await;
        let mut work = self.start_clients();
        self.break_things().await;
        self.heal().await;
        if timeout(HEALING_MAX, async { while work.join_next().await.is_some() {} }).await.is_err()
        {
            let count = work.len();
            let what = format!("{count} clients do not get their work done after the faults");
            self.clients.record(Event::Stuck { what });
        }
        work.shutdown().await;
        // What was kept must also be found again by the next process.
        for node in &mut self.nodes {
            node.stop(Stop::Clean, &self.clients).await;
            node.start_until_up(&self.clients).await;
        }
        if timeout(HEALING_MAX, verify::run(self.clients.clone())).await.is_err() {
            self.clients.record(Event::Stuck { what: "the verifier gets no answer".to_owned() });
        }
        for node in &mut self.nodes {
            node.stop(Stop::Kill, &self.clients).await;
        }
        self.judge()
    }

    fn start_clients(&self) -> JoinSet<()> {
        let mut work = JoinSet::new();
        for number in 0..self.options.producers {
            work.spawn(producer::run(self.clients.clone(), number));
        }
        for number in 0..self.options.members {
            work.spawn(member::run(self.clients.clone(), number));
        }
        for number in 0..self.options.admins {
            work.spawn(admin::run(self.clients.clone(), number));
        }
        work
    }

    /// Lets faults happen for as long as the options say.
    async fn break_things(&mut self) {
        let faults = self.options.faults.clone();
        let end = Instant::now() + Duration::from_millis(self.options.work_ms);
        let mut crash_at = self.next(faults.crash_every_ms);
        let mut cut_at = self.next(faults.cut_every_ms);
        let full = Duration::from_millis(self.rng.random_range(0..self.options.work_ms));
        let mut full_at = faults.disk_full.then(|| Instant::now() + full);
        loop {
            let next = [crash_at, cut_at, full_at].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < end) else {
                tokio::time::sleep_until(end).await;
                return;
            };
            tokio::time::sleep_until(next).await;
            if crash_at == Some(next) {
                self.crash().await;
                crash_at = self.next(faults.crash_every_ms);
            } else if cut_at == Some(next) {
                self.clients.note(|| "a connection breaks".to_owned());
                self.network.cut_one();
                cut_at = self.next(faults.cut_every_ms);
            } else {
                self.fill_disk().await;
                full_at = None;
            }
        }
    }

    fn next(&mut self, every_ms: Option<u64>) -> Option<Instant> {
        let every_ms = every_ms?;
        let wait_ms = self.rng.random_range(1..=every_ms.saturating_mul(2));
        Some(Instant::now() + Duration::from_millis(wait_ms))
    }

    /// Stops a broker in one of the ways it can be stopped, and starts it again after a while.
    async fn crash(&mut self) {
        let chosen = self.rng.random_range(0..self.nodes.len());
        let power = self.options.faults.power_cuts && self.rng.random_bool(0.7);
        let stop = match self.rng.random_range(0..10) {
            0..2 => Stop::Clean,
            2..5 if power => Stop::PowerCutInWrite { changes: self.rng.random_range(1..40) },
            _ if power => Stop::PowerCut,
            _ => Stop::Kill,
        };
        let down_ms = self.rng.random_range(0..3_000);
        let again = self.rng.random_bool(0.2).then(|| self.rng.random_range(1..30));
        let Some(node) = self.nodes.get_mut(chosen) else { return };
        self.stops += 1;
        node.stop(stop, &self.clients).await;
        sleep(Duration::from_millis(down_ms)).await;
        if let Some(changes) = again.filter(|_| power) {
            // The power goes again while the broker recovers.
            node.start_and_lose_power(changes, &self.clients).await;
            self.stops += 1;
        }
        node.start_until_up(&self.clients).await;
    }

    async fn fill_disk(&mut self) {
        let full_ms = self.rng.random_range(100..5_000);
        for node in &self.nodes {
            node.set_full(true);
        }
        self.clients.note(|| "the disk is full".to_owned());
        sleep(Duration::from_millis(full_ms)).await;
        for node in &self.nodes {
            node.set_full(false);
        }
        self.clients.note(|| "the disk has room".to_owned());
    }

    async fn heal(&mut self) {
        self.network.heal();
        for node in &mut self.nodes {
            node.heal();
            node.start_until_up(&self.clients).await;
        }
        self.clients.record(Event::Healed);
        // Nobody listens if no client was started.
        let _ = self.finish.send(true);
    }

    fn judge(self) -> Report {
        let mut panicked: Vec<Broken> =
            self.nodes.iter().filter_map(|node| node.panic().map(broker_panicked)).collect();
        let history = self.clients.take_history();
        let mut broken = checkers::check(&history);
        broken.append(&mut panicked);
        let is_acked = |event: &&Event| matches!(event, Event::Acked { .. });
        Report {
            seed: self.options.seed,
            broken,
            fingerprint: history.fingerprint(),
            acknowledged: history.events().filter(is_acked).count(),
            stops: self.stops,
        }
    }
}

fn broker_panicked(task: &'static str) -> Broken {
    Broken { promise: "no task of a broker panics", how: format!("task {task:?} did") }
}
