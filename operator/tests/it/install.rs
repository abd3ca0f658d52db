//! From manifests to a cluster that is ready; and then nothing is written any more.

use std::time::Duration;

use expect_test::expect;
use serde_json::json;

use crate::support::manifests::example;
use crate::support::{Operator, World};

const TOPICS: [&str; 3] = ["orders", "customers", "clicks"];

#[tokio::test(start_paused = true)]
async fn the_quickstart_becomes_ready() {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply_all(&example("quickstart.yaml")).await;
    world.until("ready", |it| it.are_ready("quickstart", &TOPICS)).await;
    let cluster = world.get("Cluster", "quickstart");
    let status = &cluster["status"];
    assert_eq!(status["replicas"], json!(1));
    assert_eq!(status["readyReplicas"], json!(1));
    assert_eq!(status["bootstrap"], json!("quickstart-bootstrap.default.svc:9092"));
    assert_eq!(status["brokers"][0]["state"], json!("Serving"));
    assert_eq!(status["pending"], json!([]));
    let brokers = crate::support::end_state::end_state(&world)["brokers"].clone();
    let broker = world.broker("quickstart-0").expect("a broker");
    assert_eq!(status["clusterId"], json!(broker.image().cluster_id()));
    let sizes: Vec<String> = brokers["quickstart-0"]["topics"]
        .as_object()
        .expect("topics")
        .iter()
        .map(|(name, topic)| format!("{name} {} {}", topic["partitions"], topic["configs"]))
        .collect();
    expect![[r#"
        Web_Clicks 6 {"compression.type":"lz4","retention.ms":"86400000"}
        customers 1 {"cleanup.policy":"compact"}
        orders 3 {}"#]]
    .assert_eq(&sizes.join("\n"));
    drop(operator);
}

#[tokio::test(start_paused = true)]
async fn what_is_as_specified_is_never_written() {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply_all(&example("quickstart.yaml")).await;
    world.until("ready", |it| it.are_ready("quickstart", &TOPICS)).await;
    world.settle().await;
    let (revision, writes) = (world.server.revision(), operator.writes());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.server.revision(), revision, "{}", world.story());
    assert_eq!(operator.writes(), writes);
    operator.stop().await;
    // Another one that remembers nothing finds nothing to do either.
    let operator = Operator::start(&world);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(operator.writes(), (0, 0), "{:?}", operator.faults.writes());
    assert_eq!(world.server.revision(), revision);
}
