//! What does not come is asked for less and less often, and what changes is seen at once all the
//! same. Nobody waits for somebody else's silence.

use std::time::Duration;

use millrace_apiserver::request::Verb;
use millrace_apiserver::{Fault, Rule};
use millrace_server::health::Probes;
use serde_json::json;
use tokio::time::sleep;

use crate::support::network::{Host, Silence};
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

#[tokio::test(start_paused = true)]
async fn many_silent_brokers_hold_up_no_other_cluster() {
    for silence in [Silence::All, Silence::Clients, Silence::Writes] {
        hold_up_no_other(silence).await;
    }
}

async fn hold_up_no_other(silence: Silence) {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    world.apply(&cluster("well", json!({}))).await;
    let silent: Vec<String> = (0..40).map(|number| format!("silent-{number}")).collect();
    for name in &silent {
        world.apply(&cluster(name, json!({}))).await;
    }
    let all = || silent.iter().map(String::as_str).chain(["well"]);
    world.until("ready", |it| all().all(|name| it.are_ready(name, &[]))).await;
    for name in &silent {
        let pod = world.get("Pod", &format!("{name}-0"));
        world.network.mute(pod["status"]["podIP"].as_str().expect("an address"), silence);
        // So that there is something to do at each of them.
        world.apply(&topic(&format!("of-{name}"), name, json!({}))).await;
        let config = json!({ "config": { "log.retention.ms": 86_400_000 } });
        world.apply(&cluster(name, config)).await;
    }
    for round in 0..10 {
        sleep(Duration::from_secs(7)).await;
        let begins = tokio::time::Instant::now();
        let name = format!("topic-{round}");
        world.apply(&topic(&name, "well", json!({}))).await;
        world.until("ready", |it| it.are_ready("well", &[&name])).await;
        assert!(begins.elapsed() < Duration::from_secs(1), "{round}: {:?}", begins.elapsed());
    }
    let missed = world.ready("Cluster", "silent-0");
    let is_told = match silence {
        // The change is tried again and again, and nothing is told of its generation.
        Silence::Writes => missed.starts_with("(old)"),
        Silence::All | Silence::Clients => {
            missed.contains("False") && missed.contains("asked: describe state: no answer in 10 s")
        }
    };
    assert!(is_told, "{silence:?}: {missed}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_is_given_up() {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    world.settle().await;
    let never = Fault::Delay(Duration::from_secs(1 << 30));
    operator.faults.add(Rule::once(Verb::Patch, "topics", never.clone()));
    operator.faults.add(Rule::once(Verb::List, "pods", never));
    let begins = tokio::time::Instant::now();
    world.apply(&topic("orders", "c", json!({}))).await;
    let labels = json!({ "metadata": { "labels": { "somebody": "was-here" } } });
    world.patch("Pod", "default", "c-0", &labels).await;
    world.until("told", |it| it.are_ready("c", &["orders"])).await;
    // Each of the two waited for a minute, one after the other.
    let took = begins.elapsed().as_secs();
    assert!((120..130).contains(&took), "{took} s");
}
