//! What Raft remembers of its log between being written and being applied.

use std::collections::VecDeque;

use millrace_log::raft_log::Vote;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Result, Storage, StorageError};

/// The part of the log that is not applied yet.
pub(super) struct Memory {
    hard_state: HardState,
    conf_state: ConfState,
    /// Index and term of the entry before the first one here.
    before: (u64, u64),
    entries: VecDeque<Entry>,
}

impl Memory {
    /// The log after a snapshot of `before` (index and term), for a quorum of this one node.
    pub(super) fn new(id: u64, vote: Vote, before: (u64, u64), entries: VecDeque<Entry>) -> Memory {
        let conf_state = ConfState { voters: vec![id], ..ConfState::default() };
        let hard_state = HardState {
            term: vote.term,
            vote: vote.candidate,
            // More may be committed; a leader finds that out with the first entry of its term.
            commit: before.0,
            ..HardState::default()
        };
        Memory { hard_state, conf_state, before, entries }
    }

    pub(super) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    pub(super) fn append(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
    }

    /// Drops the entries up to this one, which are applied.
    pub(super) fn forget_up_to(&mut self, index: u64, term: u64) {
        while self.entries.front().is_some_and(|entry| entry.index <= index) {
            self.entries.pop_front();
        }
        self.before = (index, term);
    }

    /// Where the entry of this index lies in `entries`.
    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.before.0 + 1)?).ok()
    }
}

impl Storage for Memory {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.conf_state.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        let (Some(start), Some(end)) = (self.place(low), self.place(high)) else {
            return Err(StorageError::Compacted.into());
        };
        if end > self.entries.len() {
            return Err(StorageError::Unavailable.into());
        }
        let mut entries: Vec<Entry> = self.entries.range(start..end).cloned().collect();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index == self.before.0 {
            return Ok(self.before.1);
        }
        let place = self.place(index).ok_or(StorageError::Compacted)?;
        self.entries
            .get(place)
            .map(|entry| entry.term)
            .ok_or_else(|| StorageError::Unavailable.into())
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.before.0 + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.before.0 + self.entries.len() as u64)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> Result<Snapshot> {
        // Only followers ask, and a quorum of one has none.
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
