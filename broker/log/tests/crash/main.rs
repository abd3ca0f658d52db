//! Random histories of a log on a disk that crashes at every single one of its changes.
//!
//! A history is run once to count the changes it makes on the disk. Then it is run anew for each of
//! them: the process dies in the midst of that change, and the next one finds what the disk kept:
//! all that was written, or (power cut) what was synced and of the rest what chance left. The log is
//! opened, at times dying again meanwhile, and held against what is known of it: what was flushed is
//! there, nothing is there that was not written, offsets ascend, and indexes, epochs, producers and
//! aborted transactions agree with the batches. Then it must be able to go on.
//!
//! `MILLRACE_LOG_SEEDS=1000 MILLRACE_LOG_STEPS=40 cargo test -p millrace-log --release --test crash`
//! tries more and longer histories, `MILLRACE_LOG_SEED=17` only one, with `MILLRACE_LOG_FAULT=146` only
//! that crash or error of it, and tells what it does.

#![expect(clippy::print_stdout, reason = "says which seed failed")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;
mod history;
mod making;
mod random;
mod scan;
mod telling;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use millrace_log::disk::Loss;

use history::{Op, config, drafts, history};
use random::Random;
use telling::number;
use world::{Stop, World};

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The process dies in the midst of this change.
    CrashAt(u64),
    /// This call fails.
    FailAt(u64),
}

/// As many as a debug build tries in a few seconds.
const SEEDS: u64 = 4;
/// How much is done in each.
const STEPS: u64 = 25;

fn seeds() -> Vec<u64> {
    match number("MILLRACE_LOG_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("MILLRACE_LOG_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Runs a history with one fault; returns the changes and calls that it made on the disk.
fn run(seed: u64, fault: Fault, loss: Loss) -> (u64, u64) {
    let mut random = Random(seed);
    let config = config(&mut random);
    let steps = number("MILLRACE_LOG_STEPS").unwrap_or(STEPS);
    let ops = history(&mut random, &config, steps);
    let mut world = World::new(seed ^ fault_seed(fault), config);
    match fault {
        Fault::Nothing => {}
        Fault::CrashAt(change) => world.disk.crash_at(world.disk.changes() + change),
        Fault::FailAt(operation) => world.disk.fail_at(world.disk.operations() + operation),
    }
    let before = (world.disk.changes(), world.disk.operations());
    let mut is_down = false;
    for op in &ops {
        let result = world.step(op);
        telling::step(&world, fault, &format!("{op:?}: {result:?}"));
        match result {
            Ok(()) | Err(Stop::Refused) => {}
            Err(Stop::Down) => {
                is_down = true;
                break;
            }
        }
    }
    let made = (world.disk.changes() - before.0, world.disk.operations() - before.1);
    if !is_down && fault == Fault::Nothing {
        checks_in_place(&mut world);
    }
    come_back(&mut world, &mut random, loss);
    telling::disk(&world, "opened again");
    checks::all(&mut world);
    go_on(&mut world, &mut random);
    made
}

/// The faults to try, of so many.
fn chosen(count: u64) -> Vec<u64> {
    let only = number("MILLRACE_LOG_FAULT");
    (1..=count).filter(|at| only.is_none_or(|only| only == *at)).collect()
}

/// Another seed for the disk in each run of a history.
fn fault_seed(fault: Fault) -> u64 {
    match fault {
        Fault::Nothing => 0,
        Fault::CrashAt(change) => change << 32,
        Fault::FailAt(operation) => operation << 33,
    }
}

/// A log in use keeps some index entries in memory: a clean stop writes them.
fn checks_in_place(world: &mut World) {
    world.step(&Op::Reopen).unwrap();
    checks::all(world);
}

/// Starts the process again, which may die while it recovers.
fn come_back(world: &mut World, random: &mut Random, loss: Loss) {
    world.crash(loss);
    for _ in 0..3 {
        if random.one_in(2) {
            world.disk.crash_at(world.disk.changes() + 1 + random.below(12));
        }
        telling::disk(world, "opening");
        match world.open() {
            Ok(()) if !world.disk.is_halted() => break,
            Ok(()) => panic!("opening went on after the process had died"),
            Err(_) if world.disk.is_halted() => {
                let loss = if random.one_in(2) { Loss::Nothing } else { Loss::Unsynced };
                world.crash(loss);
            }
            Err(error) => panic!("cannot open the log again: {error:?}"),
        }
    }
    if world.log.is_none() {
        world.open().unwrap();
    }
    // The crash that did not come is off.
    world.disk.crash_at(0);
    // What is known now is what the log says now.
    world.resume_sequences();
}

/// The log takes more, keeps it over a power cut, and stops cleanly.
fn go_on(world: &mut World, random: &mut Random) {
    adopt(world);
    let compacts = world.config.cleanup.compacts;
    let appended = [Op::Append(drafts(random, compacts)), Op::Append(drafts(random, compacts))];
    for op in appended.iter().chain([&Op::Flush, &Op::WriteCheckpoints]) {
        world.step(op).unwrap();
        telling::step(world, Fault::Nothing, &format!("then {op:?}"));
    }
    world.crash(Loss::Unsynced);
    world.open().unwrap();
    world.resume_sequences();
    checks::all(world);
    adopt(world);
    world.step(&Op::Append(drafts(random, compacts))).unwrap();
    world.step(&Op::Reopen).unwrap();
    checks::all(world);
}

/// Takes what the log holds after a crash for what it has to hold from now on.
fn adopt(world: &mut World) {
    let mut live = std::collections::BTreeMap::new();
    for segment in scan::segments(&world.disk, World::dir()) {
        for (_, stored) in scan::batches(&segment) {
            live.insert(stored.base, stored);
        }
    }
    world.model.live = live;
    let start = world.log().reader().start_offset().get();
    world.model.start = world.model.start.max(start);
}

fn each(seed: u64, run: impl Fn() -> (u64, u64), what: &str) -> (u64, u64) {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(made) => made,
        Err(panic) => {
            println!("seed {seed}, {what}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn a_log_survives_a_crash_at_every_change_of_its_disk() {
    let mut runs = 0;
    for seed in seeds() {
        let (changes, _) = each(seed, || run(seed, Fault::Nothing, Loss::Nothing), "no fault");
        for change in chosen(changes) {
            for loss in [Loss::Unsynced, Loss::Nothing] {
                let fault = Fault::CrashAt(change);
                each(seed, || run(seed, fault, loss), &format!("{fault:?} {loss:?}"));
                runs += 1;
            }
        }
    }
    println!("{runs} crashes");
}

#[test]
fn a_log_survives_an_error_at_every_call_of_its_disk() {
    let mut runs = 0;
    for seed in seeds() {
        let (_, calls) = each(seed, || run(seed, Fault::Nothing, Loss::Nothing), "no fault");
        for call in chosen(calls) {
            let fault = Fault::FailAt(call);
            each(seed, || run(seed, fault, Loss::Unsynced), &format!("{fault:?}"));
            runs += 1;
        }
    }
    println!("{runs} errors");
}
