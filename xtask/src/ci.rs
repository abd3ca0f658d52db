//! `cargo xtask ci`: what `.ci/run` runs. It leaves no test out: what cannot run fails it.

use anyhow::Result;

use crate::step::{cargo, run as step, say};
use crate::{supply, test};

/// Runs every check, also after one has failed; whether all succeeded.
///
/// # Errors
/// A tool cannot be started.
pub fn run() -> Result<bool> {
    let mut failed = Vec::new();
    let mut note = |name: &'static str, succeeded: bool| {
        if !succeeded {
            failed.push(name);
        }
    };
    note("format", step("format", &mut cargo(&["fmt", "--all", "--check"]))?);
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    note("lints", step("lints", &mut cargo(&clippy))?);
    let supply = supply::check();
    say(&supply.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone));
    note("dependencies", supply.is_ok());
    let mut docs = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    note("docs", step("docs", docs.env("RUSTDOCFLAGS", "-D warnings"))?);
    // Last, so that its closing line is the last one.
    let tests = test::run(true)?;
    note("tests", tests);
    // The matrix tells what this machine's run found; its table of APIs is held by a test.
    if tests && !test::generated_is_committed()? {
        say("docs/compat.md differs from what this run found: look at it and commit it");
    }
    if !failed.is_empty() {
        say(&format!("failed: {}", failed.join(", ")));
    }
    Ok(failed.is_empty())
}
