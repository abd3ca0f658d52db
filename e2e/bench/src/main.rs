//! Benchmarks that compare within one run: Millrace and Apache Kafka in turn, on the same machine,
//! disk and clients, medians of alternating runs; and Millrace beside the bare hardware.
//!
//! `millrace-bench all --write` makes every table of `docs/benchmarks.md` again.

mod bare;
mod fetch;
mod figures;
mod latency;
mod life;
mod peer;
mod produce;
mod report;
mod server;
mod suite;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use suite::{Settings, Suite};

/// Measures Millrace beside Apache Kafka and beside the bare hardware.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// Runs of each point and maker; the median counts.
    #[arg(long, global = true, default_value_t = 3)]
    rounds: usize,
    /// Bytes of the values that are produced and fetched.
    #[arg(long, global = true, value_delimiter = ',', default_value = "100,1024,65536")]
    values: Vec<usize>,
    /// Leaves Apache Kafka out.
    #[arg(long, global = true)]
    alone: bool,
    /// Puts the tables into docs/benchmarks.md.
    #[arg(long, global = true)]
    write: bool,
    /// Where brokers keep their data; a temporary folder if not given.
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Throughput of produce.
    Produce,
    /// Throughput of fetch.
    Fetch,
    /// Latency at fixed rates.
    Latency,
    /// Start, restart, memory, partitions.
    Life,
    /// Millrace beside loops that do nothing else.
    Hardware,
    /// Everything.
    All,
    /// One of those loops; started by `hardware`.
    #[command(hide = true)]
    Bare {
        /// Which.
        which: bare::Loop,
        /// Where its file goes.
        dir: PathBuf,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let settings = Settings {
        rounds: args.rounds,
        values: args.values,
        is_alone: args.alone,
        writes: args.write,
    };
    // What one group has written is gone before the next begins.
    let suite = || Suite::new(settings.clone(), args.dir.as_deref());
    match args.what {
        What::Produce => suite()?.produce(),
        What::Fetch => suite()?.fetch(),
        What::Latency => suite()?.latency(),
        What::Life => suite()?.life(),
        What::Hardware => suite()?.hardware(),
        What::All => {
            suite()?.hardware()?;
            suite()?.produce()?;
            suite()?.fetch()?;
            suite()?.latency()?;
            suite()?.life()
        }
        What::Bare { which, dir } => bare::serve(which, &dir),
    }
}
