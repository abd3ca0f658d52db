//! What one object is refused, or fails for it alone, holds up no other.

use std::time::Duration;

use millrace_apiserver::request::Verb;
use millrace_apiserver::{ApiError, Fault, Rule};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Operator, World, cluster, topic};

/// A rule that has one object's requests fail from now on.
fn always(verb: Verb, plural: &str, name: &str, error: ApiError) -> Rule {
    let rule = Rule::once(verb, plural, Fault::Refuse(error)).times(usize::MAX);
    Rule { name: name.to_owned(), ..rule }
}

/// A status that cannot be written, while somebody changes the broker's side of another topic.
async fn status_fails(error: ApiError) {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.apply(&topic("t", "c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    operator.faults.add(always(Verb::Patch, "topics", "u", error));
    world.apply(&topic("u", "c", json!({}))).await;
    world.apply(&topic("v", "c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["t", "v"])).await;
    // Long enough for waits after failures to grow, if this were one.
    sleep(Duration::from_secs(300)).await;
    assert_eq!(world.ready("Topic", "u"), "");
    for _ in 0..3 {
        let broker = world.broker("c-0").expect("a broker");
        assert!(broker.image().topic("u").is_some(), "it is made, whether or not it is told");
        world.admin("c-0").delete_topic("t").await.expect("deleted");
        sleep(Duration::from_secs(6)).await;
        assert!(broker.image().topic("t").is_some(), "not back after 6 s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_whose_status_cannot_be_written_holds_up_no_other() {
    status_fails(ApiError::forbidden("millrace.io", "topics", "u", "a webhook says no")).await;
    status_fails(ApiError::internal("failed calling webhook")).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_brokers_do_not_delete_holds_up_no_other() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    let guarded = json!({ "config": { "delete.topic.enable": false } });
    world.apply(&cluster("c", guarded)).await;
    world.apply(&topic("t", "c", json!({ "config": { "retention.ms": 5 } }))).await;
    world.apply(&topic("u", "c", json!({ "deletionGracePeriod": "1s" }))).await;
    world.until("ready", |it| it.are_ready("c", &["t", "u"])).await;
    world.delete("Topic", "default", "u").await;
    sleep(Duration::from_secs(300)).await;
    let broker = world.broker("c-0").expect("a broker");
    assert!(broker.image().topic("u").is_some());
    let by_hand = [("retention.ms".to_owned(), "6".to_owned())].into();
    world.admin("c-0").set_topic_configs("t", &by_hand).await.expect("configs");
    sleep(Duration::from_secs(6)).await;
    let image = broker.image();
    let values = &image.topic("t").expect("a topic").values;
    assert_eq!(values.get("retention.ms").map(String::as_str), Some("5"));
    // Another resource of that name gets the topic with all that is in it.
    world.apply(&topic("u", "c", json!({}))).await;
    world.until("back", |it| it.are_ready("c", &["u"])).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_namespace_that_goes_nothing_is_tried_again_and_again() {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    // The API deletes what is in the namespace in an order of its own, and the Cluster last.
    let error = ApiError::forbidden("", "services", "", "the namespace is being terminated");
    let cause = "namespace default is being terminated";
    let error = error.with_cause("NamespaceTerminating", cause, "metadata.namespace");
    let children = [
        ("ServiceAccount", "serviceaccounts", "c-brokers"),
        ("Service", "services", "c-brokers"),
        ("Service", "services", "c-bootstrap"),
        ("NetworkPolicy", "networkpolicies", "c"),
        ("PodDisruptionBudget", "poddisruptionbudgets", "c"),
    ];
    for (_, plural, name) in children {
        operator.faults.add(always(Verb::Patch, plural, name, error.clone()));
    }
    let before = operator.faults.writes().len();
    for (kind, _, name) in children {
        world.delete(kind, "default", name).await;
    }
    let told = |it: &World| it.condition("Cluster", "default", "c", "Progressing");
    world.until("told", |it| told(it).contains("NamespaceGoing")).await;
    assert!(told(&world).contains("namespace default is being deleted"), "{}", told(&world));
    sleep(Duration::from_secs(60)).await;
    let writes = operator.faults.writes();
    let tries = writes.iter().skip(before).filter(|it| it.plural != "clusters").count();
    assert!(tries <= 2 * children.len(), "{tries} tries: {writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_deleted_is_told_and_holds_up_no_other() {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    let listener =
        |name: &str, port: u16| json!({ "name": name, "type": "NodePort", "port": port });
    let internal = json!({ "name": "internal", "type": "Internal", "port": 9092 });
    let all = json!([internal, listener("a", 9094), listener("b", 9095)]);
    world.apply(&cluster("c", json!({ "listeners": all }))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    let error = ApiError::forbidden("", "services", "c-a-0", "a webhook says no");
    operator.faults.add(always(Verb::Delete, "services", "c-a-0", error));
    world.patch("Cluster", "default", "c", &json!({ "spec": { "listeners": [internal] } })).await;
    let told = |it: &World| it.condition("Cluster", "default", "c", "Degraded");
    world.until("told", |it| told(it).contains("a webhook says no")).await;
    assert!(told(&world).starts_with("True Refused delete Service c-a-0"), "{}", told(&world));
    for gone in ["c-a-bootstrap", "c-b-0", "c-b-bootstrap"] {
        assert_eq!(world.object("Service", "default", gone), None, "{gone}");
    }
    world.settle().await;
    let before = operator.faults.writes().len();
    sleep(Duration::from_secs(300)).await;
    let tries = operator.faults.writes().len() - before;
    assert!((1..=20).contains(&tries), "{tries} tries in 5 minutes");
    // A topic of this cluster is looked after all the same.
    world.apply(&topic("t", "c", json!({}))).await;
    world.until("ready", |it| it.ready("Topic", "t").starts_with("True")).await;
}
