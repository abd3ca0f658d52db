//! Tells what a run does and what is on the disk then, if one run only was asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use millrace_log::checkpoint;
use millrace_log::disk::{Disk, OpenMode};
use millrace_types::TimestampMs;

use crate::Fault;
use crate::scan::{self, RawSegment, Stored};
use crate::world::{ROOT, START, World};

/// A number in the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn is_silent() -> bool {
    number("MILLRACE_LOG_FAULT").is_none()
}

/// Says what was done, where the log stands, and which files there are.
pub fn step(world: &World, fault: Fault, what: &str) {
    if is_silent() {
        return;
    }
    println!("{what}");
    if let Some(log) = world.log.as_ref() {
        let reader = log.reader();
        let (start, end) = (reader.start_offset(), reader.end_offset());
        println!("  {start}..{end}, recovery point {}", log.recovery_point());
    }
    // To look would be a call of the disk, too, and shift the fault.
    if !matches!(fault, Fault::FailAt(_)) {
        println!("  {}", files(world));
    }
}

fn files(world: &World) -> String {
    let names = world.disk.list(World::dir()).unwrap_or_default();
    let size = |name: &str| {
        let file = world.disk.open(&World::dir().join(name), OpenMode::Read);
        file.and_then(|file| file.len()).unwrap_or_default()
    };
    let files: Vec<String> =
        names.iter().map(|entry| format!("{}:{}", entry.name, size(&entry.name))).collect();
    files.join(" ").replace("00000000000000", "")
}

/// Says what the next start finds.
pub fn disk(world: &World, when: &str) {
    if is_silent() {
        return;
    }
    println!("-- {when}: {}", files(world));
    for name in ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint"] {
        println!(
            "{name}: {:?}",
            checkpoint::read_offsets(&world.disk, &Path::new(ROOT).join(name))
        );
    }
    for segment in scan::segments(&world.disk, World::dir()) {
        content(&segment);
    }
}

fn content(segment: &RawSegment) {
    println!("segment {}", segment.base);
    // Bytes that are no batches end the list with a panic's message.
    let batches = catch_unwind(AssertUnwindSafe(|| scan::batches(segment)));
    for (position, stored) in batches.unwrap_or_default() {
        println!("  {position}: {}", line(&stored));
    }
    for entry in segment.time_index.chunks_exact(12) {
        let timestamp = i64::from_be_bytes(entry[..8].try_into().unwrap());
        let last = segment.base + scan::number(&entry[8..]);
        println!("  time {} -> {last}", timestamp - START.to_wire());
    }
    for entry in segment.index.chunks_exact(8) {
        let last = segment.base + scan::number(&entry[..4]);
        println!("  index {last} -> {}", scan::number(&entry[4..]));
    }
}

fn line(stored: &Stored) -> String {
    let since_start = |timestamp: i64| timestamp - START.to_wire();
    let largest = stored.batch().header().max_timestamp.map(TimestampMs::to_wire).map(since_start);
    let records: Vec<(u64, i64)> =
        stored.records().iter().map(|one| (one.offset, since_start(one.timestamp))).collect();
    format!("{}..={}, at most {largest:?}, {records:?}", stored.base, stored.last)
}
