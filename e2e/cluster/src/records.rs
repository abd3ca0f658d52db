//! Writing and reading records with whichever client, wherever it runs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use millrace_e2e::group::told;
use millrace_e2e::program::Program;

use crate::wait;

/// Values of records.
pub type Values = BTreeSet<String>;

/// Lets a `feed` write `count` values `PREFIX-NUMBER` over the partitions 0..`partitions`.
///
/// # Errors
/// Not all are acknowledged in time.
pub fn feed(mut program: Program, prefix: &str, count: usize, partitions: usize) -> Result<Values> {
    for number in 0..count {
        let partition = number.checked_rem(partitions).context("no partitions")?;
        program.say(&format!("{partition} {prefix}-{number}"))?;
    }
    program.say("leave")?;
    let mut acked = Values::new();
    for line in program.hear_all(wait::MAX)? {
        match line.split_once(' ') {
            Some(("acked", rest)) => drop(acked.insert(told(rest)?.2)),
            _ => ensure!(line == "left", "a producer said {line:?}"),
        }
    }
    ensure!(acked.len() == count, "{} of {count} acknowledged", acked.len());
    Ok(acked)
}

/// Lets a `member` consume until it has seen all of these values; it then commits and leaves.
///
/// # Errors
/// It does not see all in time, or sees others.
pub fn consume(mut program: Program, wanted: &Values) -> Result<()> {
    let (start, mut seen) = (Instant::now(), Values::new());
    while seen.len() < wanted.len() {
        let missing = wanted.difference(&seen).next();
        ensure!(start.elapsed() < wait::MAX, "{missing:?} not read within {:?}", wait::MAX);
        if let Some(line) = program.hear(Duration::from_secs(1))?
            && let Some(rest) = line.strip_prefix("record ")
        {
            let (partition, offset, value) = told(rest)?;
            if !wanted.contains(&value) {
                bail!("{value:?} was read at {partition}-{offset}");
            }
            seen.insert(value);
        }
    }
    program.say("leave")?;
    let heard = program.hear_all(wait::MAX)?;
    let is_committed = heard.iter().any(|line| line.starts_with("committed "));
    ensure!(is_committed, "the member did not commit: {heard:?}");
    Ok(())
}
