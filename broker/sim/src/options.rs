//! What one run does: all of it follows from the seed.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The size of a run, its clients and its faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// All chance of the run comes from here.
    pub seed: u64,
    /// Brokers.
    pub brokers: u32,
    /// How long clients work and faults happen, in virtual milliseconds.
    pub work_ms: u64,
    /// Topics that producers write to.
    pub topics: u32,
    /// Partitions of each of them.
    pub partitions: i32,
    /// Size at which a segment rolls, in bytes.
    pub segment_bytes: u32,
    /// Age at which a segment rolls, in milliseconds; small ones bring rolls and compaction.
    pub segment_ms: u64,
    /// Bytes of chance that a record carries besides its stamp: batches of several sectors, which a
    /// power cut can leave with holes.
    pub padding_bytes: usize,
    /// Producers; every second one is idempotent.
    pub producers: u32,
    /// Members of the one group.
    pub members: u32,
    /// Whether every second member is static.
    pub has_static_members: bool,
    /// Admins; each owns topics of its own.
    pub admins: u32,
    /// The faults.
    pub faults: Faults,
}

/// What goes wrong in a run. A probability is per mille.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Mean time between two stops of a broker, in virtual milliseconds; `None` for never.
    pub crash_every_ms: Option<u64>,
    /// Whether a stop may be a power cut, which loses what was not synced. Brokers sync before
    /// each acknowledgement then, since without that nothing is promised.
    pub power_cuts: bool,
    /// Mean time between two cuts of a connection, in virtual milliseconds; `None` for never.
    pub cut_every_ms: Option<u64>,
    /// The longest time that bytes travel, in virtual milliseconds.
    pub latency_ms_max: u64,
    /// Whether the disk fills up for a while.
    pub disk_full: bool,
    /// For a while one of so many calls of the disk fails; a sync that fails loses data.
    pub disk_error_one_in: Option<u64>,
    /// Whether the wall clock of a broker is wrong by up to a minute, differently at each start.
    pub clock_steps: bool,
    /// Whether clients stall for longer than their session.
    pub stalls: bool,
    /// Whether commits come once more when their generation is over.
    pub late_commits: bool,
}

impl Options {
    /// The options that belong to a seed.
    pub fn from_seed(seed: u64) -> Options {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        // Apart, so that what came first stays as it was for each seed.
        let mut further = ChaCha8Rng::seed_from_u64(seed ^ 0x66_7572);
        let mut padding = ChaCha8Rng::seed_from_u64(seed ^ 0x7061_6464);
        Options {
            seed,
            brokers: 1,
            work_ms: rng.random_range(5_000..40_000),
            topics: rng.random_range(1..4),
            partitions: rng.random_range(1..5),
            segment_bytes: *pick(rng, &[1 << 20, 1 << 20, 1 << 24]),
            segment_ms: *pick(&mut further, &[500, 2_000, 10_000, 604_800_000]),
            padding_bytes: *pick(&mut padding, &[0, 0, 0, 1_000]),
            producers: rng.random_range(1..5),
            members: rng.random_range(0..5),
            has_static_members: further.random_bool(0.3),
            admins: rng.random_range(0..3),
            faults: Faults {
                crash_every_ms: rng.random_bool(0.7).then(|| rng.random_range(1_000..12_000)),
                power_cuts: rng.random_bool(0.5),
                cut_every_ms: rng.random_bool(0.5).then(|| rng.random_range(200..5_000)),
                latency_ms_max: *pick(rng, &[0, 1, 5, 50, 300]),
                disk_full: rng.random_bool(0.15),
                disk_error_one_in: further.random_bool(0.2).then(|| further.random_range(5..100)),
                clock_steps: further.random_bool(0.2),
                stalls: rng.random_bool(0.3),
                late_commits: further.random_bool(0.3),
            },
        }
    }
}

fn pick<'a, T>(rng: &mut impl Rng, among: &'a [T]) -> &'a T {
    // An empty table is a mistake of this file.
    among.get(rng.random_range(0..among.len())).unwrap_or_else(|| unreachable!("empty table"))
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn a_seed_always_gives_the_same_run() {
        assert_eq!(Options::from_seed(7), Options::from_seed(7));
        assert_ne!(Options::from_seed(7), Options::from_seed(8));
    }
}
