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

/// Runs every mutant; true if each was caught.
///
/// # Errors
/// The copy cannot be made, or a mutant does not fit the sources.
pub fn run() -> Result<bool> {
    let copy = copy_sources()?;
    let (mut caught, mut survived) = (0, 0);
    for mutant in MUTANTS {
        match hunt(&copy, mutant)? {
            Some(how) => {
                caught += 1;
                say(&format!("caught: {}: {how}", mutant.rule));
            }
            None => {
                survived += 1;
                say(&format!("SURVIVED {} seeds: {}", mutant.seeds_max, mutant.rule));
            }
        }
    }
    say(&format!("mutants: {caught} passed, {survived} failed"));
    Ok(survived == 0)
}

/// Breaks the rule, runs seeds until one is caught, mends the rule; tells what the simulator said.
fn hunt(copy: &Path, mutant: &Mutant) -> Result<Option<String>> {
    let path = copy.join(mutant.file);
    let sound = fs::read_to_string(&path).with_context(|| format!("no {}", mutant.file))?;
    if sound.matches(mutant.from).count() != 1 {
        bail!("{}: mutant {:?} does not fit exactly once", mutant.file, mutant.rule);
    }
    fs::write(&path, sound.replacen(mutant.from, mutant.to, 1))?;
    let output = Command::new("cargo")
        .args(["run", "--release", "--quiet", "--package", "millrace-sim", "--", "many"])
        .arg(mutant.seeds_max.to_string())
        .arg("--until-broken")
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.with_file_name("mutants-target"))
        // A mutant may leave code unused.
        .env("RUSTFLAGS", "-Awarnings")
        .stderr(Stdio::inherit())
        .output()?;
    fs::write(&path, sound)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let broken = text.lines().find(|line| line.contains("BROKEN")).map(str::to_owned);
    if broken.is_none() && !output.status.success() {
        bail!("mutant {:?} does not build:\n{text}", mutant.rule);
    }
    Ok(broken)
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
