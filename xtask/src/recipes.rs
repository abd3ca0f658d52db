//! The habits that only start what lives elsewhere.

use anyhow::Result;

use crate::step::{cargo, run};

/// Runs the benchmarks; all of them unless told which.
///
/// # Errors
/// cargo cannot be started.
pub fn bench(arguments: &[String]) -> Result<bool> {
    if let Some((first, rest)) = arguments.split_first()
        && first == "operator"
    {
        let mut command = cargo(&["bench", "-p", "millrace-operator", "--bench", "operator", "--"]);
        return run("bench", command.args(rest));
    }
    let mut command = cargo(&["run", "--release", "-p", "millrace-bench", "--"]);
    let flags_only = arguments.iter().all(|argument| argument.starts_with('-'));
    if flags_only {
        command.arg("all");
    }
    run("bench", command.args(arguments))
}

/// Runs one seed of the simulator.
///
/// # Errors
/// cargo cannot be started.
pub fn sim(seed: u64) -> Result<bool> {
    let mut command = cargo(&["run", "--release", "-q", "-p", "millrace-sim", "--", "replay"]);
    run("sim", command.arg(seed.to_string()))
}

/// Runs many seeds of the simulator.
///
/// # Errors
/// cargo cannot be started.
pub fn sim_many(count: u64, arguments: &[String]) -> Result<bool> {
    let mut command = cargo(&["run", "--release", "-q", "-p", "millrace-sim", "--", "many"]);
    run("sim-many", command.arg(count.to_string()).args(arguments))
}

/// Runs the fuzzer of the decoders.
///
/// # Errors
/// cargo cannot be started.
pub fn fuzz(inputs: u64, seed: u64) -> Result<bool> {
    let mut command = cargo(&["run", "--release", "-p", "millrace-wire", "--example", "fuzz"]);
    let (inputs, seed) = (inputs.to_string(), seed.to_string());
    run("fuzz", command.args(["--", "--inputs", &inputs, "--seed", &seed]))
}

/// Runs the soak test of `e2e`.
///
/// # Errors
/// cargo cannot be started.
pub fn soak(minutes: u64) -> Result<bool> {
    let mut command = cargo(&["run", "--release", "-p", "millrace-e2e", "--bin", "soak", "--"]);
    run("soak", command.args(["--minutes", &minutes.to_string()]))
}
