//! Faults of whole nodes: each node of a kind cluster is a container.
//!
//! Every fault is a guard: dropped, also by a failing test, it undoes itself and waits until the node
//! is Ready. Nodes of a cluster that we did not make are never touched.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use millrace_peers::{run, toolchain};
use serde_json::Value;

use crate::namespace::{CLUSTER_VARIABLE, is_true};
use crate::{kubectl, wait};

/// A fault of a node, undone when dropped.
#[derive(Debug)]
pub struct Fault {
    node: String,
    undo: Vec<Vec<String>>,
}

/// Whether nodes can be broken here; where they cannot, the test is noted as left out.
pub fn can_break(test: &str) -> bool {
    let cluster = std::env::var(CLUSTER_VARIABLE).unwrap_or_default();
    let is_ours = cluster.starts_with("kind:");
    if !is_ours && !cluster.is_empty() {
        toolchain::leave_out(test, "it breaks nodes, and those of KUBECONFIG are not ours");
    }
    is_ours
}

impl Fault {
    /// Cuts the power: every process of the node ends at once, its disk stays.
    ///
    /// # Errors
    /// The engine refuses.
    pub fn power_cut(node: &str) -> Result<Fault> {
        Fault::begin(node, &["kill", node], vec![words(&["start", node])])
    }

    /// Freezes all processes of the node where they are.
    ///
    /// # Errors
    /// The engine refuses.
    pub fn freeze(node: &str) -> Result<Fault> {
        Fault::begin(node, &["pause", node], vec![words(&["unpause", node])])
    }

    /// Lets nothing pass between the pods of a node and an address, in both directions.
    ///
    /// # Errors
    /// The engine or iptables refuses.
    pub fn partition(node: &str, address: &str) -> Result<Fault> {
        ensure!(node.starts_with(crate::kind::NAME), "{node} is no node of our cluster");
        let rule = |change: &str, side: &str| {
            let rule = ["exec", node, "iptables", change, "FORWARD", side, address, "-j", "DROP"];
            words(&rule)
        };
        let mut fault = Fault { node: node.to_owned(), undo: Vec::new() };
        for side in ["--source", "--destination"] {
            docker(&rule("--insert", side))?;
            fault.undo.push(rule("--delete", side));
        }
        Ok(fault)
    }

    /// Lets nothing pass between a node, with its pods, and all other nodes. What runs there goes on.
    ///
    /// # Errors
    /// The engine or iptables refuses.
    pub fn cut_off(node: &str) -> Result<Fault> {
        ensure!(node.starts_with(crate::kind::NAME), "{node} is no node of our cluster");
        let mut fault = Fault { node: node.to_owned(), undo: Vec::new() };
        for (chain, side) in [
            ("INPUT", "--in-interface"),
            ("OUTPUT", "--out-interface"),
            ("FORWARD", "--in-interface"),
            ("FORWARD", "--out-interface"),
        ] {
            let rule = |change: &str| {
                words(&["exec", node, "iptables", change, chain, side, "eth0", "-j", "DROP"])
            };
            docker(&rule("--insert"))?;
            fault.undo.push(rule("--delete"));
        }
        Ok(fault)
    }

    fn begin(node: &str, fault: &[&str], undo: Vec<Vec<String>>) -> Result<Fault> {
        // The name comes from the cluster; a container of somebody else's must not be hit.
        ensure!(node.starts_with(crate::kind::NAME), "{node} is no node of our cluster");
        let guard = Fault { node: node.to_owned(), undo };
        docker(&words(fault))?;
        Ok(guard)
    }

    /// Undoes the fault and waits until the node is Ready.
    ///
    /// # Errors
    /// It does not come back.
    pub fn heal(mut self) -> Result<()> {
        self.undo_all()
    }

    fn undo_all(&mut self) -> Result<()> {
        let undo = std::mem::take(&mut self.undo);
        if undo.is_empty() {
            return Ok(());
        }
        for words in undo {
            docker(&words)?;
        }
        wait_until_ready(&self.node)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if let Err(error) = self.undo_all() {
            say(&format!("{}: the fault is not undone: {error:#}", self.node));
        }
    }
}

/// Kills the first process of a pod's container as a crash does.
///
/// # Errors
/// The pod does not run, or on a node that is not ours.
pub fn kill_process(pod: &Value) -> Result<()> {
    let (node, process) = process_of(pod)?;
    on_node(node, &["kill", "-KILL", &process]).map(drop)
}

/// The memory that a pod's first process takes, in KiB.
///
/// # Errors
/// The pod does not run, or on a node that is not ours.
pub fn resident_kib(pod: &Value) -> Result<f64> {
    let (node, process) = process_of(pod)?;
    let status = on_node(node, &["cat", &format!("/proc/{process}/status")])?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The node of a pod, and there the id of its container's first process.
fn process_of(pod: &Value) -> Result<(&str, String)> {
    let node = pod["spec"]["nodeName"].as_str().context("no node")?;
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str();
    let id = id.and_then(|id| id.split_once("//")).context("no container")?.1;
    let format = ["--output=go-template", "--template={{.info.pid}}"];
    let process = on_node(node, &["crictl", "inspect", format[0], format[1], id])?;
    Ok((node, process.trim().to_owned()))
}

fn on_node(node: &str, words: &[&str]) -> Result<String> {
    ensure!(node.starts_with(crate::kind::NAME), "{node} is no node of our cluster");
    run(Command::new("docker").args(["exec", node]).args(words))
}

/// Waits until Kubernetes has noticed that the node does not answer.
///
/// # Errors
/// It does not in time.
pub fn wait_until_missed(node: &str) -> Result<()> {
    wait::until(&format!("node {node} missed"), wait::MAX, || {
        let object = kubectl::json(&["get", "node", node])?;
        let is_ready = is_true(&object, "Ready");
        Ok(if is_ready { Err("it counts as Ready".to_owned()) } else { Ok(()) })
    })
}

/// Waits until Kubernetes counts the node as ready.
///
/// # Errors
/// It does not in time.
pub fn wait_until_ready(node: &str) -> Result<()> {
    wait::until(&format!("node {node} Ready"), wait::MAX, || {
        let object = kubectl::json(&["get", "node", node])?;
        let conditions = object["status"]["conditions"].to_string();
        Ok(if is_true(&object, "Ready") { Ok(()) } else { Err(conditions) })
    })
}

fn docker(words: &[String]) -> Result<()> {
    run(Command::new("docker").args(words)).map(drop)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[expect(clippy::print_stdout, reason = "the test's own output")]
fn say(text: &str) {
    println!("{text}");
}
