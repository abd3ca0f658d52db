//! Foreign software for the tests: what it needs, where it is kept, how it is run.
//!
//! Everything comes by the ordinary package client of its language into a cache outside the tree
//! (`$MILLRACE_CACHE`, else `~/.cache/millrace`) and is fetched once: an entry's name holds a hash
//! of what it was made from. Nothing here knows Millrace; the harness that does is `millrace-e2e`.
//! Any crate's tests may use this one as a dev-dependency; no crate that ships does.

pub mod cache;
pub mod go;
pub mod java;
pub mod kafka;
pub mod node;
pub mod ports;
pub mod python;
pub mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder `e2e/clients` of this source tree, where the foreign clients' programs live.
pub fn clients_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients")
}

/// Runs a command to its end and fails, with all that it printed, unless it succeeds.
///
/// # Errors
/// The command cannot be started or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}:\n{stdout}{stderr}", output.status);
    }
    Ok(stdout)
}
