//! Topics belong to their resources: without finalizers, over namespaces, and only to one of them.

use std::time::Duration;

use millrace_apiserver::request::Verb;
use millrace_apiserver::{ApiError, Fault, Rule};
use millrace_operator::context::Options;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::operator::Harm;
use crate::support::{Operator, World, cluster, topic};

/// A world with a cluster `c` that is ready.
async fn world() -> (World, Operator) {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    (world, operator)
}

/// A topic of the broker as `partitions owner's-name`; empty if there is none.
async fn found(world: &World, name: &str) -> String {
    let state = world.admin("c-0").state(None).await.expect("an answer");
    state.topics.get(name).map_or(String::new(), |topic| {
        let owner: Value = serde_json::from_str(topic.owner.as_deref().unwrap_or("null"))
            .expect("an owner of ours");
        let owner = owner["name"].as_str().unwrap_or("-").to_owned();
        format!("{} {owner} {:?}", topic.partitions, topic.configs)
    })
}

fn in_namespace(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

#[tokio::test(start_paused = true)]
async fn a_deletion_while_the_operator_is_down_is_found_and_waits_for_its_grace() {
    let (world, operator) = world().await;
    world.apply(&topic("t", "c", json!({ "deletionGracePeriod": "10m" }))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    operator.stop().await;
    world.delete("Topic", "default", "t").await;
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(found(&world, "t").await, "1 t {}");
    let operator = Operator::start(&world);
    // The grace runs from when it was missed, however long the operator was down.
    sleep(Duration::from_secs(590)).await;
    assert_eq!(found(&world, "t").await, "1 t {}");
    operator.stop().await;
    let _operator = Operator::start(&world);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(found(&world, "t").await, "");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_at_once_and_its_topics_after_their_grace() {
    let (world, operator) = world().await;
    world.make_namespace("web").await;
    world.apply(&cluster("c", json!({ "topicNamespaces": ["web"] }))).await;
    let mut clicks = in_namespace(topic("clicks", "c", json!({})), "web");
    clicks["spec"]["clusterRef"]["namespace"] = json!("default");
    clicks["spec"]["deletionGracePeriod"] = json!("1m");
    world.apply(&clicks).await;
    let is_ready = |it: &World| it.condition("Topic", "web", "clicks", "Ready").starts_with("True");
    world.until("ready", is_ready).await;
    operator.stop().await;
    world.delete("Namespace", "", "web").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.object("Namespace", "", "web"), None, "nothing holds a namespace up");
    let _operator = Operator::start(&world);
    sleep(Duration::from_secs(50)).await;
    assert_eq!(found(&world, "clicks").await, "1 clicks {}");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(found(&world, "clicks").await, "");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_elsewhere_must_consent() {
    let (world, _operator) = world().await;
    world.make_namespace("web").await;
    let mut clicks = in_namespace(topic("clicks", "c", json!({})), "web");
    clicks["spec"]["clusterRef"]["namespace"] = json!("default");
    world.apply(&clicks).await;
    let told = |it: &World| it.condition("Topic", "web", "clicks", "Ready");
    world.until("refused", |it| told(it).contains("NotAllowed")).await;
    assert_eq!(found(&world, "clicks").await, "");
    world.apply(&cluster("c", json!({ "topicNamespaces": ["web"] }))).await;
    world.until("ready", |it| told(it).starts_with("True")).await;
    // Taken back, the topic stays, and so do its records.
    world.apply(&cluster("c", json!({}))).await;
    world.until("refused", |it| told(it).contains("NotAllowed")).await;
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(found(&world, "clicks").await, "1 clicks {}");
}

#[tokio::test(start_paused = true)]
async fn of_two_that_want_one_topic_the_oldest_wins_until_it_goes() {
    let (world, _operator) = world().await;
    let named = |name: &str, partitions: i32| {
        topic(name, "c", json!({ "topicName": "Shared", "partitions": partitions }))
    };
    world.apply(&named("z", 2)).await;
    sleep(Duration::from_secs(5)).await;
    world.apply(&named("a", 3)).await;
    world.until("refused", |it| it.ready("Topic", "a").contains("Conflict")).await;
    assert!(world.ready("Topic", "a").contains("default/z"), "{}", world.ready("Topic", "a"));
    assert!(world.ready("Topic", "z").starts_with("True"));
    assert_eq!(found(&world, "Shared").await, "2 z {}");
    // The heir takes the topic with all that is in it.
    world.delete("Topic", "default", "z").await;
    world.until("inherited", |it| it.ready("Topic", "a").starts_with("True")).await;
    assert_eq!(found(&world, "Shared").await, "3 a {}");
    assert!(world.network.deleted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_there_is_taken_over_only_on_demand() {
    let (world, _operator) = world().await;
    world.admin("c-0").create_topic("t", 2, &Default::default()).await.expect("a topic");
    world.apply(&topic("t", "c", json!({ "partitions": 4 }))).await;
    world.until("refused", |it| it.ready("Topic", "t").contains("TopicExists")).await;
    assert_eq!(found(&world, "t").await, "2 - {}");
    world.apply(&topic("t", "c", json!({ "partitions": 4, "adopt": true }))).await;
    world.until("adopted", |it| it.ready("Topic", "t").starts_with("True")).await;
    assert_eq!(found(&world, "t").await, "4 t {}");
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_refuses_is_told_with_the_topic_as_it_is() {
    let (world, _operator) = world().await;
    world.apply(&topic("t", "c", json!({ "partitions": 2 }))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    world.apply(&topic("t", "c", json!({ "partitions": 100_000 }))).await;
    world.apply(&topic("new", "c", json!({ "partitions": 100_000 }))).await;
    let is_refused = |it: &World, name| it.ready("Topic", name).starts_with("False TooMany");
    world.until("refused", |it| is_refused(it, "t") && is_refused(it, "new")).await;
    let (old, new) = (world.get("Topic", "t"), world.get("Topic", "new"));
    assert_eq!(old["status"]["partitions"], 2, "{old}");
    assert_eq!(new["status"].get("partitions"), None, "{new}");
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_by_hand_is_taken_back_within_seconds() {
    let (world, _operator) = world().await;
    world.apply(&topic("t", "c", json!({ "config": { "retention.ms": 5 } }))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    let by_hand = [("retention.ms", "6"), ("cleanup.policy", "compact")];
    let by_hand = by_hand.map(|(name, value)| (name.to_owned(), value.to_owned()));
    world.admin("c-0").set_topic_configs("t", &by_hand.into()).await.expect("configs");
    sleep(Duration::from_secs(6)).await;
    assert_eq!(found(&world, "t").await, "1 t {\"retention.ms\": \"5\"}");
    // Also the topic itself.
    world.admin("c-0").delete_topic("t").await.expect("deleted");
    sleep(Duration::from_secs(6)).await;
    assert_eq!(found(&world, "t").await, "1 t {\"retention.ms\": \"5\"}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_to_stay_stays() {
    let (world, _operator) = world().await;
    world.apply(&topic("t", "c", json!({ "deletionPolicy": "Retain" }))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    world.delete("Topic", "default", "t").await;
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(found(&world, "t").await, "1 - {}");
}

#[tokio::test(start_paused = true)]
async fn paused_and_unmanaged_topics_are_left_alone() {
    let (world, _operator) = world().await;
    world.apply(&topic("t", "c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    let with =
        |management: &str| topic("t", "c", json!({ "management": management, "partitions": 5 }));
    world.apply(&with("Paused")).await;
    world.until("paused", |it| it.ready("Topic", "t").contains("Paused")).await;
    assert!(world.ready("Topic", "t").starts_with("False"), "it is not what is wanted");
    assert_eq!(found(&world, "t").await, "1 t {}");
    world.apply(&with("Managed")).await;
    world.until("managed", |it| it.are_ready("c", &["t"])).await;
    assert_eq!(found(&world, "t").await, "5 t {}");
    world.apply(&with("Unmanaged")).await;
    world.until("let go", |it| it.ready("Topic", "t").contains("Unmanaged")).await;
    assert_eq!(found(&world, "t").await, "5 - {}");
    world.delete("Topic", "default", "t").await;
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(found(&world, "t").await, "5 - {}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_cluster_is_left_alone() {
    let (world, operator) = world().await;
    let paused = cluster("c", json!({ "paused": true, "config": { "num.partitions": 7 } }));
    world.apply(&paused).await;
    world.until("paused", |it| it.ready("Cluster", "c").contains("Paused")).await;
    let writes = |operator: &Operator| {
        let all = operator.faults.writes();
        all.into_iter().filter(|it| it.plural != "clusters" && it.plural != "events").count()
    };
    let before = writes(&operator);
    world.delete("Service", "default", "c-bootstrap").await;
    world.apply(&topic("t", "c", json!({}))).await;
    world.until("told", |it| it.ready("Topic", "t").contains("ClusterPaused")).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(writes(&operator) - before, 1, "only the topic's status");
    assert_eq!(found(&world, "t").await, "");
    world.apply(&cluster("c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    assert!(world.object("Service", "default", "c-bootstrap").is_some());
}

#[tokio::test(start_paused = true)]
async fn only_the_namespaces_that_are_looked_after_are() {
    let world = World::new(1).await;
    world.make_namespace("web").await;
    let namespaces = vec!["default".to_owned()];
    let options = Options { namespaces, ..Options::default() };
    let operator = Operator::start_with(&world, Harm::default(), options);
    world.apply(&cluster("c", json!({ "topicNamespaces": ["*"] }))).await;
    world.apply(&in_namespace(cluster("d", json!({})), "web")).await;
    let mut far = topic("far", "d", json!({}));
    far["spec"]["clusterRef"]["namespace"] = json!("web");
    world.apply(&far).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    world.until("told", |it| it.ready("Topic", "far").contains("ClusterNotWatched")).await;
    world.settle().await;
    let elsewhere: Vec<_> =
        operator.faults.writes().into_iter().filter(|it| it.namespace != "default").collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_may_not_be_seen_holds_nobody_up_and_loses_nothing() {
    let world = World::new(1).await;
    world.make_namespace("web").await;
    let namespaces = vec!["default".to_owned(), "web".to_owned()];
    let options = Options { namespaces, ..Options::default() };
    let operator = Operator::start_with(&world, Harm::default(), options.clone());
    world.apply(&cluster("c", json!({ "topicNamespaces": ["web"] }))).await;
    let mut clicks = in_namespace(topic("clicks", "c", json!({})), "web");
    clicks["spec"]["clusterRef"]["namespace"] = json!("default");
    world.apply(&clicks).await;
    let told = |it: &World| it.condition("Topic", "web", "clicks", "Ready");
    world.until("ready", |it| told(it).starts_with("True")).await;
    operator.stop().await;
    // The role binding went with the namespace, or somebody took it away.
    let operator = Operator::start_with(&world, Harm::default(), options);
    let why = "no role lets millrace-operator list topics";
    let refused = Fault::Refuse(ApiError::forbidden("millrace.io", "topics", "", why));
    let rule = Rule::once(Verb::List, "topics", refused).times(usize::MAX);
    operator.faults.add(Rule { namespace: "web".to_owned(), ..rule });
    world.apply(&topic("orders", "c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["orders"])).await;
    world.delete("Topic", "default", "orders").await;
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(found(&world, "clicks").await, "1 clicks {}");
    assert_eq!(found(&world, "orders").await, "");
}
