//! Reads a partition's directory without the log: the files as they are.

use std::path::Path;

use millrace_log::disk::{Disk, OpenMode};
use millrace_log::file_name::{FileKind, FileName, FileStage};
use millrace_wire::record::{Batch, Batches};

/// A segment's files.
#[derive(Debug)]
pub struct RawSegment {
    pub base: u64,
    pub log: Vec<u8>,
    pub index: Vec<u8>,
    pub time_index: Vec<u8>,
}

/// A batch as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub base: u64,
    pub last: u64,
    pub bytes: Vec<u8>,
}

/// One record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub offset: u64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Stored {
    pub fn new(batch: &Batch<'_>) -> Stored {
        let header = batch.header();
        let (base, last) = (header.base_offset.get(), header.last_offset().get());
        Stored { base, last, bytes: batch.bytes().to_vec() }
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch::split_first(&self.bytes).unwrap().0
    }

    pub fn records(&self) -> Vec<Content> {
        let open = self.batch().open(1 << 20).unwrap();
        let content = |record: millrace_wire::record::Record<'_>| Content {
            offset: record.offset.get(),
            timestamp: record.timestamp.map_or(-1, millrace_types::TimestampMs::to_wire),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        };
        open.records().map(|record| content(record.unwrap())).collect()
    }
}

/// All segments, in order. Files of a swap or a deletion that is under way do not count.
pub fn segments(disk: &dyn Disk, dir: &Path) -> Vec<RawSegment> {
    let read = |name: FileName| {
        let path = dir.join(name.to_string());
        // An index without entries need not be there.
        if !disk.exists(&path).unwrap() && name.kind != FileKind::Log {
            return Vec::new();
        }
        let file =
            disk.open(&path, OpenMode::Read).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let mut segments = Vec::new();
    for entry in disk.list(dir).unwrap() {
        let Some(name) = FileName::parse(&entry.name) else { continue };
        if name.stage == FileStage::Live && name.kind == FileKind::Log {
            let live = |kind| read(FileName::live(name.offset, kind));
            segments.push(RawSegment {
                base: name.offset.get(),
                log: live(FileKind::Log),
                index: live(FileKind::OffsetIndex),
                time_index: live(FileKind::TimeIndex),
            });
        }
    }
    segments
}

/// The batches of a segment; panics unless they are whole and good to the last byte.
pub fn batches(segment: &RawSegment) -> Vec<(u64, Stored)> {
    let mut position = 0;
    let mut all = Vec::new();
    for batch in Batches::new(&segment.log) {
        let batch = batch
            .unwrap_or_else(|error| panic!("segment {} at byte {position}: {error}", segment.base));
        batch.verify_crc().unwrap();
        all.push((position, Stored::new(&batch)));
        position += batch.bytes().len() as u64;
    }
    all
}

/// A number in an index entry.
pub fn number(bytes: &[u8]) -> u64 {
    u64::from(u32::from_be_bytes(bytes.try_into().unwrap()))
}
