//! The file of the vote: replaced as a whole.
//!
//! ```text
//! ┌──────────┬──────┬───────────┬────────┐
//! │ MRVOTE01 │ term │ candidate │ crc32c │
//! │ 8 B      │ 8 B  │ 8 B       │ 4 B    │
//! └──────────┴──────┴───────────┴────────┘
//! ```

use super::{Names, Vote, corrupt, read_whole, write_whole};
use crate::disk::Disk;
use crate::error::LogError;

const MAGIC: &[u8; 8] = b"MRVOTE01";

pub(super) fn write(disk: &dyn Disk, names: &Names, vote: Vote) -> Result<(), LogError> {
    write_whole(disk, names, &names.vote(), &encode(vote))
}

pub(super) fn read(disk: &dyn Disk, names: &Names) -> Result<Vote, LogError> {
    let path = names.vote();
    let content = read_whole(disk, &path)?;
    decode(&content).ok_or_else(|| corrupt(&path, 0, "is no vote, or its checksum is wrong"))
}

fn encode(vote: Vote) -> Vec<u8> {
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(&vote.term.to_be_bytes());
    content.extend_from_slice(&vote.candidate.to_be_bytes());
    let checksum = crc32c::crc32c(&content);
    content.extend_from_slice(&checksum.to_be_bytes());
    content
}

fn decode(content: &[u8]) -> Option<Vote> {
    let number = |at: usize| Some(u64::from_be_bytes(content.get(at..at + 8)?.try_into().ok()?));
    let vote = Vote { term: number(8)?, candidate: number(16)? };
    (encode(vote) == content).then_some(vote)
}
