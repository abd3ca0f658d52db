//! Which leader wrote which part of a partition's log: the offset at which each epoch begins.
//!
//! Kept in memory and in the file `leader-epoch-checkpoint`. The cache itself is a plain value; the
//! log saves it after each epoch that begins, so that the file never lacks one. An epoch too many in
//! the file (of records that did not survive a crash) is cut off by
//! [`EpochCache::truncate_from_end`] at recovery.
//!
//! Source: KIP-101, KIP-279; Kafka's `LeaderEpochFileCache`.

use std::path::Path;

use millrace_types::{LeaderEpoch, Offset};

use crate::checkpoint::{self, CheckpointError};
use crate::disk::Disk;

/// The name of the file in each partition directory.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

/// The offset at which each leader's epoch begins; both ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

/// Where one leader's epoch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Offset of its first record.
    pub start_offset: Offset,
}

impl EpochCache {
    /// Reads the file of a partition directory; empty if there is none.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<EpochCache, CheckpointError> {
        let mut cache = EpochCache::default();
        for (epoch, start_offset) in
            checkpoint::read_epochs(disk, &dir.join(LEADER_EPOCH_CHECKPOINT))?
        {
            cache.assign(epoch, start_offset);
        }
        Ok(cache)
    }

    /// Writes the file of a partition directory.
    pub fn save(&self, disk: &dyn Disk, dir: &Path) -> Result<(), CheckpointError> {
        let entries = self.entries.iter().map(|entry| (entry.epoch, entry.start_offset));
        checkpoint::write_epochs(disk, &dir.join(LEADER_EPOCH_CHECKPOINT), entries)
    }

    /// Notes that the records from `start_offset` on are of `epoch`. Returns whether that was news.
    ///
    /// Entries that would then not ascend go: the log wins over what was noted before.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        let is_known = self
            .entries
            .last()
            .is_some_and(|last| last.epoch == epoch && last.start_offset <= start_offset);
        if is_known {
            return false;
        }
        while self
            .entries
            .pop_if(|last| last.epoch >= epoch || last.start_offset >= start_offset)
            .is_some()
        {}
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// All entries, ascending.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The epoch of the newest record, or of the leader that is to write the next one.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The epoch of the record at `offset`; `None` if it is older than all that is known.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        self.entries.get(after.checked_sub(1)?).map(|entry| entry.epoch)
    }

    /// Answers OffsetsForLeaderEpoch: the largest epoch up to `requested`, and the offset at which
    /// it ends: where the next one begins or, for the latest, at the log's end.
    ///
    /// An epoch older than all that is known ends where the log of the first one begins. `None` for
    /// an epoch newer than all that is known.
    pub fn end_offset_for(
        &self,
        requested: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        if self.latest()? == requested {
            return Some((requested, log_end));
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= requested);
        let next = self.entries.get(after)?;
        let floor = after.checked_sub(1).and_then(|index| self.entries.get(index));
        Some((floor.map_or(requested, |entry| entry.epoch), next.start_offset))
    }

    /// Removes the epochs that begin at or after the log's end. Returns whether there were any.
    pub fn truncate_from_end(&mut self, log_end: Offset) -> bool {
        let kept = self.entries.partition_point(|entry| entry.start_offset < log_end);
        let changes = kept < self.entries.len();
        self.entries.truncate(kept);
        changes
    }

    /// Removes the epochs that end at or before the log's start; the one in force there begins there
    /// from now on. Returns whether anything changed.
    pub fn truncate_from_start(&mut self, log_start: Offset) -> bool {
        let after = self.entries.partition_point(|entry| entry.start_offset <= log_start);
        let Some(in_force) = after.checked_sub(1) else {
            return false;
        };
        self.entries.drain(..in_force);
        match self.entries.first_mut() {
            Some(first) if in_force > 0 || first.start_offset < log_start => {
                first.start_offset = log_start;
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::{LeaderEpoch, Offset};

    use super::EpochCache;
    use crate::disk::RealDisk;

    fn epoch(number: i32) -> LeaderEpoch {
        LeaderEpoch::from_wire(number).unwrap()
    }

    fn cache(entries: &[(i32, u64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for &(number, offset) in entries {
            cache.assign(epoch(number), Offset::new(offset));
        }
        cache
    }

    fn pairs(cache: &EpochCache) -> Vec<(i32, u64)> {
        let entries = cache.entries().iter();
        entries.map(|entry| (entry.epoch.to_wire(), entry.start_offset.get())).collect()
    }

    #[test]
    fn an_epoch_keeps_its_first_offset_and_removes_what_contradicts() {
        for (assigned, expected) in [
            (&[(0, 0), (0, 5), (1, 9)][..], &[(0, 0), (1, 9)][..]),
            (&[(0, 0), (2, 5), (1, 9)], &[(0, 0), (1, 9)]),
            (&[(0, 0), (1, 9), (2, 4)], &[(0, 0), (2, 4)]),
            (&[(0, 0), (1, 9), (2, 9)], &[(0, 0), (2, 9)]),
            (&[(0, 3), (0, 1)], &[(0, 1)]),
            (&[(5, 3), (6, 0)], &[(6, 0)]),
        ] {
            assert_eq!(pairs(&cache(assigned)), expected, "{assigned:?}");
        }
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let known = [(2, 10), (3, 20), (6, 40)];
        for (requested, expected) in [
            (0, Some((0, 10))),
            (2, Some((2, 20))),
            (3, Some((3, 40))),
            (4, Some((3, 40))),
            (6, Some((6, 99))),
            (7, None),
        ] {
            let answer = cache(&known).end_offset_for(epoch(requested), Offset::new(99));
            let answer = answer.map(|(found, end)| (found.to_wire(), end.get()));
            assert_eq!(answer, expected, "epoch {requested}");
        }
        assert_eq!(EpochCache::default().end_offset_for(epoch(0), Offset::new(9)), None);
    }

    #[test]
    fn the_epoch_of_an_offset_is_the_one_in_force_there() {
        let cache = cache(&[(2, 10), (3, 20)]);
        for (offset, expected) in [(9, None), (10, Some(2)), (19, Some(2)), (20, Some(3))] {
            assert_eq!(cache.epoch_of(Offset::new(offset)), expected.map(epoch), "{offset}");
        }
    }

    #[test]
    fn truncation_keeps_what_is_in_force() {
        let known = [(2, 10), (3, 20), (6, 40)];
        for (end, expected) in [
            (41, &[(2, 10), (3, 20), (6, 40)][..]),
            (40, &[(2, 10), (3, 20)]),
            (11, &[(2, 10)]),
            (10, &[]),
        ] {
            let mut cut = cache(&known);
            assert_eq!(cut.truncate_from_end(Offset::new(end)), expected.len() < 3, "end {end}");
            assert_eq!(pairs(&cut), expected, "end {end}");
        }
        for (start, changes, expected) in [
            (9, false, &[(2, 10), (3, 20), (6, 40)][..]),
            (10, false, &[(2, 10), (3, 20), (6, 40)]),
            (11, true, &[(2, 11), (3, 20), (6, 40)]),
            (20, true, &[(3, 20), (6, 40)]),
            (99, true, &[(6, 99)]),
        ] {
            let mut cut = cache(&known);
            assert_eq!(cut.truncate_from_start(Offset::new(start)), changes, "start {start}");
            assert_eq!(pairs(&cut), expected, "start {start}");
        }
    }

    #[test]
    fn the_file_brings_the_epochs_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(EpochCache::load(&RealDisk, dir.path()).unwrap(), EpochCache::default());
        let known = cache(&[(2, 10), (3, 20)]);
        known.save(&RealDisk, dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join("leader-epoch-checkpoint")).unwrap();
        assert_eq!(text, "0\n2\n2 10\n3 20\n");
        assert_eq!(EpochCache::load(&RealDisk, dir.path()).unwrap(), known);
    }
}
