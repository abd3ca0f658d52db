//! The cache: one folder per entry, filled once, shared by all clones and all test processes.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The mark that a folder was filled to the end.
const COMPLETE: &str = ".complete";

/// Where fetched things are kept: `$MILLRACE_CACHE`, else `~/.cache/millrace`.
pub fn dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("MILLRACE_CACHE") {
        return PathBuf::from(dir);
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/millrace")
}

/// Gives the folder of `name` made from `inputs`; calls `fill` on it first if it is not complete.
///
/// A second process that wants the same entry waits for the first one. A folder that was left half
/// filled is emptied before it is filled again.
///
/// # Errors
/// `fill` fails, or the cache cannot be written.
pub fn entry(
    name: &str,
    inputs: &[&str],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    inputs.hash(&mut hasher);
    let dir = dir().join(name).join(format!("{:016x}", hasher.finish()));
    if dir.join(COMPLETE).exists() {
        return Ok(dir);
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock_path = dir.with_extension("lock");
    let lock = File::create(&lock_path)?;
    lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
    if !dir.join(COMPLETE).exists() {
        fs::remove_dir_all(&dir)?;
        fs::create_dir_all(&dir)?;
        fill(&dir).with_context(|| format!("cannot fetch what {name} needs"))?;
        fs::write(dir.join(COMPLETE), inputs.join("\n"))?;
    }
    Ok(dir)
}

/// Reads a file of the source tree that an entry is made from.
///
/// # Errors
/// The file cannot be read.
pub fn input(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
