//! What members of a group do to each other, and what must hold then; the same for every client.
//!
//! The topics have [`PARTITIONS`] partitions: the broker must run with `num.partitions` set so, for
//! the feeder's first record creates the topic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::process::Signal;

use crate::client::Client;
use crate::group::{Feeder, Member, settle, wait_until};

/// Partitions of the topics of all scenarios.
pub const PARTITIONS: i32 = 4;
/// How long a member's session lasts unless a scenario says otherwise: the programs' own default.
/// Long enough that members on a busy machine do not lose it by chance.
const SESSION: Duration = Duration::from_secs(6);
/// How long a feeder may take for its records.
const FED_MAX: Duration = Duration::from_secs(60);

/// Where a scenario plays.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The address of the broker.
    pub bootstrap: &'a str,
    /// What the name of the scenario's topic and group ends with, so that it can play again.
    pub suffix: &'a str,
}

/// A scenario: gives the reason why the promise does not hold.
pub type Scenario = fn(Client, Place<'_>) -> Result<()>;

/// The name of the topic and of the group of a scenario, `name` being that of the feature.
pub fn topic(client: Client, name: &str, place: Place<'_>) -> String {
    format!("{}-{name}{}", client.name(), place.suffix)
}

/// All scenarios, each with the feature that it proves; in the order of `feature::GROUP`.
pub const ALL: [(&str, Scenario); 8] = [
    ("group-join-leave", join_leave),
    ("group-idle", idle),
    ("group-crash", crash),
    ("group-stall", stall),
    ("group-static", static_member),
    ("group-static-double", static_double),
    ("group-cooperative", cooperative),
    ("group-restart", restart),
];

/// A topic with its group, for one client.
struct Stage<'a> {
    client: Client,
    bootstrap: &'a str,
    topic: String,
    feeder: Feeder,
}

impl<'a> Stage<'a> {
    fn new(client: Client, place: Place<'a>, name: &str) -> Result<Stage<'a>> {
        let (topic, bootstrap) = (topic(client, name, place), place.bootstrap);
        let mut feeder = Feeder::start(client, bootstrap, &topic, &[])?;
        // The first record creates the topic, so that members find all partitions.
        feeder.send(0, "value-0")?;
        feeder.settle(FED_MAX)?;
        Ok(Stage { client, bootstrap, topic, feeder })
    }

    fn join(&self, name: &str, options: &[&str]) -> Result<Member> {
        let name = format!("name={name}");
        let mut words = vec![name.as_str()];
        words.extend(options);
        Member::join(self.client, self.bootstrap, &self.topic, &self.topic, &words)
    }

    /// Hands over `count` values, spread over the partitions.
    fn feed(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let number = self.feeder.sent;
            let partition = i32::try_from(number)? % PARTITIONS;
            self.feeder.send(partition, &format!("value-{number}"))?;
        }
        Ok(())
    }

    /// Waits until all that was fed is acknowledged and some member has seen it; how often each.
    fn drain(&mut self, members: &mut [&mut Member]) -> Result<BTreeMap<String, usize>> {
        self.feeder.settle(FED_MAX)?;
        ensure!(self.feeder.failed.is_empty(), "not produced: {:?}", self.feeder.failed);
        let acked = &self.feeder.acked;
        wait_until(&format!("all {} records seen", acked.len()), members, |members| {
            let seen: BTreeSet<&str> = members
                .iter()
                .flat_map(|member| member.records.iter().map(|(_, _, value)| value.as_str()))
                .collect();
            acked.iter().all(|(_, _, value)| seen.contains(value.as_str()))
        })?;
        let places: BTreeSet<_> = acked.iter().collect();
        let mut times = BTreeMap::new();
        for record in members.iter().flat_map(|member| &member.records) {
            ensure!(places.contains(record), "consumed {record:?}, which nobody produced there");
            *times.entry(record.2.clone()).or_default() += 1;
        }
        for member in members {
            in_order(member)?;
        }
        Ok(times)
    }
}

/// A member sees the offsets of a partition without a gap, and goes back only by a new assignment.
fn in_order(member: &Member) -> Result<()> {
    let (mut next, mut backwards) = (BTreeMap::new(), 0);
    for (partition, offset, _) in &member.records {
        if let Some(wanted) = next.insert(*partition, offset + 1) {
            backwards += usize::from(*offset < wanted);
        }
    }
    let allowed = member.assignments * usize::try_from(PARTITIONS)?;
    ensure!(
        backwards <= allowed,
        "{} went back {backwards} times in {} assignments",
        member.name,
        member.assignments
    );
    Ok(())
}

