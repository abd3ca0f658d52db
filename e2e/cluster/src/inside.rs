//! A foreign client inside of the cluster: franz-go in a pod.

use anyhow::Result;
use millrace_e2e::program::Program;
use serde_json::{Value, json};

use crate::kubectl;
use crate::namespace::Namespace;

/// The image that `cargo xtask e2e` loads, made from `e2e/clients/go`.
pub const IMAGE: &str = concat!("docker.io/millrace/e2e-client:", env!("CARGO_PKG_VERSION"));

/// A pod in which programs can be started.
#[derive(Clone, Debug)]
pub struct Inside {
    namespace: Namespace,
    pod: String,
}

impl Inside {
    /// Starts the pod and waits until it is there.
    ///
    /// # Errors
    /// It does not become ready.
    pub fn start(namespace: &Namespace) -> Result<Inside> {
        Inside::with(namespace, &json!({}))
    }

    /// As [`Inside::start`], on any node but this one.
    ///
    /// # Errors
    /// It does not become ready.
    pub fn away_from(namespace: &Namespace, node: &str) -> Result<Inside> {
        let other = json!({
            "key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node],
        });
        let terms = json!([{ "matchExpressions": [other] }]);
        let required = json!({ "nodeSelectorTerms": terms });
        Inside::with(
            namespace,
            &json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } }),
        )
    }

    fn with(namespace: &Namespace, affinity: &Value) -> Result<Inside> {
        let pod = "client";
        let object = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": pod, "labels": { "app": "client" } },
            "spec": {
                "affinity": affinity,
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "client",
                    "image": IMAGE,
                    "args": ["rest"],
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": { "drop": ["ALL"] },
                    },
                }],
            },
        });
        namespace.apply(&object.to_string())?;
        namespace.wait_for("pod", pod, "Ready")?;
        Ok(Inside { namespace: namespace.clone(), pod: pod.to_owned() })
    }

    /// Starts one of the verbs `member` and `feed`, see `clients/python/roles.py`, or `suite`.
    ///
    /// # Errors
    /// kubectl cannot be started.
    pub fn verb(&self, verb: &str, words: &[&str]) -> Result<Program> {
        let place = format!("--namespace={}", self.namespace.name);
        let exec = ["exec", "--stdin", &place, &self.pod, "--", "client", verb];
        let mut command = kubectl::command(&exec);
        Program::start(&format!("{verb} inside"), command.args(words))
    }
}
