//! docs/kubernetes.md tells each reason that a status may give.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Texts of the same shape that are no reasons of a status.
const OTHERS: [&str; 4] = ["PodInitializing", "ContainerCreating", "StatefulSet", "NodePort"];

/// The texts of a source file, without its tests, that look like a reason: `InvalidSpec`.
fn reasons_in(source: &str, all: &mut BTreeSet<String>) {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    for line in code {
        for text in line.split('"').skip(1).step_by(2) {
            let humps = text.chars().filter(char::is_ascii_uppercase).count();
            let is_name = text.chars().all(|it| it.is_ascii_alphabetic());
            if is_name && humps >= 2 && text.starts_with(|it: char| it.is_ascii_uppercase()) {
                all.insert(text.to_owned());
            }
        }
    }
}

#[test]
fn the_documentation_tells_each_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "cluster/plan.rs",
        "cluster/plan/brokers.rs",
        "cluster/plan/configs.rs",
        "cluster/plan/external_addresses.rs",
        "cluster/plan/rollout.rs",
        "cluster/plan/storage.rs",
        "cluster/plan/trial.rs",
        "cluster/problem.rs",
        "cluster/reconcile.rs",
        "cluster/status.rs",
        "cluster/wanted.rs",
        "topic/plan.rs",
        "topic/sync.rs",
        "topic/wanted.rs",
    ];
    let mut all = BTreeSet::new();
    for file in files {
        reasons_in(&fs::read_to_string(root.join("src").join(file)).expect(file), &mut all);
    }
    assert!(all.len() > 20, "{all:?}");
    let page = fs::read_to_string(root.join("../docs/kubernetes.md")).expect("docs/kubernetes.md");
    let is_told = |reason: &String| page.contains(&format!("`{reason}`"));
    let missing: Vec<_> =
        all.iter().filter(|it| !OTHERS.contains(&it.as_str()) && !is_told(it)).collect();
    assert!(missing.is_empty(), "not in docs/kubernetes.md: {missing:?}");
}
