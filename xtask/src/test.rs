//! `cargo xtask test`: all tests, what they need fetched first, one closing line.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use millrace_e2e::{broker, matrix};
use millrace_peers::toolchain::Toolchain;
use millrace_peers::{clients_dir, go, java, node, python};

use crate::step::{cargo, root, run as step, say};
use crate::{compat, e2e, recipes, step};

/// Seeds that the simulator runs besides those of its own tests.
const SIMULATED_WORLDS: u64 = 400;

/// What the runners counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    /// Adds the counts of a runner's closing line, `test result: ok. 3 passed; 0 failed; 1 ignored`.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        let mut before = "";
        for word in result.split_whitespace() {
            let count = before.parse().unwrap_or(0);
            match word.trim_end_matches(';') {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
            before = word;
        }
    }

    /// Whether a run with these is a success; where `all` was asked for, nothing may be left out.
    fn are_good(self, all: bool) -> bool {
        self.failed == 0 && (!all || self.skipped == 0)
    }
}

/// Runs everything; whether all of it passed.
///
/// Tests on Kubernetes run where an engine is at hand; `all` makes one first, and then nothing may be
/// left out: what was makes the run fail, with its name and reason.
///
/// # Errors
/// Something that the tests need cannot be fetched, or cargo cannot be run.
pub fn run(all: bool) -> Result<bool> {
    let start = Instant::now();
    // Begun first: where an engine has to be made, that takes longest.
    let engine = e2e::prepare(all);
    let fetching = thread::spawn(fetch);
    let broker =
        step("build the broker", &mut cargo(&["build", "--release", "-p", "millrace-server"]));
    let missing = fetching.join().map_err(|_| anyhow!("fetching panicked"))??;
    if !broker? {
        bail!("the broker does not build");
    }
    let notes = matrix::notes_dir()?;
    if notes.exists() {
        fs::remove_dir_all(&notes)?;
    }
    fs::create_dir_all(&notes)?;
    let left_out_file = notes.with_extension("left-out");
    fs::write(&left_out_file, "")?;

    let swarm = recipes::sim_many(SIMULATED_WORLDS, &[])?;
    let mut workspace = cargo(&["test", "--workspace", "--no-fail-fast"]);
    workspace.args(["--exclude", "millrace-e2e-cluster", "--exclude", "xtask"]);
    let mut tests =
        Tests { left_out_file: left_out_file.clone(), counts: Counts::default(), succeeded: true };
    tests.run("tests of the workspace", &mut workspace)?;
    tests.run_on_kubernetes(engine)?;
    // After the engine, which brings helm where there is none.
    tests.run("tests of the chart and the habits", &mut cargo(&["test", "-p", "xtask"]))?;
    let Tests { mut counts, succeeded, .. } = tests;
    if swarm {
        counts.passed += 1;
    } else {
        counts.failed += 1;
    }
    let left_out = fs::read_to_string(&left_out_file)?;
    let left_out: BTreeSet<&str> = left_out.lines().collect();
    counts.passed = counts.passed.saturating_sub(left_out.len());
    counts.skipped += left_out.len();
    if !succeeded && counts.failed == 0 {
        // A test program that died without a closing line.
        counts.failed = 1;
    }
    for line in &left_out {
        say(line);
    }
    if missing.is_empty() && broker::Target::from_env()? == broker::Target::Millrace {
        say(&compat::write_matrix()?);
    }
    let is_good = counts.are_good(all) && (!all || missing.is_empty());
    if counts.failed == 0 && !is_good {
        say("FAILED: with --all nothing may be left out, and what is named above was");
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    say(&format!("all tests took {minutes:.1} minutes"));
    say(&format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped));
    Ok(succeeded && is_good)
}

/// Runs of cargo, and what they add up to.
#[derive(Debug)]
struct Tests {
    left_out_file: PathBuf,
    counts: Counts,
    succeeded: bool,
}