fn join_leave(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-join-leave")?;
    stage.feed(100)?;
    let mut a = stage.join("a", &[])?;
    settle(&mut [&mut a], PARTITIONS, &[4])?;
    let mut b = stage.join("b", &[])?;
    stage.feed(100)?;
    settle(&mut [&mut a, &mut b], PARTITIONS, &[2, 2])?;
    let mut c = stage.join("c", &[])?;
    stage.feed(100)?;
    settle(&mut [&mut a, &mut b, &mut c], PARTITIONS, &[2, 1, 1])?;
    stage.feed(100)?;
    b.leave()?;
    settle(&mut [&mut a, &mut c], PARTITIONS, &[2, 2])?;
    a.leave()?;
    stage.feed(100)?;
    settle(&mut [&mut c], PARTITIONS, &[4])?;
    let times = stage.drain(&mut [&mut a, &mut b, &mut c])?;
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "seen more than once, though all left in order: {twice:?}");
    c.leave()
}

fn idle(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-idle")?;
    let mut members = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        members.push(stage.join(name, &[])?);
    }
    let mut all: Vec<&mut Member> = members.iter_mut().collect();
    settle(&mut all, PARTITIONS, &[1, 1, 1, 1, 0])?;
    let Some(at) = all.iter().position(|member| !member.owned.is_empty()) else {
        bail!("nobody owns anything");
    };
    all[at].leave()?;
    let gone = all.remove(at);
    settle(&mut all, PARTITIONS, &[1, 1, 1, 1])?;
    stage.feed(100)?;
    all.push(gone);
    stage.drain(&mut all).map(drop)
}

fn crash(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-crash")?;
    stage.feed(50)?;
    let mut a = stage.join("a", &[])?;
    let mut b = stage.join("b", &[])?;
    settle(&mut [&mut a, &mut b], PARTITIONS, &[2, 2])?;
    stage.feed(50)?;
    stage.drain(&mut [&mut a, &mut b])?;
    b.kill()?;
    let killed = Instant::now();
    stage.feed(50)?;
    settle(&mut [&mut a], PARTITIONS, &[4])?;
    let took = killed.elapsed();
    // Its last heartbeat may be as old as one interval, and the agreement must have held a while.
    let (least, most) = (SESSION / 2, SESSION * 3);
    ensure!(took >= least && took <= most, "moved after {took:?}, not {least:?} to {most:?}");
    stage.drain(&mut [&mut a, &mut b])?;
    a.leave()
}

fn stall(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-stall")?;
    stage.feed(50)?;
    let mut a = stage.join("a", &[])?;
    let mut b = stage.join("b", &[])?;
    settle(&mut [&mut a, &mut b], PARTITIONS, &[2, 2])?;
    stage.drain(&mut [&mut a, &mut b])?;
    a.program().signal(Signal::STOP)?;
    stage.feed(50)?;
    settle(&mut [&mut b], PARTITIONS, &[4])?;
    stage.drain(&mut [&mut a, &mut b])?;
    b.commit()?;
    ensure!(b.commit_failures.is_empty(), "b's commit: {:?}", b.commit_failures);
    let reached = b.committed.clone();
    // The frozen member wakes with a commit of its old place on its tongue.
    a.program().say("commit")?;
    a.program().signal(Signal::CONT)?;
    settle(&mut [&mut a, &mut b], PARTITIONS, &[2, 2])?;
    stage.feed(50)?;
    stage.drain(&mut [&mut a, &mut b])?;
    a.kill()?;
    b.kill()?;
    let mut c = stage.join("c", &[])?;
    settle(&mut [&mut c], PARTITIONS, &[4])?;
    stage.feed(4)?;
    stage.feeder.settle(FED_MAX)?;
    let ends: BTreeSet<_> = stage.feeder.acked.iter().rev().take(4).cloned().collect();
    wait_until("the last records", &mut [&mut c], |members| {
        ends.iter().all(|end| members[0].records.contains(end))
    })?;
    for (partition, offset, _) in &c.records {
        let committed = reached.get(partition).copied().unwrap_or(0);
        ensure!(*offset >= committed, "{partition}:{offset} again, {committed} was committed");
    }
    c.leave()
}

