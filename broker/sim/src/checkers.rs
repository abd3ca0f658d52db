//! What must hold in every run, one promise a file.

use crate::coverage::Coverage;
use crate::history::History;

mod acknowledged;
mod committed_offsets;
mod heals;
mod invented;
mod metadata;
mod no_duplicates;
mod ownership;

/// A promise, its name, and the function that finds where a history breaks it, or tells how often it
/// had something to look at.
type Checker = (&'static str, fn(&History) -> Result<u64, String>);

const CHECKERS: [Checker; 7] = [
    ("acknowledged records are there, in order, at their offset", acknowledged::check),
    ("no duplicate with idempotence", no_duplicates::check),
    ("nothing that was never sent", invented::check),
    ("a partition has one owner in a generation", ownership::check),
    ("committed offsets never go back", committed_offsets::check),
    ("metadata that was acknowledged survives", metadata::check),
    ("once faults stop, everything heals", heals::check),
];

/// A promise that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise.
    pub promise: &'static str,
    /// How, with the numbers.
    pub how: String,
}

/// Every promise that the history breaks. What kept one is counted in `coverage`.
pub fn check(history: &History, coverage: &mut Coverage) -> Vec<Broken> {
    let mut broken = Vec::new();
    for &(promise, check) in &CHECKERS {
        match check(history) {
            Ok(count) => coverage.add(promise, count),
            Err(how) => broken.push(Broken { promise, how }),
        }
    }
    broken
}
