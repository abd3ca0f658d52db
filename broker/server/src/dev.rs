//! Laptop mode: one broker from a manifest, without Kubernetes.
//!
//! Reads the same `Cluster` and `Topic` YAML that Kubernetes takes, starts a broker on loopback, and
//! makes the topics what the manifest says through the broker's own port, as any client would.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use millrace_client::{Admin, Router, Tcp, TopicState};
use millrace_core::config::{StaticConfig, topic as topic_config};
use millrace_crds::{Management, Manifest, Topic};

use crate::env::Env;
use crate::health::{self, Probes};
use crate::process::{StopSignals, raise_open_files_limit};
use crate::server::Server;
use plan::{Plan, Step, WantedTopic};

mod owner;
mod plan;

/// How to start a broker from a manifest.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The manifest: one `Cluster` and its `Topic`s, as YAML.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Where records are kept between runs; `.millrace/<name of the cluster>` by default.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The port of the broker; 0 takes any free one.
    #[arg(long, default_value_t = 9092)]
    pub port: u16,
    /// The address to listen on. Anyone who reaches it can read and write everything.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Where /livez, /readyz and /metrics are served, such as `[::]:9644` for every address of the
    /// machine; nowhere by default.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<SocketAddr>,
}

/// Configs that laptop mode sets itself, so that a manifest cannot.
const OWN_CONFIGS: [&str; 4] = ["node.id", "listeners", "advertised.listeners", "log.dirs"];

/// What a newcomer wants and Kafka's defaults, made for clusters, do not give.
const LAPTOP_DEFAULTS: [(&str, &str); 1] = [
    // The first consumer of a group need not wait three seconds for others.
    ("group.initial.rebalance.delay.ms", "0"),
];

/// Starts the broker, makes the topics, and serves until a signal ends it.
///
/// # Errors
/// What is wrong with the manifest, or why the broker cannot start.
pub async fn run(args: DevArgs) -> anyhow::Result<()> {
    let started_at = Instant::now();
    let file = args.file.display().to_string();
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {file}"))?;
    let manifest = Manifest::parse(&file, &text)?;
    let name = manifest.cluster.metadata.name.clone();
    let data_dir = args.data_dir.clone().unwrap_or_else(|| Path::new(".millrace").join(&name));
    let config = broker_config(&file, &manifest, &args, &data_dir)?;
    let wanted = wanted_topics(&file, &manifest.topics, &config)?;

    let mut stop = StopSignals::install()?;
    raise_open_files_limit();
    let probes = Probes::default();
    let env = Env::real().measured(&probes.metrics);
    owner::check(&*env.disk, &data_dir, &name)?;
    if let Some(address) = args.http {
        health::serve(&env.tasks, probes.clone(), address)
            .await
            .with_context(|| format!("cannot serve health on {address}"))?;
    }
    let server = tokio::select! { biased;
        name = stop.recv() => bail!("{name} came before the broker had started"),
        server = Server::start(env.clone(), config, probes.clone()) => server?,
        () = tell_progress(&probes) => bail!("progress ended before the start"),
    };
    let bootstrap = bootstrap(&args.host, server.addresses());
    let served = async {
        owner::claim(&*env.disk, &data_dir, &name)?;
        let plan = make_topics(&bootstrap, &wanted).await.with_context(|| file.clone())?;
        let topic = wanted.first().map_or("my-topic", |topic| &topic.name);
        tell_start(&name, &plan, &bootstrap, &data_dir, topic, started_at.elapsed());
        tokio::select! { biased;
            task = env.tasks.failed() => bail!("task {task:?} panicked"),
            _ = stop.recv() => say("\nstopping"),
        }
        Ok(())
    };
    let outcome = served.await;
    tokio::select! { biased;
        name = stop.recv() => bail!("{name} came again before the broker had stopped"),
        () = server.stop() => {}
    }
    outcome
}

