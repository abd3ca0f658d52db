//! Agreement on the order of the metadata's records: the `raft` crate, and the only file that names
//! it besides `raft/memory.rs`.
//!
//! Sans-IO: [`Raft::take_write`] says what must be made durable, [`Raft::persisted`] is told that it
//! is and says what is committed by it. The bytes are written by `millrace-log`'s `raft_log`, whose
//! entries and votes these are; nothing here writes or reads protobuf (its crate has an advisory on
//! parsing untrusted input).
//!
//! The quorum is this one node. It stands for election as it starts and wins at once, so that there
//! is nothing to wait for: no tick, no message. Inside, the crate draws election timeouts from the
//! thread's random numbers; alone, no timeout is ever asked for, and so no chance reaches
//! behaviour. A quorum of several will tick, and then sets each timeout from its own seed with
//! `set_randomized_election_timeout` whenever the term changes.

use std::collections::VecDeque;

use millrace_log::raft_log::{Entry, Recovered, Vote};
use millrace_types::BrokerId;
use raft::eraftpb::{Entry as RaftEntry, EntryType};
use raft::{Config, RawNode, StateRole};

use self::memory::Memory;

mod memory;

/// What the log of the metadata holds in `kind`: one decision's records, or nothing for the entry
/// that a leader begins its term with.
const RECORDS: u8 = 0;

/// One node of the quorum.
pub struct Raft {
    node: RawNode<Memory>,
    /// The write that comes next, and the number that Raft knows it by.
    next: Option<(u64, Write)>,
    /// The number of the write that is under way.
    writing: Option<u64>,
    /// The vote that was given out to be written last.
    vote: Vote,
    /// What is committed and not returned yet.
    committed: Vec<Committed>,
}

/// What must be made durable before anything else is asked of [`Raft`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The vote, if it changed; to be written before the entries.
    pub vote: Option<Vote>,
    /// The entries, in order.
    pub entries: Vec<Entry>,
}

/// An entry that is committed: to be applied, in order, on each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the log.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What was proposed; empty for the entry that a term begins with.
    pub data: Vec<u8>,
}

/// Why Raft cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RaftError {
    /// An entry of a later version of this software.
    #[error("entry {index} of the metadata log is of kind {kind}, which is not known here")]
    UnknownKind {
        /// The entry.
        index: u64,
        /// Its kind.
        kind: u8,
    },
    /// The crate refused.
    #[error("raft refused to {action}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// Its reason.
        source: raft::Error,
    },
}

impl Raft {
    /// Starts with what the log recovered, as the leader of a new term.
    ///
    /// # Errors
    /// If the log holds what this version does not know.
    pub fn start(node: BrokerId, recovered: &Recovered) -> Result<Raft, RaftError> {
        // The crate has no node 0.
        let id = u64::from(node.to_wire().unsigned_abs()) + 1;
        let (snapshot_index, snapshot_term) =
            recovered.snapshot.as_ref().map_or((0, 0), |snapshot| (snapshot.index, snapshot.term));
        let entries: Result<VecDeque<RaftEntry>, RaftError> =
            recovered.entries.iter().map(to_raft).collect();
        let memory = Memory::new(id, recovered.vote, (snapshot_index, snapshot_term), entries?);
        let config = Config { applied: snapshot_index, check_quorum: true, ..Config::new(id) };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let refused = |action| move |source| RaftError::Refused { action, source };
        let mut node = RawNode::new(&config, memory, &logger).map_err(refused("start"))?;
        node.campaign().map_err(refused("campaign"))?;
        assert!(node.raft.state == StateRole::Leader, "node {id} alone did not win its election");
        let (next, writing, committed) = (None, None, Vec::new());
        Ok(Raft { node, next, writing, vote: recovered.vote, committed })
    }

    /// Puts data behind all that was proposed before; returns its place in the log.
    ///
    /// # Errors
    /// If this node does not lead.
    pub fn propose(&mut self, data: Vec<u8>) -> Result<u64, RaftError> {
        let refused = |source| RaftError::Refused { action: "propose", source };
        self.node.propose(Vec::new(), data).map_err(refused)?;
        Ok(self.node.raft.raft_log.last_index())
    }

    /// What must be made durable now; `None` if there is nothing. The next write is only given out
    /// after [`Raft::persisted`].
    pub fn take_write(&mut self) -> Option<Write> {
        self.advance();
        let (number, write) = self.next.take_if(|_| self.writing.is_none())?;
        self.writing = Some(number);
        Some(write)
    }

    /// Notes that the write given out last is durable, and returns what is committed now.
    pub fn persisted(&mut self) -> Vec<Committed> {
        if let Some(number) = self.writing.take() {
            self.node.on_persist_ready(number);
            self.advance();
        }
        std::mem::take(&mut self.committed)
    }

