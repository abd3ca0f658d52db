//! Every example manifest, as it is: applied, ready, and its effect seen.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_e2e::client::Client;
use millrace_e2e_cluster::cluster::{CLUSTERS, TOPICS};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use millrace_e2e_cluster::{kubectl, node, wait};
use serde_json::{Value, json};

/// `quickstart.yaml` has a test of its own.
const TESTED: [&str; 9] = [
    "config",
    "kept",
    "load-balancer",
    "namespaces",
    "node-port",
    "pod",
    "quickstart",
    "storage",
    "topics",
];

fn example(name: &str) -> Result<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    fs::read_to_string(dir.join(format!("{name}.yaml"))).with_context(|| format!("no {name}"))
}

/// Applies an example with one cluster of its name; the cluster once it is ready.
fn ready(namespace: &Namespace, name: &str) -> Result<Value> {
    namespace.apply(&example(name)?)?;
    namespace.wait_for(CLUSTERS, name, "Ready")
}

#[test]
fn each_example_has_a_test() -> Result<()> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        found.insert(name.trim_end_matches(".yaml").to_owned());
    }
    let tested: BTreeSet<String> = TESTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, tested);
    Ok(())
}

#[test]
fn configs_reach_the_broker() -> Result<()> {
    check_with_operator("example_config", |namespace| {
        ready(namespace, "config")?;
        let broker = Inside::start(namespace)?.describe("config-bootstrap:9092")?.broker;
        for (name, value) in [
            ("log.retention.hours", "24"),
            ("log.retention.ms", "43200000"),
            ("num.partitions", "3"),
            ("auto.create.topics.enable", "false"),
            ("group.initial.rebalance.delay.ms", "0"),
        ] {
            ensure!(broker[name] == value, "{name} is {} at the broker", broker[name]);
        }
        Ok(())
    })
}

#[test]
fn brokers_outlive_their_cluster_where_it_says_so() -> Result<()> {
    check_with_operator("example_kept", |namespace| {
        let before = ready(namespace, "kept")?;
        let uid = namespace.uid("pod", "kept-0")?;
        namespace.delete(CLUSTERS, "kept")?;
        let inside = Inside::start(namespace)?;
        inside.create("kept-bootstrap:9092", "without", 3)?;
        let written =
            feed(inside.verb("feed", &["kept-bootstrap:9092", "without"])?, "kept", 30, 3)?;
        let after = ready(namespace, "kept")?;
        namespace.ensure_unharmed("kept-0", &uid)?;
        ensure!(after["status"]["clusterId"] == before["status"]["clusterId"], "{after}");
        consume(inside.verb("member", &["kept-bootstrap:9092", "all", "without"])?, &written)
    })
}

/// The addresses of nodes, by which this machine and pods reach them.
fn node_addresses() -> Result<Vec<String>> {
    let nodes = kubectl::json(&["get", "nodes"])?;
    let address = |node: &Value| {
        let all = node["status"]["addresses"].as_array()?;
        let internal = all.iter().find(|it| it["type"] == "InternalIP")?;
        internal["address"].as_str().map(str::to_owned)
    };
    nodes["items"]
        .as_array()
        .context("no nodes")?
        .iter()
        .map(address)
        .collect::<Option<_>>()
        .context("a node without address")
}

/// Stands in for the load balancers of a cloud: a service is reached by the address of a node.
fn balance(namespace: &Namespace, service: &str, address: &str) -> Result<()> {
    wait::until(service, wait::MAX, || namespace.get("service", service).map(Ok))?;
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] } } });
    let words = ["patch", "service", service, "--subresource=status", "--type=merge"];
    let patch = format!("--patch={status}");
    namespace.kubectl(&[words.as_slice(), &[&patch]].concat()).map(drop)
}

#[test]
fn load_balancers_lead_to_brokers() -> Result<()> {
    let test = "example_load_balancer";
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break(test) {
        return Ok(());
    }
    check_with_operator(test, |namespace| {
        namespace.apply(&example("load-balancer")?)?;
        let addresses = node_addresses()?;
        let (first, second) = (&addresses[0], &addresses[1]);
        balance(namespace, "load-balancer-external-bootstrap", first)?;
        balance(namespace, "load-balancer-external-0", second)?;
        let cluster = namespace.wait_for(CLUSTERS, "load-balancer", "Ready")?;
        let told = cluster["status"]["listeners"].to_string();
        ensure!(told.contains(&format!("{first}:9094")), "told is {told}");
        let inside = Inside::start(namespace)?;
        let bootstrap = format!("{first}:9094");
        inside.create(&bootstrap, "through", 3)?;
        let written = feed(inside.verb("feed", &[&bootstrap, "through"])?, "lb", 30, 3)?;
        consume(inside.verb("member", &[&bootstrap, "all", "through"])?, &written)?;
        // This machine is in none of the networks that are let in.
        let address: SocketAddr = bootstrap.parse()?;
        let reached = TcpStream::connect_timeout(&address, Duration::from_secs(3));
        ensure!(reached.is_err(), "sourceRanges let a stranger in");
        Ok(())
    })
}

