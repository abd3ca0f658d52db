//! What only a process of its own does: signals, file descriptors, the exit code.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::env::Env;
use crate::health::{self, Probes};
use crate::server::Server;
use crate::settings;

/// How to start one broker.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Configs in the syntax of Kafka's server.properties. An environment variable such as
    /// `MILLRACE_LOG_DIRS` comes before the file's `log.dirs`, and a later file before an earlier
    /// one. A value may name a variable as `${env:NAME}`.
    #[arg(long, env = "MILLRACE_CONFIG")]
    pub config: Vec<PathBuf>,
    /// One config that comes before file and environment.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// Where /livez, /readyz and /metrics are served, such as `[::]:9644` for every address of the
    /// machine; nowhere by default.
    #[arg(long, value_name = "ADDRESS:PORT", env = "MILLRACE_HTTP")]
    pub http: Option<SocketAddr>,
}

/// Threads that may be blocked on the disk at once.
const BLOCKING_THREADS_MAX: usize = 32;

/// Runs `future` on a runtime for this machine.
///
/// # Errors
/// That of the future, or that no runtime can be built.
pub fn run<F>(future: F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(future)
}

/// Starts one broker and serves until a signal ends it.
///
/// # Errors
/// Why it could not start, or which of its tasks failed.
pub async fn start(args: StartArgs) -> anyhow::Result<()> {
    let config = settings::gather(args.config, std::env::vars(), args.overrides)?;
    for (name, value) in config.passed_over() {
        tracing::warn!(config = name, value, "passed over: it has no effect in Millrace");
    }
    let mut stop = StopSignals::install()?;
    raise_open_files_limit();
    let probes = Probes::default();
    let env = Env::real().measured(&probes.metrics);
    if let Some(address) = args.http {
        let address = health::serve(&env.tasks, probes.clone(), address)
            .await
            .with_context(|| format!("cannot serve health on {address}"))?;
        tracing::info!(%address, "serving /livez, /readyz and /metrics");
    }
    let server = tokio::select! { biased;
        // A start may take long, after a crash; who wants it to end need not wait.
        name = stop.recv() => anyhow::bail!("{name} came before the broker had started"),
        server = Server::start(env.clone(), config, probes) => server?,
    };
    tokio::select! { biased;
        task = env.tasks.failed() => anyhow::bail!("task {task:?} panicked"),
        name = stop.recv() => tracing::info!(signal = name, "stopping"),
    }
    tokio::select! { biased;
        name = stop.recv() => anyhow::bail!("{name} came again before the broker had stopped"),
        () = server.stop() => tracing::info!("stopped"),
    }
    Ok(())
}

/// Checks the configs of a start.
///
/// # Errors
/// What is wrong with them, all of it.
pub fn check(args: StartArgs) -> anyhow::Result<()> {
    settings::gather(args.config, std::env::vars(), args.overrides)?;
    tracing::info!("a broker can be started with these configs");
    Ok(())
}

/// The signals that end a broker.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on these signals end the process only through [`StopSignals::recv`].
    ///
    /// # Errors
    /// The system does not let us.
    pub fn install() -> io::Result<StopSignals> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and names it.
    pub async fn recv(&mut self) -> &'static str {
        tokio::select! { biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Has the system back memory with pages of 4 KiB only.
///
/// The allocator keeps small things in large areas. With huge pages each area that is touched costs
/// 2 MiB: 8 MiB more when idle and twice the memory under load, for no gain that could be measured.
/// To be called first of all: what has been touched before stays as it is.
pub fn prefer_small_pages() {
    // A kernel without the setting has no huge pages, or gives them to all.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Takes all file descriptors that the system lets us have: each connection and each segment in use
/// needs one.
pub fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => tracing::debug!(limit = ?limit.maximum, "open files"),
        Err(error) => {
            tracing::warn!(limit = ?limit.current, %error, "limit of open files cannot be raised");
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, such as log.dirs=/data".to_owned()),
    }
}
