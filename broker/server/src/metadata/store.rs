//! Raft and its log on disk, as one: entries go in, committed records come out.

use std::path::PathBuf;

use millrace_core::metadata::record::{decode_all, encode_all};
use millrace_core::metadata::{Image, Record, RecordError, Touched, snapshot};
use millrace_core::raft::{Committed, Raft, RaftError};
use millrace_log::LogError;
use millrace_log::raft_log::{METADATA_PREFIX, RaftLog, Recovered, Snapshot};
use millrace_types::BrokerId;

use crate::env::Env;

/// The log of the metadata, open.
pub struct Store {
    env: Env,
    broker: BrokerId,
    /// Absent while a write is under way.
    log: Option<RaftLog>,
    /// Absent after a failed write, which Raft cannot take back: it starts again from what is
    /// durable, in a new term.
    raft: Option<Raft>,
    /// The entry that was applied last, and its term.
    applied: (u64, u64),
    /// Size of the log from which a snapshot is taken.
    snapshot_at_bytes: u64,
    snapshot_bytes: u64,
}

/// Why the log of the metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed, or what is on it is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Raft does not go on.
    #[error(transparent)]
    Raft(#[from] RaftError),
    /// A committed entry is not what this software writes.
    #[error("entry {index} of the metadata log cannot be read")]
    Entry {
        /// The entry.
        index: u64,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The snapshot is not what this software writes.
    #[error("the snapshot of the metadata at entry {index} cannot be read")]
    Snapshot {
        /// The last entry in it.
        index: u64,
        /// What is wrong with it.
        source: RecordError,
    },
    /// An earlier write did not come back: the process is ending.
    #[error("the metadata log is gone")]
    Gone,
}

impl Store {
    /// Opens the log and returns the image that it adds up to.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(
        env: Env,
        dir: PathBuf,
        broker: BrokerId,
        snapshot_bytes: u64,
    ) -> Result<(Store, Image), StoreError> {
        let disk = env.disk.clone();
        let opened = env.blocking.run(move || RaftLog::open(disk, &dir, METADATA_PREFIX));
        let (log, recovered) = opened.await?;
        if recovered.cut_bytes > 0 {
            tracing::info!(
                bytes = recovered.cut_bytes,
                "cut a change off the metadata that was never acknowledged"
            );
        }
        let mut image = Image::default();
        let mut applied = (0, 0);
        if let Some(Snapshot { index, term, data }) = &recovered.snapshot {
            image = snapshot::decode(data)
                .map_err(|source| StoreError::Snapshot { index: *index, source })?;
            applied = (*index, *term);
        }
        let raft = Some(Raft::start(broker, &recovered)?);
        let (log, snapshot_at_bytes) = (Some(log), snapshot_bytes);
        let mut store =
            Store { env, broker, log, raft, applied, snapshot_at_bytes, snapshot_bytes };
        // The first entry of the new term commits all that were there before.
        for record in store.commit(&[]).await? {
            image.apply(&record, &mut Touched::default());
        }
        Ok((store, image))
    }

    /// Makes the records of each decision durable, all with one sync, and returns what is
    /// committed now: what was given, behind what was not committed before.
    ///
    /// # Errors
    /// See [`StoreError`]; none of the decisions are made then, and the store may be used on.
    pub async fn commit(&mut self, decisions: &[Vec<Record>]) -> Result<Vec<Record>, StoreError> {
        match self.try_commit(decisions).await {
            Ok(committed) => {
                let mut records = Vec::new();
                for Committed { index, term, data } in committed {
                    self.applied = (index, term);
                    let of_entry =
                        decode_all(&data).map_err(|source| StoreError::Entry { index, source })?;
                    records.extend(of_entry);
                }
                Ok(records)
            }
            Err(error) => {
                self.raft = None;
                Err(error)
            }
        }
    }

    async fn try_commit(
        &mut self,
        decisions: &[Vec<Record>],
    ) -> Result<Vec<Committed>, StoreError> {
        let raft = match &mut self.raft {
            Some(raft) => raft,
            None => {
                let (index, term) = self.applied;
                let vote = self.log.as_ref().ok_or(StoreError::Gone)?.vote();
                let applied = Snapshot { index, term, data: Vec::new() };
                let durable = Recovered { vote, snapshot: Some(applied), ..Recovered::default() };
                self.raft.insert(Raft::start(self.broker, &durable)?)
            }
        };
        for records in decisions.iter().filter(|records| !records.is_empty()) {
            raft.propose(encode_all(records))?;
        }
        let mut committed = Vec::new();
        while let Some(write) = raft.take_write() {
            let mut log = self.log.take().ok_or(StoreError::Gone)?;
            let append = move || {
                let result = log.append(write.vote, &write.entries);
                (log, result)
            };
            let (log, result) = self.env.blocking.run(append).await;
            self.log = Some(log);
            result?;
            committed.extend(raft.persisted());
        }
        Ok(committed)
    }

    /// Replaces the log by a snapshot of the image, if it has grown enough.
    ///
    /// # Errors
    /// The disk failed; it is tried again after some more growth.
    pub async fn snapshot_if_due(&mut self, image: &Image) -> Result<(), StoreError> {
        let mut log = self.log.take().ok_or(StoreError::Gone)?;
        if log.tail_bytes() < self.snapshot_at_bytes {
            self.log = Some(log);
            return Ok(());
        }
        self.snapshot_at_bytes = log.tail_bytes().saturating_add(self.snapshot_bytes / 4);
        let (index, term) = self.applied;
        let image = image.clone();
        let write = move || {
            let snapshot = Snapshot { index, term, data: snapshot::encode(&image) };
            let result = log.write_snapshot(&snapshot);
            (log, snapshot.data.len(), result)
        };
        let (log, bytes, result) = self.env.blocking.run(write).await;
        self.log = Some(log);
        result?;
        self.snapshot_at_bytes = self.snapshot_bytes;
        tracing::info!(entry = index, bytes, "wrote a snapshot of the metadata");
        Ok(())
    }
}
