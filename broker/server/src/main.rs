//! The binary `millrace-broker`: everything is in the library.

use clap::Parser;
use millrace_server::cli::{Cli, Command};
use millrace_server::{dev, process, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let quiet = matches!(cli.command, Command::Dev(_));
    let log = cli.log.as_deref().unwrap_or(if quiet { "warn" } else { "info" });
    telemetry::start(cli.log_format, log)?;
    match cli.command {
        Command::Start(args) => process::run(process::start(args)),
        Command::Dev(args) => process::run(dev::run(args)),
    }
}
