//! What the broker has of the world: a disk, a clock, chance, threads that may block, tasks.
//!
//! Everything in this crate takes these from here and from nowhere else. The binary gives the real
//! ones; the simulator gives its own and runs the same broker.

use std::sync::Arc;

use millrace_log::disk::{Disk, RealDisk};

use crate::blocking::Blocking;
use crate::clock::Clock;
use crate::random::Random;
use crate::tasks::Tasks;

/// The world of one broker. Clones are handles to the same world.
#[derive(Clone, Debug)]
pub struct Env {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// The wall clock. Intervals are measured with `tokio::time::Instant`.
    pub clock: Clock,
    /// Where blocking work runs.
    pub blocking: Blocking,
    /// Chance.
    pub random: Arc<Random>,
    /// Every task of the broker.
    pub tasks: Tasks,
}

impl Env {
    /// The world of a process of its own.
    pub fn real() -> Env {
        Env {
            disk: Arc::new(RealDisk),
            clock: Clock::System,
            blocking: Blocking::Pool,
            random: Arc::new(Random::from_system()),
            tasks: Tasks::default(),
        }
    }

    /// A world on one thread, with virtual time and chance from `seed`.
    pub fn simulated(disk: Arc<dyn Disk>, clock: Clock, seed: u64) -> Env {
        Env {
            disk,
            clock,
            blocking: Blocking::Inline,
            random: Arc::new(Random::seeded(seed)),
            tasks: Tasks::default(),
        }
    }
}