fn static_member(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-static")?;
    let session = "session-ms=20000";
    let mut a = stage.join("a", &["instance=one", session])?;
    let mut b = stage.join("b", &["instance=two", session])?;
    settle(&mut [&mut a, &mut b], PARTITIONS, &[2, 2])?;
    stage.feed(50)?;
    stage.drain(&mut [&mut a, &mut b])?;
    let (owned, assignments, revocations) = (b.owned.clone(), a.assignments, a.revocations.len());
    b.kill()?;
    let mut again = stage.join("b-again", &["instance=two", session])?;
    settle(&mut [&mut a, &mut again], PARTITIONS, &[2, 2])?;
    ensure!(again.owned == owned, "owned {owned:?} before, {:?} after", again.owned);
    stage.feed(50)?;
    stage.drain(&mut [&mut a, &mut b, &mut again])?;
    let disturbed = (a.assignments - assignments, a.revocations.len() - revocations);
    ensure!(disturbed == (0, 0), "a had {disturbed:?} new assignments and revocations");
    Ok(())
}

fn static_double(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-static-double")?;
    let session = "session-ms=20000";
    let mut a = stage.join("a", &["instance=one", session])?;
    let mut older = stage.join("b", &["instance=two", session])?;
    settle(&mut [&mut a, &mut older], PARTITIONS, &[2, 2])?;
    // So that the older one has something to commit.
    stage.feed(50)?;
    stage.drain(&mut [&mut a, &mut older])?;
    let owned = older.owned.clone();
    // The same instance a second time: the newer one wins, the older one is told.
    let mut newer = stage.join("b-double", &["instance=two", session])?;
    wait_until("the newer one in place", &mut [&mut newer, &mut a], |members| {
        members[0].owned == owned
    })?;
    // Some clients tell it when they next send a heartbeat, some only when asked to commit.
    older.program().say("commit")?;
    wait_until("the older one fenced", &mut [&mut newer, &mut older, &mut a], |members| {
        let told = members[1].errors.iter().chain(&members[1].commit_failures);
        told.map(|error| error.to_uppercase()).any(|error| error.contains("FENCED"))
    })?;
    older.kill()?;
    stage.feed(50)?;
    stage.drain(&mut [&mut a, &mut older, &mut newer])?;
    ensure!(newer.owned == owned, "owned {owned:?} before, {:?} after", newer.owned);
    Ok(())
}

fn cooperative(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-cooperative")?;
    let assignor = "assignor=cooperative-sticky";
    let mut a = stage.join("a", &[assignor])?;
    settle(&mut [&mut a], PARTITIONS, &[4])?;
    stage.feed(50)?;
    let mut b = stage.join("b", &[assignor])?;
    settle(&mut [&mut a, &mut b], PARTITIONS, &[2, 2])?;
    let revoked: Vec<_> = a.revocations.iter().filter(|set| !set.is_empty()).collect();
    ensure!(
        revoked.len() == 1 && *revoked[0] == b.owned,
        "a gave up {revoked:?}, b owns {:?}",
        b.owned
    );
    let mut c = stage.join("c", &[assignor])?;
    stage.feed(50)?;
    settle(&mut [&mut a, &mut b, &mut c], PARTITIONS, &[2, 1, 1])?;
    let gave: usize =
        [&a, &b].iter().map(|m| m.revocations.iter().map(BTreeSet::len).sum::<usize>()).sum();
    ensure!(gave == 3, "a and b gave up {gave} partitions in all, not 2 and then 1");
    let times = stage.drain(&mut [&mut a, &mut b, &mut c])?;
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "seen more than once: {twice:?}");
    a.leave()?;
    settle(&mut [&mut b, &mut c], PARTITIONS, &[2, 2])
}

fn restart(client: Client, place: Place<'_>) -> Result<()> {
    let mut stage = Stage::new(client, place, "group-restart")?;
    stage.feed(100)?;
    let mut a = stage.join("a", &[])?;
    stage.drain(&mut [&mut a])?;
    a.commit()?;
    ensure!(a.commit_failures.is_empty(), "commit: {:?}", a.commit_failures);
    let committed: i64 = a.committed.values().sum();
    ensure!(committed == 101, "committed {:?} of 101 records", a.committed);
    // Seen but not committed: to be seen again.
    stage.feed(50)?;
    stage.drain(&mut [&mut a])?;
    a.kill()?;
    stage.feed(50)?;
    let mut b = stage.join("b", &[])?;
    stage.drain(&mut [&mut a, &mut b])?;
    let mut seen: Vec<_> = b.records.clone();
    let mut wanted: Vec<_> = stage.feeder.acked[101..].to_vec();
    seen.sort();
    wanted.sort();
    ensure!(seen == wanted, "saw {} records, wanted the {} last", seen.len(), wanted.len());
    b.leave()
}
