//! A disk in memory that fails as disks do, for tests and the simulator.
//!
//! It tells what was written from what was synced, for each file and for the names in each
//! directory. A power cut ([`FaultyDisk::crash`]) leaves what was synced and, of the rest, what a
//! seed decides: nothing, all, a prefix torn at a sector's boundary, or scattered sectors with zeros
//! between; names likewise. Besides that: an error or a crash at a chosen operation, short reads,
//! a full disk, too few descriptors, bits that rot. Same seed and same calls, same faults.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use self::tree::{Node, lock};
use self::world::World;

mod calls;
mod content;
mod file;
mod random;
mod tree;
mod world;

/// A disk in memory, as one process run sees it. Clones are the same disk in the same run.
#[derive(Clone)]
pub struct FaultyDisk {
    world: Arc<Mutex<World>>,
    run: u64,
}

/// What becomes of changes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process ended, the machine goes on: all that was written is there.
    Nothing,
    /// The power was cut: chance decides for all that was not synced.
    Unsynced,
}

impl FaultyDisk {
    /// An empty disk; `seed` decides all that is left to chance.
    pub fn new(seed: u64) -> FaultyDisk {
        FaultyDisk { world: Arc::new(Mutex::new(World::new(seed))), run: 0 }
    }

    /// Ends the process run: every later call through this value, its clones and its files fails.
    /// Returns the disk as the next run finds it. Faults that were asked for are forgotten; the
    /// limits stay.
    #[must_use]
    pub fn crash(&self, loss: Loss) -> FaultyDisk {
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        if loss == Loss::Unsynced {
            tree::lose(&world.root, &mut world.random);
        }
        world.begin_run();
        FaultyDisk { world: self.world.clone(), run: world.run }
    }

    /// Calls of any kind so far, over all runs. The first is number 1.
    pub fn operations(&self) -> u64 {
        lock(&self.world).operations
    }

    /// Calls so far that failed with `EIO`, over all runs.
    pub fn errors(&self) -> u64 {
        lock(&self.world).errors
    }

    /// Changes so far that found no room, over all runs.
    pub fn refusals(&self) -> u64 {
        lock(&self.world).refusals
    }

    /// Calls so far that change or sync the disk, over all runs. The first is number 1.
    pub fn changes(&self) -> u64 {
        lock(&self.world).changes
    }

    /// Lets the call of this number (see [`FaultyDisk::operations`]) fail with `EIO`. A sync that
    /// fails loses part of what it should have kept, as on Linux.
    pub fn fail_at(&self, operation: u64) {
        lock(&self.world).fail_at.insert(operation);
    }

    /// Halts the run in the midst of the change of this number (see [`FaultyDisk::changes`]).
    pub fn crash_at(&self, change: u64) {
        lock(&self.world).crash_at = Some(change);
    }

    /// Whether the run was halted by [`FaultyDisk::crash_at`] and waits for [`FaultyDisk::crash`].
    pub fn is_halted(&self) -> bool {
        lock(&self.world).is_halted
    }

    /// Lets calls fail with `EIO` at random, one in so many.
    pub fn set_error_one_in(&self, calls: Option<u64>) {
        lock(&self.world).error_one_in = calls;
    }

    /// Lets nothing be in memory, for those who do not wait for the disk.
    pub fn set_cold(&self, is_cold: bool) {
        lock(&self.world).is_cold = is_cold;
    }

    /// Lets reads give less than was asked for, at random.
    pub fn set_reads_short(&self, reads_short: bool) {
        lock(&self.world).reads_short = reads_short;
    }

    /// Bounds the bytes that all files together may hold.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        lock(&self.world).capacity_bytes = capacity_bytes;
    }

    /// Bytes that all files with a name hold.
    pub fn used_bytes(&self) -> u64 {
        lock(&self.world).used_bytes
    }

    /// Bounds how many files may be open at once.
    pub fn set_files_open_max(&self, files_open_max: Option<usize>) {
        lock(&self.world).files_open_max = files_open_max;
    }

    /// How many files are open.
    pub fn files_open(&self) -> usize {
        lock(&self.world).files_open
    }

    /// Sets the clock that stamps changes of files.
    pub fn set_now_ms(&self, now_ms: i64) {
        lock(&self.world).now_ms = now_ms;
    }

    /// Flips one bit of a file where it is stored.
    ///
    /// # Errors
    /// `NotFound` without such a file, `InvalidInput` without such a byte.
    pub fn rot(&self, path: &Path, position: u64, bit: u32) -> io::Result<()> {
        let world = lock(&self.world);
        let Node::File(file) = tree::find(&world.root, path)? else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let rotted = lock(&file).rot(position, bit);
        if rotted { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

impl fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyDisk").field("run", &self.run).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
