//! The soak: a steady load, groups of every client that come and go, topics made and deleted; and a
//! broker whose memory and file descriptors must stay flat.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::broker::Broker;
use crate::client::Client;
use crate::group::Feeder;
use crate::load::Chance;
use crate::scenario::{self, PARTITIONS, Place};

/// How many scenarios play at the same time.
const AT_ONCE: usize = 3;
/// Between two looks at the broker.
const SAMPLE: Duration = Duration::from_secs(5);
/// Between two records of the steady load.
const TICK: Duration = Duration::from_millis(10);
/// Memory may grow so much from the second quarter of the run to the last one.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// File descriptors in the quietest moment may grow so much: the files of group partitions that are
/// written for the first time, but not the thousands that a leak of connections leaves.
const GROWTH_FILES_MAX: usize = 64;

/// Keeps the data small, so that retention and deletion are part of what soaks.
const PROPERTIES: [(&str, &str); 5] = [
    ("log.retention.bytes", "16777216"),
    ("log.segment.bytes", "4194304"),
    ("log.retention.check.interval.ms", "5000"),
    ("log.segment.delete.delay.ms", "5000"),
    ("log.cleaner.backoff.ms", "5000"),
];

/// What the broker uses at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    rss_kib: u64,
    files: usize,
    threads: usize,
}

/// What the threads of a run share.
struct Run {
    bootstrap: String,
    over: AtomicBool,
    played: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// Runs for `time` and says what it saw.
///
/// # Errors
/// A promise of a scenario was broken, a record of the steady load was not taken, or the broker's
/// memory or files grew.
pub fn run(time: Duration) -> Result<()> {
    let partitions = PARTITIONS.to_string();
    let mut properties = vec![("num.partitions", partitions.as_str())];
    properties.extend(PROPERTIES);
    let mut broker = Broker::start_with(&properties)?;
    let run = Run {
        bootstrap: broker.bootstrap(),
        over: AtomicBool::new(false),
        played: AtomicUsize::new(0),
        failures: Mutex::new(Vec::new()),
    };
    let start = Instant::now();
    let samples = thread::scope(|scope| -> Result<Vec<Sample>> {
        let load = scope.spawn(|| steady_load(&run));
        for number in 0..AT_ONCE {
            let run = &run;
            scope.spawn(move || play(run, number));
        }
        let samples = watch(&broker, &run, start, time);
        run.over.store(true, Ordering::Relaxed);
        let Ok(loaded) = load.join() else { bail!("the steady load panicked") };
        say(&format!("steady load: {} records acknowledged", loaded?));
        samples
    })?;
    ensure!(broker.ended()?.is_none(), "the broker ended:\n{}", broker.output_tail());
    report(&broker, &run, &samples)
}

/// Looks at the broker until the time is over.
fn watch(broker: &Broker, run: &Run, start: Instant, time: Duration) -> Result<Vec<Sample>> {
    let id = broker.id().context("the broker is not running")?;
    let mut samples = Vec::new();
    while start.elapsed() < time {
        thread::sleep(SAMPLE.min(time.saturating_sub(start.elapsed())));
        let sample = look(id).context("the broker is gone")?;
        samples.push(sample);
        if samples.len() % 12 == 1 {
            say(&format!(
                "{:5.1} min: {} scenarios, {sample:?}",
                start.elapsed().as_secs_f64() / 60.0,
                run.played.load(Ordering::Relaxed)
            ));
        }
    }
    Ok(samples)
}

fn look(id: u32) -> Result<Sample> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let number = |key: &str| -> Result<u64> {
        let line = status.lines().find(|line| line.starts_with(key)).context("no such line")?;
        Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
    };
    Ok(Sample {
        rss_kib: number("VmRSS:")?,
        files: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
        threads: usize::try_from(number("Threads:")?)?,
    })
}

/// Two producers that never stop, on topics that retention keeps small.
fn steady_load(run: &Run) -> Result<usize> {
    let clients = [Client::ConfluentKafka, Client::FranzGo];
    let mut feeders = Vec::new();
    for client in clients.into_iter().filter(|client| client.toolchain().probe().is_ok()) {
        let topic = format!("steady-{}", client.name());
        feeders.push(Feeder::start(client, &run.bootstrap, &topic, &["pad=2000"])?);
    }
    while !run.over.load(Ordering::Relaxed) {
        for feeder in &mut feeders {
            let partition = i32::try_from(feeder.sent)? % PARTITIONS;
            feeder.send(partition, &format!("value-{}", feeder.sent))?;
            feeder.pump(Duration::ZERO)?;
        }
        thread::sleep(TICK);
    }
    let mut acked = 0;
    for feeder in &mut feeders {
        feeder.settle(Duration::from_secs(60))?;
        ensure!(feeder.failed.is_empty(), "given up: {:?}", feeder.failed.first());
        acked += feeder.acked.len();
    }
    Ok(acked)
}

