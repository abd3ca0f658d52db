//! What a broker has stored, read from its files: the heads of the record batches.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The facts of one stored batch that tests ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// Offset of its first record.
    pub base_offset: i64,
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub codec: u8,
    /// How many records it says it holds.
    pub records: i32,
    /// Where it starts in its file.
    pub position: usize,
    /// Its bytes, head included.
    pub size: usize,
}

/// Bytes from the start of a batch to the end of its record count.
const HEAD_BYTES: usize = 61;

/// Reads the heads of all batches of a `.log` file; a torn one at the end is left out.
///
/// # Errors
/// The file cannot be read, or a batch is not of the format's version 2.
pub fn batches(path: &Path) -> Result<Vec<StoredBatch>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut batches, mut position) = (Vec::new(), 0);
    while let Some(head) = bytes.get(position..position + HEAD_BYTES) {
        let size = usize::try_from(i32::from_be_bytes(head[8..12].try_into()?))? + 12;
        if position + size > bytes.len() {
            break;
        }
        if head[16] != 2 {
            bail!("{} at {position}: batch of version {}", path.display(), head[16]);
        }
        batches.push(StoredBatch {
            base_offset: i64::from_be_bytes(head[0..8].try_into()?),
            codec: head[22] & 7,
            records: i32::from_be_bytes(head[57..61].try_into()?),
            position,
            size,
        });
        position += size;
    }
    Ok(batches)
}

/// The last (highest) `.log` file of a partition's folder.
///
/// # Errors
/// The folder has none.
pub fn last_segment(log_dir: &Path, topic: &str, partition: i32) -> Result<std::path::PathBuf> {
    let dir = log_dir.join(format!("{topic}-{partition}"));
    let entries = fs::read_dir(&dir).with_context(|| format!("no {}", dir.display()))?;
    let mut logs: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs.pop().with_context(|| format!("no segment in {}", dir.display()))
}
