//! Sorts the files of a partition's directory before its log is opened: finishes or undoes what a
//! crash left half done.
//!
//! ```text
//! *.deleted  was taken out of the log: removed
//! *.cleaned  compaction had not finished: removed
//! *.swap     compaction had finished: takes the place of the segments it covers,
//!            unless a .cleaned with the same or a lower offset shows that others were to follow
//! *.tmp      a text file that was not finished: removed
//! an index without its .log: removed
//! ```
//!
//! Source: Kafka's `LogLoader`.

use std::collections::BTreeSet;

use millrace_types::Offset;

use crate::error::{IoContext, LogError};
use crate::file_name::{FileKind, FileName, FileStage};
use crate::segment::{Home, Segment, remove_file};

/// The segments that are there after sorting.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Base offsets of all segments.
    pub(super) bases: BTreeSet<Offset>,
    /// Those with an index of aborted transactions.
    pub(super) with_txn_index: BTreeSet<Offset>,
    /// Those that lack the offset or the time index.
    pub(super) without_index: BTreeSet<Offset>,
    /// Whether names were changed.
    pub(super) has_changed: bool,
}

/// Sorts the directory.
pub(super) fn sort(home: &std::sync::Arc<Home>) -> Result<Sorted, LogError> {
    let mut files = list(home)?;
    let mut has_changed = remove_temporary(home)?;
    has_changed |= remove_where(home, &mut files, |name| name.stage == FileStage::Deleted)?;
    let oldest_cleaned = at_stage(&files, FileStage::Cleaned).map(|name| name.offset).min();
    has_changed |= remove_where(home, &mut files, |name| match name.stage {
        FileStage::Cleaned => true,
        FileStage::Swap => oldest_cleaned.is_some_and(|oldest| name.offset >= oldest),
        FileStage::Live | FileStage::Deleted => false,
    })?;
    has_changed |= finish_swap(home, &mut files)?;
    let has =
        |files: &BTreeSet<FileName>, offset, kind| files.contains(&FileName::live(offset, kind));
    let logs: BTreeSet<Offset> =
        files.iter().filter(|name| name.kind == FileKind::Log).map(|name| name.offset).collect();
    has_changed |= remove_where(home, &mut files, |name| {
        let is_index = !matches!(name.kind, FileKind::Log | FileKind::Snapshot);
        is_index && !logs.contains(&name.offset)
    })?;
    let lacks_index = |offset: &Offset| {
        !has(&files, *offset, FileKind::OffsetIndex) || !has(&files, *offset, FileKind::TimeIndex)
    };
    Ok(Sorted {
        with_txn_index: logs
            .iter()
            .copied()
            .filter(|&offset| has(&files, offset, FileKind::TxnIndex))
            .collect(),
        without_index: logs.iter().copied().filter(lacks_index).collect(),
        bases: logs,
        has_changed,
    })
}

fn list(home: &Home) -> Result<BTreeSet<FileName>, LogError> {
    let entries = home.disk().list(&home.dir).at("list", &home.dir)?;
    let files = entries.iter().filter(|entry| !entry.is_dir);
    Ok(files.filter_map(|entry| FileName::parse(&entry.name)).collect())
}

fn remove_temporary(home: &Home) -> Result<bool, LogError> {
    let mut has_removed = false;
    for entry in home.disk().list(&home.dir).at("list", &home.dir)? {
        if !entry.is_dir && entry.name.ends_with(".tmp") {
            remove_file(home.disk(), &home.dir.join(&entry.name))?;
            has_removed = true;
        }
    }
    Ok(has_removed)
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
fn finish_swap(
    home: &std::sync::Arc<Home>,
    files: &mut BTreeSet<FileName>,
) -> Result<bool, LogError> {
    let swaps: Vec<FileName> = at_stage(files, FileStage::Swap).copied().collect();
    let mut covered: Option<(Offset, Offset)> = None;
    for name in swaps.iter().filter(|name| name.kind == FileKind::Log) {
        let segment =
            Segment::open(std::sync::Arc::clone(home), name.offset, FileStage::Swap, false)?;
        let next = segment.walk_to_end()?;
        let (first, last) = covered.unwrap_or((name.offset, next));
        covered = Some((first.min(name.offset), last.max(next)));
    }
    if let Some((first, next)) = covered {
        // Snapshots hold as well for what replaces the segments.
        remove_where(home, files, |name| {
            name.stage == FileStage::Live
                && name.kind != FileKind::Snapshot
                && name.offset >= first
                && name.offset < next
        })?;
    }
    for name in &swaps {
        let live = FileName { stage: FileStage::Live, ..*name };
        home.disk().rename(&home.path(*name), &home.path(live)).at("rename", home.path(*name))?;
        files.remove(name);
        files.insert(live);
    }
    Ok(!swaps.is_empty())
}
