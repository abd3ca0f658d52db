//! The Python clients: a virtual environment in the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{cache, clients_dir, run};

/// Makes the virtual environment with the clients of `requirements.txt`; its interpreter.
///
/// # Errors
/// The environment cannot be made, or pip cannot reach its registry.
pub fn interpreter() -> Result<PathBuf> {
    let requirements = clients_dir().join("python/requirements.txt");
    let inputs = cache::input(&requirements)?;
    let dir = cache::entry("python", &[&inputs], |dir| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")))?;
        run(Command::new(dir.join("venv/bin/python"))
            .args(["-m", "pip", "install", "-q", "--only-binary", ":all:", "-r"])
            .arg(&requirements))
        .map(drop)
    })?;
    Ok(dir.join("venv/bin/python"))
}

/// A command that runs a program of `e2e/clients/python`.
///
/// # Errors
/// As [`interpreter`].
pub fn command(program: &str) -> Result<Command> {
    let mut command = Command::new(interpreter()?);
    // -B: the source tree stays free of compiled files.
    command.args(["-B", "-u"]).arg(clients_dir().join("python").join(program));
    Ok(command)
}
