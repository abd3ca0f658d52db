//! What can go wrong between one client and the server: scripted, by chance, or a crash at a chosen
//! write. Each client has its own faults, so that a test's own client sees none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

use crate::request::{Request, Verb};
use crate::status::ApiError;

/// The faults of one client; clones share them.
#[derive(Clone, Debug)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    crashed: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    chance: ChaCha8Rng,
    rates: Rates,
    rules: Vec<Rule>,
    crash: Option<Crash>,
    writes: Vec<Write>,
}

#[derive(Clone, Copy, Debug)]
struct Crash {
    at_write: usize,
    is_after: bool,
}

/// Chances, from 0 (never) to 1 (always).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// A request is refused with 500, and not done.
    pub error: f64,
    /// A request never reaches the server.
    pub unreachable: f64,
    /// A request is done, and its answer lost.
    pub lost_answer: f64,
    /// A write is refused with 409 as if the object had changed in the meantime.
    pub conflict: f64,
    /// A watch leaves out an event and goes on: never on a real server, and so a test of resyncs.
    pub watch_drop: f64,
    /// A watch sends an event twice.
    pub watch_repeat: f64,
    /// A watch ends before an event.
    pub watch_cut: f64,
    /// A watch answers 410 instead of an event: the client must list again.
    pub watch_gone: f64,
    /// The longest that a request takes; each takes a random part of it.
    pub delay_max: Duration,
}

/// A fault for certain requests.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The verbs; all if empty.
    pub verbs: Vec<Verb>,
    /// The resource's name in URLs; all if empty.
    pub plural: String,
    /// The namespace; all if empty.
    pub namespace: String,
    /// The object; all if empty.
    pub name: String,
    /// Fitting requests that pass before the first fault.
    pub skip: usize,
    /// Faults until the rule is spent.
    pub times: usize,
    /// What happens.
    pub fault: Fault,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It is refused, and not done.
    Refuse(ApiError),
    /// It never reaches the server.
    Unreachable,
    /// It is done, and its answer lost.
    LoseAnswer,
    /// It is done after a while.
    Delay(Duration),
}

/// A write that this client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What was asked.
    pub verb: Verb,
    /// The resource's name in URLs.
    pub plural: String,
    /// The namespace; empty if it has none.
    pub namespace: String,
    /// The object; empty if the server was to name it.
    pub name: String,
    /// `status`, `scale`, or empty.
    pub subresource: String,
    /// Whether it changed anything in the store.
    pub has_changed: bool,
}

/// What is to become of one request.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
    /// The number of the write in the log, if it is one.
    pub(crate) write: Option<usize>,
}

/// What is to become of one watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFate {
    Send,
    Drop,
    Repeat,
    Cut,
    Gone,
}

impl Rule {
    /// A rule for one verb on one resource, for the next request.
    pub fn once(verb: Verb, plural: &str, fault: Fault) -> Rule {
        Rule {
            verbs: vec![verb],
            plural: plural.to_owned(),
            namespace: String::new(),
            name: String::new(),
            skip: 0,
            times: 1,
            fault,
        }
    }

    /// The same rule after some fitting requests have passed.
    pub fn after(self, skip: usize) -> Rule {
        Rule { skip, ..self }
    }

    /// The same rule for that many requests.
    pub fn times(self, times: usize) -> Rule {
        Rule { times, ..self }
    }

    fn fits(&self, request: &Request) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&request.verb))
            && (self.plural.is_empty() || self.plural == request.target.plural)
            && (self.namespace.is_empty() || self.namespace == request.target.namespace)
            && (self.name.is_empty() || self.name == request.target.name)
    }
}

impl Faults {
    /// No faults yet; the seed decides what chance will bring.
    pub fn new(seed: u64) -> Faults {
        let state = State {
            chance: ChaCha8Rng::seed_from_u64(seed),
            rates: Rates::default(),
            rules: Vec::new(),
            crash: None,
            writes: Vec::new(),
        };
        Faults { state: Arc::new(Mutex::new(state)), crashed: watch::Sender::new(false) }
    }

    /// Sets the chances.
    pub fn set_rates(&self, rates: Rates) {
        self.state().rates = rates;
    }

    /// Adds a rule; the first that fits decides.
    pub fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Crashes the client before its n-th write (counted from 1) reaches the server: that write and
    /// everything after fails, and its watches end.
    pub fn crash_before_write(&self, n: usize) {
        self.state().crash = Some(Crash { at_write: n, is_after: false });
    }

