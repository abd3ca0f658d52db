//! Kafka's small text files, each replaced as a whole: offset checkpoints, the epochs of a
//! partition's leaders, the id of a partition's topic.
//!
//! ```text
//! recovery-point-offset-checkpoint, log-start-offset-checkpoint,
//! replication-offset-checkpoint, cleaner-offset-checkpoint:
//!     0                       version
//!     2                       number of lines that follow
//!     orders 0 4711           topic, partition, offset
//!     orders 1 12
//! leader-epoch-checkpoint:
//!     0
//!     1
//!     3 250                   epoch, first offset
//! partition.metadata:
//!     version: 0
//!     topic_id: 4Yz0sLBVTpmDOGMbVSK54A
//! ```
//!
//! Source: Kafka's `CheckpointFile`, `OffsetCheckpointFile`, `LeaderEpochCheckpointFile`,
//! `PartitionMetadataFile`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use millrace_types::{
    LeaderEpoch, Offset, PartitionIndex, TopicId, TopicName, TopicPartition, Uuid,
};

use crate::disk::{Disk, OpenMode};

/// The name of the file with the topic's id in each partition directory.
pub const PARTITION_METADATA: &str = "partition.metadata";

const VERSION: u32 = 0;
/// Larger than any file that a broker of a million partitions writes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error("cannot {action} {}", path.display())]
    Disk {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// A line that Kafka does not write either.
    #[error("{} line {line} is malformed: {text:?}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// The file says that it has more or fewer lines.
    #[error("{} announces {announced} entries and has {found}", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// By its second line.
        announced: usize,
        /// Lines after that.
        found: usize,
    },
}

