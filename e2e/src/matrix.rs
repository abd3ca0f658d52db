//! The matrix client x feature: noted by the tests, written into `docs/compat.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::feature;

/// The line before the matrix in `docs/compat.md`.
pub const BEGIN: &str = "<!-- client matrix: begin, written by `cargo xtask test` -->";
/// The line after it.
pub const END: &str = "<!-- client matrix: end -->";

/// The name in notes under which the command line tools stand.
const TOOLS: &str = "tools";

/// Outcomes of one client: feature to `ok` or the reason of its failure.
pub type Outcomes = BTreeMap<String, Result<(), String>>;

/// Where the tests leave their notes for `cargo xtask`: in cargo's target folder.
///
/// # Errors
/// This program does not run from such a folder.
pub fn notes_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // Cargo marks its target folder with the first, but not one that was there before it, such as
    // a cache of CI; the second it writes into any.
    let marks = ["CACHEDIR.TAG", ".rustc_info.json"];
    let is_target = |dir: &&Path| marks.iter().any(|mark| dir.join(mark).exists());
    let target = program.ancestors().find(is_target);
    Ok(target.context("this program is not in cargo's target folder")?.join("e2e-matrix"))
}

/// Reads the lines `feature: ok` and `feature: FAIL reason` of a client's program.
///
/// # Errors
/// A feature of `wanted` has no line, two, or one that reads otherwise.
pub fn parse(lines: &[String], wanted: &[&str]) -> Result<Outcomes> {
    let mut outcomes = Outcomes::new();
    for line in lines {
        let Some((name, outcome)) = line.split_once(": ") else { bail!("line {line:?}") };
        let outcome = match outcome.strip_prefix("FAIL ") {
            Some(reason) => Err(reason.to_owned()),
            None if outcome == "ok" => Ok(()),
            None => bail!("line {line:?}"),
        };
        if outcomes.insert(name.to_owned(), outcome).is_some() {
            bail!("two lines for {name}");
        }
    }
    let heard: Vec<&str> = outcomes.keys().map(String::as_str).collect();
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    if heard != sorted {
        bail!("asked for {sorted:?}, got {heard:?}");
    }
    Ok(outcomes)
}

/// Notes outcomes for the matrix, under the name of the client and of the test.
///
/// # Errors
/// The note cannot be written.
pub fn note(client: Client, test: &str, outcomes: &Outcomes) -> Result<()> {
    let dir = notes_dir()?;
    fs::create_dir_all(&dir)?;
    let mut text = String::new();
    for (feature, outcome) in outcomes {
        let word = outcome.as_ref().map_or("FAIL", |()| "ok");
        text.push_str(&format!("{feature} {word}\n"));
    }
    fs::write(dir.join(format!("{}.{test}", client.name())), text)?;
    Ok(())
}

/// Notes whether some of Kafka's command line tools did all that was asked of them.
///
/// # Errors
/// The note cannot be written.
pub fn note_tools(tools: &[&str], succeeded: bool) -> Result<()> {
    let dir = notes_dir()?;
    fs::create_dir_all(&dir)?;
    let word = if succeeded { "ok" } else { "FAIL" };
    for tool in tools {
        fs::write(dir.join(format!("{TOOLS}.{tool}")), format!("{tool} {word}\n"))?;
    }
    Ok(())
}

/// The matrix as Markdown, from the notes of all clients.
///
/// # Errors
/// The notes cannot be read.
pub fn render() -> Result<String> {
    let mut noted: BTreeMap<(String, String), String> = BTreeMap::new();
    for file in fs::read_dir(notes_dir()?)? {
        let path = file?.path();
        let client = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for line in fs::read_to_string(&path)?.lines() {
            if let Some((feature, word)) = line.split_once(' ') {
                noted.insert((client.clone(), feature.to_owned()), word.to_owned());
            }
        }
    }
    let names: Vec<&str> = Client::ALL.iter().map(|client| client.name()).collect();
    let mut text = format!("| feature | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(6));
    let mut reasons: Vec<&str> = Vec::new();
    let mut number = |reason: &'static str| {
        let known = reasons.iter().position(|known| *known == reason);
        known.unwrap_or_else(|| {
            reasons.push(reason);
            reasons.len() - 1
        }) + 1
    };
    for (feature, what) in feature::SUITE.iter().chain(&feature::GROUP) {
        text.push_str(&format!("| `{feature}`: {what} |"));
        for client in Client::ALL {
            let lacked = client.lacks().iter().find(|(lacked, _)| lacked == feature);
            let note = noted.get(&(client.name().to_owned(), (*feature).to_owned()));
            let note = note.map_or("not run", String::as_str);
            let cell = match (lacked, client.lacks_part(feature)) {
                (Some((_, reason)), _) => format!("– ({})", number(reason)),
                (None, Some(reason)) => format!("{note} ({})", number(reason)),
                (None, None) => note.to_owned(),
            };
            text.push_str(&format!(" {cell} |"));
        }
        text.push('\n');
    }
    let numbered = reasons.iter().enumerate();
    let footnotes: String =
        numbered.map(|(at, reason)| format!("{}. {reason}\n", at + 1)).collect();
    let tools = noted.iter().filter(|((client, _), _)| client == TOOLS);
    let tools: Vec<String> = tools.map(|((_, tool), word)| format!("`{tool}` {word}")).collect();
    Ok(format!(
        "{text}\n– means that the client itself has it not:\n\n{footnotes}\n\
         Apache Kafka's own command line tools (`e2e/tests/tools.rs`): {}.\n",
        tools.join(", ")
    ))
}
