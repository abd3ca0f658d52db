//! One run from its first to its last virtual millisecond.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::checkers::{self, Broken};
use crate::coverage::{self, Coverage};
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
    /// What happened.
    pub coverage: Coverage,
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
        self.wait_until_ready().await;
        // What was kept must also be found again by the next process.
        for node in &mut self.nodes {
            node.stop(Stop::Clean, &self.clients).await;
            node.start_until_up(&self.clients).await;
        }
        if timeout(HEALING_MAX, verify::run(self.clients.clone())).await.is_err() {
            self.clients.record(Event::Stuck { what: "the verifier gets no answer".to_owned() });
        }
        for node in &mut self.nodes {
            node.count(&self.clients);
            node.stop(Stop::Kill, &self.clients).await;
        }
        self.judge()
    }

    /// Nobody has to ask a broker for anything: it gets over the faults by itself.
    async fn wait_until_ready(&mut self) {
        for node in &self.nodes {
            let ready = async {
                while !node.unready().is_empty() {
                    sleep(Duration::from_millis(100)).await;
                }
            };
            if timeout(HEALING_MAX, ready).await.is_err() {
                let what = format!("a broker does not get ready: {}", node.unready().trim_end());
                self.clients.record(Event::Stuck { what });
            }
        }
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
        let end = Instant::now() + Duration::from_millis(self.options.work_ms);
        let mut due = self.first_faults();
        loop {
            // What ends a fault or brings a broker back comes before what breaks more.
            let next = due.iter().map(|(fault, at)| (*at, *fault)).min();
            let Some((at, fault)) = next.filter(|(at, _)| *at < end) else {
                tokio::time::sleep_until(end).await;
                return;
            };
            tokio::time::sleep_until(at).await;
            due.remove(&fault);
            due.extend(self.strike(fault).await);
        }
    }

    fn first_faults(&mut self) -> BTreeMap<Fault, Instant> {
        let faults = self.options.faults.clone();
        let mut due = BTreeMap::new();
        due.extend(self.next(faults.crash_every_ms).map(|at| (Fault::Crash, at)));
        due.extend(self.next(faults.cut_every_ms).map(|at| (Fault::Cut, at)));
        if faults.disk_full {
            due.insert(Fault::DiskFull, self.within(self.options.work_ms));
        }
        if faults.disk_error_one_in.is_some() {
            due.insert(Fault::DiskErrors, self.within(self.options.work_ms));
        }
        due
    }

    /// Lets a fault happen; returns what follows from it.
    async fn strike(&mut self, fault: Fault) -> Vec<(Fault, Instant)> {
        let faults = self.options.faults.clone();
        let again = |at: Option<Instant>| at.map(|at| (fault, at)).into_iter().collect();
        match fault {
            Fault::Crash => {
                self.crash().await;
                let next: Vec<_> = again(self.next(faults.crash_every_ms));
                let restart = (Fault::Restart, Instant::now() + RESTART_WAIT);
                next.into_iter().chain([restart]).collect()
            }
            Fault::Restart => {
                let mut is_down = false;
                for node in self.nodes.iter_mut().filter(|node| !node.is_running()) {
                    is_down |= node.try_start(&self.clients).await.is_err();
                }
                again(is_down.then(|| Instant::now() + RESTART_WAIT))
            }
            Fault::Cut => {
                self.clients.note(|| "a connection breaks".to_owned());
                self.clients.count(coverage::CONNECTION_CUT, 1);
                self.network.cut_one();
                again(self.next(faults.cut_every_ms))
            }
            Fault::DiskFull => {
                self.clients.note(|| "the disk is full".to_owned());
                self.clients.count(coverage::DISK_FULL, 1);
                self.nodes.iter().for_each(|node| node.set_full(true));
                vec![(Fault::DiskRoom, self.within(5_000))]
            }
            Fault::DiskRoom => {
                self.clients.note(|| "the disk has room".to_owned());
                self.nodes.iter().for_each(|node| node.set_full(false));
                Vec::new()
            }
            Fault::DiskErrors => {
                self.clients.note(|| "the disk begins to fail".to_owned());
                let one_in = faults.disk_error_one_in;
                self.nodes.iter().for_each(|node| node.set_error_one_in(one_in));
                vec![(Fault::DiskCalm, self.within(5_000))]
            }
            Fault::DiskCalm => {
                self.clients.note(|| "the disk fails no more".to_owned());
                self.nodes.iter().for_each(|node| node.set_error_one_in(None));
                vec![(Fault::DiskErrors, self.within(10_000))]
            }
        }
    }

    fn next(&mut self, every_ms: Option<u64>) -> Option<Instant> {
        every_ms.map(|every_ms| self.within(every_ms.saturating_mul(2)))
    }

    fn within(&mut self, ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(self.rng.random_range(1..=ms))
    }

    /// Stops a broker in one of the ways it can be stopped, and starts it again after a while, if
    /// its disk lets it.
    async fn crash(&mut self) {
        let chosen = self.rng.random_range(0..self.nodes.len());
        let power = self.options.faults.power_cuts && self.rng.random_bool(0.7);
        // Only a large batch can be left with a hole in it, and only in the midst of its write.
        let has_large_batches = self.options.padding_bytes > 0;
        let stop = match self.rng.random_range(0..10) {
            0..2 => Stop::Clean,
            at if power && (at < 5 || has_large_batches) => {
                Stop::PowerCutInWrite { changes: self.rng.random_range(1..40) }
            }
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
        // If it cannot, it is tried again.
        let _ = node.try_start(&self.clients).await;
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
        let mut coverage = self.clients.take_coverage();
        let mut broken = checkers::check(&history, &mut coverage);
        broken.append(&mut panicked);
        let is_acked = |event: &&Event| matches!(event, Event::Acked { .. });
        Report {
            seed: self.options.seed,
            broken,
            fingerprint: history.fingerprint(),
            acknowledged: history.events().filter(is_acked).count(),
            stops: self.stops,
            coverage,
        }
    }
}

/// What may happen next. In this order where several are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    DiskRoom,
    DiskCalm,
    Restart,
    Crash,
    Cut,
    DiskFull,
    DiskErrors,
}

/// How long a broker rests that could not start.
const RESTART_WAIT: Duration = Duration::from_millis(500);

fn broker_panicked(task: &'static str) -> Broken {
    Broken { promise: "no task of a broker panics", how: format!("task {task:?} did") }
}
