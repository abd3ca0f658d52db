//! The clients of a run: what they do, and what of it goes into the history.
//!
//! All of them obey one rule: after an answer that did not come, a client waits until whatever it
//! sent has landed or is lost, and only then asks again. Without it a late twin of a request could
//! undo what a later one did, in Kafka too, and no checker could tell that from a bug.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millrace_client::{ClientError, Connect, Router};
use millrace_types::{ErrorCode, TimestampMs};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::coverage::Coverage;
use crate::history::{Event, History, Place};
use crate::network::Network;
use crate::options::Options;

pub mod admin;
pub mod member;
pub mod producer;
pub mod verify;

/// The name of the group.
const GROUP: &str = "readers";
/// How long a client waits for an answer, in virtual time.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// What the wall clock shows when the world begins.
pub const WORLD_BEGINS: TimestampMs = TimestampMs::new(1_700_000_000_000);

/// What the clients of one run share. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Clients {
    network: Network,
    history: Arc<Mutex<History>>,
    coverage: Arc<Mutex<Coverage>>,
    options: Arc<Options>,
    start: Instant,
    finish: watch::Receiver<bool>,
    trace: bool,
}

/// Where the simulated network is reached; see [`Connect`].
#[derive(Clone, Debug)]
pub struct Wire(Network);

impl Connect for Wire {
    type Stream = DuplexStream;

    async fn connect(&self, address: &str) -> io::Result<DuplexStream> {
        self.0.connect(address).await
    }
}

impl Clients {
    /// Makes the context; `finish` turns true when clients are to come to an end.
    pub fn new(
        network: Network,
        options: Arc<Options>,
        finish: watch::Receiver<bool>,
        trace: bool,
    ) -> Clients {
        let (history, coverage) = (Arc::default(), Arc::default());
        Clients { network, history, coverage, options, start: Instant::now(), finish, trace }
    }

    /// A router to all brokers under a name.
    fn router(&self, name: &str) -> Router<Wire> {
        let bootstrap = (1..=self.options.brokers).map(address).collect();
        Router::new(Wire(self.network.clone()), name, bootstrap)
    }

    /// The wall clock of the clients.
    fn now(&self) -> TimestampMs {
        WORLD_BEGINS.plus_ms(i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Adds to the history.
    pub fn record(&self, event: Event) {
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.trace {
            trace(now_ms, &format!("{event:?}"));
        }
        self.history.lock().unwrap_or_else(PoisonError::into_inner).push(now_ms, event);
    }

    /// Says something in the trace that no checker looks at.
    pub fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
            trace(now_ms, &text());
        }
    }

    /// Counts something that happened.
    pub fn count(&self, what: &'static str, count: u64) {
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).add(what, count);
    }

    /// Takes out what was counted.
    pub fn take_coverage(&self) -> Coverage {
        std::mem::take(&mut *self.coverage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the history out.
    pub fn take_history(&self) -> History {
        std::mem::take(&mut *self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether clients are to come to an end.
    fn is_finishing(&self) -> bool {
        *self.finish.borrow()
    }

    /// Waits until what was sent without an answer has landed or is lost.
    async fn settle(&self) {
        let travel_ms = self.options.faults.latency_ms_max.saturating_mul(4);
        tokio::time::sleep(Duration::from_millis(travel_ms.saturating_add(200))).await;
    }

    /// The topics that producers write to.
    pub fn topics(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.options.topics).map(|number| format!("events-{number}"))
    }

    /// All partitions that producers write to.
    pub fn places(&self) -> Vec<Place> {
        let partitions = self.options.partitions;
        self.topics()
            .flat_map(|topic| {
                (0..partitions).map(move |partition| Place { topic: topic.clone(), partition })
            })
            .collect()
    }
}

fn trace(now_ms: u64, text: &str) {
    #[expect(clippy::print_stdout, reason = "the trace is what the replay is for")]
    {
        println!("{:>9.3}s  {text}", Duration::from_millis(now_ms).as_secs_f64());
    }
}

/// The address of a broker.
pub fn address(broker: u32) -> String {
    format!("broker-{broker}:9092")
}

/// What an attempt that failed tells its client.
#[derive(Debug)]
enum Failure {
    /// The request may have been executed, or not.
    Unknown,
    /// The broker refused it.
    Refused(ErrorCode),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        if let ClientError::Refused { code, .. } = error {
            Failure::Refused(code)
        } else {
            Failure::Unknown
        }
    }
}

/// Fails unless the code is that of success.
fn accepted(code: i16) -> Result<(), Failure> {
    let code = ErrorCode::from_wire(code).unwrap_or(ErrorCode::UnknownServerError);
    if code.is_none() { Ok(()) } else { Err(Failure::Refused(code)) }
}

/// Bounds an attempt: a client that hears nothing gives up the connection.
async fn within<T>(attempt: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(ANSWER_WAIT, attempt).await.unwrap_or(Err(Failure::Unknown))
}