/// Plays one scenario after the other, each with a client drawn by chance, and clears up behind it.
fn play(run: &Run, number: usize) {
    let mut chance = Chance::new();
    let here: Vec<Client> =
        Client::ALL.into_iter().filter(|client| client.toolchain().probe().is_ok()).collect();
    let mut round = 0;
    while !run.over.load(Ordering::Relaxed) {
        let (Some(client), Some((feature, scenario))) =
            (draw(&mut chance, &here), draw(&mut chance, &scenario::ALL))
        else {
            return;
        };
        if !client.has(feature) {
            continue;
        }
        round += 1;
        let suffix = format!("-{number}-{round}");
        let place = Place { bootstrap: &run.bootstrap, suffix: &suffix };
        let topic = scenario::topic(client, feature, place);
        let outcome = scenario(client, place).and_then(|()| clear(run, &topic));
        run.played.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = outcome {
            let text = format!("{topic}: {error:#}");
            say(&text);
            if let Ok(mut failures) = run.failures.lock() {
                failures.push(text);
            }
        }
    }
}

fn draw<T: Copy>(chance: &mut Chance, all: &[T]) -> Option<T> {
    let at = chance.between(0, u64::try_from(all.len()).ok()?.max(1));
    all.get(usize::try_from(at).ok()?).copied()
}

/// Deletes the topic and the group of a scenario; its last members may have crashed a moment ago.
fn clear(run: &Run, topic: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let drop = Client::ConfluentKafka.verb(topic, "drop", &[&run.bootstrap, topic])?;
        match drop.hear_all(Duration::from_secs(60)) {
            Ok(_) => return Ok(()),
            // A session of a crashed member lasts up to 12 s.
            Err(error) if start.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => thread::sleep(Duration::from_secs(2)),
        }
    }
}

/// Compares the quarters of the run, tells the broker's own complaints, and judges.
fn report(broker: &Broker, run: &Run, samples: &[Sample]) -> Result<()> {
    let quarter = samples.len() / 4;
    ensure!(quarter > 0, "{} samples are too few to compare", samples.len());
    say(
        "| quarter | RSS KiB, median | RSS KiB, most | files, least | files, most | threads, most |",
    );
    say("|---|---|---|---|---|---|");
    let mut quarters = Vec::new();
    for (at, some) in samples.chunks(quarter).take(4).enumerate() {
        let mut rss: Vec<u64> = some.iter().map(|sample| sample.rss_kib).collect();
        rss.sort_unstable();
        let files: Vec<usize> = some.iter().map(|sample| sample.files).collect();
        let (least, most) = (files.iter().min().copied(), files.iter().max().copied());
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(0));
        let threads = some.iter().map(|sample| sample.threads).max().unwrap_or(0);
        let (median, peak) = (rss[rss.len() / 2], rss[rss.len() - 1]);
        say(&format!("| {} | {median} | {peak} | {least} | {most} | {threads} |", at + 1));
        quarters.push((median, least));
    }
    complaints(broker);
    let played = run.played.load(Ordering::Relaxed);
    let failures = run.failures.lock().map(|failures| failures.clone()).unwrap_or_default();
    say(&format!("{played} scenarios played, {} failed", failures.len()));
    let (before, after) = (quarters[1], quarters[quarters.len() - 1]);
    ensure!(failures.is_empty(), "failed scenarios:\n{}", failures.join("\n"));
    ensure!(
        after.0 <= before.0 + GROWTH_KIB_MAX,
        "memory grew from {} to {} KiB",
        before.0,
        after.0
    );
    ensure!(
        after.1 <= before.1 + GROWTH_FILES_MAX,
        "open files grew from {} to {}",
        before.1,
        after.1
    );
    Ok(())
}

/// Counts the broker's warnings and errors by what they say, numbers aside.
fn complaints(broker: &Broker) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for line in broker.output().lines() {
        if let Some((_, said)) = line.split_once("WARN ").or_else(|| line.split_once("ERROR ")) {
            let kind: String = said.chars().filter(|c| !c.is_ascii_digit()).take(120).collect();
            *kinds.entry(kind).or_default() += 1;
        }
    }
    say(&format!("{} kinds of warnings and errors in the broker's log", kinds.len()));
    for (kind, count) in kinds {
        say(&format!("{count:6} times: {kind}"));
    }
}

#[expect(clippy::print_stdout, reason = "the output is what the command is for")]
fn say(line: &str) {
    println!("{line}");
}
