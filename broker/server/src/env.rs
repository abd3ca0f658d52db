//! What the broker has of the world: a disk, a clock, chance, threads that may block, tasks.
//!
//! Everything in this crate takes these from here and from nowhere else. The binary gives the real
//! ones; the simulator gives its own and runs the same broker.

use std::sync::Arc;

use millrace_core::limits;
use millrace_log::disk::{Disk, RealDisk};

use crate::ailing::Ailing;
use crate::blocking::Blocking;
use crate::clock::Clock;
use crate::measured_disk::MeasuredDisk;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::random::Random;
use crate::tasks::Tasks;
use crate::unpacking::Unpacking;

/// The world of one broker. Clones are handles to the same world.
#[derive(Clone, Debug)]
pub struct Env {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// The wall clock. Intervals are measured with `tokio::time::Instant`.
    pub clock: Clock,
    /// Where blocking work runs.
    pub blocking: Blocking,
    /// Where batches are unpacked.
    pub unpacking: Unpacking,
    /// Chance.
    pub random: Arc<Random>,
    /// Whether the disk keeps pace.
    pub pace: Arc<Pace>,
    /// What the disk has let down.
    pub ailing: Arc<Ailing>,
    /// Every task of the broker.
    pub tasks: Tasks,
    /// How the file descriptors are shared out.
    pub descriptors: Descriptors,
}

/// Shares of the file descriptors that the system lets the process have. Connections get theirs and
/// no more, so that clients, however many, cannot keep the broker from opening its own logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// How many files of logs may be open.
    pub files_max: usize,
    /// How many connections may be open.
    pub connections_max: usize,
}

impl Descriptors {
    /// A third for files, which can be closed and opened again, two for connections, which cannot,
    /// and some for all the rest.
    pub fn of(limit: usize) -> Descriptors {
        let shared = limit.saturating_sub(limits::DESCRIPTORS_RESERVED);
        let files_max = (shared / 3).max(limits::LOG_FILES_OPEN_MIN);
        Descriptors { files_max, connections_max: shared.saturating_sub(files_max).max(1) }
    }

    /// Of the limit that this process has now.
    fn of_process() -> Descriptors {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Descriptors::of(limit.unwrap_or(limits::DESCRIPTORS_MAX).min(limits::DESCRIPTORS_MAX))
    }
}

impl Env {
    /// The world of a process of its own.
    pub fn real() -> Env {
        Env {
            disk: Arc::new(RealDisk),
            clock: Clock::System,
            blocking: Blocking::Pool,
            unpacking: Unpacking::default(),
            random: Arc::new(Random::from_system()),
            pace: Arc::default(),
            ailing: Arc::default(),
            tasks: Tasks::default(),
            descriptors: Descriptors::of_process(),
        }
    }

    /// The same world with the disk's figures in `metrics`.
    #[must_use]
    pub fn measured(mut self, metrics: &Metrics) -> Env {
        self.disk = Arc::new(MeasuredDisk::new(self.disk, metrics.disk().clone()));
        self
    }

    /// A world on one thread, with virtual time and chance from `seed`.
    pub fn simulated(disk: Arc<dyn Disk>, clock: Clock, seed: u64) -> Env {
        Env {
            disk,
            clock,
            blocking: Blocking::Inline,
            unpacking: Unpacking::default(),
            random: Arc::new(Random::seeded(seed)),
            pace: Arc::default(),
            ailing: Arc::default(),
            tasks: Tasks::default(),
            descriptors: Descriptors::of(limits::DESCRIPTORS_SIMULATED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Descriptors;

    #[test]
    fn files_come_first_when_descriptors_are_few() {
        for (limit, files_max, connections_max) in
            [(20_000, 6_633, 13_267), (1_024, 308, 616), (200, 64, 36), (10, 64, 1)]
        {
            assert_eq!(Descriptors::of(limit), Descriptors { files_max, connections_max });
        }
    }
}
