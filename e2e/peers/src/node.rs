//! The Node.js clients: `node_modules` in the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{cache, clients_dir, run};

/// Installs what `package-lock.json` lists; the folder `node_modules`.
///
/// # Errors
/// npm cannot be run or cannot reach its registry.
pub fn modules() -> Result<PathBuf> {
    let source = clients_dir().join("node");
    let files = ["package.json", "package-lock.json"];
    let mut inputs = Vec::new();
    for file in files {
        inputs.push(cache::input(&source.join(file))?);
    }
    let texts: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let dir = cache::entry("node", &texts, |dir| {
        for file in files {
            std::fs::copy(source.join(file), dir.join(file))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(dir);
        run(&mut npm).map(drop)
    })?;
    Ok(dir.join("node_modules"))
}

/// A command that runs a program of `e2e/clients/node`.
///
/// # Errors
/// As [`modules`].
pub fn command(program: &str) -> Result<Command> {
    let mut command = Command::new("node");
    command.arg(clients_dir().join("node").join(program)).env("NODE_PATH", modules()?);
    Ok(command)
}
