//! The names of files and directories, as Kafka spells them.
//!
//! ```text
//! <log dir>/orders-3/                          partition 3 of topic orders
//!           ├── 00000000000000000000.log       batches; the number is the base offset
//!           ├── 00000000000000000000.index     offset -> position, sparse
//!           ├── 00000000000000000000.timeindex timestamp -> offset, sparse
//!           ├── 00000000000000000000.txnindex  aborted transactions, if any
//!           ├── 00000000000000004711.snapshot  state of the producers up to offset 4711
//!           ├── leader-epoch-checkpoint
//!           └── partition.metadata
//! ```
//!
//! Source: Kafka's `LogFileUtils`, `LocalLog`.

use millrace_types::{Offset, PartitionIndex, TopicName, TopicPartition, Uuid};

/// Digits of the base offset in a file's name.
const OFFSET_DIGITS: usize = 20;

/// What a file of a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// The batches.
    Log,
    /// The offset index.
    OffsetIndex,
    /// The time index.
    TimeIndex,
    /// The index of aborted transactions.
    TxnIndex,
    /// The producers' state up to the offset in the name.
    Snapshot,
}

impl FileKind {
    /// The files that belong to a segment, the log first. Snapshots stand between segments.
    pub const OF_SEGMENT: [FileKind; 4] =
        [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

    /// The files of a segment that are of use only beside its log.
    pub const INDEXES: [FileKind; 3] =
        [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

    const ALL: [FileKind; 5] = [
        FileKind::Log,
        FileKind::OffsetIndex,
        FileKind::TimeIndex,
        FileKind::TxnIndex,
        FileKind::Snapshot,
    ];

    /// The ending of the file's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            FileKind::Log => ".log",
            FileKind::OffsetIndex => ".index",
            FileKind::TimeIndex => ".timeindex",
            FileKind::TxnIndex => ".txnindex",
            FileKind::Snapshot => ".snapshot",
        }
    }
}

/// Where a file stands between being written and being gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileStage {
    /// It is part of the log.
    Live,
    /// Compaction is writing it; void after a crash.
    Cleaned,
    /// Compaction finished it; it takes its place even after a crash.
    Swap,
    /// It was removed from the log and waits to be unlinked.
    Deleted,
}

impl FileStage {
    /// What is put behind the name of the live file.
    pub const fn suffix(self) -> &'static str {
        match self {
            FileStage::Live => "",
            FileStage::Cleaned => ".cleaned",
            FileStage::Swap => ".swap",
            FileStage::Deleted => ".deleted",
        }
    }
}

/// The name of a file of a segment, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Base offset of the segment, or the offset up to which a snapshot goes.
    pub offset: Offset,
    /// What it holds.
    pub kind: FileKind,
    /// Whether it is live.
    pub stage: FileStage,
}

impl FileName {
    /// The name of a file that is part of the log.
    pub const fn live(offset: Offset, kind: FileKind) -> FileName {
        FileName { offset, kind, stage: FileStage::Live }
    }

    /// Reads a name; `None` if it is not a file of a segment.
    pub fn parse(name: &str) -> Option<FileName> {
        let stages = [FileStage::Cleaned, FileStage::Swap, FileStage::Deleted];
        let (rest, stage) = stages
            .into_iter()
            .find_map(|stage| name.strip_suffix(stage.suffix()).map(|rest| (rest, stage)))
            .unwrap_or((name, FileStage::Live));
        let (digits, kind) = FileKind::ALL
            .into_iter()
            .find_map(|kind| rest.strip_suffix(kind.suffix()).map(|digits| (digits, kind)))?;
        if digits.len() != OFFSET_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let offset = Offset::from_wire(digits.parse().ok()?)?;
        Some(FileName { offset, kind, stage })
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let FileName { offset, kind, stage } = self;
        let digits = OFFSET_DIGITS;
        write!(f, "{:0digits$}{}{}", offset.get(), kind.suffix(), stage.suffix())
    }
}

/// What a directory within a log directory is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirName {
    /// The log of a partition: `orders-3`.
    Partition(TopicPartition),
    /// A log on its way out: `orders-3.<32 hex digits>-delete`.
    Deleted,
    /// A log on its way in from another directory of this broker, or one that the cluster does
    /// not know: `...-future`, `...-stray`. Not ours to touch.
    Aside,
}

