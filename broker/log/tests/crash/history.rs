//! What is done to a log in one run: decided by the seed alone, so that it can be done again up to
//! any point.

use millrace_log::{CleanupPolicy, LogConfig};
use millrace_wire::record::Codec;

use crate::random::Random;

/// Producers 0 and 1 are idempotent, 2 and 3 transactional.
pub const PRODUCERS: usize = 4;

#[derive(Clone, Debug)]
pub enum Op {
    /// Batches appended with one call.
    Append(Vec<Draft>),
    Flush,
    /// The flush's job runs while the next batches are appended.
    FlushBeside(Vec<Draft>),
    /// A new leader.
    BeginEpoch,
    Roll,
    /// Back to so many percent of what is there.
    Truncate(u64),
    /// DeleteRecords, up to so many percent of what is there.
    AdvanceStart(u64),
    Retain,
    Compact,
    WriteCheckpoints,
    /// A clean stop and start.
    Reopen,
    /// Time passes, in ms.
    Wait(i64),
}

/// A batch to be made when its time comes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// None of the producers: not idempotent.
    pub producer: Option<usize>,
    pub kind: Kind,
    pub codec: Codec,
    /// Key number and size of the value; `None` is a tombstone.
    pub records: Vec<(u64, Option<usize>)>,
    /// How far the offsets skip, as in a follower of a compacted log.
    pub skip: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    Commit,
    Abort,
}

/// Settings that make much happen with few bytes.
pub fn config(random: &mut Random) -> LogConfig {
    let compacts = random.one_in(3);
    LogConfig {
        segment_bytes: [1000, 1500, 4000][usize::try_from(random.below(3)).unwrap()],
        index_interval_bytes: [1, 200, 500][usize::try_from(random.below(3)).unwrap()],
        cleanup: CleanupPolicy { deletes: !compacts || random.one_in(4), compacts },
        retention_ms: Some(60_000),
        retention_bytes: random.one_in(2).then_some(5000),
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 5000,
        ..LogConfig::default()
    }
}

pub fn history(random: &mut Random, config: &LogConfig, steps: u64) -> Vec<Op> {
    (0..steps).map(|_| op(random, config.cleanup.compacts)).collect()
}

fn op(random: &mut Random, compacts: bool) -> Op {
    match random.below(24) {
        0..=9 => Op::Append(drafts(random, compacts)),
        10..=12 => Op::Flush,
        13 => Op::FlushBeside(drafts(random, compacts)),
        14 => Op::BeginEpoch,
        15 => Op::Roll,
        16 => Op::Truncate(50 + random.below(60)),
        17 => Op::AdvanceStart(random.below(60)),
        18 => Op::Retain,
        19 | 20 if compacts => Op::Compact,
        19 => Op::Retain,
        20 | 21 => Op::WriteCheckpoints,
        22 => Op::Reopen,
        _ => Op::Wait([10, 2000, 40_000][usize::try_from(random.below(3)).unwrap()]),
    }
}

pub fn drafts(random: &mut Random, compacts: bool) -> Vec<Draft> {
    (0..=random.below(3)).map(|_| draft(random, compacts)).collect()
}

fn draft(random: &mut Random, compacts: bool) -> Draft {
    let producer = usize::try_from(random.below(8)).unwrap();
    // What compaction does to transactions has tests of its own.
    let producers = if compacts { 2 } else { PRODUCERS };
    let producer = (producer < producers).then_some(producer);
    let is_marker = producer.is_some_and(|one| one >= 2) && random.one_in(2);
    let kind = match (is_marker, random.one_in(2)) {
        (false, _) => Kind::Data,
        (true, false) => Kind::Commit,
        (true, true) => Kind::Abort,
    };
    let codecs = [Codec::None, Codec::None, Codec::None, Codec::Snappy];
    let records = (0..=random.below(4))
        .map(|_| {
            let size = usize::try_from(random.below(200)).unwrap();
            (random.below(10), (!random.one_in(5)).then_some(size))
        })
        .collect();
    let skip = if compacts && random.one_in(6) { 1 + random.below(3) } else { 0 };
    let codec = codecs[usize::try_from(random.below(4)).unwrap()];
    Draft { producer, kind, codec, records, skip }
}
