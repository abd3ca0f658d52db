//! Bad manifests are refused by the API server itself, in words that name field and rule; what only
//! the operator can judge is told in the status.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{CLUSTERS, TOPICS, cluster, topic};
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use serde_json::{Value, json};

fn expect_refusal(namespace: &Namespace, manifest: &str, words: &[&str]) -> Result<()> {
    let Err(error) = namespace.apply(manifest) else {
        anyhow::bail!("accepted: {manifest}");
    };
    let text = format!("{error:#}");
    for word in words {
        ensure!(text.contains(word), "{word:?} is not in the refusal of {manifest}: {text}");
    }
    Ok(())
}

fn clusters_at_first(namespace: &Namespace) -> Result<()> {
    let internal = json!({ "name": "internal", "type": "Internal", "port": 9092 });
    let with = |listener: Value| json!({ "listeners": [internal, listener] });
    let rows: [(Value, &[&str]); 13] = [
        (json!({ "replicas": 0 }), &["spec.replicas", "greater than or equal to 1"]),
        (json!({ "replicas": "many" }), &["spec.replicas", "integer"]),
        (json!({ "replica": 1 }), &["unknown field", "spec.replica"]),
        (json!({ "storage": { "size": "much" } }), &["spec.storage.size", "should match"]),
        (
            json!({ "deletionPolicy": "Retain", "storage": { "deletionPolicy": "Delete" } }),
            &["spec", "storage.deletionPolicy must be Retain"],
        ),
        (json!({ "listeners": [] }), &["spec.listeners"]),
        (
            json!({ "listeners": [{ "name": "a", "type": "NodePort", "port": 9092 }] }),
            &["spec.listeners", "exactly one listener must be of type Internal"],
        ),
        (
            with(json!({ "name": "b", "type": "NodePort", "port": 9092 })),
            &["spec.listeners", "a port of its own"],
        ),
        (
            with(json!({ "name": "internal", "type": "NodePort", "port": 9093 })),
            &["spec.listeners[1]", "Duplicate value"],
        ),
        (
            with(json!({ "name": "b", "type": "NodePort", "port": 8080 })),
            &["spec.listeners[1].port", "8080 is that of probes"],
        ),
        (
            with(json!({ "name": "b", "type": "LoadBalancer", "port": 9093, "nodePort": 31000 })),
            &["spec.listeners[1].nodePort", "for listeners of type NodePort"],
        ),
        (
            with(json!({ "name": "B", "type": "NodePort", "port": 9093 })),
            &["spec.listeners[1].name", "should match"],
        ),
        (
            with(json!({ "name": "b", "type": "Ingress", "port": 9093 })),
            &["spec.listeners[1].type", "Unsupported value"],
        ),
    ];
    rows.iter()
        .try_for_each(|(spec, words)| expect_refusal(namespace, &cluster("bad", spec), words))
}

fn topics_at_first(namespace: &Namespace) -> Result<()> {
    let rows: [(Value, &[&str]); 5] = [
        (json!({ "clusterRef": null }), &["spec.clusterRef", "Required value"]),
        (json!({ "partitions": 0 }), &["spec.partitions", "greater than or equal to 1"]),
        (json!({ "topicName": "a topic" }), &["spec.topicName", "should match"]),
        (json!({ "deletionGracePeriod": "a while" }), &["spec.deletionGracePeriod"]),
        (json!({ "management": "Perhaps" }), &["spec.management", "Unsupported value"]),
    ];
    rows.iter().try_for_each(|(more, words)| expect_refusal(namespace, &topic("bad", more), words))
}

fn changes(namespace: &Namespace) -> Result<()> {
    let storage = |size: &str, class: &str| {
        cluster(
            "fixed",
            &json!({ "paused": true, "storage": { "size": size, "className": class } }),
        )
    };
    namespace.apply(&storage("2Gi", "standard"))?;
    expect_refusal(namespace, &storage("1Gi", "standard"), &["spec.storage", "not shrink"])?;
    expect_refusal(namespace, &storage("2Gi", "other"), &["spec.storage", "class of a volume"])?;
    namespace.apply(&storage("3Gi", "standard"))?;

    let made = |more: &Value| topic("made", more);
    namespace.apply(&made(&json!({ "partitions": 3, "topicName": "Made" })))?;
    for (more, words) in [
        (json!({ "partitions": 2, "topicName": "Made" }), "not taken away"),
        (json!({ "partitions": 3, "topicName": "Mad" }), "cannot be renamed"),
        (json!({ "partitions": 3 }), "cannot be renamed"),
        (
            json!({ "partitions": 3, "topicName": "Made", "clusterRef": { "name": "other" } }),
            "cannot move",
        ),
    ] {
        expect_refusal(namespace, &made(&more), &["spec", words])?;
    }
    namespace.apply(&made(&json!({ "partitions": 4, "topicName": "Made" }))).map(drop)
}

fn by_the_operator(namespace: &Namespace) -> Result<()> {
    for (spec, reason, words) in [
        (json!({ "replicas": 3 }), "ReplicationMissing", "spec.replicas: 3 is above"),
        (json!({ "config": { "nod.id": 1 } }), "InvalidSpec", "did you mean node.id"),
        (
            json!({ "config": { "log.retention.ms": "1h" } }),
            "InvalidSpec",
            "expected a whole number",
        ),
        (json!({ "config": { "log.dirs": "/x" } }), "InvalidSpec", "use spec.storage"),
    ] {
        namespace.apply(&cluster("told", &spec))?;
        let told = namespace.wait_for_refusal(CLUSTERS, "told", reason)?;
        ensure!(told.contains(words), "{words:?} is not in {told:?}");
        let pods = namespace.list("pod", "millrace.io/cluster=told")?;
        ensure!(pods.is_empty(), "brokers of a cluster that was refused: {pods:?}");
    }
    // A schema cannot say "text, number or boolean", so the API server takes a list.
    namespace.apply(&topic("listed", &json!({ "config": { "retention.ms": [1] } })))?;
    namespace.apply(&cluster("shop", &json!({})))?;
    let told = namespace.wait_for_refusal(TOPICS, "listed", "InvalidSpec")?;
    ensure!(told.contains("retention.ms"), "{told:?}");
    Ok(())
}

/// What only a node can judge is told in its words.
fn by_a_node(namespace: &Namespace) -> Result<()> {
    let told = namespace.wait_for_refusal(CLUSTERS, "tiny", "BrokerNotStarting")?;
    ensure!(told.contains("FailedCreatePodSandBox"), "{told:?}");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_with_its_field() -> Result<()> {
    check_with_operator("refused", |namespace| {
        let tiny = json!({ "resources": { "limits": { "memory": "1Mi" } } });
        namespace.apply(&cluster("tiny", &tiny))?;
        clusters_at_first(namespace)?;
        topics_at_first(namespace)?;
        changes(namespace)?;
        by_the_operator(namespace)?;
        by_a_node(namespace)
    })
}
