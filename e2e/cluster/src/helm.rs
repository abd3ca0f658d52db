//! The release of the chart that all tests share.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use millrace_peers::run;

use crate::namespace::SYSTEM;

/// Its name.
pub const RELEASE: &str = "millrace";

/// The chart of this source tree.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/millrace")
}

/// Words that install a chart as the release, or upgrade it, and wait until it runs.
pub fn install(chart: &Path) -> Vec<String> {
    let chart = chart.display().to_string();
    let words = ["upgrade", "--install", RELEASE, &chart, "--create-namespace", "--wait"];
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    words.extend([format!("--namespace={SYSTEM}"), "--timeout=3m".to_owned()]);
    words
}

/// Runs helm in the namespace of the release; what it printed.
///
/// # Errors
/// helm fails.
pub fn helm(words: &[&str]) -> Result<String> {
    run(Command::new("helm").args(words).arg(format!("--namespace={SYSTEM}")))
}

/// Installs the chart as it is when dropped, whatever a test has done to the release.
#[derive(Debug)]
pub struct Installed;

impl Drop for Installed {
    fn drop(&mut self) {
        // Tests after this one say what is missing.
        let _ = run(Command::new("helm").args(install(&chart())));
    }
}