impl Tests {
    fn run(&mut self, name: &str, command: &mut Command) -> Result<()> {
        say(&format!("== {name}"));
        let mut child = command
            .env("MILLRACE_LEFT_OUT", &self.left_out_file)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start cargo")?;
        let output = child.stdout.take().context("no output of cargo")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            self.counts.add(&line);
            // A passed test needs no line of its own; its runner's closing line counts it.
            let is_passed = line.starts_with("test ") && line.ends_with("... ok");
            if !is_passed && !line.is_empty() {
                say(&line);
            }
        }
        self.succeeded &= child.wait()?.success();
        Ok(())
    }

    /// Without an engine each of these tests says that it is left out, and how to add it.
    fn run_on_kubernetes(&mut self, engine: e2e::Prepared) -> Result<()> {
        match engine.wait() {
            Ok(Some(cluster)) => {
                self.run("tests on Kubernetes", &mut cluster.tests())?;
                self.run(e2e::FIDELITY, &mut cluster.fidelity())
            }
            Ok(None) => {
                let words = ["test", "-p", "millrace-e2e-cluster", "--no-fail-fast"];
                self.run("tests on Kubernetes", &mut cargo(&words))
            }
            Err(error) => {
                say(&format!("tests on Kubernetes: no cluster: {error:#}"));
                self.counts.failed += 1;
                self.succeeded = false;
                Ok(())
            }
        }
    }
}

/// Names the toolchains, fetches what the tests need of those that are here; gives the missing ones.
///
/// # Errors
/// A package client fails.
pub fn fetch() -> Result<Vec<Toolchain>> {
    let mut missing = Vec::new();
    for toolchain in Toolchain::ALL {
        match toolchain.probe() {
            Ok(()) => say(&format!("{}: here", toolchain.name())),
            Err(reason) => {
                let tests = toolchain.tests();
                say(&format!("{}: MISSING, {reason}; left out: {tests}", toolchain.name()));
                missing.push(toolchain);
            }
        }
    }
    let here: Vec<_> = Toolchain::ALL.into_iter().filter(|it| !missing.contains(it)).collect();
    let start = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let running: Vec<_> =
            here.iter().map(|toolchain| scope.spawn(|| fetch_for(*toolchain))).collect();
        for (toolchain, thread) in here.iter().zip(running) {
            let Ok(fetched) = thread.join() else { bail!("fetching panicked") };
            let path = fetched.with_context(|| format!("fetching for {}", toolchain.name()))?;
            say(&format!("{}: {}", toolchain.name(), path.display()));
        }
        Ok(())
    })?;
    say(&format!("fetched what the tests need in {:.1} s", start.elapsed().as_secs_f64()));
    Ok(missing)
}

fn fetch_for(toolchain: Toolchain) -> Result<PathBuf> {
    match toolchain {
        Toolchain::Python => python::interpreter(),
        Toolchain::Java => {
            java::compile(&clients_dir().join("java"))?;
            java::kafka_jars()
        }
        Toolchain::Node => node::modules(),
        Toolchain::Go => go::binary(),
    }
}

/// Whether the tree's generated files are as committed.
///
/// # Errors
/// git cannot be run.
pub fn generated_is_committed() -> Result<bool> {
    let mut git = std::process::Command::new("git");
    git.args(["diff", "--exit-code", "--", "docs/compat.md"]).current_dir(root());
    step::run("generated files as committed", &mut git)
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; finished",
            "test passed ... FAILED",
            "test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            counts.add(line);
        }
        assert_eq!(counts, Counts { passed: 5, failed: 4, skipped: 1 });
    }

    #[test]
    fn all_means_that_nothing_is_left_out() {
        let left_out = Counts { passed: 5, failed: 0, skipped: 1 };
        assert!(left_out.are_good(false) && !left_out.are_good(true));
        let whole = Counts { skipped: 0, ..left_out };
        assert!(whole.are_good(false) && whole.are_good(true));
        assert!(!Counts { failed: 1, ..whole }.are_good(false));
    }
}
