//! The one source of chance in the broker: ids, jitter. Seeded, so that a run can be repeated.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use millrace_types::Uuid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A seeded source of random numbers, shared by all tasks of one broker.
#[derive(Debug)]
pub struct Random(Mutex<StdRng>);

impl Random {
    /// A source that gives the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Random {
        Random(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A source that differs from run to run.
    pub fn from_system() -> Random {
        // The standard library seeds its hashers from the system's entropy.
        Random::seeded(RandomState::new().build_hasher().finish())
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        // A thread that panicked in here left a generator that is as random as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// A number below `bound`, or 0 if `bound` is 0. Its bias is below `bound` / 2^64.
    pub fn below(&self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A random (version 4) id. Never one that reads as a command line flag: Kafka's tools choke
    /// on ids that begin with `-`. Source: Kafka's `Uuid.randomUuid`.
    pub fn uuid(&self) -> Uuid {
        loop {
            let [mut high, mut low] = [self.bits(), self.bits()];
            high = (high & !0xf000) | 0x4000;
            low = (low & !(0b11 << 62)) | (0b10 << 62);
            let id = Uuid::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes());
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (a, b, c) = (Random::seeded(7), Random::seeded(7), Random::seeded(8));
        let first = a.uuid();
        assert_eq!(first, b.uuid());
        assert_ne!(first, c.uuid());
        assert_ne!(first, a.uuid());
    }

    #[test]
    fn a_number_stays_below_its_bound() {
        let random = Random::seeded(1);
        assert_eq!(random.below(0), 0);
        assert!((0..1_000).all(|_| random.below(3) < 3));
    }
}
