//! kubectl, as users run it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A kubectl command that is not started yet.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(words);
    command
}

/// Runs kubectl to its end; what it printed.
///
/// # Errors
/// It fails; its own words are in the error.
pub fn run(words: &[&str]) -> Result<String> {
    text(words, &command(words).stdin(Stdio::null()).output().context("cannot start kubectl")?)
}

/// Runs kubectl with something on its standard input, such as manifests for `apply -f -`.
///
/// # Errors
/// It fails; its own words are in the error.
pub fn run_with(words: &[&str], input: &str) -> Result<String> {
    let mut child = command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start kubectl")?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    text(words, &child.wait_with_output()?)
}

/// Runs kubectl with `--output=json`.
///
/// # Errors
/// It fails, or prints no JSON.
pub fn json(words: &[&str]) -> Result<Value> {
    let mut all = words.to_vec();
    all.push("--output=json");
    Ok(serde_json::from_str(&run(&all)?)?)
}

fn text(words: &[&str], output: &Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("kubectl {}: {}", words.join(" "), stderr.trim());
    }
    Ok(stdout)
}
