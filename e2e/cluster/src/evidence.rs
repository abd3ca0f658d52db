//! What a failed test leaves behind: everything that a person would ask the cluster for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::kubectl;

/// What is asked of each namespace, and the file that the answer goes to.
const QUESTIONS: &[(&str, &[&str])] = &[
    ("objects.txt", &["get", "all,pvc,configmap,pdb,networkpolicy,events", "--output=wide"]),
    ("describe.txt", &["describe", "all,pvc"]),
    ("events.txt", &["get", "events", "--sort-by=.lastTimestamp", "--output=wide"]),
    ("millrace.yaml", &["get", "clusters.millrace.io,topics.millrace.io", "--output=yaml"]),
];

/// Writes the answers to a folder; where that is.
///
/// A question that fails leaves its error in its file, so that one dead node does not hide the rest.
///
/// # Errors
/// The folder cannot be written.
pub fn collect(test: &str, namespaces: &[&str]) -> Result<PathBuf> {
    let dir = dir().join(test);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    write(&dir.join("nodes.txt"), &["describe", "nodes"])?;
    for namespace in namespaces {
        let place = format!("--namespace={namespace}");
        let dir = dir.join(namespace);
        fs::create_dir_all(&dir)?;
        for (file, question) in QUESTIONS {
            let mut words = question.to_vec();
            words.push(&place);
            write(&dir.join(file), &words)?;
        }
        let pods = kubectl::run(&["get", "pods", &place, "--output=name"]).unwrap_or_default();
        for pod in pods.lines() {
            let name = pod.trim_start_matches("pod/");
            let logs = ["logs", pod, &place, "--all-containers", "--prefix", "--tail=5000"];
            write(&dir.join(format!("{name}.log")), &logs)?;
            let mut before = logs.to_vec();
            before.push("--previous");
            write(&dir.join(format!("{name}.previous.log")), &before)?;
            for port in [9644, 8080] {
                let path =
                    format!("/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy/metrics");
                if let Ok(text) = kubectl::run(&["get", "--raw", &path, "--request-timeout=5s"]) {
                    fs::write(dir.join(format!("{name}.metrics")), text)?;
                }
            }
        }
    }
    Ok(dir)
}

/// The folder of all tests, `target/e2e`.
pub fn dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")).join("e2e")
}

fn write(path: &Path, words: &[&str]) -> Result<()> {
    let mut words = words.to_vec();
    // A cluster that hangs must not keep the tests.
    words.push("--request-timeout=20s");
    let text = kubectl::run(&words).unwrap_or_else(|error| format!("{error:#}\n"));
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
