//! What the offset index and the time index share: fixed-size entries in ascending order, the
//! newest of them in memory until there are enough to write.
//!
//! An index carries no checksum and is never the only place of a truth: after a crash it is made
//! again from the log. So its entries may be written late, many at once.

use std::fmt::Debug;
use std::io::{self, IoSlice};

use crate::disk::File;

/// Entries kept in memory before they are written: 2 KiB of offset index, 3 KiB of time index.
pub(crate) const PENDING_MAX: usize = 256;
/// What is read at once when a search has come down to a few entries.
const BLOCK_ENTRIES: u64 = 256;

/// An entry of a sparse index.
pub(crate) trait Entry: Copy + Debug + PartialEq {
    /// Size in the file.
    const BYTES: u64;
    /// Appends the entry's bytes.
    fn encode(&self, bytes: &mut Vec<u8>);
    /// Reads an entry of exactly `BYTES` bytes.
    fn decode(bytes: &[u8]) -> Self;
}

/// The entries of one index. Lives behind its segment's lock; file work is done outside of it.
#[derive(Debug)]
pub(crate) struct SparseIndex<E> {
    /// Entries in the file.
    stored: u64,
    /// Entries after those.
    pending: Vec<E>,
    /// The last of all, wherever it is.
    last: Option<E>,
}

/// Where the answer to a search is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<E> {
    /// In memory, and this is it.
    Entry(E),
    /// Among this many entries of the file, if anywhere.
    InFile {
        /// Entries to look at.
        stored: u64,
    },
}

impl<E: Entry> SparseIndex<E> {
    /// An index whose file holds `stored` entries of which `last` is the last.
    pub(crate) const fn new(stored: u64, last: Option<E>) -> SparseIndex<E> {
        SparseIndex { stored, pending: Vec::new(), last }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.stored.saturating_add(self.pending.len() as u64)
    }

    /// The last entry.
    pub(crate) const fn last(&self) -> Option<E> {
        self.last
    }

    /// Adds an entry behind the last.
    pub(crate) fn push(&mut self, entry: E) {
        self.pending.push(entry);
        self.last = Some(entry);
    }

    /// Looks for the last entry for which `is_before` holds; it must hold for a first part only.
    pub(crate) fn find(&self, is_before: impl Fn(&E) -> bool) -> Found<E> {
        let after = self.pending.partition_point(is_before);
        match after.checked_sub(1).and_then(|index| self.pending.get(index)) {
            Some(&entry) => Found::Entry(entry),
            None => Found::InFile { stored: self.stored },
        }
    }

    /// Whether it is time to write.
    pub(crate) fn is_due(&self) -> bool {
        self.pending.len() >= PENDING_MAX
    }

    /// The bytes to write and where; `None` if all is written.
    pub(crate) fn unwritten(&self) -> Option<(Vec<u8>, u64)> {
        if self.pending.is_empty() {
            return None;
        }
        let mut bytes = Vec::new();
        self.pending.iter().for_each(|entry| entry.encode(&mut bytes));
        Some((bytes, self.stored.saturating_mul(E::BYTES)))
    }

    /// Notes that what [`SparseIndex::unwritten`] gave is in the file.
    pub(crate) fn written(&mut self) {
        self.stored = self.len();
        // An idle partition keeps no memory for entries to come.
        self.pending = Vec::new();
    }

    /// Goes back to the first `stored` entries of the file.
    pub(crate) fn reset(&mut self, stored: u64, last: Option<E>) {
        *self = SparseIndex::new(stored, last);
    }
}

/// Looks in the first `count` entries of a file for the last one for which `is_before` holds.
///
/// `guess` is the entry that is expected to be it. Entries lie about evenly over a segment, so a
/// good guess finds it with one read; a bad one costs as much as halving does.
///
/// A file that is shorter than `count` entries (cut by its writer meanwhile) is searched as far as
/// it goes.
pub(crate) fn search<E: Entry>(
    file: &dyn File,
    count: u64,
    guess: u64,
    is_before: impl Fn(&E) -> bool,
) -> io::Result<Option<E>> {
    let mut block = Vec::new();
    // Every entry below `low` is before, none from `high` on is; `best` is the one at `low` - 1.
    let (mut low, mut high) = (0, count);
    let mut best = None;
    let mut at = guess;
    let mut step = BLOCK_ENTRIES / 2;
    while low < high {
        let first = at.saturating_sub(BLOCK_ENTRIES / 2).clamp(low, high - 1);
        let entries: Vec<E> = read(file, first, (high - first).min(BLOCK_ENTRIES), &mut block)?;
        let after = entries.partition_point(&is_before);
        let is_whole = after == entries.len() && !entries.is_empty();
        if let Some(&entry) = after.checked_sub(1).and_then(|index| entries.get(index)) {
            best = Some(entry);
            low = first.saturating_add(after as u64);
            if !is_whole {
                return Ok(best);
            }
            // On to the right, farther each time, but never past the middle of what is left.
            at = low.saturating_add(step).min(low + (high - low) / 2);
        } else {
            high = first;
            at = high.saturating_sub(step).max(low + (high - low) / 2);
        }
        step = step.saturating_mul(8);
    }
    Ok(best)
}

/// All entries of a file up to the first that does not ascend, as `ascends(previous, next)` says:
/// what a crash left behind that is fit for use.
pub(crate) fn read_valid<E: Entry>(
    file: &dyn File,
    ascends: impl Fn(Option<&E>, &E) -> bool,
) -> io::Result<Vec<E>> {
    let count = file.len()? / E::BYTES;
    let mut entries: Vec<E> = Vec::new();
    let mut block = Vec::new();
    let mut at = 0;
    while at < count {
        let some: Vec<E> = read(file, at, (count - at).min(BLOCK_ENTRIES * 16), &mut block)?;
        if some.is_empty() {
            break;
        }
        at += some.len() as u64;
        for entry in some {
            if !ascends(entries.last(), &entry) {
                return Ok(entries);
            }
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// The last entry of a file and their number; a torn one at the end does not count.
pub(crate) fn read_last<E: Entry>(file: &dyn File) -> io::Result<(u64, Option<E>)> {
    let count = file.len()? / E::BYTES;
    let mut block = Vec::new();
    let last = match count.checked_sub(1) {
        Some(index) => read(file, index, 1, &mut block)?.first().copied(),
        None => None,
    };
    Ok((count, last))
}

/// Writes bytes that [`SparseIndex::unwritten`] gave.
pub(crate) fn write(file: &dyn File, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_all_at(&[IoSlice::new(bytes)], position)
}

/// Reads up to `count` entries from entry `first` on; fewer if the file ends.
fn read<E: Entry>(
    file: &dyn File,
    first: u64,
    count: u64,
    block: &mut Vec<u8>,
) -> io::Result<Vec<E>> {
    let wanted = usize::try_from(count.saturating_mul(E::BYTES))
        .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    if block.len() != wanted {
        *block = vec![0; wanted];
    }
    let position = first.saturating_mul(E::BYTES);
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(some) => filled += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let size = usize::try_from(E::BYTES).unwrap_or(usize::MAX);
    let whole = block.get(..filled).unwrap_or_default();
    Ok(whole.chunks_exact(size).map(E::decode).collect())
}
