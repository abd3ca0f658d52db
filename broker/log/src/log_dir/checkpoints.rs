//! The offsets of all logs of a directory that are written down from time to time.
//!
//! ```text
//! recovery-point-offset-checkpoint  everything below is on disk: recovery starts here
//! log-start-offset-checkpoint       everything below was deleted
//! replication-offset-checkpoint     everything below was committed: the high watermark
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use millrace_types::{Offset, TopicPartition};

use crate::checkpoint::{self, CheckpointError};
use crate::disk::Disk;
use crate::error::LogError;

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

/// The three checkpoint files of a directory, as they stand on disk.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    recovery_points: BTreeMap<TopicPartition, Offset>,
    start_offsets: BTreeMap<TopicPartition, Offset>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
}

const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const START_OFFSETS: &str = "log-start-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";

impl Checkpoints {
    /// Reads the files.
    pub(super) fn read(disk: &dyn Disk, root: &Path) -> Result<Checkpoints, LogError> {
        Ok(Checkpoints {
            recovery_points: read(disk, root, RECOVERY_POINTS)?,
            start_offsets: read(disk, root, START_OFFSETS)?,
            high_watermarks: read(disk, root, HIGH_WATERMARKS)?,
        })
    }

    /// The offsets of one log; 0 where none was written down.
    pub(super) fn of(&self, partition: &TopicPartition) -> LogOffsets {
        let get = |map: &BTreeMap<TopicPartition, Offset>| {
            map.get(partition).copied().unwrap_or_default()
        };
        LogOffsets {
            recovery_point: get(&self.recovery_points),
            start_offset: get(&self.start_offsets),
            high_watermark: get(&self.high_watermarks),
        }
    }

    /// Replaces the files whose content changes.
    pub(super) fn write(
        &mut self,
        disk: &dyn Disk,
        root: &Path,
        offsets: &BTreeMap<TopicPartition, LogOffsets>,
    ) -> Result<(), LogError> {
        let map = |select: fn(&LogOffsets) -> Offset| -> BTreeMap<TopicPartition, Offset> {
            offsets.iter().map(|(at, offsets)| (at.clone(), select(offsets))).collect()
        };
        let write = |name, known: &mut BTreeMap<TopicPartition, Offset>, new| {
            if *known != new {
                checkpoint::write_offsets(disk, &root.join(name), &new)?;
                *known = new;
            }
            Ok::<(), LogError>(())
        };
        write(RECOVERY_POINTS, &mut self.recovery_points, map(|at| at.recovery_point))?;
        write(START_OFFSETS, &mut self.start_offsets, map(|at| at.start_offset))?;
        write(HIGH_WATERMARKS, &mut self.high_watermarks, map(|at| at.high_watermark))
    }
}

/// A damaged checkpoint is as good as none: more is read at the start.
fn read(
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
