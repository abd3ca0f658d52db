//! Every command of the README's Kubernetes way, and of what Helm tells after an installation, as it
//! stands there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use millrace_e2e_cluster::cluster::CLUSTERS;
use millrace_e2e_cluster::namespace::{Namespace, SYSTEM, check_with_operator};
use millrace_e2e_cluster::{evidence, helm, kubectl};
use millrace_peers::run;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands of a section, in their order.
fn commands(section: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("README.md"))?;
    let (_, rest) = text.split_once(section).with_context(|| format!("no {section:?}"))?;
    let part = rest.split("\n## ").next().unwrap_or(rest);
    Ok(part.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect())
}

/// A kubeconfig that begins in the test's namespace, as that of a user would.
fn kubeconfig(namespace: &Namespace) -> Result<PathBuf> {
    let path = evidence::dir().join(format!("kubeconfig-{}", namespace.name));
    let text = kubectl::run(&["config", "view", "--raw", "--flatten", "--minify"])?;
    fs::write(&path, text)?;
    let file = format!("--kubeconfig={}", path.display());
    let place = format!("--namespace={}", namespace.name);
    kubectl::run(&["config", "set-context", "--current", &place, &file])?;
    Ok(path)
}

fn shell(script: &str, kubeconfig: &Path) -> Result<String> {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(root()).env("KUBECONFIG", kubeconfig);
    run(&mut command).with_context(|| script.to_owned())
}

/// What the notes give to be run: their indented lines.
fn notes() -> Result<String> {
    let text = helm::helm(&["get", "notes", helm::RELEASE])?;
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("     ")).collect();
    ensure!(lines.len() > 10, "no commands in {text}");
    Ok(lines.join("\n"))
}

fn body(namespace: &Namespace) -> Result<()> {
    let kubeconfig = kubeconfig(namespace)?;
    let commands = commands("\n## On Kubernetes\n")?;
    ensure!(commands.len() > 10, "{commands:?}");
    let _installed = helm::Installed;
    let told = shell(&notes()?, &kubeconfig)?;
    ensure!(told.contains("one coffee"), "the notes' commands told {told}");
    let system = format!("--namespace={SYSTEM}");
    kubectl::run(&["delete", CLUSTERS, "quickstart", &system])?;
    kubectl::run(&["delete", "pvc", "data-quickstart-0", &system])?;
    kubectl::run(&["delete", "topics.millrace.io", "orders", &system])?;

    for command in &commands {
        let told = shell(command, &kubeconfig)?;
        for (part, expected) in [
            (" consume ", "one coffee\n"),
            (" get millrace", "quickstart"),
            (" describe ", "Ready"),
        ] {
            let is_told = !command.contains(part) || told.contains(expected);
            ensure!(is_told, "{command:?} does not tell {expected:?} but {told:?}");
        }
    }
    let left = kubectl::run(&["get", "crd", "--output=name"])?;
    ensure!(!left.contains("millrace.io"), "the last command left {left}");
    fs::remove_file(kubeconfig)?;
    Ok(())
}

#[test]
fn the_commands_of_the_readme_work() -> Result<()> {
    check_with_operator("readme", body)
}
