//! The Go clients: one binary, built into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, clients_dir, run};

/// Builds the program of `e2e/clients/go`; its path.
///
/// # Errors
/// Go cannot be run, cannot reach its module proxy, or refuses a source.
pub fn binary() -> Result<PathBuf> {
    let source = clients_dir().join("go");
    let mut paths = Vec::new();
    for file in std::fs::read_dir(&source).with_context(|| format!("no {}", source.display()))? {
        paths.push(file?.path());
    }
    paths.sort();
    let inputs = paths.iter().map(|path| cache::input(path)).collect::<Result<Vec<_>>>()?;
    let texts: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let dir = cache::entry("go", &texts, |dir| {
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(dir.join("client")).arg(".").current_dir(&source);
        // The flag makes a changed go.sum an error: the tree is never written by a test.
        run(go.env("GOFLAGS", "-mod=readonly -buildvcs=false")).map(drop)
    })?;
    Ok(dir.join("client"))
}
