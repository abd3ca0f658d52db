//! A directory of logs: whose it is, which partitions are in it, their checkpoints, its lock.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_types::{LeaderEpoch, Offset, TimestampMs, TopicId, TopicPartition, Uuid};

use crate::checkpoint::{self, CheckpointError, PARTITION_METADATA};
use crate::config::LogConfig;
use crate::disk::{Disk, OpenMode, Space};
use crate::epoch_cache::LEADER_EPOCH_CHECKPOINT;
use crate::error::{IoContext, LogError};
use crate::file_name::DirName;
use crate::file_pool::FilePool;
use crate::log::{Deletion, Log, LogOptions, RecoveryProgress};

mod checkpoints;
mod clean_shutdown;
mod error;
mod meta;
#[cfg(test)]
mod tests;

pub use checkpoints::LogOffsets;
pub use error::LogDirError;
pub use meta::MetaProperties;

use checkpoints::Checkpoints;

/// How to open a directory.
#[derive(Clone, Debug)]
pub struct LogDirOptions {
    /// Where it is.
    pub root: PathBuf,
    /// Whose it must be; a directory without `meta.properties` becomes this one's.
    pub meta: MetaProperties,
    /// Whether the directory's own id must be the given one (the cluster knows it already), or is
    /// taken over from the disk.
    pub checks_directory_id: bool,
    /// How many files are kept open for reading and writing, over all logs.
    pub open_files_max: usize,
    /// `producer.id.expiration.ms` as of the start.
    pub producer_id_expiration_ms: i64,
}

/// An open, locked directory of logs. All methods may be called from several threads at once.
pub struct LogDir {
    root: PathBuf,
    meta: MetaProperties,
    pool: Arc<FilePool>,
    producer_id_expiration_ms: i64,
    clean_shutdown: Option<CleanShutdown>,
    /// As they stand in the files.
    checkpoints: Mutex<Checkpoints>,
    /// Keeps other processes out for as long as it lives.
    _lock: Box<dyn Send + Sync>,
}

/// The mark of a process that ended cleanly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The broker's epoch then; `None` if the mark does not tell. Source: KIP-966.
    pub broker_epoch: Option<i64>,
}

/// A partition found in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundPartition {
    /// By the directory's name.
    pub partition: TopicPartition,
    /// By its `partition.metadata`; `None` if there is none.
    pub topic_id: Option<TopicId>,
}

const LOCK: &str = ".lock";

