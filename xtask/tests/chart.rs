//! The Helm chart: lint, golden templates, what its schema refuses, and that it fits the rest.
//!
//! `UPDATE_EXPECT=1 cargo test -p xtask --test chart` writes `tests/chart/*.yaml` anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use millrace_e2e_cluster::engine;
use millrace_peers::toolchain;
use serde_json::Value;

/// Values that are rendered, and the file that holds what comes out.
const GOLDEN: &[(&str, &[&str])] = &[
    ("default", &[]),
    ("namespaced", &["watchNamespaces={a,b}", "replicas=2"]),
    ("monitored", &["metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"]),
    ("example", &["example.enabled=true", "serviceAccount.create=false", "rbac.create=false"]),
    (
        "placed",
        &[
            "podLabels.team=streams",
            "podAnnotations.note=x",
            "nodeSelector.disk=fast",
            "tolerations[0].operator=Exists",
            "priorityClassName=high",
            "imagePullSecrets[0].name=pull",
            "serviceAccount.annotations.role=y",
            "openshift=true",
        ],
    ),
];

/// Values that the schema refuses, and the field that it names.
const REFUSED: &[(&str, &str)] = &[
    ("replicas=many", "/replicas"),
    ("replicas=6", "/replicas"),
    ("replica=1", "replica"),
    ("watchNamespaces={A}", "/watchNamespaces/0"),
    ("watchNamespaces={a,a}", "/watchNamespaces"),
    ("openshift=1", "/openshift"),
    ("image.tag=a/b", "/image/tag"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
    ("log.format=xml", "/log/format"),
    ("metrics.serviceMonitor.interval=soon", "/metrics/serviceMonitor/interval"),
    ("example.name=", "/example/name"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs helm; none, and the test noted as left out, where there is no helm.
fn helm(test: &str, words: &[&str]) -> Option<Output> {
    let Some(program) = engine::program("helm") else {
        let reason = "`helm` is missing; `cargo xtask test --all` makes it first";
        toolchain::leave_out(&format!("chart: {test}"), reason);
        return None;
    };
    Some(Command::new(program).args(words).current_dir(root()).output().expect("helm"))
}

fn template(test: &str, sets: &[&str]) -> Option<Output> {
    let mut words = vec!["template", "millrace", "charts/millrace", "--namespace=millrace-system"];
    for set in sets {
        words.extend(["--set", set]);
    }
    helm(test, &words)
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn lint_finds_nothing() {
    if let Some(output) = helm("lint", &["lint", "--strict", "charts/millrace"]) {
        succeeded(&output);
    }
}

#[test]
fn templates_are_as_reviewed() {
    for (name, sets) in GOLDEN {
        let mut all = vec!["crds.enabled=false"];
        all.extend(*sets);
        let Some(output) = template("golden templates", &all) else { return };
        let text = succeeded(&output);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/{name}.yaml"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &text).expect("a golden file");
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == golden, "{} differs from\n{text}", path.display());
    }
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (set, field) in REFUSED {
        let Some(output) = template("refusals", &[set]) else { return };
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{set} is taken");
        assert!(text.contains(field), "{set}: {field} is not named in {text}");
    }
}

/// Names and contents of the files of a folder, as far as they are YAML.
fn manifests(dir: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(root().join(dir)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a manifest"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn definitions_are_those_of_the_types() {
    let (ours, types) = (manifests("charts/millrace/files/crds"), manifests("crds"));
    let copy = "run `cargo xtask crds`";
    assert!(ours == types, "charts/millrace/files/crds differs from crds: {copy}");
    for (set, is_kept) in [("crds.keep=true", true), ("crds.keep=false", false)] {
        let Some(output) = template("definitions", &[set]) else { return };
        let text = succeeded(&output);
        for (name, definition) in &types {
            let (before, after) = definition.split_once("\nmetadata:\n").expect("metadata");
            let keep = "  annotations:\n    helm.sh/resource-policy: keep\n";
            let keep = if is_kept { keep } else { "" };
            let wanted = format!("{before}\nmetadata:\n{keep}{after}");
            assert!(text.contains(wanted.trim()), "{name} is not as it should be in\n{text}");
        }
        let count = text.matches("kind: CustomResourceDefinition\n").count();
        assert_eq!(count, types.len(), "definitions with {set}");
    }
}

#[test]
fn versions_are_the_workspace_s() {
    let chart = fs::read_to_string(root().join("charts/millrace/Chart.yaml")).expect("Chart.yaml");
    for field in ["version", "appVersion"] {
        let line = format!("\n{field}: {}\n", env!("CARGO_PKG_VERSION"));
        assert!(chart.contains(&line), "{field} of the chart is another");
    }
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_are_there() {
    let files = root().join("charts/millrace/files");
    let dashboard = fs::read_to_string(files.join("dashboard.json")).expect("the dashboard");
    let _: Value = serde_json::from_str(&dashboard).expect("JSON");
    let alerts = fs::read_to_string(files.join("alerts.yaml")).expect("the alerts");
    let mut known = String::new();
    for source in ["broker/server/src", "operator/src"] {
        read_all(&root().join(source), &mut known);
    }
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for word in format!("{dashboard}{alerts}").split(|letter| !is_part(letter)) {
        let Some(name) = word.strip_prefix("millrace_") else { continue };
        // Prometheus appends what kind of number it is, and its unit.
        let suffixes = ["_total", "_bucket", "_bytes", "_seconds"];
        let bare = suffixes.iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
        assert!(known.contains(&format!("\"{bare}\"")), "nobody tells {word}");
    }
}

fn read_all(path: &Path, text: &mut String) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            read_all(&entry.expect("an entry").path(), text);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        text.push_str(&fs::read_to_string(path).expect("a source"));
    }
}
