//! A directory of logs: whose it is, which partitions are in it, their checkpoints, its lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_types::{BrokerId, Offset, TimestampMs, TopicId, TopicPartition, Uuid};

use crate::config::LogConfig;
use crate::disk::Disk;
use crate::error::LogError;
use crate::log::{Deletion, Log, RecoveryProgress};

/// Whose a directory is: the content of `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: BrokerId,
    /// `directory.id`.
    pub directory_id: Uuid,
}

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
}

/// An open, locked directory of logs.
#[derive(Debug)]
pub struct LogDir;

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

#[expect(clippy::todo, reason = "interface first")]
impl LogDir {
    /// Reads `meta.properties` without opening or locking; `None` if the directory is fresh.
    pub fn identify(_disk: &dyn Disk, _root: &Path) -> Result<Option<MetaProperties>, LogDirError> {
        todo!()
    }
    /// Locks the directory, checks whose it is (or makes it this broker's), reads the checkpoints,
    /// takes the clean-shutdown mark away and removes what deleted topics left.
    pub fn open(_disk: Arc<dyn Disk>, _options: LogDirOptions) -> Result<LogDir, LogDirError> {
        todo!()
    }
    /// Whose it is.
    pub fn meta(&self) -> &MetaProperties {
        todo!()
    }
    /// Whether the last process ended cleanly; if so, no log needs to be scanned.
    pub fn was_clean(&self) -> bool {
        todo!()
    }
    /// The partitions on disk, sorted.
    pub fn partitions(&self) -> Result<Vec<FoundPartition>, LogError> {
        todo!()
    }
    /// Makes the directory of a new partition, empty. May run on several threads at once.
    pub fn create_log(
        &self,
        _partition: &TopicPartition,
        _topic_id: TopicId,
        _config: LogConfig,
        _now: TimestampMs,
    ) -> Result<Log, LogError> {
        todo!()
    }
    /// Opens a partition's log, recovering it first if need be. May run on several threads at once.
    pub fn open_log(
        &self,
        _partition: &TopicPartition,
        _config: LogConfig,
        _now: TimestampMs,
        _progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<Log, LogError> {
        todo!()
    }
    /// The high watermark that was written down for a partition; `None` if none was.
    pub fn checkpointed_high_watermark(&self, _partition: &TopicPartition) -> Option<Offset> {
        todo!()
    }
    /// Takes a partition's directory out of use at once; what remains is to run the deletion.
    pub fn delete_log(
        &self,
        _partition: &TopicPartition,
        _log: Log,
        _unique: Uuid,
        _now: TimestampMs,
    ) -> Result<Deletion, LogError> {
        todo!()
    }
    /// Writes the three checkpoint files, each in one step.
    pub fn write_checkpoints(
        &self,
        _offsets: &[(TopicPartition, LogOffsets)],
    ) -> Result<(), LogError> {
        todo!()
    }
    /// Notes that all logs were closed: the next start scans nothing. `broker_epoch` is told to
    /// the cluster then (KIP-966).
    pub fn mark_clean(&self, _broker_epoch: i64) -> Result<(), LogError> {
        todo!()
    }
}
