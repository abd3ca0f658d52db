//! What can go wrong with a log, each with its numbers.

use std::io;
use std::path::PathBuf;

use millrace_types::{ErrorCode, Offset};

use crate::checkpoint::CheckpointError;

/// Why an operation on a log failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused something; the log is as before and may go on.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// The disk refused something and what it left could not be set right: the log takes no more
    /// writes until it is opened again.
    #[error("log {} failed at offset {end_offset} and takes no more writes: {reason}", dir.display())]
    Failed {
        /// The partition's directory.
        dir: PathBuf,
        /// End of what is certainly good.
        end_offset: Offset,
        /// What happened.
        reason: String,
    },
    /// Batches to be appended together do not fit into one segment.
    #[error("{size_bytes} bytes of batches exceed segment.bytes={limit_bytes}")]
    LargerThanSegment {
        /// Their size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A batch does not begin where the log may go on.
    #[error("batch at offset {base_offset} does not follow the log's end {end_offset}")]
    OutOfOrder {
        /// Where the batch begins.
        base_offset: Offset,
        /// Where the log ends.
        end_offset: Offset,
    },
    /// The start of the log cannot be put behind what is committed.
    #[error("log start cannot be moved to {offset}, past the high watermark {high_watermark}")]
    PastHighWatermark {
        /// The wanted start.
        offset: Offset,
        /// The end of what may be removed.
        high_watermark: Offset,
    },
    /// A file holds what none of its kind can hold, and it cannot be made again from another.
    #[error("{} is corrupt at byte {position}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// One of the small text files cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Why an offset cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is before the log's start or past its end.
    #[error("offset {offset} is outside the log, which holds {start_offset} to {end_offset}")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// The first offset that may be read.
        start_offset: Offset,
        /// The offset after the last record.
        end_offset: Offset,
    },
    /// The reader does not wait for the disk, and would have to.
    #[error("what was asked for is not in memory")]
    NotInMemory,
    /// The disk failed, or holds what no log holds.
    #[error(transparent)]
    Log(LogError),
}

impl From<LogError> for ReadError {
    fn from(error: LogError) -> ReadError {
        let is_impatient = matches!(&error,
            LogError::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock);
        if is_impatient { ReadError::NotInMemory } else { ReadError::Log(error) }
    }
}

impl LogError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            LogError::Io { .. } | LogError::Failed { .. } | LogError::Checkpoint(_) => {
                ErrorCode::KafkaStorageError
            }
            LogError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            LogError::OutOfOrder { .. } => ErrorCode::UnknownServerError,
            LogError::PastHighWatermark { .. } => ErrorCode::OffsetOutOfRange,
            LogError::Corrupt { .. } => ErrorCode::CorruptMessage,
        }
    }

    /// Whether the disk is full: the client may try again later, the broker need not stop.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

impl ReadError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::NotInMemory => ErrorCode::KafkaStorageError,
            ReadError::Log(error) => error.error_code(),
        }
    }
}

/// Gives an error of the disk its place.
pub(crate) trait IoContext<T> {
    /// `action` is a verb: "write", "rename".
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, LogError>;
    /// The same where making the path costs more than is to be paid each time.
    fn at_path(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, LogError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, LogError> {
        self.map_err(|source| LogError::Io { action, path: path.into(), source })
    }

    fn at_path(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, LogError> {
        self.map_err(|source| LogError::Io { action, path: path(), source })
    }
}
