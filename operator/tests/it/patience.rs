//! What does not come is asked for less and less often, and what changes is seen at once all the
//! same.

use std::time::Duration;

use millrace_server::health::Probes;
use serde_json::json;
use tokio::time::sleep;

use crate::support::network::Host;
use crate::support::{Operator, World, cluster, topic};

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_is_asked_less_and_less_often() {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    world.settle().await;
    let broker = world.broker("c-0").expect("a broker");
    let pod = world.get("Pod", "c-0");
    let address = pod["status"]["podIP"].as_str().expect("an address");
    world.network.remove(address);
    // It is missed when topics are compared next.
    sleep(Duration::from_secs(10)).await;
    let before = operator.looks();
    sleep(Duration::from_secs(100)).await;
    let looks = operator.looks() - before;
    assert!((5..=13).contains(&looks), "{looks} looks in 100 s");

    let before = operator.looks();
    let labels = json!({ "metadata": { "labels": { "somebody": "was-here" } } });
    world.patch("Pod", "default", "c-0", &labels).await;
    sleep(Duration::from_millis(200)).await;
    assert!(operator.looks() > before, "a change is not seen at once");

    world.network.put(address, Host { broker: Some(broker), probes: Probes::default() });
    let healed = tokio::time::Instant::now();
    world.apply(&topic("orders", "c", json!({}))).await;
    world.until("seen again", |it| it.are_ready("c", &["orders"])).await;
    assert!(healed.elapsed() <= Duration::from_secs(11), "{:?}", healed.elapsed());
    operator.stop().await;
}
