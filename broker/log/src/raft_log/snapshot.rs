//! The file of a snapshot: put in place as a whole, and then never changed.
//!
//! ```text
//! ┌──────────┬───────┬──────┬──────────────┬────────┐
//! │ MRSNAP01 │ index │ term │ data         │ crc32c │
//! │ 8 B      │ 8 B   │ 8 B  │ all the rest │ 4 B    │
//! └──────────┴───────┴──────┴──────────────┴────────┘
//! ```

use super::{Names, Snapshot, corrupt, read_whole, write_whole};
use crate::disk::Disk;
use crate::error::LogError;

const MAGIC: &[u8; 8] = b"MRSNAP01";

pub(super) fn write(disk: &dyn Disk, names: &Names, snapshot: &Snapshot) -> Result<(), LogError> {
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(&snapshot.index.to_be_bytes());
    content.extend_from_slice(&snapshot.term.to_be_bytes());
    content.extend_from_slice(&snapshot.data);
    let checksum = crc32c::crc32c(&content);
    content.extend_from_slice(&checksum.to_be_bytes());
    write_whole(disk, names, &names.snapshot(snapshot.index), &content)
}

pub(super) fn read(disk: &dyn Disk, names: &Names, index: u64) -> Result<Snapshot, LogError> {
    let path = names.snapshot(index);
    let content = read_whole(disk, &path)?;
    let snapshot = decode(&content)
        .ok_or_else(|| corrupt(&path, 0, "is no snapshot, or its checksum is wrong"))?;
    if snapshot.index != index {
        let reason = format!("holds the state after entry {}", snapshot.index);
        return Err(corrupt(&path, 8, reason));
    }
    Ok(snapshot)
}

fn decode(content: &[u8]) -> Option<Snapshot> {
    let (body, checksum) = content.split_last_chunk::<4>()?;
    if crc32c::crc32c(body).to_be_bytes() != *checksum {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?;
    let (index, body) = body.split_first_chunk::<8>()?;
    let (term, data) = body.split_first_chunk::<8>()?;
    let (index, term) = (u64::from_be_bytes(*index), u64::from_be_bytes(*term));
    Some(Snapshot { index, term, data: data.to_vec() })
}
