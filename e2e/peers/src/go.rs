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
    let mut texts: Vec<&str> = inputs.iter().map(String::as_str).collect();
    // Static, so that it runs in an image that holds nothing else, too.
    texts.push("CGO_ENABLED=0");
    let dir = cache::entry("go", &texts, |dir| {
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(dir.join("client")).arg(".").current_dir(&source);
        // The flag makes a changed go.sum an error: the tree is never written by a test.
        go.env("GOFLAGS", "-mod=readonly -buildvcs=false").env("CGO_ENABLED", "0");
        run(&mut go).map(drop)
    })?;
    Ok(dir.join("client"))
}
