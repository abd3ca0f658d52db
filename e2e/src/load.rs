//! A steady load of several clients at once, while a test does harm to the broker.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::dump::Dump;
use crate::group::{Feeder, Member};

/// Partitions of each topic of a load; the broker must run with `num.partitions` set so.
pub const PARTITIONS: i32 = 3;
/// How long a client may take to get everything acknowledged after the last harm.
const SETTLE_MAX: Duration = Duration::from_secs(90);
/// Between two handfuls of values.
const TICK: Duration = Duration::from_millis(10);

/// One client that produces to a topic of its own, in order, idempotently.
pub struct Stream {
    /// Whose producer it is.
    pub client: Client,
    /// Its topic.
    pub topic: String,
    /// The producer.
    pub feeder: Feeder,
}

/// Several streams, and a member of a group that consumes the first one's topic.
pub struct Load {
    /// The address of the broker.
    pub bootstrap: String,
    /// The streams.
    pub streams: Vec<Stream>,
    /// Who consumes the topic of the first stream, if anyone does.
    pub member: Option<Member>,
    per_tick: usize,
}

impl Load {
    /// Starts a stream for each of the clients, `per_tick` values of `pad` bytes every 10 ms.
    ///
    /// # Errors
    /// A client's program cannot be started, or does not produce a first value.
    pub fn start(bootstrap: &str, clients: &[Client], per_tick: usize, pad: usize) -> Result<Load> {
        let mut streams = Vec::new();
        for client in clients {
            let topic = format!("load-{}", client.name());
            let pad = format!("pad={pad}");
            let mut feeder = Feeder::start(*client, bootstrap, &topic, &[&pad])?;
            feeder.send(0, "value-0")?;
            streams.push(Stream { client: *client, topic, feeder });
        }
        for stream in &mut streams {
            stream.feeder.settle(SETTLE_MAX).with_context(|| stream.topic.clone())?;
        }
        Ok(Load { bootstrap: bootstrap.to_owned(), streams, member: None, per_tick })
    }

    /// Lets a member of librdkafka's consume the first topic, in a group of the topic's name.
    ///
    /// # Errors
    /// The member cannot be started.
    pub fn consume(&mut self) -> Result<()> {
        let topic = &self.streams[0].topic;
        let options = ["session-ms=10000"];
        let client = Client::ConfluentKafka;
        self.member = Some(Member::join(client, &self.bootstrap, topic, topic, &options)?);
        Ok(())
    }

    /// Produces for a while.
    ///
    /// # Errors
    /// A client's program has ended.
    pub fn run(&mut self, time: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < time {
            for stream in &mut self.streams {
                for _ in 0..self.per_tick {
                    let number = stream.feeder.sent;
                    let partition = i32::try_from(number)? % PARTITIONS;
                    stream.feeder.send(partition, &format!("value-{number}"))?;
                }
                stream.feeder.pump(Duration::ZERO)?;
            }
            if let Some(member) = &mut self.member {
                member.pump(Duration::ZERO)?;
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// Waits until every value is acknowledged, reads all topics and checks them.
    ///
    /// # Errors
    /// A value got no answer or was given up; one that was acknowledged is not at its place; one is
    /// there twice, or out of order.
    pub fn check(&mut self) -> Result<()> {
        for stream in &mut self.streams {
            stream.feeder.settle(SETTLE_MAX).with_context(|| stream.topic.clone())?;
            let failed = &stream.feeder.failed;
            ensure!(failed.is_empty(), "{}: given up: {:?}", stream.topic, failed.first());
            let dump = Dump::read(&self.bootstrap, &stream.topic, PARTITIONS)?;
            dump.check(&stream.feeder.acked).with_context(|| stream.topic.clone())?;
            let (acked, there) = (stream.feeder.acked.len(), dump.records.len());
            ensure!(acked == there, "{}: {there} records, {acked} acknowledged", stream.topic);
        }
        Ok(())
    }

    /// Waits until the member has seen every acknowledged record of the first topic, then checks that
    /// a new member goes on from what it committed last.
    ///
    /// # Errors
    /// A record was never seen, or a committed offset went back.
    pub fn check_group(&mut self) -> Result<()> {
        let mut member = self.member.take().context("nobody consumes")?;
        let stream = &mut self.streams[0];
        let start = Instant::now();
        let seen_all = |member: &Member| {
            let seen: std::collections::BTreeSet<_> = member.records.iter().collect();
            stream.feeder.acked.iter().all(|record| seen.contains(record))
        };
        while !seen_all(&member) {
            ensure!(start.elapsed() < SETTLE_MAX, "{} records seen", member.records.len());
            member.pump(Duration::from_millis(100))?;
        }
        member.commit()?;
        let committed = member.committed.clone();
        member.kill()?;
        let mut next = Member::join(
            Client::ConfluentKafka,
            &self.bootstrap,
            &stream.topic,
            &stream.topic,
            &[],
        )?;
        let fresh = stream.feeder.sent;
        for partition in 0..PARTITIONS {
            stream.feeder.send(partition, &format!("value-{}", fresh + 1))?;
        }
        stream.feeder.settle(SETTLE_MAX)?;
        let start = Instant::now();
        while next.records.len() < usize::try_from(PARTITIONS)? {
            ensure!(start.elapsed() < SETTLE_MAX, "the next member saw {:?}", next.records);
            next.pump(Duration::from_millis(100))?;
        }
        for (partition, offset, value) in &next.records {
            let wanted = committed.get(partition).copied().unwrap_or(0);
            ensure!(
                *offset >= wanted,
                "{value} at {partition}:{offset} again, though {wanted} was committed"
            );
        }
        next.leave()
    }
}

/// A chance that a test tells, so that a run can be repeated: `MILLRACE_E2E_SEED`, else the time.
pub struct Chance(u64);

impl Chance {
    /// Takes the seed and says it.
    #[expect(clippy::print_stdout, reason = "the test's own output")]
    pub fn new() -> Chance {
        let given = std::env::var("MILLRACE_E2E_SEED").ok().and_then(|text| text.parse().ok());
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = given.unwrap_or_else(|| time.map_or(1, |time| u64::from(time.subsec_nanos())));
        println!("MILLRACE_E2E_SEED={seed}");
        Chance(seed)
    }

    /// A number from `low` to below `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (mixed ^ (mixed >> 31)) % (high - low)
    }
}

impl Default for Chance {
    fn default() -> Chance {
        Chance::new()
    }
}

/// The clients whose producers the fault tests use, as far as their toolchains are here.
pub fn producers() -> Vec<Client> {
    let all = [Client::ConfluentKafka, Client::FranzGo, Client::Java];
    all.into_iter().filter(|client| client.toolchain().probe().is_ok()).collect()
}
