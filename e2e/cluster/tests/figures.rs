//! How long things take on a real cluster, for the tables of `docs/benchmarks.md`. No limits are
//! checked here. `cargo xtask e2e --figures` takes each figure often enough and prints them; among
//! the other tests this one only shows that they can be taken.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_e2e::client::Client;
use millrace_e2e_cluster::cluster::{CLUSTERS, TOPICS, cluster, topic};
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator, is_true};
use millrace_e2e_cluster::records::Writer;
use millrace_e2e_cluster::{evidence, kubectl, node, operator, wait};
use serde_json::{Value, json};

/// How often each short figure is taken, and how many topics are made at once.
struct Size {
    rounds: usize,
    many: usize,
}

/// The first of the node ports that are used here, far from those of the examples.
const PORT: usize = 31_700;

fn spec(port: usize, config: &Value) -> Value {
    json!({
        "config": config,
        "listeners": [
            { "name": "plain", "type": "Internal", "port": 9092 },
            { "name": "nodes", "type": "NodePort", "port": 9094, "nodePort": port },
        ],
    })
}

/// Waits as kubectl does, by a watch: no polling blurs the figure.
fn wait_ready(namespace: &Namespace, what: &str) -> Result<()> {
    let words = ["wait", "--for=condition=Ready", "--timeout=120s", what];
    namespace.kubectl(&words).map(drop)
}

fn median(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let show = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    let middle = all.get(all.len() / 2);
    format!("{:.2} ({:.2}-{:.2})", show(middle), show(all.first()), show(all.last()))
}

/// A cluster: to Ready, and to a record that a client outside has acknowledged. The first time it
/// is new and its volume has to be made, the second time it is taken up again.
fn first_record(namespace: &Namespace, node: &str, rounds: usize) -> Result<[String; 4]> {
    let mut figures: [Vec<Duration>; 4] = Default::default();
    for (round, is_new) in (0..rounds).flat_map(|round| [(round, true), (round, false)]) {
        let [ready, acknowledged, again, first_again] = &mut figures;
        let (ready, acknowledged) =
            if is_new { (ready, acknowledged) } else { (again, first_again) };
        let (name, port) = (format!("new-{round}"), PORT + 2 * round);
        let bootstrap = format!("{node}:{port}");
        // It tries from before the cluster is there, so its start does not count.
        let feeder = Client::FranzGo.verb("outside", "feed", &[&bootstrap, "first"])?;
        let mut writer = Writer::start(feeder, "first", 1);
        let start = Instant::now();
        let writing = thread::spawn(move || {
            writer.write(1)?;
            anyhow::Ok((start.elapsed(), writer))
        });
        namespace.apply(&cluster(&name, &spec(port, &json!({}))))?;
        wait_ready(namespace, &format!("{CLUSTERS}/{name}"))?;
        ready.push(start.elapsed());
        let (took, writer) = writing.join().ok().context("the writer panicked")??;
        acknowledged.push(took);
        writer.end()?;
        namespace.delete(CLUSTERS, &name)?;
        wait::until("the broker gone", wait::MAX, || {
            let left = namespace.list("pod", &format!("millrace.io/cluster={name}"))?.len();
            Ok(if left == 0 { Ok(()) } else { Err(format!("{left} pods")) })
        })?;
    }
    Ok(figures.map(median))
}

/// One topic: from `kubectl apply` to Ready, which is when it can be written to.
fn one_topic(namespace: &Namespace, rounds: usize) -> Result<String> {
    let mut all = Vec::new();
    for round in 0..rounds {
        let name = format!("single-{round}");
        let start = Instant::now();
        namespace.apply(&topic(&name, &json!({ "partitions": 3 })))?;
        wait_ready(namespace, &format!("{TOPICS}/{name}"))?;
        all.push(start.elapsed());
    }
    Ok(median(all))
}