    /// Crashes the client after its n-th write (counted from 1) is done and before it hears of it.
    pub fn crash_after_write(&self, n: usize) {
        self.state().crash = Some(Crash { at_write: n, is_after: true });
    }

    /// Crashes the client now.
    pub fn crash(&self) {
        self.crashed.send_replace(true);
    }

    /// Whether the client has crashed.
    pub fn has_crashed(&self) -> bool {
        *self.crashed.borrow()
    }

    /// Waits until the client has crashed.
    pub async fn crashed(&self) {
        let mut crashed = self.crashed.subscribe();
        // The sender lives as long as `self`.
        let _ = crashed.wait_for(|has_crashed| *has_crashed).await;
    }

    /// The writes that reached the server or were on their way, in order; dry runs do not count.
    pub fn writes(&self) -> Vec<Write> {
        self.state().writes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about a request and notes it if it is a write.
    pub(crate) fn plan(&self, request: &Request) -> Plan {
        let mut state = self.state();
        let mut plan = Plan { delay: Duration::ZERO, fault: None, write: None };
        if self.has_crashed() {
            plan.fault = Some(Fault::Unreachable);
            return plan;
        }
        if request.verb.is_write() && !request.is_dry_run() {
            state.writes.push(write_of(request));
            let number = state.writes.len();
            plan.write = Some(number - 1);
            if state.crash.is_some_and(|crash| !crash.is_after && crash.at_write == number) {
                self.crashed.send_replace(true);
                plan.fault = Some(Fault::Unreachable);
                return plan;
            }
        }
        let rates = state.rates;
        plan.delay = rates.delay_max.mul_f64(state.chance.random::<f64>());
        plan.fault = state.by_rule(request).or_else(|| state.by_chance(request, rates));
        if let Some(Fault::Delay(delay)) = plan.fault {
            plan.delay += delay;
            plan.fault = None;
        }
        plan
    }

    /// Notes that a write is done; says whether the client crashed by it.
    pub(crate) fn done(&self, plan: &Plan, has_changed: bool) -> bool {
        let Some(write) = plan.write else { return false };
        let mut state = self.state();
        if let Some(write) = state.writes.get_mut(write) {
            write.has_changed = has_changed;
        }
        let is_last =
            state.crash.is_some_and(|crash| crash.is_after && crash.at_write == write + 1);
        if is_last {
            self.crashed.send_replace(true);
        }
        is_last
    }

    /// Decides about a watch event.
    pub(crate) fn event_fate(&self) -> EventFate {
        let mut state = self.state();
        let rates = state.rates;
        let all = [
            (rates.watch_drop, EventFate::Drop),
            (rates.watch_repeat, EventFate::Repeat),
            (rates.watch_cut, EventFate::Cut),
            (rates.watch_gone, EventFate::Gone),
        ];
        state.pick(&all).unwrap_or(EventFate::Send)
    }
}

impl State {
    fn by_rule(&mut self, request: &Request) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.times > 0 && rule.fits(request))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    fn by_chance(&mut self, request: &Request, rates: Rates) -> Option<Fault> {
        let error = ApiError::internal("etcdserver: request timed out");
        let target = &request.target;
        let conflict = ApiError::modified(&target.group, &target.plural, &target.name);
        let can_conflict = matches!(request.verb, Verb::Update | Verb::Patch);
        let all = [
            (rates.error, Fault::Refuse(error)),
            (rates.unreachable, Fault::Unreachable),
            (rates.lost_answer, Fault::LoseAnswer),
            (if can_conflict { rates.conflict } else { 0.0 }, Fault::Refuse(conflict)),
        ];
        self.pick(&all)
    }

    /// One of several things by their chances, or none. Draws once, whatever the chances, so that
    /// a chance of zero changes nothing else.
    fn pick<T: Clone>(&mut self, all: &[(f64, T)]) -> Option<T> {
        let mut drawn: f64 = self.chance.random();
        for (rate, thing) in all {
            if drawn < *rate {
                return Some(thing.clone());
            }
            drawn -= rate;
        }
        None
    }
}

fn write_of(request: &Request) -> Write {
    let target = &request.target;
    let named = crate::object::name(&request.body);
    Write {
        verb: request.verb,
        plural: target.plural.clone(),
        namespace: target.namespace.clone(),
        name: if target.name.is_empty() { named.to_owned() } else { target.name.clone() },
        subresource: target.subresource.clone(),
        has_changed: false,
    }
}
