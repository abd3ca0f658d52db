//! `millrace-sim replay SEED` and `millrace-sim many N`: see [`millrace_sim`].

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use clap::Parser;
use millrace_sim::coverage::Coverage;
use millrace_sim::options::Options;
use millrace_sim::world::{self, Report};

/// Runs the broker in a world that fails, from a seed.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Runs one seed and prints what happens.
    Replay {
        /// The seed.
        seed: u64,
    },
    /// Runs many seeds and prints those that break a promise.
    Many {
        /// How many.
        count: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Ends at the first seed that breaks a promise.
        #[arg(long)]
        until_broken: bool,
    },
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Replay { seed } => replay(seed),
        Command::Many { count, from, until_broken } => many(count, from, until_broken),
    }
}

#[expect(clippy::print_stdout, reason = "the output is what the command is for")]
fn replay(seed: u64) -> ExitCode {
    let options = Options::from_seed(seed);
    println!("{options:#?}");
    let report = world::run(&options, true);
    print!("{}", report.coverage);
    println!(
        "fingerprint {:016x}, {} batches acknowledged",
        report.fingerprint, report.acknowledged
    );
    tell(&report);
    exit_code(report.broken.is_empty())
}

#[expect(clippy::print_stdout, reason = "the output is what the command is for")]
fn many(count: u64, from: u64, until_broken: bool) -> ExitCode {
    let start = Instant::now();
    let next = AtomicU64::new(from);
    let end = from.saturating_add(count);
    let broken = AtomicU64::new(0);
    let acknowledged = AtomicU64::new(0);
    let stops = AtomicU64::new(0);
    let coverage = Mutex::new(Coverage::default());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = until_broken && broken.load(Ordering::Relaxed) > 0;
                    if seed >= end || enough {
                        return;
                    }
                    let report = world::run(&Options::from_seed(seed), false);
                    acknowledged.fetch_add(report.acknowledged as u64, Ordering::Relaxed);
                    stops.fetch_add(u64::from(report.stops), Ordering::Relaxed);
                    lock(&coverage).merge(&report.coverage);
                    if !report.broken.is_empty() {
                        broken.fetch_add(1, Ordering::Relaxed);
                        tell(&report);
                    }
                }
            });
        }
    });
    let ran = next.into_inner().min(end).saturating_sub(from);
    let broken = broken.into_inner();
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = ran as f64 / seconds;
    println!(
        "{ran} runs, {broken} broken, {} batches acknowledged, {} stops, {seconds:.1} s, {rate:.1} runs/s",
        acknowledged.into_inner(),
        stops.into_inner(),
    );
    let coverage = lock(&coverage).clone();
    print!("{coverage}");
    let missing = if ran < COVERING_RUNS { Vec::new() } else { coverage.missing() };
    for what in &missing {
        println!("NEVER in {ran} runs: {what}");
    }
    exit_code(broken == 0 && missing.is_empty())
}

/// In so many runs all happens that is expected to happen at all.
const COVERING_RUNS: u64 = 300;

fn lock(coverage: &Mutex<Coverage>) -> MutexGuard<'_, Coverage> {
    coverage.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::print_stdout, reason = "the output is what the command is for")]
fn tell(report: &Report) {
    for broken in &report.broken {
        println!("seed {}: BROKEN: {}: {}", report.seed, broken.promise, broken.how);
    }
}

fn exit_code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