/// The broker's configs: those of the manifest over those for laptops, and laptop mode's own.
fn broker_config(
    file: &str,
    manifest: &Manifest,
    args: &DevArgs,
    data_dir: &Path,
) -> anyhow::Result<StaticConfig> {
    let cluster = &manifest.cluster;
    let resource = format!("{file}: Cluster/{}", cluster.metadata.name);
    if cluster.spec.replicas != 1 {
        bail!(
            "{resource}: spec.replicas: {} is above the maximum of 1: brokers do not replicate to \
             each other yet",
            cluster.spec.replicas
        );
    }
    if cluster.spec.paused {
        bail!("{resource}: spec.paused: a cluster that is left as it is cannot be started");
    }
    if let Some(own) = OWN_CONFIGS.iter().find(|own| cluster.spec.config.contains_key(**own)) {
        bail!(
            "{resource}: spec.config[{own:?}]: is set by laptop mode; use --host, --port or --data-dir"
        );
    }
    let given = cluster.spec.config.iter().map(|(name, value)| (name.clone(), value.to_string()));
    let own = [
        ("node.id", "1".to_owned()),
        ("listeners", format!("PLAINTEXT://{}:{}", bracketed(&args.host), args.port)),
        ("log.dirs", data_dir.display().to_string()),
    ];
    let pair = |(name, value): (&str, String)| (name.to_owned(), value);
    let laptop = LAPTOP_DEFAULTS.map(|(name, value)| (name, value.to_owned()));
    let pairs = laptop.into_iter().map(pair).chain(given).chain(own.into_iter().map(pair));
    StaticConfig::new(pairs).map_err(|errors| {
        let lines: Vec<String> =
            errors.iter().map(|error| format!("{resource}: spec.config: {error}")).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

/// The topics of the manifest, their configs checked by the broker's own rules.
fn wanted_topics(
    file: &str,
    topics: &[Topic],
    config: &StaticConfig,
) -> anyhow::Result<Vec<WantedTopic>> {
    let mut wanted = Vec::with_capacity(topics.len());
    for topic in topics.iter().filter(|topic| topic.spec.management == Management::Managed) {
        let resource = topic.metadata.name.clone();
        let configs =
            topic.spec.config.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        topic_config::check(&configs, &config.layers())
            .with_context(|| format!("{file}: Topic/{resource}: spec.config"))?;
        let state = TopicState { partitions: topic.spec.partitions, configs };
        wanted.push(WantedTopic { resource, name: topic.topic_name().to_owned(), state });
    }
    Ok(wanted)
}

/// Makes the topics what the manifest wants.
async fn make_topics(bootstrap: &str, wanted: &[WantedTopic]) -> anyhow::Result<Plan> {
    let router = Router::new(Tcp, "millrace-dev", vec![bootstrap.to_owned()]);
    let mut admin = Admin::new(router);
    let plan = plan::plan(&admin.topics().await?, wanted)?;
    for step in &plan.steps {
        let done = match step {
            Step::Create { name, state } => {
                admin.create_topic(name, state.partitions, &state.configs).await
            }
            Step::Grow { name, to, .. } => admin.grow_topic(name, *to).await,
            Step::Configure { name, to, .. } => admin.set_topic_configs(name, to).await,
        };
        done.with_context(|| step.to_string())?;
    }
    Ok(plan)
}

/// Tells every second what the start waits for.
async fn tell_progress(probes: &Probes) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        say(probes.readiness.reasons().trim_end());
    }
}

fn tell_start(
    name: &str,
    plan: &Plan,
    bootstrap: &str,
    data_dir: &Path,
    topic: &str,
    elapsed: Duration,
) {
    say(&format!(
        "Millrace {version}, cluster {name}, ready in {ms} ms\n{plan}\n\
         bootstrap server  {bootstrap}\n\
         data              {data}\n\n\
         produce           kafka-console-producer.sh --bootstrap-server {bootstrap} --topic {topic}\n\
         consume           kafka-console-consumer.sh --bootstrap-server {bootstrap} --topic {topic} \
         --from-beginning\n\
         with kcat         kcat -b {bootstrap} -t {topic} -P    and    kcat -b {bootstrap} -t {topic} -C\n\n\
         Ctrl-C ends it; what was written is kept.",
        version = env!("CARGO_PKG_VERSION"),
        ms = elapsed.as_millis(),
        data = data_dir.display(),
    ));
}

/// The address for clients on this machine.
fn bootstrap(host: &str, addresses: &[SocketAddr]) -> String {
    let address = addresses.first().copied();
    let port = address.map_or(0, |address| address.port());
    match address.filter(|address| address.ip().is_unspecified()) {
        Some(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string(),
        None => format!("{}:{port}", bracketed(host)),
    }
}

/// An IPv6 address as it stands before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[expect(clippy::print_stdout, reason = "laptop mode talks to a person")]
fn say(text: &str) {
    println!("{text}");
}