impl LogDir {
    /// Reads `meta.properties` without opening or locking; `None` if the directory is fresh.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn identify(disk: &dyn Disk, root: &Path) -> Result<Option<MetaProperties>, LogDirError> {
        meta::read(disk, root)
    }

    /// Locks the directory, checks whose it is (or makes it this broker's), takes the mark of a
    /// clean shutdown away and reads the checkpoints.
    ///
    /// # Errors
    /// The directory is another broker's, in use, or not readable.
    pub fn open(disk: Arc<dyn Disk>, options: LogDirOptions) -> Result<LogDir, LogDirError> {
        let LogDirOptions {
            root,
            meta,
            checks_directory_id,
            open_files_max,
            producer_id_expiration_ms,
        } = options;
        disk.create_dir_all(&root).at("make", &root)?;
        let lock_path = root.join(LOCK);
        let Some(lock) = disk.try_lock(&lock_path).at("lock", &lock_path)? else {
            return Err(LogDirError::Locked { root });
        };
        let meta = match meta::read(&*disk, &root)? {
            Some(found) => meta::check(&root, found, &meta, checks_directory_id)?,
            None => {
                check_fresh(&*disk, &root)?;
                sync_names_of(&*disk, &root)?;
                meta::write(&*disk, &root, &meta)?;
                meta
            }
        };
        let clean_shutdown = clean_shutdown::take(&*disk, &root)?;
        let checkpoints = Mutex::new(Checkpoints::read(&*disk, &root)?);
        let pool = Arc::new(FilePool::new(disk, open_files_max));
        Ok(LogDir {
            root,
            meta,
            pool,
            producer_id_expiration_ms,
            clean_shutdown,
            checkpoints,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whose it is.
    pub const fn meta(&self) -> &MetaProperties {
        &self.meta
    }

    /// The files that its logs have open.
    pub const fn pool(&self) -> &Arc<FilePool> {
        &self.pool
    }

    /// Whether and how the last process ended cleanly; if it did, no log needs to be scanned.
    pub const fn clean_shutdown(&self) -> Option<CleanShutdown> {
        self.clean_shutdown
    }

    /// The size of the volume.
    ///
    /// # Errors
    /// The disk failed.
    pub fn space(&self) -> Result<Space, LogError> {
        self.disk().space(&self.root).at("measure", &self.root)
    }

    /// The partitions on disk, sorted.
    ///
    /// # Errors
    /// The disk failed, or a `partition.metadata` is damaged.
    pub fn partitions(&self) -> Result<Vec<FoundPartition>, LogError> {
        let mut found = Vec::new();
        for entry in self.disk().list(&self.root).at("list", &self.root)? {
            if let Some(DirName::Partition(partition)) =
                DirName::parse(&entry.name).filter(|_| entry.is_dir)
            {
                let topic_id = self.topic_id(&partition)?;
                found.push(FoundPartition { partition, topic_id });
            }
        }
        found.sort();
        Ok(found)
    }

    /// What there is of one partition on disk; `None` if there is nothing.
    ///
    /// # Errors
    /// The disk failed, or its `partition.metadata` is damaged.
    pub fn find(&self, partition: &TopicPartition) -> Result<Option<FoundPartition>, LogError> {
        let dir = self.dir_of(partition);
        if !self.disk().exists(&dir).at("look for", &dir)? {
            return Ok(None);
        }
        let topic_id = self.topic_id(partition)?;
        Ok(Some(FoundPartition { partition: partition.clone(), topic_id }))
    }

    /// What is written down of one partition.
    pub fn checkpointed(&self, partition: &TopicPartition) -> LogOffsets {
        self.checkpoints().of(partition)
    }

    fn topic_id(&self, partition: &TopicPartition) -> Result<Option<TopicId>, LogError> {
        // The file is synced with the first flush: before that, a power cut may tear it.
        let was_flushed = self.checkpoints().of(partition).recovery_point > Offset::ZERO;
        match checkpoint::read_topic_id(self.disk(), &self.dir_of(partition)) {
            Err(CheckpointError::Malformed { .. }) if !was_flushed => Ok(None),
            found => Ok(found?),
        }
    }

    /// Writes down, durably, whose partition a directory holds that does not say it itself.
    ///
    /// # Errors
    /// The disk failed.
    pub fn write_topic_id(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
    ) -> Result<(), LogError> {
        Ok(checkpoint::write_topic_id(self.disk(), &self.dir_of(partition), topic_id)?)
    }

    /// The latest leader epoch that a partition's log knows of, without opening it.
    ///
    /// # Errors
    /// The disk failed, or the checkpoint of epochs is damaged.
    pub fn latest_epoch(
        &self,
        partition: &TopicPartition,
    ) -> Result<Option<LeaderEpoch>, LogError> {
        let path = self.dir_of(partition).join(LEADER_EPOCH_CHECKPOINT);
        let epochs = checkpoint::read_epochs(self.disk(), &path)?;
        Ok(epochs.last().map(|(epoch, _)| *epoch))
    }

    /// What deleted topics left when the last process ended; due at once.
    ///
    /// # Errors
    /// The disk failed.
    pub fn leftovers(&self) -> Result<Deletion, LogError> {
        let entries = self.disk().list(&self.root).at("list", &self.root)?;
        let is_deleted = |name: &str| DirName::parse(name) == Some(DirName::Deleted);
        let deleted = entries.into_iter().filter(|entry| entry.is_dir && is_deleted(&entry.name));
        let paths = deleted.map(|entry| self.root.join(entry.name)).collect();
        Ok(Deletion { due: TimestampMs::default(), paths })
    }

    /// Makes the directory of a new partition with an empty log. It is durable with the log's first
    /// flush.
    ///
    /// # Errors
    /// The directory is there already, or the disk failed.
    pub fn create_log(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
        now: TimestampMs,
    ) -> Result<Log, LogError> {
        let dir = self.dir_of(partition);
        if self.disk().exists(&dir).at("look for", &dir)? {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists)).at("make", dir);
        }
        self.disk().create_dir_all(&dir).at("make", &dir)?;
        let path = dir.join(PARTITION_METADATA);
        let text = checkpoint::topic_id_text(topic_id);
        self.disk()
            .open(&path, OpenMode::Create)
            .and_then(|file| file.write_all_at(&[IoSlice::new(text.as_bytes())], 0))
            .at("write", &path)?;
        Log::create(self.log_options(dir, partition, config, now), vec![path])
    }

    /// Opens a partition's log, recovering it first if need be.
    ///
    /// # Errors
    /// There is no such directory, or the disk failed.
    pub fn open_log(
        &self,
        partition: &TopicPartition,
        config: LogConfig,
        now: TimestampMs,
        progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<Log, LogError> {
        let dir = self.dir_of(partition);
        Log::open(self.log_options(dir, partition, config, now), progress)
    }

    fn log_options(
        &self,
        dir: PathBuf,
        partition: &TopicPartition,
        config: LogConfig,
        now: TimestampMs,
    ) -> LogOptions {
        let LogOffsets { recovery_point, start_offset, high_watermark } =
            self.checkpoints().of(partition);
        LogOptions {
            pool: Arc::clone(&self.pool),
            dir,
            config,
            producer_id_expiration_ms: self.producer_id_expiration_ms,
            start_offset,
            recovery_point,
            high_watermark,
            was_closed: self.clean_shutdown.is_some(),
            now,
        }
    }

    /// Takes a partition's directory out of use at once; what remains is to run the deletion when
    /// it is due. `unique` is a random id.
    ///
    /// # Errors
    /// The disk failed.
    pub fn delete_log(
        &self,
        partition: &TopicPartition,
        log: Log,
        unique: Uuid,
        now: TimestampMs,
    ) -> Result<Deletion, LogError> {
        let due = now.plus_ms(log.config().file_delete_delay_ms);
        drop(log);
        let from = self.dir_of(partition);
        let to = self.root.join(DirName::deleted(partition, unique));
        self.disk().rename(&from, &to).at("rename", from)?;
        self.disk().sync_dir(&self.root).at("sync", &self.root)?;
        Ok(Deletion { due, paths: vec![to] })
    }

    /// Writes the checkpoint files, each in one step and only if it changes. Partitions that are
    /// not among `offsets` are forgotten.
    ///
    /// # Errors
    /// The disk failed; the files hold what they held.
    pub fn write_checkpoints(
        &self,
        offsets: &BTreeMap<TopicPartition, LogOffsets>,
    ) -> Result<(), LogError> {
        self.checkpoints().write(self.disk(), &self.root, offsets)
    }

    /// Notes that all logs were closed and all checkpoints written: the next start scans nothing.
    /// `broker_epoch` is told to the cluster then (KIP-966); `None` if the broker never had one.
    ///
    /// # Errors
    /// The disk failed; the next start recovers.
    pub fn mark_clean(&self, broker_epoch: Option<i64>) -> Result<(), LogError> {
        clean_shutdown::write(self.disk(), &self.root, broker_epoch)
    }

    fn dir_of(&self, partition: &TopicPartition) -> PathBuf {
        self.root.join(partition.to_string())
    }

    fn disk(&self) -> &dyn Disk {
        &**self.pool.disk()
    }

    fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogDir").field("root", &self.root).field("meta", &self.meta).finish()
    }
}

/// Makes the names durable that lead to a fresh directory: without them a power cut takes all that is
/// in it. Done before the directory gets its mark, so that a start that is cut off does it again.
fn sync_names_of(disk: &dyn Disk, root: &Path) -> Result<(), LogError> {
    for above in root.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        match disk.sync_dir(above) {
            // What this process may not look into it has not made either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            outcome => outcome.at("sync", above)?,
        }
    }
    Ok(())
}

/// A directory with logs but without `meta.properties` may be anyone's.
fn check_fresh(disk: &dyn Disk, root: &Path) -> Result<(), LogDirError> {
    let entries = disk.list(root).at("list", root)?;
    let is_partition = |name: &str| matches!(DirName::parse(name), Some(DirName::Partition(_)));
    match entries.into_iter().find(|entry| entry.is_dir && is_partition(&entry.name)) {
        Some(entry) => Err(LogDirError::MetaProperties {
            path: root.join(meta::META_PROPERTIES),
            reason: format!("is missing, though there is a log in {}", entry.name),
        }),
        None => Ok(()),
    }
}