/// A restart for a config: the longest time without an acknowledgement that a client sees.
fn restart_gap(namespace: &Namespace, bootstrap: &str, rounds: usize) -> Result<String> {
    let mut all = Vec::new();
    for round in 0..rounds {
        let feeder =
            Client::FranzGo.verb("outside", "feed", &[bootstrap, "orders", "linger-ms=0"])?;
        let mut writer = Writer::start(feeder, "record", 1);
        writer.write(1)?;
        let uid = namespace.uid("pod", "shop-0")?;
        let config = json!({ "num.partitions": round + 2 });
        namespace.apply(&cluster("shop", &spec(PORT + 50, &config)))?;
        let (mut longest, mut is_new) = (Duration::ZERO, false);
        let mut looked = Instant::now();
        while !is_new {
            let before = Instant::now();
            writer.write(1)?;
            longest = longest.max(before.elapsed());
            // A look costs more than a write: seldom, and not counted.
            if looked.elapsed() > Duration::from_secs(2) {
                let ready = namespace.get("pod", "shop-0")?;
                is_new = ready["metadata"]["uid"] != *uid && is_true(&ready, "Ready");
                looked = Instant::now();
            }
        }
        writer.end()?;
        all.push(longest);
        wait_ready(namespace, &format!("{CLUSTERS}/shop"))?;
    }
    Ok(median(all))
}

/// Many topics at once: how long kubectl takes to hand them over, and when the last is ready.
fn many_topics(namespace: &Namespace, size: &Size) -> Result<[String; 2]> {
    let all: String =
        (0..size.many).map(|number| topic(&format!("many-{number}"), &json!({}))).collect();
    let start = Instant::now();
    namespace.apply(&all)?;
    let handed_over = start.elapsed();
    wait::until("all topics ready", wait::MAX, || {
        let found = namespace.list(TOPICS, "")?;
        let count = found.iter().filter(|topic| is_true(topic, "Ready")).count();
        // Those of the other figures are here, too.
        Ok(if count > size.many + size.rounds { Ok(()) } else { Err(format!("{count} ready")) })
    })?;
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    Ok([seconds(handed_over), seconds(start.elapsed().saturating_sub(handed_over))])
}

fn body(namespace: &Namespace) -> Result<()> {
    let nodes = kubectl::json(&["get", "nodes"])?;
    let addresses = nodes["items"][0]["status"]["addresses"].as_array().context("no address")?;
    let internal = addresses.iter().find(|it| it["type"] == "InternalIP").context("none")?;
    let address = internal["address"].as_str().context("no address")?;
    let size = match std::env::var("MILLRACE_E2E_FIGURES") {
        Ok(many) => Size { rounds: 5, many: many.parse()? },
        Err(_) => Size { rounds: 1, many: 50 },
    };
    // The image and the operator are warm: the figures are those of a cluster in use.
    let bootstrap = format!("{address}:{}", PORT + 50);
    let orders = topic("orders", &json!({ "partitions": 1 }));
    let shop = cluster("shop", &spec(PORT + 50, &json!({})));
    namespace.apply(&format!("{shop}{orders}"))?;
    wait_ready(namespace, &format!("{CLUSTERS}/shop"))?;
    wait_ready(namespace, &format!("{TOPICS}/orders"))?;

    let [ready, record, again, first_again] = first_record(namespace, address, size.rounds)?;
    let single = one_topic(namespace, size.rounds)?;
    let gap = restart_gap(namespace, &bootstrap, size.rounds)?;
    let idle = operator::resident_mib()?;
    let [apply, rest] = many_topics(namespace, &size)?;
    let loaded = operator::resident_mib()?;
    let rows = [
        ("new Cluster applied to Ready", ready),
        ("new Cluster applied to first acknowledged record", record),
        ("Cluster applied to Ready, its volume is there", again),
        ("Cluster applied to first acknowledged record, its volume is there", first_again),
        ("Topic applied to Ready", single),
        ("restart for a config: longest wait for one acknowledgement", gap),
        ("many Topics: `kubectl apply`", apply),
        ("many Topics: from then until all are Ready", rest),
        ("operator, resident MiB, before / with many Topics", format!("{idle:.1} / {loaded:.1}")),
    ];
    let head = format!("seconds: median (least-most) of {}; {} Topics", size.rounds, size.many);
    let mut table = format!("| what | {head} |\n|---|---|\n");
    for (what, figure) in rows {
        table += &format!("| {what} | {figure} |\n");
    }
    ensure!(table.lines().count() > 3, "no figures");
    fs::write(evidence::dir().join("figures.md"), table)?;
    Ok(())
}

#[test]
fn figures_of_a_real_cluster() -> Result<()> {
    // The operator's memory is read on its node.
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break("figures") {
        return Ok(());
    }
    check_with_operator("figures", body)
}
