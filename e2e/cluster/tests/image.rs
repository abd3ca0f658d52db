//! The broker's image runs as it is, restricted, and ends when it is told to.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_e2e::client::Client;
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check};
use millrace_e2e_cluster::records::{consume, feed};
use millrace_e2e_cluster::wait;

const MANIFEST: &str = include_str!("../manifests/broker.yaml");
/// Records that each client writes.
const COUNT: usize = 100;
/// Far below the 30 s after which Kubernetes kills what does not end.
const END_MAX: Duration = Duration::from_secs(15);

fn body(namespace: &Namespace) -> Result<()> {
    namespace.apply(MANIFEST)?;
    let pod = namespace.wait_for("pod", "broker-0", "Ready")?;
    let inside = Inside::start(namespace)?;
    let mut written = feed(inside.verb("feed", &["broker:9092", "orders"])?, "inside", COUNT, 3)?;

    let node = pod["status"]["hostIP"].as_str().context("no node")?;
    let outside = format!("{node}:31094");
    let client = Client::ConfluentKafka;
    if client.toolchain().is_here_for("image: a client outside") {
        let program = client.verb("outside", "feed", &[&outside, "orders"])?;
        written.extend(feed(program, "outside", COUNT, 3)?);
        consume(inside.verb("member", &["broker:9092", "readers", "orders"])?, &written)?;
    }

    // Process 1 of a container ends only by signals that it handles.
    let start = Instant::now();
    namespace.kubectl(&["delete", "pod", "broker-0", "--grace-period=30"])?;
    let took = start.elapsed();
    ensure!(took < END_MAX, "the broker took {took:?} to end");
    wait::until("the next broker", wait::MAX, || {
        let next = namespace.get("pod", "broker-0")?;
        let is_new = next["metadata"]["uid"] != pod["metadata"]["uid"];
        Ok(if is_new { Ok(()) } else { Err("the old pod".to_owned()) })
    })?;
    namespace.wait_for("pod", "broker-0", "Ready")?;
    consume(inside.verb("member", &["broker:9092", "others", "orders"])?, &written)
}

#[test]
fn the_image_runs_restricted_and_ends_when_told() -> Result<()> {
    check("image", body)
}
