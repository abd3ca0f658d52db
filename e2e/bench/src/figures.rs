//! What the operating system knows of a process, and what a row of numbers comes down to.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

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
    memory_mib(id, "VmRSS:")
}

/// The most that it ever was.
pub fn peak_resident_mib(id: u32) -> Result<f64> {
    memory_mib(id, "VmHWM:")
}

fn memory_mib(id: u32, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// What the system may have to write to disks, in bytes, for a run to begin.
const UNWRITTEN_BYTES_MAX: u64 = 256 << 20;

/// How long a run waits for that at most: others may be writing, too.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(5);

/// Waits until hardly anything is left to be written to disks, by whomever: a run that begins
/// behind another's bytes measures the disk.
pub fn wait_for_quiet_disk() -> Result<()> {
    let start = Instant::now();
    while unwritten_bytes()? > UNWRITTEN_BYTES_MAX && start.elapsed() < QUIET_WAIT_MAX {
        rustix::fs::sync();
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn unwritten_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let lines = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("Dirty:").or_else(|| line.strip_prefix("Writeback:"))?;
        rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    Ok(lines.sum::<u64>() << 10)
}

/// The middle of the numbers; the lower one of two middles.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
