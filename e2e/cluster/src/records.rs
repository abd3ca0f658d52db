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

/// A `feed` that writes now and then.
pub struct Writer {
    program: Program,
    prefix: String,
    partitions: usize,
    written: usize,
}

impl Writer {
    /// Takes over a `feed` that writes `PREFIX-NUMBER` over the partitions 0..`partitions`.
    pub fn start(program: Program, prefix: &str, partitions: usize) -> Writer {
        Writer { program, prefix: prefix.to_owned(), partitions, written: 0 }
    }

    /// Writes `count` values more and waits until all are acknowledged.
    ///
    /// # Errors
    /// Not all are acknowledged in time.
    pub fn write(&mut self, count: usize) -> Result<Values> {
        self.send(count)?;
        self.acknowledged(count)
    }

    /// Writes `count` values more without waiting.
    ///
    /// # Errors
    /// The program has ended.
    pub fn send(&mut self, count: usize) -> Result<()> {
        for number in self.written..self.written + count {
            let partition = number.checked_rem(self.partitions).context("no partitions")?;
            self.program.say(&format!("{partition} {}-{number}", self.prefix))?;
        }
        self.written += count;
        Ok(())
    }

    /// Waits until `count` values that were sent are acknowledged.
    ///
    /// # Errors
    /// Not all are acknowledged in time.
    pub fn acknowledged(&mut self, count: usize) -> Result<Values> {
        let (start, mut acked) = (Instant::now(), Values::new());
        while acked.len() < count {
            let so_far = acked.len();
            ensure!(start.elapsed() < wait::MAX, "{so_far} of {count} after {:?}", wait::MAX);
            if let Some(line) = self.program.hear(Duration::from_secs(1))? {
                let rest = line.strip_prefix("acked ");
                let rest = rest.with_context(|| format!("a producer said {line:?}"))?;
                acked.insert(told(rest)?.2);
            }
        }
        Ok(acked)
    }

    /// Ends the program.
    ///
    /// # Errors
    /// It has something else to say.
    pub fn end(mut self) -> Result<()> {
        self.program.say("leave")?;
        let heard = self.program.hear_all(wait::MAX)?;
        ensure!(heard == ["left"], "a producer said {heard:?}");
        Ok(())
    }
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