impl DirName {
    /// Reads a name; `None` if no partition is called so.
    pub fn parse(name: &str) -> Option<DirName> {
        if name.ends_with("-delete") && name.contains('.') {
            return Some(DirName::Deleted);
        }
        if name.ends_with("-future") || name.ends_with("-stray") {
            return Some(DirName::Aside);
        }
        let (topic, digits) = name.rsplit_once('-')?;
        // Neither a sign nor a zero in front: each partition has one name only.
        if !digits.bytes().all(|b| b.is_ascii_digit())
            || (digits.len() > 1 && digits.starts_with('0'))
        {
            return None;
        }
        let partition = PartitionIndex::from_wire(digits.parse().ok()?)?;
        let topic = TopicName::parse(topic).ok()?;
        Some(DirName::Partition(TopicPartition { topic, partition }))
    }

    /// The name that a partition's directory gets when it is deleted. `unique` keeps apart the
    /// topics of one name that come and go; a topic's name that is too long is cut.
    pub fn deleted(partition: &TopicPartition, unique: Uuid) -> String {
        let digits: String = unique.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let suffix = format!("-{}.{digits}-delete", partition.partition);
        let topic = partition.topic.as_str();
        let room = DIR_NAME_BYTES_MAX.saturating_sub(suffix.len()).min(topic.len());
        format!("{}{suffix}", topic.get(..room).unwrap_or_default())
    }
}

/// The longest name that file systems take.
const DIR_NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use millrace_types::{Offset, Uuid};

    use super::{DirName, FileKind, FileName, FileStage};

    #[test]
    fn file_names_are_read_as_they_are_written() {
        let rows = [
            ("00000000000000000000.log", 0, FileKind::Log, FileStage::Live),
            ("00000000000000000042.timeindex", 42, FileKind::TimeIndex, FileStage::Live),
            ("00000000000000000042.txnindex.swap", 42, FileKind::TxnIndex, FileStage::Swap),
            ("00000000000000000007.index.cleaned", 7, FileKind::OffsetIndex, FileStage::Cleaned),
            ("09223372036854775807.snapshot", i64::MAX, FileKind::Snapshot, FileStage::Live),
            ("00000000000000000001.log.deleted", 1, FileKind::Log, FileStage::Deleted),
        ];
        for (text, offset, kind, stage) in rows {
            let offset = Offset::from_wire(offset).unwrap();
            let name = FileName { offset, kind, stage };
            assert_eq!(name.to_string(), text);
            assert_eq!(FileName::parse(text), Some(name));
        }
    }

    #[test]
    fn foreign_names_are_not_taken_for_segments() {
        for text in [
            "leader-epoch-checkpoint",
            "0.log",
            "00000000000000000000",
            "0000000000000000000x.log",
            "+0000000000000000001.log",
            "99999999999999999999.log",
            "00000000000000000000.log.tmp",
        ] {
            assert_eq!(FileName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn directory_names_are_read_as_kafka_reads_them() {
        for good in ["orders-3", "a-b-0", "__consumer_offsets-49"] {
            match DirName::parse(good) {
                Some(DirName::Partition(partition)) => assert_eq!(partition.to_string(), good),
                other => panic!("{good}: {other:?}"),
            }
        }
        for bad in ["orders", "orders-", "-3", "orders-03", "orders--", "or ders-1", "orders-1x"] {
            assert_eq!(DirName::parse(bad), None, "{bad}");
        }
        assert_eq!(DirName::parse("orders-3.0f-stray"), Some(DirName::Aside));
    }

    #[test]
    fn a_deleted_directory_keeps_its_name_within_the_file_systems_limit() {
        let Some(DirName::Partition(partition)) =
            DirName::parse(&format!("{}-10", "x".repeat(249)))
        else {
            panic!("not a partition");
        };
        let name = DirName::deleted(&partition, Uuid::from_bytes([0xab; 16]));
        assert_eq!(name.len(), 255);
        assert!(name.ends_with(&format!("x-10.{}-delete", "ab".repeat(16))), "{name}");
        assert_eq!(DirName::parse(&name), Some(DirName::Deleted));
    }
}
