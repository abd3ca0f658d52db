//! The binary `millrace-broker`: everything is in the library.

use clap::Parser;
use millrace_server::cli::{Cli, Command};
use millrace_server::{process, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    telemetry::start(cli.log_format, &cli.log)?;
    match cli.command {
        Command::Start(args) => process::run(process::start(args)),
    }
}
