//! A `Cluster` in a test's namespace, and what tests ask about it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::wait;

/// The resource's kind, as kubectl takes it.
pub const CLUSTERS: &str = "clusters.millrace.io";
/// The kind of topics, as kubectl takes it.
pub const TOPICS: &str = "topics.millrace.io";
/// How clients in the namespace of a [`shop`] begin.
pub const BOOTSTRAP: &str = "shop-bootstrap:9092";

/// The manifest of a cluster.
pub fn cluster(name: &str, spec: &Value) -> String {
    let object = json!({
        "apiVersion": "millrace.io/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": name },
        "spec": spec,
    });
    format!("{object}\n---\n")
}

/// The manifest of a topic of the cluster `shop`, with more in its spec.
pub fn topic(name: &str, more: &Value) -> String {
    let mut spec = json!({ "clusterRef": { "name": "shop" } });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let object = json!({
        "apiVersion": "millrace.io/v1alpha1",
        "kind": "Topic",
        "metadata": { "name": name },
        "spec": spec,
    });
    format!("{object}\n---\n")
}

/// Makes the cluster `shop` with a topic `orders` of three partitions, and waits for both.
///
/// # Errors
/// They do not become ready.
pub fn shop(namespace: &Namespace, spec: &Value) -> Result<()> {
    let orders = topic("orders", &json!({ "partitions": 3 }));
    namespace.apply(&format!("{}{orders}", cluster("shop", spec)))?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    namespace.wait_for(TOPICS, "orders", "Ready").map(drop)
}

impl Namespace {
    /// Waits until `Ready` is false for this reason, of the newest generation; what is told.
    ///
    /// # Errors
    /// It does not become so in time.
    pub fn wait_for_refusal(&self, kind: &str, name: &str, reason: &str) -> Result<String> {
        wait::until(&format!("{kind} {name} not ready: {reason}"), wait::MAX, || {
            let object = self.get(kind, name)?;
            let generation = &object["metadata"]["generation"];
            let conditions = object["status"]["conditions"].as_array().context("no conditions")?;
            let ready = conditions.iter().find(|it| it["type"] == "Ready").context("no Ready")?;
            let is_so = ready["reason"] == reason
                && ready["status"] == "False"
                && ready["observedGeneration"] == *generation;
            let message = ready["message"].as_str().unwrap_or_default().to_owned();
            Ok(if is_so { Ok(message) } else { Err(ready.to_string()) })
        })
    }

    /// The uid of a pod, which is another one after a restart by the operator.
    ///
    /// # Errors
    /// There is no such pod.
    pub fn uid(&self, kind: &str, name: &str) -> Result<String> {
        let object = self.get(kind, name)?;
        Ok(object["metadata"]["uid"].as_str().context("no uid")?.to_owned())
    }

    /// Makes sure that a pod is the one of this uid, has not started anew, and is ready.
    ///
    /// # Errors
    /// It is not.
    pub fn ensure_unharmed(&self, pod: &str, uid: &str) -> Result<()> {
        let object = self.get("pod", pod)?;
        ensure!(object["metadata"]["uid"] == *uid, "pod {pod} is another one now");
        let container = &object["status"]["containerStatuses"][0];
        ensure!(container["restartCount"] == 0, "the broker started anew: {container}");
        ensure!(container["ready"] == true, "the broker does not serve: {container}");
        Ok(())
    }

    /// Deletes an object and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.kubectl(&["delete", kind, name, "--timeout=120s"]).map(drop)
    }
}
