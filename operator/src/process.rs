//! What only a process of its own does: flags, logs, signals, the way to Kubernetes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::Config;
use kube::client::ClientBuilder;
use millrace_client::Tcp;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::api::limited;
use crate::cli::{Cli, LogFormat};
use crate::clock::Clock;
use crate::context::{Context, Options, Turns};
use crate::health;
use crate::lease::{Election, Ended, lead};
use crate::metrics::Metrics;
use crate::work::operate;

/// Starts logging.
///
/// # Errors
/// The filter cannot be read.
pub fn log(cli: &Cli) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&cli.log).with_context(|| format!("--log {:?}", cli.log))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match cli.log_format {
        LogFormat::Text => logs.with_ansi(false).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}

/// How long the API may say nothing in the midst of an answer: longer than any watch is silent.
const API_SILENT_MAX: Duration = Duration::from_secs(300);

/// Runs the operator until a signal ends it.
///
/// # Errors
/// Why it cannot start, or had to end: it is to be started again then.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    end_by_signal(&stop)?;
    let mut config = Config::infer().await.context("cannot find the API of Kubernetes")?;
    config.read_timeout = Some(API_SILENT_MAX);
    let way = ClientBuilder::try_from(config).context("cannot reach the API of Kubernetes")?;
    let client = limited(way);
    let metrics = Arc::new(Metrics::default());
    let (address, _) = health::serve(cli.http, Arc::clone(&metrics), stop.clone())
        .await
        .with_context(|| format!("cannot serve health on {}", cli.http))?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "operator started");
    let defaults = Options::default();
    let options = Options {
        namespaces: cli.namespaces,
        broker_image: cli.broker_image.unwrap_or(defaults.broker_image),
        leaves_users: cli.leave_users,
        ..defaults
    };
    let clock = Clock::System;
    let turns = Turns::default();
    let context = Arc::new(Context { client, connect: Tcp, clock, options, metrics, turns });
    let Some(namespace) = cli.lease_namespace else {
        context.metrics.leads(true);
        return Ok(operate(context, stop).await?);
    };
    let pid = std::process::id();
    let identity = format!("{}_{pid}_{:x}", cli.pod_name, clock.now_ms());
    let election = Election { namespace, name: cli.lease_name, identity };
    let client = context.client.clone();
    let work = |stop| {
        context.metrics.leads(true);
        operate(Arc::clone(&context), stop)
    };
    match lead(&client, &election, clock, &stop, work).await {
        (Ended::Stopped, None) => Ok(()),
        (Ended::Stopped, Some(outcome)) => Ok(outcome?),
        (Ended::Lost, _) => bail!("lost the lease {}", election.name),
    }
}

fn end_by_signal(stop: &CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! { biased;
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
        stop.cancel();
    });
    Ok(())
}
