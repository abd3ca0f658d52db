//! Shows that the simulator's checkers can fail: breaks a rule of the broker on purpose, one at a
//! time, in a copy of the sources, and lets the simulator find it.
//!
//! A mutant is a text in a file and what stands there instead. When the text is no longer there the
//! table is behind the code, and that fails, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use millrace_peers::cache;

use crate::step::{root, say};

mod table;

use table::{MUTANTS, Mutant};

/// Runs every mutant whose rule contains `filter`; true if each was caught.
///
/// # Errors
/// The copy cannot be made, the sound broker breaks a promise, or a mutant does not fit the sources.
pub fn run(filter: &str) -> Result<bool> {
    let copy = copy_sources()?;
    let chosen: Vec<_> = MUTANTS.iter().filter(|mutant| mutant.rule.contains(filter)).collect();
    let seeds_max = chosen.iter().map(|mutant| mutant.seeds_max).max().unwrap_or(0);
    say(&format!("the sound broker first: {seeds_max} seeds"));
    if let Caught::At { how, .. } = simulate(&copy, seeds_max, "the sound broker")? {
        bail!("a broker with no rule broken must not be caught: {how}");
    }
    let (mut rows, mut survived) = (String::new(), 0);
    for mutant in &chosen {
        let Mutant { rule, seeds_max, .. } = mutant;
        match hunt(&copy, mutant)? {
            Caught::At { seed, how } => {
                say(&format!("caught: {rule}: {how}"));
                rows += &format!("| {rule} | {seed} | {seeds_max} |\n");
            }
            Caught::Never => {
                survived += 1;
                say(&format!("SURVIVED {seeds_max} seeds: {rule}"));
                rows += &format!("| {rule} | none | {seeds_max} |\n");
            }
        }
    }
    say(&format!("| broken rule | caught at seed | at most |\n|---|---|---|\n{rows}"));
    say(&format!("mutants: {} passed, {survived} failed", chosen.len() - survived));
    Ok(survived == 0)
}

/// What the simulator made of a broker.
enum Caught {
    /// A seed broke a promise; what the simulator said.
    At { seed: u64, how: String },
    /// No seed did.
    Never,
}

/// Breaks the rule, runs seeds until one is caught, mends the rule.
fn hunt(copy: &Path, mutant: &Mutant) -> Result<Caught> {
    let path = copy.join(mutant.file);
    let sound = fs::read_to_string(&path).with_context(|| format!("no {}", mutant.file))?;
    if sound.matches(mutant.from).count() != 1 {
        bail!("{}: mutant {:?} does not fit exactly once", mutant.file, mutant.rule);
    }
    fs::write(&path, sound.replacen(mutant.from, mutant.to, 1))?;
    let caught = simulate(copy, mutant.seeds_max, mutant.rule);
    fs::write(&path, sound)?;
    caught
}

/// Builds the copy and runs so many seeds of it, or fewer if one breaks a promise.
fn simulate(copy: &Path, seeds_max: u32, what: &str) -> Result<Caught> {
    let output = Command::new("cargo")
        .args(["run", "--release", "--quiet", "--package", "millrace-sim", "--", "many"])
        .arg(seeds_max.to_string())
        .arg("--until-broken")
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.with_file_name("mutants-target"))
        // Each mutant is built for a few seconds of running.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64")
        // A mutant may leave code unused.
        .env("RUSTFLAGS", "-Awarnings")
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let seed_of = |line: &str| line.strip_prefix("seed ")?.split_once(':')?.0.parse::<u64>().ok();
    let broken = text.lines().filter(|line| line.contains("BROKEN"));
    match broken.filter_map(|line| Some((seed_of(line)?, line))).min() {
        Some((seed, line)) => Ok(Caught::At { seed, how: line.to_owned() }),
        None if text.contains(" 0 broken, ") => Ok(Caught::Never),
        None => bail!("{what} does not build or run:\n{text}"),
    }
}

/// Copies what git knows of into the cache; files that did not change keep their time.
fn copy_sources() -> Result<PathBuf> {
    let copy = cache::dir().join("mutants");
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output()?;
    for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(text) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&to, text)?;
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::MUTANTS;
    use crate::step::root;

    #[test]
    fn every_mutant_fits_the_sources_exactly_once() {
        for mutant in MUTANTS {
            let text = fs::read_to_string(root().join(mutant.file)).expect(mutant.file);
            assert_eq!(text.matches(mutant.from).count(), 1, "{}: {}", mutant.file, mutant.rule);
        }
    }
}