    /// Takes from Raft what it has ready, up to the next write.
    fn advance(&mut self) {
        while self.next.is_none() && self.writing.is_none() && self.node.has_ready() {
            let mut ready = self.node.ready();
            debug_assert!(ready.messages().is_empty(), "a node alone has nobody to write to");
            self.commit(ready.take_committed_entries());
            let entries = ready.take_entries();
            let vote = ready.hs().map(|hs| Vote { term: hs.term, candidate: hs.vote });
            if let Some(hard_state) = ready.hs() {
                self.node.mut_store().set_hard_state(hard_state.clone());
            }
            let changed = vote.filter(|vote| *vote != self.vote);
            self.vote = vote.unwrap_or(self.vote);
            let write = Write { vote: changed, entries: entries.iter().map(from_raft).collect() };
            self.node.mut_store().append(entries);
            let number = ready.number();
            self.node.advance_append_async(ready);
            if write.vote.is_some() || !write.entries.is_empty() {
                self.next = Some((number, write));
            } else {
                self.node.on_persist_ready(number);
            }
        }
    }

    fn commit(&mut self, entries: Vec<RaftEntry>) {
        let Some(last) = entries.last() else { return };
        let (index, term) = (last.index, last.term);
        self.node.advance_apply_to(index);
        // Nobody asks this node for entries, so what is applied need not stay in memory.
        self.node.mut_store().forget_up_to(index, term);
        self.committed.extend(entries.into_iter().map(|entry| {
            let RaftEntry { index, term, data, .. } = entry;
            Committed { index, term, data: data.to_vec() }
        }));
    }
}

impl std::fmt::Debug for Raft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raft").field("vote", &self.vote).finish_non_exhaustive()
    }
}

fn from_raft(entry: &RaftEntry) -> Entry {
    Entry { index: entry.index, term: entry.term, kind: RECORDS, data: entry.data.to_vec() }
}

fn to_raft(entry: &Entry) -> Result<RaftEntry, RaftError> {
    if entry.kind != RECORDS {
        return Err(RaftError::UnknownKind { index: entry.index, kind: entry.kind });
    }
    let mut raft = RaftEntry::default();
    raft.set_entry_type(EntryType::EntryNormal);
    raft.index = entry.index;
    raft.term = entry.term;
    raft.data = entry.data.clone().into();
    Ok(raft)
}

#[cfg(test)]
mod tests {
    use millrace_log::raft_log::{Entry, Recovered, Snapshot, Vote};
    use millrace_types::BrokerId;

    use super::{Committed, Raft, Write};

    fn start(recovered: &Recovered) -> Raft {
        Raft::start(BrokerId::from_wire(0).unwrap(), recovered).unwrap()
    }

    fn entry(index: u64, term: u64, data: &str) -> Entry {
        Entry { index, term, kind: 0, data: data.as_bytes().to_vec() }
    }

    fn committed(index: u64, term: u64, data: &str) -> Committed {
        Committed { index, term, data: data.as_bytes().to_vec() }
    }

    #[test]
    fn a_node_alone_leads_at_once_and_commits_what_is_durable() {
        let mut raft = start(&Recovered::default());
        assert_eq!(raft.propose(b"a".to_vec()).unwrap(), 2);
        assert_eq!(raft.propose(b"b".to_vec()).unwrap(), 3);
        let write = raft.take_write().unwrap();
        let vote = Some(Vote { term: 1, candidate: 1 });
        let entries = vec![entry(1, 1, ""), entry(2, 1, "a"), entry(3, 1, "b")];
        assert_eq!(write, Write { vote, entries });
        // What comes while it is being written waits for the next write.
        assert_eq!(raft.propose(b"c".to_vec()).unwrap(), 4);
        assert_eq!(raft.take_write(), None);
        let first = [committed(1, 1, ""), committed(2, 1, "a"), committed(3, 1, "b")];
        assert_eq!(raft.persisted(), first);
        assert_eq!(raft.take_write().unwrap().entries, [entry(4, 1, "c")]);
        assert_eq!(raft.persisted(), [committed(4, 1, "c")]);
        assert_eq!(raft.persisted(), []);
    }

    #[test]
    fn a_restart_commits_all_that_the_log_holds_in_a_new_term() {
        let recovered = Recovered {
            vote: Vote { term: 4, candidate: 1 },
            snapshot: Some(Snapshot { index: 9, term: 3, data: Vec::new() }),
            entries: vec![entry(10, 3, "x"), entry(11, 4, "y")],
            cut_bytes: 0,
        };
        let mut raft = start(&recovered);
        let write = raft.take_write().unwrap();
        assert_eq!(write.vote, Some(Vote { term: 5, candidate: 1 }));
        assert_eq!(write.entries, [entry(12, 5, "")]);
        let all = [committed(10, 3, "x"), committed(11, 4, "y"), committed(12, 5, "")];
        assert_eq!(raft.persisted(), all);
        assert_eq!(raft.propose(b"z".to_vec()).unwrap(), 13);
        assert_eq!(
            raft.take_write().unwrap(),
            Write { vote: None, entries: vec![entry(13, 5, "z")] }
        );
        assert_eq!(raft.persisted(), [committed(13, 5, "z")]);
    }

    #[test]
    fn an_entry_of_an_unknown_kind_is_refused() {
        let unknown = Entry { kind: 9, ..entry(1, 1, "") };
        let vote = Vote { term: 1, candidate: 1 };
        let recovered = Recovered { vote, entries: vec![unknown], ..Recovered::default() };
        assert_eq!(
            Raft::start(BrokerId::default(), &recovered).unwrap_err().to_string(),
            "entry 1 of the metadata log is of kind 9, which is not known here"
        );
    }
}
