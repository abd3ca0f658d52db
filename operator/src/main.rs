//! The binary `millrace-operator`: everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use millrace_operator::cli::Cli;
use millrace_operator::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many threads work. Each has a heap of its own, so their number must not follow that of the
/// node's processors; what there is to do is mostly to wait.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The allocator asks for huge pages, of which each heap fills a part: half of the operator's
    // memory was such pages. Without them it only is larger, so a refusal is none of ours.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let outcome = process::log(&cli).and_then(|()| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(WORKERS).enable_all().build()?;
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
