//! Sorts the files of a partition's directory before its log is opened: finishes or undoes what a
//! crash left half done.
//!
//! ```text
//! *.deleted  was taken out of the log: removed
//! *.cleaned  compaction had not finished: removed
//! *.swap     compaction had finished: takes the place of the segments it covers,
//!            unless a .cleaned with the same or a lower offset shows that others were to follow;
//!            without its .log.swap it is removed
//! *.tmp      a text file that was not finished: removed
//! an index without its .log: removed
//! ```
//!
//! Source: Kafka's `LogLoader`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_types::Offset;

use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileName, FileStage};
use crate::segment::{Files, Home, Segment, remove_file};

/// The segments that are there after sorting.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Base offsets of all segments, and what they have besides their logs.
    pub(super) segments: BTreeMap<Offset, Files>,
    /// Offsets of the producers' snapshots.
    pub(super) snapshots: BTreeSet<Offset>,
    /// Whether names were changed.
    pub(super) has_changed: bool,
}

/// Sorts the directory.
pub(super) fn sort(home: &Arc<Home>) -> Result<Sorted, LogError> {
    let (mut files, mut has_changed) = list(home)?;
    has_changed |= remove_where(home, &mut files, |name| name.stage == FileStage::Deleted)?;
    let oldest_cleaned = at_stage(&files, FileStage::Cleaned).map(|name| name.offset).min();
    has_changed |= remove_where(home, &mut files, |name| match name.stage {
        FileStage::Cleaned => true,
        FileStage::Swap => oldest_cleaned.is_some_and(|oldest| name.offset >= oldest),
        FileStage::Live | FileStage::Deleted => false,
    })?;
    // The log file gets the name first taken and last given up: without it the rest is void.
    let swaps: BTreeSet<Offset> = at_stage(&files, FileStage::Swap)
        .filter(|name| name.kind == FileKind::Log)
        .map(|name| name.offset)
        .collect();
    has_changed |= remove_where(home, &mut files, |name| {
        name.stage == FileStage::Swap && !swaps.contains(&name.offset)
    })?;
    has_changed |= finish_swap(home, &mut files)?;
    let logs: BTreeSet<Offset> =
        files.iter().filter(|name| name.kind == FileKind::Log).map(|name| name.offset).collect();
    has_changed |= remove_where(home, &mut files, |name| {
        let is_index = !matches!(name.kind, FileKind::Log | FileKind::Snapshot);
        is_index && !logs.contains(&name.offset)
    })?;
    // One index without the other was not finished, or has lost its name: both are made anew.
    let pair = [FileKind::OffsetIndex, FileKind::TimeIndex];
    let has_pair: BTreeSet<Offset> = logs
        .iter()
        .copied()
        .filter(|&offset| pair.iter().all(|&kind| files.contains(&FileName::live(offset, kind))))
        .collect();
    has_changed |= remove_where(home, &mut files, |name| {
        pair.contains(&name.kind) && !has_pair.contains(&name.offset)
    })?;
    let segments = logs.into_iter().map(|offset| {
        let has = |kind| files.contains(&FileName::live(offset, kind));
        let has_index = has_pair.contains(&offset);
        (offset, Files { has_index, has_txn_index: has(FileKind::TxnIndex) })
    });
    let snapshots = files.iter().filter(|name| name.kind == FileKind::Snapshot);
    Ok(Sorted {
        segments: segments.collect(),
        snapshots: snapshots.map(|name| name.offset).collect(),
        has_changed,
    })
}

/// The files of segments; text files that were not finished are removed. Returns whether any was.
fn list(home: &Home) -> Result<(BTreeSet<FileName>, bool), LogError> {
    let mut files = BTreeSet::new();
    let mut has_removed = false;
    for entry in home.disk().list(&home.dir).at("list", &home.dir)? {
        if entry.is_dir {
            continue;
        }
        if entry.name.ends_with(".tmp") {
            remove_file(home.disk(), &home.dir.join(&entry.name))?;
            has_removed = true;
        }
        files.extend(FileName::parse(&entry.name));
    }
    Ok((files, has_removed))
}

fn at_stage(files: &BTreeSet<FileName>, stage: FileStage) -> impl Iterator<Item = &FileName> {
    files.iter().filter(move |name| name.stage == stage)
}

fn remove_where(
    home: &Home,
    files: &mut BTreeSet<FileName>,
    is_void: impl Fn(&FileName) -> bool,
) -> Result<bool, LogError> {
    let void: Vec<FileName> = files.iter().copied().filter(is_void).collect();
    for name in &void {
        tracing::info!(dir = %home.dir.display(), file = %name, "removing a stray file");
        remove_file(home.disk(), &home.path(*name))?;
        files.remove(name);
    }
    Ok(!void.is_empty())
}

/// Puts the segments that compaction had finished into the place of those they were made from.
fn finish_swap(home: &Arc<Home>, files: &mut BTreeSet<FileName>) -> Result<bool, LogError> {
    let swaps: Vec<FileName> = at_stage(files, FileStage::Swap).copied().collect();
    let mut covered: Option<(Offset, Offset)> = None;
    for name in swaps.iter().filter(|name| name.kind == FileKind::Log) {
        let home = Arc::clone(home);
        let segment = Segment::open(home, name.offset, FileStage::Swap, Files::default())?;
        let next = segment.walk_to_end()?;
        let (first, last) = covered.unwrap_or((name.offset, next));
        covered = Some((first.min(name.offset), last.max(next)));
    }
    let sync = || home.disk().sync_dir(&home.dir).at("sync", &home.dir);
    if let Some((first, next)) = covered {
        // The process may have died before these names were durable: nothing goes before they are.
        sync()?;
        // Snapshots hold as well for what replaces the segments.
        remove_where(home, files, |name| {
            name.stage == FileStage::Live
                && name.kind != FileKind::Snapshot
                && name.offset >= first
                && name.offset < next.max(first.plus(1))
        })?;
        sync()?;
    }
    for name in &swaps {
        let live = FileName { stage: FileStage::Live, ..*name };
        home.disk().rename(&home.path(*name), &home.path(live)).at("rename", home.path(*name))?;
        files.remove(name);
        files.insert(live);
    }
    Ok(!swaps.is_empty())
}
