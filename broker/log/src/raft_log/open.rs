//! Opening: what of the files counts, what a crash left over, and what is damaged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::segment::{Content, Segment};
use super::{Kind, Names, RaftLog, Recovered, Vote, corrupt, segment, snapshot, vote};
use crate::disk::Disk;
use crate::error::{IoContext, LogError};

/// The files of the log in its directory.
#[derive(Default)]
struct Found {
    has_vote: bool,
    snapshots: BTreeSet<u64>,
    segments: BTreeSet<u64>,
}

pub(super) fn open(disk: Arc<dyn Disk>, names: Names) -> Result<(RaftLog, Recovered), LogError> {
    // A name that is read counts, and so must not be lost later: the last process may have ended
    // between giving it and making it durable.
    disk.sync_dir(&names.dir).at("sync", &names.dir)?;
    let mut found = find(&*disk, &names)?;
    let mut recovered = Recovered::default();
    if found.has_vote {
        recovered.vote = vote::read(&*disk, &names)?;
    }
    if let Some(latest) = found.snapshots.pop_last() {
        recovered.snapshot = Some(snapshot::read(&*disk, &names, latest)?);
        // A crash came between the new snapshot and the end of the old one.
        for older in &found.snapshots {
            let path = names.snapshot(*older);
            disk.remove_file(&path).at("remove", &path)?;
        }
    }
    let snapshot_index = recovered.snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
    drop_unused_segments(&*disk, &names, &mut found.segments, snapshot_index)?;
    let (current, closed) =
        read_segments(&disk, &names, &found.segments, snapshot_index, &mut recovered)?;
    check_vote(&names, found.has_vote, &recovered)?;
    let vote = recovered.vote;
    let is_roll_due = false;
    let log = RaftLog { disk, names, vote, snapshot_index, closed, current, is_roll_due };
    Ok((log, recovered))
}

fn find(disk: &dyn Disk, names: &Names) -> Result<Found, LogError> {
    let mut found = Found::default();
    for entry in disk.list(&names.dir).at("list", &names.dir)? {
        match names.parse(&entry.name) {
            Some(Kind::Vote) => found.has_vote = true,
            Some(Kind::Snapshot(index)) => {
                found.snapshots.insert(index);
            }
            Some(Kind::Segment(first)) => {
                found.segments.insert(first);
            }
            Some(Kind::Temporary) => {
                let path = names.temporary();
                disk.remove_file(&path).at("remove", &path)?;
            }
            None => {}
        }
    }
    Ok(found)
}

/// Removes the segments whose entries are all in the snapshot.
fn drop_unused_segments(
    disk: &dyn Disk,
    names: &Names,
    segments: &mut BTreeSet<u64>,
    snapshot_index: u64,
) -> Result<(), LogError> {
    // A segment ends where the next one begins.
    let firsts: Vec<u64> = segments.iter().copied().collect();
    for pair in firsts.windows(2) {
        if let [first, next] = pair
            && *next <= snapshot_index + 1
        {
            let path = names.segment(*first);
            disk.remove_file(&path).at("remove", &path)?;
            segments.remove(first);
        }
    }
    Ok(())
}

/// The segment to write on, and those before it that are still needed.
type Segments = (Segment, Vec<(std::path::PathBuf, u64)>);

fn read_segments(
    disk: &Arc<dyn Disk>,
    names: &Names,
    segments: &BTreeSet<u64>,
    snapshot_index: u64,
    recovered: &mut Recovered,
) -> Result<Segments, LogError> {
    let mut closed = Vec::new();
    let mut last: Option<(u64, Content)> = None;
    let mut next = snapshot_index + 1;
    for first in segments {
        let path = names.segment(*first);
        if let Some((before, content)) = last.take() {
            let end = before + content.entries.len() as u64;
            if content.torn_bytes > 0 || end != *first {
                let reason =
                    format!("ends before entry {end}, but the next file begins at {first}");
                return Err(corrupt(&names.segment(before), content.end, reason));
            }
            closed.push((names.segment(before), end - 1));
        }
        if *first > next {
            let reason = format!("begins at entry {first}; entries from {next} on are missing");
            return Err(corrupt(&path, 0, reason));
        }
        let mut content = segment::read(&**disk, names, *first)?;
        next = first + content.entries.len() as u64;
        recovered.cut_bytes = content.torn_bytes;
        recovered
            .entries
            .extend(content.entries.iter().filter(|entry| entry.index > snapshot_index).cloned());
        // Only where the entries are and the last one's term is needed from here on.
        content.entries.iter_mut().for_each(|entry| entry.data = Vec::new());
        last = Some((*first, content));
    }
    let current = match last {
        // What is there ends before the snapshot does.
        Some((first, _)) if next <= snapshot_index => {
            let segment = Segment::create(disk, names, snapshot_index + 1)?;
            let path = names.segment(first);
            disk.remove_file(&path).at("remove", &path)?;
            segment
        }
        // It was not even begun.
        Some((first, content)) if content.end == 0 => Segment::create(disk, names, first)?,
        Some((first, content)) => Segment::reopen(disk, names, first, &content)?,
        None => Segment::create(disk, names, snapshot_index + 1)?,
    };
    Ok((current, closed))
}

/// A vote is written before the first entry of its term: what is older than the entries was put
/// there by hand, and a node that believed it could vote twice.
fn check_vote(names: &Names, has_vote: bool, recovered: &Recovered) -> Result<(), LogError> {
    let Vote { term, .. } = recovered.vote;
    let of_snapshot = recovered.snapshot.as_ref().map(|snapshot| snapshot.term);
    let of_entries = recovered.entries.last().map(|entry| entry.term);
    let latest = of_snapshot.max(of_entries).unwrap_or(0);
    if term >= latest {
        return Ok(());
    }
    let found = if has_vote { format!("is of term {term}") } else { "is missing".to_owned() };
    let reason = format!("{found}, but the log beside it reaches term {latest}");
    Err(corrupt(&names.vote(), 0, reason))
}
