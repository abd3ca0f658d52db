//! The operator itself: stopped, killed, and there again.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use millrace_peers::run;
use serde_json::Value;

use crate::namespace::SYSTEM;
use crate::{kubectl, node, wait};

/// The name of its deployment.
const DEPLOYMENT: &str = "deployment/millrace-operator";
/// Selects its pods.
const SELECTOR: &str = "--selector=app.kubernetes.io/name=millrace-operator";

/// No operator runs; dropped, also by a failing test, it runs again.
#[derive(Debug)]
pub struct Stopped {
    is_over: bool,
}

impl Stopped {
    /// Stops the operator and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub fn begin() -> Result<Stopped> {
        let guard = Stopped { is_over: false };
        scale(0)?;
        wait::until("the operator gone", wait::MAX, || {
            let left = pods()?.len();
            Ok(if left == 0 { Ok(()) } else { Err(format!("{left} pods")) })
        })?;
        Ok(guard)
    }

    /// Starts the operator and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub fn end(mut self) -> Result<()> {
        self.is_over = true;
        start()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if !self.is_over {
            // Tests after this one say what is missing.
            let _ = start();
        }
    }
}

/// Kills the operator's pods as a crash does, without a word to them; others take their place.
///
/// # Errors
/// The API server refuses.
pub fn kill() -> Result<()> {
    let words = ["delete", "pods", SELECTOR, "--force", "--grace-period=0", "--wait=false"];
    // kubectl warns on standard error that it does not wait for the end of the process.
    system(&words).map(drop)
}

/// Waits until the operator is ready.
///
/// # Errors
/// It is not in time.
pub fn wait_until_ready() -> Result<()> {
    system(&["rollout", "status", DEPLOYMENT, "--timeout=120s"]).map(drop)
}

/// The memory that it takes, in MiB.
///
/// # Errors
/// It does not run, or on a node that is not ours.
pub fn resident_mib() -> Result<f64> {
    node::resident_kib(&pod()?).map(|size| size / 1024.0)
}

/// The sum of all lines of its metrics that begin so, such as `millrace_operator_writes_total`.
///
/// # Errors
/// It does not run, or tells none such.
pub fn figure(name: &str) -> Result<f64> {
    let pod = pod()?;
    let pod = pod["metadata"]["name"].as_str().context("no name")?;
    let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{pod}:8080/proxy/metrics");
    let text = kubectl::run(&["get", "--raw", &path])?;
    let lines = text.lines().filter(|line| line.starts_with(name));
    let figures: Vec<f64> = lines
        .map(|line| Ok(line.rsplit(' ').next().context("no figure")?.parse()?))
        .collect::<Result<_>>()?;
    ensure!(!figures.is_empty(), "no {name} in {text}");
    Ok(figures.iter().sum())
}

/// The pod that is there to stay.
fn pod() -> Result<Value> {
    let stays = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_null();
    pods()?.into_iter().find(stays).context("no operator")
}

fn start() -> Result<()> {
    scale(1)?;
    wait_until_ready()
}

fn scale(replicas: usize) -> Result<()> {
    system(&["scale", DEPLOYMENT, &format!("--replicas={replicas}")]).map(drop)
}

fn pods() -> Result<Vec<Value>> {
    let place = format!("--namespace={SYSTEM}");
    let found = kubectl::json(&["get", "pods", &place, SELECTOR])?;
    found["items"].as_array().cloned().context("no list")
}

fn system(words: &[&str]) -> Result<String> {
    let mut command = Command::new("kubectl");
    run(command.arg(format!("--namespace={SYSTEM}")).args(words))
}
