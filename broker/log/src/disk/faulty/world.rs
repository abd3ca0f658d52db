//! The state behind a [`FaultyDisk`]: what is on it, what is to go wrong, and who may still call.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::FaultyDisk;
use super::content::Content;
use super::random::Random;
use super::tree::{self, Dir, Node, lock};

/// `EIO` of Linux.
const IO_ERROR: i32 = 5;

#[derive(Debug)]
pub(super) struct World {
    pub(super) root: Arc<Mutex<Dir>>,
    pub(super) random: Random,
    /// Counts the process runs; handles of earlier ones are dead.
    pub(super) run: u64,
    pub(super) is_halted: bool,
    pub(super) operations: u64,
    /// Calls that failed because they were meant to.
    pub(super) errors: u64,
    /// Changes that found no room.
    pub(super) refusals: u64,
    pub(super) changes: u64,
    pub(super) fail_at: BTreeSet<u64>,
    pub(super) crash_at: Option<u64>,
    pub(super) error_one_in: Option<u64>,
    pub(super) reads_short: bool,
    pub(super) is_cold: bool,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) used_bytes: u64,
    pub(super) files_open: usize,
    pub(super) files_open_max: Option<usize>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) now_ms: i64,
}

/// Whether an operation changes the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Change,
}

/// How far an operation may go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It fails without effect, or a sync loses data.
    Fails,
    /// The process dies in the midst of it.
    Dies,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World {
            root: Arc::default(),
            random: Random::new(seed),
            run: 0,
            is_halted: false,
            operations: 0,
            errors: 0,
            refusals: 0,
            changes: 0,
            fail_at: BTreeSet::new(),
            crash_at: None,
            error_one_in: None,
            reads_short: false,
            is_cold: false,
            capacity_bytes: None,
            used_bytes: 0,
            files_open: 0,
            files_open_max: None,
            locks: BTreeSet::new(),
            now_ms: 0,
        }
    }

    /// Forgets what belonged to the run before, and its faults; the limits stay.
    pub(super) fn begin_run(&mut self) {
        self.used_bytes = tree::count_bytes(&self.root);
        self.run += 1;
        self.is_halted = false;
        self.files_open = 0;
        self.locks.clear();
        self.fail_at.clear();
        self.crash_at = None;
    }

    /// Room for more bytes; what is granted counts as used.
    pub(super) fn take_room(&mut self, file: &Content, more: u64) -> u64 {
        if !file.is_linked {
            return more;
        }
        let free = self.capacity_bytes.map(|capacity| capacity.saturating_sub(self.used_bytes));
        let granted = more.min(free.unwrap_or(u64::MAX));
        self.used_bytes = self.used_bytes.saturating_add(granted);
        self.refusals += u64::from(granted < more);
        granted
    }

    pub(super) fn give_room(&mut self, node: &Node) {
        if let Node::File(file) = node {
            let mut file = lock(file);
            file.is_linked = false;
            self.used_bytes = self.used_bytes.saturating_sub(file.len());
        }
    }

    pub(super) fn remove_tree(&mut self, dir: &Mutex<Dir>) {
        let below: Vec<_> =
            lock(dir).entries().map(|(name, node)| (name.clone(), node.clone())).collect();
        for (name, node) in below {
            match &node {
                Node::Dir(dir) => self.remove_tree(dir),
                Node::File(_) => self.give_room(&node),
            }
            lock(dir).unlink(&name);
        }
    }
}

impl FaultyDisk {
    /// Counts a call and says how far it may go.
    pub(super) fn enter(&self, access: Access) -> io::Result<(MutexGuard<'_, World>, Fate)> {
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        if world.is_halted || world.run != self.run {
            return Err(dead());
        }
        world.operations += 1;
        if access == Access::Change {
            world.changes += 1;
            if world.crash_at == Some(world.changes) {
                world.is_halted = true;
                return Ok((guard, Fate::Dies));
            }
        }
        let by_chance = world.error_one_in.is_some_and(|calls| world.random.below(calls) == 0);
        if by_chance || world.fail_at.remove(&world.operations) {
            world.errors += 1;
            return Ok((guard, Fate::Fails));
        }
        Ok((guard, Fate::Done))
    }

    pub(super) fn read(&self) -> io::Result<MutexGuard<'_, World>> {
        match self.enter(Access::Read)? {
            (world, Fate::Done) => Ok(world),
            (_, Fate::Fails | Fate::Dies) => Err(failed()),
        }
    }

    /// Makes a change that is there as a whole or not at all.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut World) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.enter(Access::Change)? {
            (mut world, Fate::Done) => change(&mut world),
            (_, Fate::Fails) => Err(failed()),
            (mut world, Fate::Dies) => {
                if world.random.coin() {
                    change(&mut world)?;
                }
                Err(dead())
            }
        }
    }
}

pub(super) fn dead() -> io::Error {
    io::Error::other("the process that opened this disk has ended")
}

pub(super) fn failed() -> io::Error {
    io::Error::from_raw_os_error(IO_ERROR)
}
