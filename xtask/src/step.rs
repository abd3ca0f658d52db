//! Running one command of a habit, and saying how it went.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

/// The root of the source tree.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs this program, at the root of the tree.
pub fn cargo(words: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(words).current_dir(root());
    command
}

/// Runs a command with its output shown; whether it succeeded, said with its time.
///
/// # Errors
/// It cannot be started.
pub fn run(name: &str, command: &mut Command) -> Result<bool> {
    let start = Instant::now();
    say(&format!("== {name}"));
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    let outcome = if status.success() { "done" } else { "FAILED" };
    say(&format!("== {name}: {outcome} in {seconds:.1} s"));
    Ok(status.success())
}

/// Prints a line for the person who runs the habit.
#[expect(clippy::print_stdout, reason = "the output is what the command is for")]
pub fn say(line: &str) {
    println!("{line}");
}
