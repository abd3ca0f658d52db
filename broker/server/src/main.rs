//! The binary `millrace-broker`: everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use millrace_server::cli::{self, Cli, Command};
use millrace_server::{console, dev, process, telemetry, variables};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::prefer_small_pages();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line with its causes: what went wrong is in the words, not in a backtrace.
            #[expect(clippy::print_stderr, reason = "logs may not be set up")]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let is_server = matches!(cli.command, Command::Start(_) | Command::Check(_) | Command::Try(_));
    let log = cli.log.as_deref().unwrap_or(if is_server { "info" } else { "warn" });
    telemetry::start(cli.log_format, log)?;
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for variable in variables::unknown(names, &cli::variables()) {
        tracing::warn!(variable, "passed over: it stands for no flag and no config");
    }
    match cli.command {
        Command::Start(args) => process::run(process::start(args)),
        Command::Check(args) => process::check(args),
        Command::Dev(args) => process::run(dev::run(args)),
        Command::Produce(place) => process::run(console::produce(place)),
        Command::Consume(place) => process::run(console::consume(place)),
        Command::Try(place) => process::run(console::try_out(place)),
    }
}
