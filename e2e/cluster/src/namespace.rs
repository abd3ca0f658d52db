//! A test's own namespace, and the frame that every test runs in.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use millrace_peers::toolchain;
use serde_json::{Value, json};

use crate::{evidence, kubectl, wait};

/// Names the cluster that tests run on: `kind:NAME` of one that we made, or `foreign`.
pub const CLUSTER_VARIABLE: &str = "MILLRACE_E2E_CLUSTER";

/// Set where the chart, and so the operator, is installed.
pub const OPERATOR_VARIABLE: &str = "MILLRACE_E2E_OPERATOR";

/// A namespace in which Pod Security `restricted` is enforced.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
}

/// A further namespace of a test; removed when dropped.
#[derive(Debug)]
pub struct Further(Namespace);

impl Deref for Further {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0
    }
}

impl Drop for Further {
    fn drop(&mut self) {
        // It may be gone already: some tests are about that.
        let _ = self.0.remove();
    }
}

/// Runs a test in a namespace of its own, which is removed afterwards.
///
/// If it fails, describe, events, logs and metrics are kept in `target/e2e/TEST`. Without a cluster
/// the test says that it is left out.
///
/// # Errors
/// Those of the test.
pub fn check(test: &str, body: impl FnOnce(&Namespace) -> Result<()>) -> Result<()> {
    if std::env::var_os(CLUSTER_VARIABLE).is_none() {
        toolchain::leave_out(test, "no Kubernetes; `cargo xtask test --all` makes a cluster first");
        return Ok(());
    }
    let namespace = Namespace::create(test)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&namespace)))
        .unwrap_or_else(|_| Err(anyhow!("{test} panicked; its words are above")));
    if outcome.is_err() {
        let dir = evidence::collect(test, &[&namespace.name, SYSTEM])?;
        say(&format!("{test} FAILED; what was there is in {}", dir.display()));
    }
    let is_kept = outcome.is_err() && std::env::var_os("MILLRACE_E2E_KEEP").is_some();
    if !is_kept {
        namespace.remove()?;
    }
    outcome
}

/// As [`check`], for a test that needs the operator: left out where there is none yet.
///
/// # Errors
/// Those of the test.
pub fn check_with_operator(test: &str, body: impl FnOnce(&Namespace) -> Result<()>) -> Result<()> {
    let has = |name: &str| std::env::var_os(name).is_some();
    if has(CLUSTER_VARIABLE) && !has(OPERATOR_VARIABLE) {
        toolchain::leave_out(test, "this tree has no operator yet");
        return Ok(());
    }
    check(test, body)
}

/// Where `cargo xtask e2e` installs the chart.
pub const SYSTEM: &str = "millrace-system";

impl Namespace {
    fn create(test: &str) -> Result<Namespace> {
        // A namespace of the same name may still be going.
        let unique = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() % 1_000_000;
        Namespace::make(format!("{}-{unique}", test.replace('_', "-")))
    }

    /// A namespace of this very name, for as long as the answer is kept.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn named(name: &str) -> Result<Further> {
        // One that an earlier run has left may still be going.
        kubectl::run(&["delete", "namespace", name, "--ignore-not-found", "--timeout=120s"])?;
        Namespace::make(name.to_owned()).map(Further)
    }

    fn make(name: String) -> Result<Namespace> {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "millrace.io/e2e": "true",
                },
            },
        });
        kubectl::run_with(&["apply", "--filename=-"], &object.to_string())?;
        let namespace = Namespace { name };
        // Pods are refused before it is there.
        wait::until("the default service account", wait::MAX, || {
            namespace.get("serviceaccount", "default").map(Ok)
        })?;
        Ok(namespace)
    }

    /// Removes it without waiting for its end; volumes and pods go in the background.
    fn remove(&self) -> Result<()> {
        kubectl::run(&["delete", "namespace", &self.name, "--wait=false"]).map(drop)
    }

    /// Runs kubectl in this namespace.
    ///
    /// # Errors
    /// kubectl fails.
    pub fn kubectl(&self, words: &[&str]) -> Result<String> {
        let place = format!("--namespace={}", self.name);
        let mut all = vec![place.as_str()];
        all.extend(words);
        kubectl::run(&all)
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// One is refused.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let place = format!("--namespace={}", self.name);
        kubectl::run_with(&[&place, "apply", "--filename=-"], manifests)
    }

    /// One object.
    ///
    /// # Errors
    /// There is none of the name.
    pub fn get(&self, kind: &str, name: &str) -> Result<Value> {
        kubectl::json(&["get", kind, name, &format!("--namespace={}", self.name)])
    }

    /// All objects of a kind that a label selector matches.
    ///
    /// # Errors
    /// kubectl fails.
    pub fn list(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let place = format!("--namespace={}", self.name);
        let found = kubectl::json(&["get", kind, &place, &format!("--selector={selector}")])?;
        Ok(found["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until an object's condition has status `True`, and belongs to its newest generation.
    ///
    /// # Errors
    /// It has not in time; the error tells the conditions that it has.
    pub fn wait_for(&self, kind: &str, name: &str, condition: &str) -> Result<Value> {
        wait::until(&format!("{kind} {name} {condition}"), wait::MAX, || {
            let object = self.get(kind, name)?;
            Ok(if is_true(&object, condition) {
                Ok(object)
            } else {
                Err(object["status"]["conditions"].to_string())
            })
        })
    }

    /// Waits until a pod is Ready that has started anew since it was seen as `before`.
    ///
    /// # Errors
    /// It is not in time.
    pub fn wait_for_restart(&self, before: &Value) -> Result<Value> {
        let name = before["metadata"]["name"].as_str().unwrap_or_default();
        let run = |pod: &Value| {
            let restarts = pod["status"]["containerStatuses"][0]["restartCount"].clone();
            (pod["metadata"]["uid"].clone(), restarts)
        };
        wait::until(&format!("pod {name} started anew"), wait::MAX, || {
            let pod = self.get("pod", name)?;
            let is_going = !pod["metadata"]["deletionTimestamp"].is_null();
            let is_there = !is_going && is_true(&pod, "Ready") && run(&pod) != run(before);
            Ok(if is_there { Ok(pod) } else { Err(pod["status"]["conditions"].to_string()) })
        })
    }
}

/// Whether a condition is true of the newest generation.
pub fn is_true(object: &Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|found| {
        found["type"] == condition
            && found["status"] == "True"
            && (found["observedGeneration"].is_null()
                || found["observedGeneration"] == object["metadata"]["generation"])
    })
}

#[expect(clippy::print_stdout, reason = "the test's own output")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_true;

    #[test]
    fn a_condition_of_an_older_generation_does_not_count() {
        let object = |observed: i64, status: &str| {
            json!({
                "metadata": {"generation": 2},
                "status": {"conditions": [
                    {"type": "Ready", "status": status, "observedGeneration": observed},
                ]},
            })
        };
        assert!(is_true(&object(2, "True"), "Ready"));
        assert!(!is_true(&object(1, "True"), "Ready"));
        assert!(!is_true(&object(2, "False"), "Ready"));
        assert!(!is_true(&object(2, "True"), "Degraded"));
        assert!(!is_true(&json!({}), "Ready"));
    }
}
