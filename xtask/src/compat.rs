//! The generated parts of `docs/compat.md`.

use std::fs;

use anyhow::{Context, Result, bail};
use millrace_e2e::matrix;

use crate::step::{cargo, root, run};

/// Writes both tables: the APIs, from the server's own; the clients, from the last test run.
///
/// # Errors
/// A table cannot be made or written.
pub fn write() -> Result<String> {
    let mut print = cargo(&["test", "-q", "-p", "millrace-server", "--lib", "docs_show"]);
    if !run("the table of APIs", print.env("MILLRACE_UPDATE_DOCS", "1"))? {
        bail!("the table of APIs was not written");
    }
    write_matrix()
}

/// Writes the matrix of the last test run.
///
/// # Errors
/// There was no such run, or the file has no place for the matrix.
pub fn write_matrix() -> Result<String> {
    let path = root().join("docs/compat.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(matrix::BEGIN).context("no start of the matrix")?;
    let (_, after) = rest.split_once(matrix::END).context("no end of the matrix")?;
    let (begin, end) = (matrix::BEGIN, matrix::END);
    let matrix = matrix::render().context("no notes of a test run")?;
    let wanted = format!("{before}{begin}\n\n{matrix}\n{end}{after}");
    if wanted == text {
        return Ok("docs/compat.md is up to date".to_owned());
    }
    fs::write(&path, wanted)?;
    Ok("docs/compat.md has a new client matrix".to_owned())
}
