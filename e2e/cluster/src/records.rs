//! Writing and reading records with whichever client, wherever it runs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_e2e::program::Program;

use crate::wait;

/// Lets a `feed` write `count` values `PREFIX-NUMBER` over the partitions 0..`partitions`.
///
/// # Errors
/// Not all are acknowledged in time.
pub fn feed(mut program: Program, prefix: &str, count: usize, partitions: usize) -> Result<()> {
    for number in 0..count {
        let partition = number.checked_rem(partitions).context("no partitions")?;
        program.say(&format!("{partition} {prefix}-{number}"))?;
    }
    program.say("leave")?;
    let heard = program.hear_all(wait::MAX)?;
    let acked = heard.iter().filter(|line| line.starts_with("acked ")).count();
    ensure!(acked == count, "{acked} of {count} acknowledged; heard {:?}", heard.last());
    Ok(())
}

/// Lets a `member` consume until it has seen `count` records; it then leaves.
///
/// # Errors
/// It sees fewer in time.
pub fn consume(mut program: Program, count: usize) -> Result<()> {
    let (start, mut seen) = (Instant::now(), 0);
    while seen < count {
        ensure!(start.elapsed() < wait::MAX, "{seen} of {count} records after {:?}", wait::MAX);
        let line = program.hear(Duration::from_secs(1))?;
        seen += usize::from(line.is_some_and(|line| line.starts_with("record ")));
    }
    program.say("leave")?;
    program.hear_all(wait::MAX).map(drop)
}