#[test]
fn topics_of_other_namespaces_are_let_in() -> Result<()> {
    check_with_operator("example_namespaces", |_| {
        let platform = Namespace::named("platform")?;
        let web = Namespace::named("web")?;
        kubectl::run_with(&["apply", "--filename=-"], &example("namespaces")?)?;
        platform.wait_for(CLUSTERS, "shared", "Ready")?;
        web.wait_for(TOPICS, "clicks", "Ready")?;
        let inside = Inside::start(&web)?;
        let bootstrap = "shared-bootstrap.platform:9092";
        let written = feed(inside.verb("feed", &[bootstrap, "clicks"])?, "click", 30, 3)?;
        consume(inside.verb("member", &[bootstrap, "all", "clicks"])?, &written)
    })
}

#[test]
fn node_ports_are_those_of_the_manifest() -> Result<()> {
    check_with_operator("example_node_port", |namespace| {
        let cluster = ready(namespace, "node-port")?;
        let listeners = cluster["status"]["listeners"].as_array().context("no listeners")?;
        let external = listeners.iter().find(|it| it["name"] == "external").context("none")?;
        let bootstrap = external["bootstrap"].as_str().context("no address")?;
        ensure!(bootstrap.ends_with(":31090"), "told is {bootstrap}");
        Inside::start(namespace)?.create("node-port-bootstrap:9092", "orders", 3)?;
        let client = Client::FranzGo;
        let written = feed(client.verb("outside", "feed", &[bootstrap, "orders"])?, "out", 30, 3)?;
        consume(client.verb("outside", "member", &[bootstrap, "all", "orders"])?, &written)
    })
}

#[test]
fn pods_are_what_the_manifest_says() -> Result<()> {
    check_with_operator("example_pod", |namespace| {
        ready(namespace, "pod")?;
        let pod = namespace.get("pod", "pod-0")?;
        let (metadata, spec) = (&pod["metadata"], &pod["spec"]);
        ensure!(metadata["labels"]["team"] == "payments", "{metadata}");
        ensure!(metadata["annotations"]["example.com/owner"] == "payments", "{metadata}");
        ensure!(spec["terminationGracePeriodSeconds"] == 30, "{spec}");
        ensure!(spec["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway");
        for (part, wanted) in
            [("tolerations", "dedicated"), ("affinity", "ssd"), ("containers", "RUST_BACKTRACE")]
        {
            ensure!(spec[part].to_string().contains(wanted), "{part}: {}", spec[part]);
        }
        Ok(())
    })
}

#[test]
fn a_volume_outlives_its_cluster() -> Result<()> {
    check_with_operator("example_storage", |namespace| {
        let before = ready(namespace, "storage")?;
        let pod = namespace.get("pod", "storage-0")?;
        let resources = &pod["spec"]["containers"][0]["resources"];
        ensure!(resources["requests"]["memory"] == "256Mi", "{resources}");
        ensure!(resources["limits"]["memory"] == "1Gi", "{resources}");
        let claim = namespace.get("pvc", "data-storage-0")?;
        ensure!(claim["spec"]["resources"]["requests"]["storage"] == "20Gi", "{claim}");
        let inside = Inside::start(namespace)?;
        let bootstrap = "storage-bootstrap:9092";
        inside.create(bootstrap, "orders", 3)?;
        let written = feed(inside.verb("feed", &[bootstrap, "orders"])?, "order", 30, 3)?;
        namespace.delete(CLUSTERS, "storage")?;
        wait::until("the broker gone", wait::MAX, || {
            let left = namespace.list("pod", "millrace.io/cluster=storage")?.len();
            Ok(if left == 0 { Ok(()) } else { Err(format!("{left} pods")) })
        })?;
        let after = ready(namespace, "storage")?;
        ensure!(after["status"]["clusterId"] == before["status"]["clusterId"], "{after}");
        consume(inside.verb("member", &[bootstrap, "all", "orders"])?, &written)
    })
}

#[test]
fn topics_are_managed_as_far_as_they_say() -> Result<()> {
    check_with_operator("example_topics", |namespace| {
        ready(namespace, "topics")?;
        for topic in ["payments", "ledger", "audit", "legacy"] {
            namespace.wait_for(TOPICS, topic, "Ready")?;
        }
        namespace.wait_for_refusal(TOPICS, "migration", "Paused")?;
        let inside = Inside::start(namespace)?;
        let bootstrap = "topics-bootstrap:9092";
        let seen = inside.describe(bootstrap)?;
        let payments = seen.topic("payments")?;
        ensure!(payments.partitions == 6, "{payments:?}");
        ensure!(payments.configs == "cleanup.policy=delete,retention.ms=604800000");
        ensure!(seen.topics.contains_key("ledger") && seen.topics.contains_key("audit"));
        ensure!(!seen.topics.contains_key("migration") && !seen.topics.contains_key("legacy"));
        // What is let go or paused stays as somebody else makes it.
        inside.create(bootstrap, "legacy", 7)?;
        namespace.delete(TOPICS, "ledger")?;
        namespace.delete(TOPICS, "legacy")?;
        namespace.delete(TOPICS, "payments")?;
        let status = namespace.get(TOPICS, "audit")?["status"]["topicId"].clone();
        let now = inside.describe(bootstrap)?;
        ensure!(now.topic("audit")?.id.len() > 10 && !status.is_null(), "{status}");
        ensure!(now.topic("legacy")?.partitions == 7 && now.topic("ledger").is_ok());
        ensure!(now.topic("payments")?.id == payments.id, "it went before its grace was over");
        Ok(())
    })
}