/// Replaces a file in one step: after a crash it holds the old content or the new.
pub fn write_atomic(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    let write = || {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = disk.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_all_at(&[IoSlice::new(content)], 0)?;
        file.sync()?;
        disk.rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
    };
    write().map_err(|source| CheckpointError::Disk {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

/// Reads a whole text file; `None` if there is none.
pub fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, CheckpointError> {
    let read = || {
        let file = disk.open(path, OpenMode::Read)?;
        let length = file.len()?;
        if length > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    match read() {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            Err(CheckpointError::Disk { action: "read", path: path.to_path_buf(), source })
        }
    }
}

/// Reads a checkpoint of offsets; empty if there is no such file.
pub fn read_offsets(
    disk: &dyn Disk,
    path: &Path,
) -> Result<BTreeMap<TopicPartition, Offset>, CheckpointError> {
    let entries = read_entries(disk, path, |line| {
        let mut words = line.split(' ');
        let topic = TopicName::parse(words.next()?).ok()?;
        let partition = PartitionIndex::from_wire(words.next()?.parse().ok()?)?;
        let offset = Offset::from_wire(words.next()?.parse().ok()?)?;
        words.next().is_none().then_some((TopicPartition { topic, partition }, offset))
    })?;
    Ok(entries.into_iter().collect())
}

/// Writes a checkpoint of offsets.
pub fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &BTreeMap<TopicPartition, Offset>,
) -> Result<(), CheckpointError> {
    write_entries(
        disk,
        path,
        offsets.iter().map(|(at, offset)| format!("{} {} {offset}", at.topic, at.partition)),
    )
}

/// Reads where the leaders' epochs begin; empty if there is no such file.
pub(crate) fn read_epochs(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Vec<(LeaderEpoch, Offset)>, CheckpointError> {
    read_entries(disk, path, |line| {
        let (epoch, offset) = line.split_once(' ')?;
        let epoch = LeaderEpoch::from_wire(epoch.parse().ok()?)?;
        Some((epoch, Offset::from_wire(offset.parse().ok()?)?))
    })
}

/// Writes where the leaders' epochs begin.
pub(crate) fn write_epochs(
    disk: &dyn Disk,
    path: &Path,
    epochs: impl ExactSizeIterator<Item = (LeaderEpoch, Offset)>,
) -> Result<(), CheckpointError> {
    write_entries(disk, path, epochs.map(|(epoch, offset)| format!("{epoch} {offset}")))
}

/// Reads the id of the topic that a partition directory belongs to; `None` if it says nothing.
pub fn read_topic_id(disk: &dyn Disk, dir: &Path) -> Result<Option<TopicId>, CheckpointError> {
    let path = dir.join(PARTITION_METADATA);
    let Some(text) = read_text(disk, &path)? else {
        return Ok(None);
    };
    let malformed = |line: usize| CheckpointError::Malformed {
        path: path.clone(),
        line,
        text: text.lines().nth(line - 1).unwrap_or_default().to_owned(),
    };
    let value = |line: usize, key: &str| {
        let line = text.lines().nth(line - 1)?;
        line.strip_prefix(key)?.strip_prefix(':').map(str::trim)
    };
    if value(1, "version").and_then(|version| version.parse().ok()) != Some(VERSION) {
        return Err(malformed(1));
    }
    match value(2, "topic_id").and_then(Uuid::parse) {
        Some(id) if !id.is_zero() => Ok(Some(id)),
        Some(_) | None => Err(malformed(2)),
    }
}

/// Writes the id of the topic that a partition directory belongs to.
pub fn write_topic_id(disk: &dyn Disk, dir: &Path, id: TopicId) -> Result<(), CheckpointError> {
    write_atomic(disk, &dir.join(PARTITION_METADATA), topic_id_text(id).as_bytes())
}

/// The content of the file with the topic's id.
pub(crate) fn topic_id_text(id: TopicId) -> String {
    format!("version: {VERSION}\ntopic_id: {id}")
}

fn write_entries<T: Display>(
    disk: &dyn Disk,
    path: &Path,
    entries: impl ExactSizeIterator<Item = T>,
) -> Result<(), CheckpointError> {
    let mut text = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&format!("{entry}\n"));
    }
    write_atomic(disk, path, text.as_bytes())
}

fn read_entries<T>(
    disk: &dyn Disk,
    path: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    // Kafka makes the file empty at first.
    let text = read_text(disk, path)?.unwrap_or_default();
    let malformed = |line: usize, text: &str| CheckpointError::Malformed {
        path: path.to_path_buf(),
        line,
        text: text.to_owned(),
    };
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok(Vec::new()),
        Some(line) if line.parse() == Ok(VERSION) => {}
        Some(line) => return Err(malformed(1, line)),
    }
    let Some(line) = lines.next() else {
        return Ok(Vec::new());
    };
    let announced: usize = line.parse().map_err(|_| malformed(2, line))?;
    let mut entries = Vec::new();
    for (index, line) in lines.enumerate() {
        entries.push(parse(line).ok_or_else(|| malformed(index + 3, line))?);
    }
    if entries.len() == announced {
        Ok(entries)
    } else {
        Err(CheckpointError::Count { path: path.to_path_buf(), announced, found: entries.len() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use millrace_types::{Offset, PartitionIndex, TopicName, TopicPartition, Uuid};

    use super::{read_epochs, read_offsets, read_topic_id, write_offsets, write_topic_id};
    use crate::disk::RealDisk;

    #[test]
    fn offsets_are_written_as_kafka_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recovery-point-offset-checkpoint");
        assert!(read_offsets(&RealDisk, &path).unwrap().is_empty());
        let offsets: BTreeMap<_, _> = [("b", 0, 7), ("a", 11, 0), ("a", 2, i64::MAX)]
            .into_iter()
            .map(|(topic, partition, offset)| {
                let topic = TopicName::parse(topic).unwrap();
                let partition = PartitionIndex::from_wire(partition).unwrap();
                (TopicPartition { topic, partition }, Offset::from_wire(offset).unwrap())
            })
            .collect();
        write_offsets(&RealDisk, &path, &offsets).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "0\n3\na 2 9223372036854775807\na 11 0\nb 0 7\n");
        assert_eq!(read_offsets(&RealDisk, &path).unwrap(), offsets);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file stayed");
    }

    #[test]
    fn malformed_checkpoints_are_refused_with_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        for (text, expected) in [
            ("", None),
            ("0\n", None),
            ("1\n0\n", Some("line 1 is malformed: \"1\"")),
            ("0\nx\n", Some("line 2 is malformed: \"x\"")),
            ("0\n2\na 0 1\n", Some("announces 2 entries and has 1")),
            ("0\n1\na 0\n", Some("line 3 is malformed: \"a 0\"")),
            ("0\n1\na 0 1 2\n", Some("line 3 is malformed: \"a 0 1 2\"")),
            ("0\n1\na 0 -1\n", Some("line 3 is malformed: \"a 0 -1\"")),
            ("0\n1\n\u{1}\u{2}\n", Some("line 3 is malformed")),
        ] {
            fs::write(&path, text).unwrap();
            match (read_offsets(&RealDisk, &path), expected) {
                (Ok(offsets), None) => assert!(offsets.is_empty(), "{text:?}"),
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{text:?}: {error}");
                }
                (other, _) => panic!("{text:?}: {other:?}"),
            }
        }
        fs::write(&path, "0\n1\n3 x\n").unwrap();
        assert!(read_epochs(&RealDisk, &path).is_err());
    }

    #[test]
    fn the_topic_id_is_written_as_kafka_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_topic_id(&RealDisk, dir.path()).unwrap(), None);
        let id = Uuid::parse("4Yz0sLBVTpmDOGMbVSK54A").unwrap();
        write_topic_id(&RealDisk, dir.path(), id).unwrap();
        let path = dir.path().join("partition.metadata");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: 4Yz0sLBVTpmDOGMbVSK54A");
        assert_eq!(read_topic_id(&RealDisk, dir.path()).unwrap(), Some(id));
        for bad in ["", "version: 1\ntopic_id: 4Yz0sLBVTpmDOGMbVSK54A", "version: 0\nid: x"] {
            fs::write(&path, bad).unwrap();
            assert!(read_topic_id(&RealDisk, dir.path()).is_err(), "{bad:?}");
        }
    }
}
