//! A namespace with topics goes although the operator is away: no resource has a finalizer. Back
//! again, the operator finds what happened meanwhile.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, TOPICS, cluster, shop, topic};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::operator::Stopped;
use millrace_e2e_cluster::{kubectl, wait};
use serde_json::{Value, json};

fn place_of(topic: &str, cluster: &str) -> String {
    topic.replace("\"name\":\"shop\"", &format!("\"name\":\"shop\",\"namespace\":\"{cluster}\""))
}

fn body(namespace: &Namespace) -> Result<()> {
    let others = Namespace::named(&format!("{}-others", namespace.name))?;
    let stays = Namespace::named(&format!("{}-stays", namespace.name))?;
    let spec = json!({ "topicNamespaces": [others.name, stays.name] });
    shop(namespace, &spec)?;
    let apply = |place: &Namespace, name: &str, more: &Value| -> Result<()> {
        place.apply(&place_of(&topic(name, more), &namespace.name))?;
        place.wait_for(TOPICS, name, "Ready").map(drop)
    };
    apply(&others, "passing", &json!({ "deletionGracePeriod": "1s" }))?;
    apply(&others, "ledger", &json!({ "deletionPolicy": "Retain" }))?;
    apply(&others, "slow", &json!({ "deletionGracePeriod": "7d" }))?;
    apply(&stays, "kept", &json!({ "deletionGracePeriod": "1s" }))?;
    let inside = Inside::start(namespace)?;

    let stopped = Stopped::begin()?;
    // It ends although nobody is there to look after what is in it.
    kubectl::run(&["delete", "namespace", &others.name, "--timeout=120s"])?;
    let seen = inside.describe(BOOTSTRAP)?;
    ensure!(seen.topics.contains_key("passing"), "nobody was there to delete it");
    stopped.end()?;
    let seen = inside.wait_until(BOOTSTRAP, "the topic of a gone namespace gone", |seen| {
        !seen.topics.contains_key("passing")
    })?;
    for name in ["ledger", "slow", "kept", "orders"] {
        seen.topic(name)?;
    }
    // The cluster refuses a namespace: its topics stay, and are told why.
    let spec = json!({ "topicNamespaces": [others.name] });
    namespace.apply(&cluster("shop", &spec))?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    wait::until("the refusal told", wait::MAX, || {
        let told = stays.get(TOPICS, "kept")?["status"]["conditions"].to_string();
        Ok(if told.contains("NotAllowed") { Ok(()) } else { Err(told) })
    })?;
    ensure!(inside.describe(BOOTSTRAP)?.topics.contains_key("kept"));
    Ok(())
}

#[test]
fn a_namespace_goes_while_the_operator_is_away() -> Result<()> {
    check_with_operator("namespace_gone", body)
}
