//! The API server and all of the control plane are away for a minute: clients notice nothing, and
//! afterwards the operator goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_e2e::client::Client;
use millrace_e2e_cluster::cluster::{CLUSTERS, TOPICS, shop, topic};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::node::{self, Fault};
use millrace_e2e_cluster::records::{Writer, consume};
use millrace_e2e_cluster::{kubectl, wait};
use serde_json::json;

const TEST: &str = "api_server_away";
/// How long it is away: the promise is about a minute, so here time itself is waited for.
const AWAY: Duration = Duration::from_secs(60);
/// No write may take longer: far below the time that a client would have to wait for a restart.
const WRITE_MAX: Duration = Duration::from_secs(10);

fn control_plane() -> Result<String> {
    let selector = "--selector=node-role.kubernetes.io/control-plane";
    let nodes = kubectl::json(&["get", "nodes", selector])?;
    let name = nodes["items"][0]["metadata"]["name"].as_str();
    Ok(name.context("no control plane")?.to_owned())
}

fn body(namespace: &Namespace) -> Result<()> {
    let outside = json!({ "name": "nodes", "type": "NodePort", "port": 9094 });
    let internal = json!({ "name": "plain", "type": "Internal", "port": 9092 });
    shop(namespace, &json!({ "listeners": [internal, outside] }))?;
    let uid = namespace.uid("pod", "shop-0")?;
    let status = namespace.get(CLUSTERS, "shop")?["status"]["listeners"].clone();
    let nodes = status.as_array().into_iter().flatten().find(|it| it["name"] == "nodes");
    let bootstrap = nodes.and_then(|it| it["bootstrap"].as_str()).context("no address")?;
    let client = Client::FranzGo;
    let member = |group| client.verb("outside", "member", &[bootstrap, group, "orders"]);
    let feeder = client.verb("outside", "feed", &[bootstrap, "orders"])?;
    let mut writer = Writer::start(feeder, "order", 3);
    let mut written = writer.write(10)?;

    let fault = Fault::freeze(&control_plane()?)?;
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < AWAY {
        let before = Instant::now();
        written.extend(writer.write(10)?);
        slowest = slowest.max(before.elapsed());
        std::thread::sleep(wait::PAUSE);
    }
    // New clients find their way, too.
    consume(member("meanwhile")?, &written)?;
    fault.heal()?;
    ensure!(slowest < WRITE_MAX, "a write took {slowest:?}");

    namespace.apply(&topic("next", &json!({ "partitions": 2 })))?;
    namespace.wait_for(TOPICS, "next", "Ready")?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    namespace.ensure_unharmed("shop-0", &uid)?;
    let inside = Inside::start(namespace)?;
    inside.describe("shop-bootstrap:9092")?.topic("next")?;
    written.extend(writer.write(10)?);
    writer.end()?;
    consume(member("after")?, &written)
}

#[test]
fn clients_do_not_notice_that_the_api_server_is_away() -> Result<()> {
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break(TEST) {
        return Ok(());
    }
    check_with_operator(TEST, body)
}
