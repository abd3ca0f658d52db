//! The bytes of one file: as the process sees them, as they would be after a power cut, and the
//! changes between the two.

use super::random::Random;

/// What a disk writes at once. A change of less may arrive in part only at such a boundary.
const SECTOR_BYTES: u64 = 512;

#[derive(Debug, Default)]
pub(super) struct Content {
    /// What reads see.
    now: Vec<u8>,
    /// What is certain to survive.
    durable: Vec<u8>,
    /// What leads from `durable` to `now`, in order.
    unsynced: Vec<Change>,
    pub(super) modified_ms: i64,
    /// Whether a name leads to the file, so that it takes room.
    pub(super) is_linked: bool,
}

#[derive(Debug)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    SetLength(u64),
}

/// How much of the unsynced changes a power cut leaves.
#[derive(Clone, Copy)]
enum Survival {
    Nothing,
    All,
    /// The first changes; of the next one only a part.
    Prefix,
    /// The length follows a prefix, the sectors are there or not, each for itself; those that are
    /// missing read as zeros.
    Scattered,
}

impl Content {
    /// An empty file that has a name.
    pub(super) fn new(modified_ms: i64) -> Content {
        Content { is_linked: true, modified_ms, ..Content::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn len(&self) -> u64 {
        self.now.len() as u64
    }

    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) {
        put(&mut self.now, position, bytes);
        match self.unsynced.last_mut() {
            Some(Change::Write { position: start, bytes: known })
                if start.saturating_add(known.len() as u64) == position =>
            {
                known.extend_from_slice(bytes);
            }
            Some(Change::Write { .. } | Change::SetLength(_)) | None => {
                self.unsynced.push(Change::Write { position, bytes: bytes.to_vec() });
            }
        }
    }

    pub(super) fn set_len(&mut self, length: u64) {
        set_len(&mut self.now, length);
        self.unsynced.push(Change::SetLength(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { position, bytes } => put(&mut self.durable, position, &bytes),
                Change::SetLength(length) => set_len(&mut self.durable, length),
            }
        }
    }

    /// A sync that fails: part of the changes arrives, and the system forgets that the rest did
    /// not, so that a later sync succeeds without them. Reads still show everything.
    pub(super) fn sync_in_vain(&mut self, random: &mut Random) {
        self.keep_some(random);
    }

    /// What a power cut leaves.
    pub(super) fn lose(&mut self, random: &mut Random) {
        self.keep_some(random);
        self.now.clone_from(&self.durable);
    }

    /// Flips one bit, of what reads see and of what survives. Returns whether there is such a bit.
    pub(super) fn rot(&mut self, position: u64, bit: u32) -> bool {
        let Ok(index) = usize::try_from(position) else {
            return false;
        };
        let mask = 1_u8.wrapping_shl(bit);
        if let Some(byte) = self.durable.get_mut(index) {
            *byte ^= mask;
        }
        self.now.get_mut(index).is_some_and(|byte| {
            *byte ^= mask;
            true
        })
    }

    fn keep_some(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        let (survival, cut) = match random.below(4) {
            0 => (Survival::Nothing, 0),
            1 => (Survival::All, changes.len()),
            2 => (Survival::Prefix, random.index(changes.len() + 1)),
            _ => (Survival::Scattered, random.index(changes.len() + 1)),
        };
        // Below this length the file keeps its sectors although a cut of its length was lost.
        let mut reused_from = u64::MAX;
        for (index, change) in changes.into_iter().enumerate() {
            match change {
                Change::SetLength(length) if index < cut => set_len(&mut self.durable, length),
                Change::SetLength(length) => reused_from = reused_from.min(length),
                Change::Write { position, bytes } => {
                    let within = match (survival, index.cmp(&cut)) {
                        (Survival::Nothing, _) => 0,
                        (Survival::All, _) | (_, std::cmp::Ordering::Less) => u64::MAX,
                        (Survival::Prefix, std::cmp::Ordering::Equal) => {
                            position.saturating_add(random.below(bytes.len() as u64))
                        }
                        (Survival::Prefix, std::cmp::Ordering::Greater) => 0,
                        (Survival::Scattered, _) => reused_from.min(self.durable.len() as u64),
                    };
                    let scatters = matches!(survival, Survival::Scattered);
                    self.keep_sectors(position, &bytes, within, scatters.then_some(&mut *random));
                }
            }
        }
    }

    /// Makes those sectors of a write durable that end at or before `within`, or all but those that
    /// chance leaves out.
    fn keep_sectors(
        &mut self,
        position: u64,
        bytes: &[u8],
        within: u64,
        mut chance: Option<&mut Random>,
    ) {
        let mut position = position;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = SECTOR_BYTES - position % SECTOR_BYTES;
            let room = usize::try_from(room).unwrap_or(rest.len()).min(rest.len());
            let (sector, after) = rest.split_at(room);
            let end = position.saturating_add(room as u64);
            if end > within {
                return;
            }
            if chance.as_mut().is_some_and(|random| random.coin()) {
                // The length arrived, the data did not.
                let length = (self.durable.len() as u64).max(end);
                set_len(&mut self.durable, length);
            } else {
                put(&mut self.durable, position, sector);
            }
            position = end;
            rest = after;
        }
    }
}

fn put(content: &mut Vec<u8>, position: u64, bytes: &[u8]) {
    let start = usize::try_from(position).unwrap_or(usize::MAX);
    let end = start.saturating_add(bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(start..end) {
        place.copy_from_slice(bytes);
    }
}

fn set_len(content: &mut Vec<u8>, length: u64) {
    content.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
}
