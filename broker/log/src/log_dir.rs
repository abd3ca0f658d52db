//! A directory of logs: whose it is, which partitions are in it, their checkpoints, its lock.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_types::{BrokerId, LeaderEpoch, Offset, TimestampMs, TopicId, TopicPartition, Uuid};

use crate::checkpoint::{self, CheckpointError, PARTITION_METADATA};
use crate::config::LogConfig;
use crate::disk::{Disk, OpenMode, Space};
use crate::epoch_cache::LEADER_EPOCH_CHECKPOINT;
use crate::error::{IoContext, LogError};
use crate::file_name::DirName;
use crate::file_pool::FilePool;
use crate::log::{Deletion, Log, LogOptions, RecoveryProgress};

mod clean_shutdown;
mod meta;
#[cfg(test)]
mod tests;

pub use meta::MetaProperties;

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

/// The offsets of one log that are written down from time to time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOffsets {
    /// For `recovery-point-offset-checkpoint`.
    pub recovery_point: Offset,
    /// For `log-start-offset-checkpoint`.
    pub start_offset: Offset,
    /// For `replication-offset-checkpoint`.
    pub high_watermark: Offset,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogDirError {
    /// The disk belongs to another cluster.
    #[error("{} belongs to cluster {found}, this broker to cluster {expected}", root.display())]
    ForeignCluster {
        /// The directory.
        root: PathBuf,
        /// The id on the disk.
        found: String,
        /// The broker's.
        expected: String,
    },
    /// The disk belongs to another broker.
    #[error("{} belongs to node.id={found}, this broker has node.id={expected}", root.display())]
    ForeignNode {
        /// The directory.
        root: PathBuf,
        /// The id on the disk.
        found: BrokerId,
        /// The broker's.
        expected: BrokerId,
    },
    /// The disk is another one than the cluster knows.
    #[error("{} has directory.id={found}, the cluster knows it as {expected}", root.display())]
    ForeignDirectory {
        /// The directory.
        root: PathBuf,
        /// The id on the disk.
        found: Uuid,
        /// The id that the cluster knows.
        expected: Uuid,
    },
    /// Another process has the directory open.
    #[error("{} is in use by another process, which holds its .lock", root.display())]
    Locked {
        /// The directory.
        root: PathBuf,
    },
    /// `meta.properties` cannot be understood.
    #[error("{}: {reason}", path.display())]
    MetaProperties {
        /// The file.
        path: PathBuf,
        /// The key and what is wrong with it.
        reason: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The three checkpoint files of a directory.
#[derive(Debug, Default)]
struct Checkpoints {
    recovery_points: BTreeMap<TopicPartition, Offset>,
    start_offsets: BTreeMap<TopicPartition, Offset>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
}

const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const START_OFFSETS: &str = "log-start-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
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
                meta::write(&*disk, &root, &meta)?;
                meta
            }
        };
        let clean_shutdown = clean_shutdown::take(&*disk, &root)?;
        let checkpoints = Mutex::new(Checkpoints {
            recovery_points: read_checkpoint(&*disk, &root, RECOVERY_POINTS)?,
            start_offsets: read_checkpoint(&*disk, &root, START_OFFSETS)?,
            high_watermarks: read_checkpoint(&*disk, &root, HIGH_WATERMARKS)?,
        });
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
                let topic_id = self.topic_id(&self.root.join(entry.name))?;
                found.push(FoundPartition { partition, topic_id });
            }
        }
        found.sort();
        Ok(found)
    }

    fn topic_id(&self, dir: &Path) -> Result<Option<TopicId>, LogError> {
        // The file is synced with the first flush: before that, a power cut may leave it empty.
        match checkpoint::read_text(self.disk(), &dir.join(PARTITION_METADATA))? {
            Some(text) if !text.is_empty() => Ok(checkpoint::read_topic_id(self.disk(), dir)?),
            Some(_) | None => Ok(None),
        }
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
        let checkpoints = self.checkpoints();
        let of = |map: &BTreeMap<TopicPartition, Offset>| {
            map.get(partition).copied().unwrap_or_default()
        };
        LogOptions {
            pool: Arc::clone(&self.pool),
            dir,
            config,
            producer_id_expiration_ms: self.producer_id_expiration_ms,
            start_offset: of(&checkpoints.start_offsets),
            recovery_point: of(&checkpoints.recovery_points),
            high_watermark: of(&checkpoints.high_watermarks),
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
        let map = |select: fn(&LogOffsets) -> Offset| -> BTreeMap<TopicPartition, Offset> {
            offsets.iter().map(|(at, offsets)| (at.clone(), select(offsets))).collect()
        };
        let write = |name, known: &mut BTreeMap<TopicPartition, Offset>, new| {
            if *known != new {
                checkpoint::write_offsets(self.disk(), &self.root.join(name), &new)?;
                *known = new;
            }
            Ok::<(), LogError>(())
        };
        let mut checkpoints = self.checkpoints();
        let Checkpoints { recovery_points, start_offsets, high_watermarks } = &mut *checkpoints;
        write(RECOVERY_POINTS, recovery_points, map(|offsets| offsets.recovery_point))?;
        write(START_OFFSETS, start_offsets, map(|offsets| offsets.start_offset))?;
        write(HIGH_WATERMARKS, high_watermarks, map(|offsets| offsets.high_watermark))
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

/// A damaged checkpoint is as good as none: more is read at the start.
fn read_checkpoint(
    disk: &dyn Disk,
    root: &Path,
    name: &str,
) -> Result<BTreeMap<TopicPartition, Offset>, LogError> {
    match checkpoint::read_offsets(disk, &root.join(name)) {
        Err(error @ (CheckpointError::Malformed { .. } | CheckpointError::Count { .. })) => {
            tracing::warn!(%error, "going on without a checkpoint");
            Ok(BTreeMap::new())
        }
        other => Ok(other?),
    }
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
