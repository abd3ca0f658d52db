//! The binary `millrace-operator`: everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use millrace_operator::cli::Cli;
use millrace_operator::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = process::log(&cli).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(process::run(cli))
    });
    match outcome {
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
