//! A bench for the coordinator: runs a script of one command a line and writes down what happened.
//!
//! ```text
//! join a session=10000      client `a` sends JoinGroup; `key=value` changes what it says
//! sync a assign=a:x,b:y     the leader's decision; without `assign` it only asks
//! heartbeat a · leave a b · commit a t-0=5 · fetch t-0 · wait 3000 · restart
//! ```
//! A client remembers the member id and generation that it was told and sends them next time.
//! Appends are durable at once, unless `hold` was said; `durable` lets them go.

mod client;
mod script;
mod show;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::Expect;
use millrace_core::group::{
    Coordinator, GroupConfig, GroupError, GroupRecord, Input, Output, Reply, Request, Ticket, Token,
};
use millrace_types::TimestampMs;

pub use client::Player;

/// A coordinator, its log and its clients.
pub struct Bench {
    pub coordinator: Coordinator,
    pub config: GroupConfig,
    pub now: TimestampMs,
    /// What is durable.
    pub log: Vec<GroupRecord>,
    /// What was handed out and is not durable.
    pub held: Vec<(Ticket, Vec<GroupRecord>)>,
    pub holds: bool,
    pub players: BTreeMap<String, Player>,
    /// Who waits for which answer.
    pub waiting: BTreeMap<Token, (String, Request)>,
    /// The answers with their requests, in order.
    pub replies: Vec<(Request, Reply)>,
    pub transcript: String,
    next_token: u64,
    next_random: u128,
}

/// Runs a script on an empty coordinator and compares what happened.
pub fn check(script: &str, wanted: &Expect) {
    wanted.assert_eq(&run(script).transcript);
}

/// Runs a script on an empty coordinator.
pub fn run(script: &str) -> Bench {
    let mut bench = Bench::new(GroupConfig::default());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        bench.line(line);
    }
    bench
}

impl Bench {
    pub fn new(config: GroupConfig) -> Bench {
        Bench {
            coordinator: Coordinator::new(config.clone()),
            config,
            now: TimestampMs::new(0),
            log: Vec::new(),
            held: Vec::new(),
            holds: false,
            players: BTreeMap::new(),
            waiting: BTreeMap::new(),
            replies: Vec::new(),
            transcript: String::new(),
            next_token: 0,
            next_random: 0,
        }
    }

    /// Runs one line of a script.
    pub fn line(&mut self, line: &str) {
        self.note(&format!("{} {line}", self.now.to_wire()));
        script::run(self, line);
    }

    /// Sends a request of a client and follows up on what the coordinator wants done.
    pub fn ask(&mut self, who: &str, request: Request) {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.waiting.insert(token, (who.to_owned(), request.clone()));
        let client = client::client(who);
        self.step(Input::Request { token, client, request });
    }

    /// Lets something happen.
    pub fn step(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.coordinator.step(self.now, input, &mut outputs);
        for output in outputs {
            match output {
                Output::Append { ticket, records } => {
                    assert!(!records.is_empty(), "an append of nothing");
                    for record in &records {
                        self.note(&format!("    log {}", show::record(record)));
                    }
                    self.held.push((ticket, records));
                }
                Output::Reply { token, reply } => {
                    let asked = self.waiting.remove(&token);
                    let (who, request) = asked.expect("one answer for each request");
                    self.note(&format!("    {who} < {}", show::reply(&reply)));
                    self.learn(&who, &reply);
                    self.replies.push((request, reply));
                }
                Output::Changed(change) => self.note(&format!("    * {change}")),
            }
        }
        if !self.holds {
            self.make_durable();
        }
    }

    /// Lets all appends become durable, in order.
    pub fn make_durable(&mut self) {
        while !self.held.is_empty() {
            let (ticket, records) = self.held.remove(0);
            self.log.extend(records);
            self.step(Input::Committed { ticket });
        }
    }

    /// Lets the time pass, with a tick whenever one is due.
    pub fn pass(&mut self, wait_ms: i64) {
        let end = self.now.plus_ms(wait_ms);
        while let Some(due) = self.coordinator.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let before = self.transcript.len();
            self.step(Input::Tick);
            if self.transcript.len() > before {
                self.transcript.insert_str(before, &format!("{} tick\n", self.now.to_wire()));
            }
        }
        self.now = end;
    }

    /// Throws the memory away and replays the log, through its bytes.
    pub fn restart(&mut self) {
        self.held.clear();
        self.waiting.clear();
        self.coordinator = self.replayed();
        self.step(Input::Loaded);
    }

    /// What the log says.
    pub fn replayed(&self) -> Coordinator {
        let mut coordinator = Coordinator::new(self.config.clone());
        for record in &self.log {
            let (key, value) = record.encode().expect("a record that can be written");
            let decoded = GroupRecord::decode(&key, value.as_deref()).expect("a record to read");
            assert_eq!(decoded.as_ref(), Some(record), "a record reads as it was written");
            coordinator.apply(record);
        }
        coordinator
    }

    /// Lets the append fail that is under way.
    pub fn fail(&mut self, error: GroupError) {
        self.held.clear();
        self.step(Input::AppendFailed { error });
    }

    /// Random bits that make member ids short in the transcript.
    pub fn random(&mut self) -> u128 {
        self.next_random += 1;
        self.next_random
    }

    fn note(&mut self, line: &str) {
        writeln!(self.transcript, "{}", show::shorten(line).trim_end()).expect("a string takes it");
    }
}
