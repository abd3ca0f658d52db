//! `cargo xtask`: every habit of the project as a command.
//!
//! The commands are thin: what they run lives in the crates. `test` is the second command of README,
//! `ci` is what `.ci/run` runs.

mod ci;
mod compat;
mod crds;
mod e2e;
mod image;
mod mutants;
mod recipes;
mod step;
mod supply;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Every habit of the project as a command.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Habit {
    /// Runs all tests, those with foreign clients too; fetches what they need.
    Test {
        /// Leaves none out: makes container engine and node image first where there are none, and fails
        /// if a test cannot run here.
        #[arg(long)]
        all: bool,
    },
    /// Runs the tests on Kubernetes: on a kind cluster made for it, or on that of KUBECONFIG.
    E2e(e2e::Options),
    /// Runs what CI runs: format, lints, licences, docs, tests, generated files.
    Ci,
    /// Fetches what the tests need and says where it is.
    Fetch,
    /// Checks licences, second versions and sources of all dependencies.
    Deny,
    /// Writes the generated parts of docs/compat.md: the APIs, and the client matrix of the last
    /// `cargo xtask test`.
    Compat,
    /// Builds the images of broker and operator without Docker, into target/images.
    Image,
    /// Writes the definitions of the Kubernetes resources, `crds/*.yaml`, from their types.
    Crds,
    /// Measures Millrace beside Apache Kafka and bare loops, or the operator on an API server in
    /// memory.
    Bench {
        /// `produce`, `fetch`, `latency`, `life`, `hardware`, `all` or `operator`, and flags such
        /// as `--write`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs one seed of the simulator and prints what happens.
    Sim {
        /// The seed.
        seed: u64,
    },
    /// Runs many seeds of the simulator and prints those that break a promise.
    SimMany {
        /// How many.
        count: u64,
        /// Further flags for the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Breaks rules of the broker on purpose, one at a time, and lets the simulator find each.
    Mutants {
        /// Only those whose rule contains this.
        #[arg(default_value = "")]
        filter: String,
    },
    /// Feeds broken messages to every decoder.
    Fuzz {
        /// How many.
        #[arg(long, default_value_t = 100_000_000)]
        inputs: u64,
        /// Where the chance starts.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Lets many clients come and go and watches memory and file descriptors.
    Soak {
        /// How long.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
}

fn main() -> ExitCode {
    let outcome = match Habit::parse() {
        Habit::Test { all } => test::run(all),
        Habit::E2e(options) => e2e::run(&options),
        Habit::Ci => ci::run(),
        Habit::Fetch => test::fetch().map(|_| true),
        Habit::Deny => told(supply::check()),
        Habit::Compat => told(compat::write()),
        Habit::Image => image::build().map(|_| true),
        Habit::Crds => told(crds::write()),
        Habit::Bench { arguments } => recipes::bench(&arguments),
        Habit::Sim { seed } => recipes::sim(seed),
        Habit::SimMany { count, arguments } => recipes::sim_many(count, &arguments),
        Habit::Mutants { filter } => mutants::run(&filter),
        Habit::Fuzz { inputs, seed } => recipes::fuzz(inputs, seed),
        Habit::Soak { minutes } => recipes::soak(minutes),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            step::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn told(outcome: Result<String>) -> Result<bool> {
    step::say(&outcome?);
    Ok(true)
}
