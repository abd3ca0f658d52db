//! An operator of the test: the production one, until it is stopped or crashes.

use std::sync::Arc;
use std::time::Duration;

use kube::client::ClientBuilder;
use millrace_apiserver::{Faults, Rates};
use millrace_operator::api::limited;
use millrace_operator::clock::Clock;
use millrace_operator::context::{Context, Options, Turns};
use millrace_operator::metrics::Metrics;
use millrace_operator::work::operate;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::network::{Crash, Dial};
use super::world::{BEGINS_MS, World};

/// How an operator may go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Harm {
    /// Decides what chance will bring.
    pub seed: u64,
    /// Chances of faults of the API.
    pub rates: Rates,
    /// The chance that a message between operator and broker is lost, with its connection.
    pub loss: f64,
    /// Dies at this write to the API.
    pub api_crash: Option<Crash>,
    /// Dies at this write to a broker.
    pub broker_crash: Option<Crash>,
}

/// A running operator.
pub struct Operator {
    /// What happens between it and the API, and its writes.
    pub faults: Faults,
    /// What happens between it and the brokers, and its writes.
    pub dial: Dial,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Operator {
    /// Starts one without faults.
    pub fn start(world: &World) -> Operator {
        Operator::start_with(world, Harm::default(), Options::default())
    }

    /// Starts one that may go wrong.
    pub fn start_with(world: &World, harm: Harm, options: Options) -> Operator {
        let faults = Faults::new(harm.seed);
        faults.set_rates(harm.rates);
        match harm.api_crash {
            Some(Crash { at_write, is_after: false }) => faults.crash_before_write(at_write),
            Some(Crash { at_write, is_after: true }) => faults.crash_after_write(at_write),
            None => {}
        }
        let dial = world.network.dial(&faults, harm.broker_crash, harm.seed, harm.loss);
        let metrics = Arc::new(Metrics::default());
        let service = world.server.service(&faults, "millrace-operator");
        let context = Arc::new(Context {
            client: limited(ClientBuilder::new(service, "default")),
            connect: dial.clone(),
            clock: world_clock(world.origin),
            options,
            metrics: Arc::clone(&metrics),
            turns: Turns::default(),
        });
        let stop = CancellationToken::new();
        let (crashed, token) = (faults.clone(), stop.clone());
        let task = tokio::spawn(async move {
            tokio::select! { biased;
                () = crashed.crashed() => {}
                outcome = operate(context, token) => outcome.expect("no task panics"),
            }
        });
        Operator { faults, dial, metrics, stop, task }
    }

    /// Waits until it has crashed and nothing of it runs any more.
    pub async fn has_ended(&mut self) {
        (&mut self.task).await.expect("the operator's task");
        // Tasks that were dropped end when the runtime comes to them.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Stops it in order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.has_ended().await;
    }

    /// How many writes it made, to the API and to brokers.
    pub fn writes(&self) -> (usize, usize) {
        (self.faults.writes().len(), self.dial.writes().len())
    }

    /// How often it has looked at a cluster and what it consists of.
    pub fn looks(&self) -> usize {
        let text = self.metrics.text();
        let lines = text.lines().filter(|line| line.contains("reconciles_total{of=\"cluster\""));
        let counts = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
        counts.sum()
    }

    /// Ends all faults by chance.
    pub fn heal(&self) {
        self.faults.set_rates(Rates::default());
        self.dial.heal();
    }
}

/// The wall clock of the world, as an operator that starts now reads it.
fn world_clock(origin: Instant) -> Clock {
    let since = i64::try_from(origin.elapsed().as_millis()).expect("a short test");
    Clock::starting_at(BEGINS_MS + since)
}
