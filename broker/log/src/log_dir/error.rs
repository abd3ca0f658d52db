//! Why a directory of logs cannot be used.

use std::path::PathBuf;

use millrace_types::{BrokerId, Uuid};

use crate::error::LogError;

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
