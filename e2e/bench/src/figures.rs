//! What the operating system knows of a process, and what a row of numbers comes down to.

use std::fs;

use anyhow::{Context, Result};

/// Seconds of processor time that a process has used, in user and kernel mode.
pub fn cpu_seconds(id: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold spaces; the fields after it do not.
    let (_, fields) = text.rsplit_once(')').context("stat without a name")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next().context("stat is short")?.parse::<f64>().context("ticks");
    let (user, system) = (ticks()?, ticks()?);
    Ok((user + system) / rustix::param::clock_ticks_per_second() as f64)
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(id: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// The middle of the numbers; the lower one of two middles.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
