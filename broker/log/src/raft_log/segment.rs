//! A file of entries, appended to.
//!
//! ```text
//! ┌──────────┬─────────────┬────────┬───────┬───────┬─
//! │ MRRAFT01 │ first index │ crc32c │ frame │ frame │ ...
//! │ 8 B      │ 8 B         │ 4 B    │       │       │
//! └──────────┴─────────────┴────────┴───────┴───────┴─
//! ```

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, Names, corrupt, frame, read_whole};
use crate::disk::{Disk, File, OpenMode};
use crate::error::{IoContext, LogError};

const MAGIC: &[u8; 8] = b"MRRAFT01";
const HEADER_BYTES: u64 = 20;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: Arc<dyn File>,
    first: u64,
    next: u64,
    /// The term of the last entry, or 0.
    last_term: u64,
    /// End of what is durable.
    end: u64,
    /// Whether there may be bytes behind `end` that a failed write left.
    is_untidy: bool,
}

/// What a file held.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub entries: Vec<Entry>,
    /// Where the sound bytes end; 0 if not even the header is sound.
    pub end: u64,
    /// Bytes behind that.
    pub torn_bytes: u64,
    /// The sound bytes at the end that no entry calls durable.
    pub unsynced: Vec<u8>,
}

impl Segment {
    /// Makes an empty segment for the entries from `first` on; it is durable when this returns.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        names: &Names,
        first: u64,
    ) -> Result<Segment, LogError> {
        let path = names.segment(first);
        let file = disk.open(&path, OpenMode::Create).at("create", &path)?;
        // A crash may have left the beginning of one.
        let is_untidy = !file.is_empty().at("measure", &path)?;
        let mut segment =
            Segment { path, file, first, next: first, last_term: 0, end: 0, is_untidy };
        segment.tidy()?;
        let header = header(first);
        let write = segment.file.write_all_at(&[IoSlice::new(&header)], 0);
        write.at("write", &segment.path)?;
        segment.file.sync().at("sync", &segment.path)?;
        disk.sync_dir(&names.dir).at("sync", &names.dir)?;
        segment.end = HEADER_BYTES;
        Ok(segment)
    }

    /// Goes on writing a segment that was read, behind what was sound in it.
    pub(super) fn reopen(
        disk: &Arc<dyn Disk>,
        names: &Names,
        first: u64,
        content: &Content,
    ) -> Result<Segment, LogError> {
        let path = names.segment(first);
        let file = disk.open(&path, OpenMode::Write).at("open", &path)?;
        let mut segment = Segment {
            path,
            file,
            first,
            next: first + content.entries.len() as u64,
            last_term: content.entries.last().map_or(0, |entry| entry.term),
            end: content.end,
            is_untidy: content.torn_bytes > 0,
        };
        segment.tidy()?;
        // What was read may never have been synced: it counts from now on, so it must be durable. It
        // is written once more, since a sync may have failed before: then the system takes for clean
        // what is not on the disk, and another sync would pass it over.
        let start = content.end.saturating_sub(content.unsynced.len() as u64);
        let write = segment.file.write_all_at(&[IoSlice::new(&content.unsynced)], start);
        write.at("write again", &segment.path)?;
        segment.file.sync().at("sync", &segment.path)?;
        Ok(segment)
    }

    /// Makes entries durable.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), LogError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        assert!(
            first.index == self.next && first.term >= self.last_term,
            "entry {} of term {} cannot follow entry {} of term {}",
            first.index,
            first.term,
            self.next - 1,
            self.last_term
        );
        self.tidy()?;
        let mut bytes = Vec::new();
        for entry in entries {
            frame::put(&mut bytes, entry, self.next - 1);
        }
        self.is_untidy = true;
        self.file.write_all_at(&[IoSlice::new(&bytes)], self.end).at("write", &self.path)?;
        self.file.sync().at("sync", &self.path)?;
        self.is_untidy = false;
        self.end += bytes.len() as u64;
        self.next = last.index + 1;
        self.last_term = last.term;
        Ok(())
    }

    /// Cuts off what a failed write or a crash left behind the end, before anything follows it:
    /// it could be taken for entries later.
    fn tidy(&mut self) -> Result<(), LogError> {
        if self.is_untidy {
            self.file.set_len(self.end).at("cut", &self.path)?;
            self.file.sync().at("sync", &self.path)?;
            self.is_untidy = false;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn next_index(&self) -> u64 {
        self.next
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Bytes of entries.
    pub(super) fn bytes(&self) -> u64 {
        self.end.saturating_sub(HEADER_BYTES)
    }
}

fn header(first: u64) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&first.to_be_bytes());
    let checksum = crc32c::crc32c(&header);
    header.extend_from_slice(&checksum.to_be_bytes());
    header
}

/// Reads the entries of a segment, up to the first that is not sound.
///
/// # Errors
/// [`LogError::Corrupt`] if the header is of another file, or if a later entry proves that the
/// unsound one was durable once.
pub(super) fn read(disk: &dyn Disk, names: &Names, first: u64) -> Result<Content, LogError> {
    let path = names.segment(first);
    let bytes = read_whole(disk, &path)?;
    let header = header(first);
    let Some(mut rest) = bytes.strip_prefix(header.as_slice()) else {
        if bytes.len() as u64 > HEADER_BYTES {
            return Err(corrupt(&path, 0, "has no header of a metadata log"));
        }
        // The process ended while it made the file.
        return Ok(Content { torn_bytes: bytes.len() as u64, ..Content::default() });
    };
    let mut content = Content { end: HEADER_BYTES, ..Content::default() };
    let (mut next, mut last_term) = (first, 0);
    let (mut durable, mut starts) = (0, Vec::new());
    while let Some(frame) = frame::take(rest) {
        // An entry of a write that failed may lie behind one that was written over its beginning.
        if frame.entry.index != next || frame.entry.term < last_term {
            break;
        }
        (next, last_term) = (next + 1, frame.entry.term);
        durable = durable.max(frame.durable);
        starts.push(content.end);
        content.end += frame.bytes as u64;
        rest = rest.get(frame.bytes..).unwrap_or_default();
        content.entries.push(frame.entry);
    }
    content.torn_bytes = rest.len() as u64;
    content.unsynced = unsynced(&bytes, &content, durable.checked_sub(first), &starts);
    if let Some(durable) = durable_in(rest).filter(|durable| *durable >= next) {
        let reason = format!("entry {next} is damaged, but a later one says {durable} was synced");
        return Err(corrupt(&path, content.end, reason));
    }
    Ok(content)
}

/// The bytes behind the last entry of a segment that is known to be durable, by its place in the
/// segment; without one all of it. `starts` is where each entry begins.
fn unsynced(bytes: &[u8], content: &Content, durable: Option<u64>, starts: &[u64]) -> Vec<u8> {
    let start = match durable {
        None => 0,
        Some(place) => {
            let next = usize::try_from(place).ok().and_then(|place| starts.get(place + 1));
            next.copied().unwrap_or(content.end)
        }
    };
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(position(start)..position(content.end)).unwrap_or_default().to_vec()
}

/// The latest entry that any sound frame in these bytes calls durable.
fn durable_in(bytes: &[u8]) -> Option<u64> {
    (0..bytes.len())
        .filter_map(|start| frame::take(bytes.get(start..)?))
        .map(|frame| frame.durable)
        .max()
}
