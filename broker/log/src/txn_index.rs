//! The aborted transactions whose markers stand in one segment: `<base offset>.txnindex`.
//!
//! Consumers that read committed are told of them and drop their records; compaction drops the
//! records itself. The file exists only where a transaction was aborted. Entries ascend by marker.
//!
//! ```text
//! 34 bytes each: version i16 = 0 | producer_id i64 | first_offset i64 | last_offset i64
//!                | last_stable_offset i64
//! ```
//!
//! Source: Kafka's `TransactionIndex`, `AbortedTxn`.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use millrace_types::{Offset, ProducerId};

use crate::disk::{Disk, File, OpenMode};

const ENTRY_BYTES: u64 = 34;
const VERSION: [u8; 2] = [0, 0];

/// A transaction whose records in this partition are void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// Its first record.
    pub first_offset: Offset,
    /// Its marker.
    pub last_offset: Offset,
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// Below it, all transactions had ended when this one had.
    pub last_stable_offset: Offset,
}

/// The index of one segment: one writer, any number of readers.
#[derive(Debug)]
pub struct TxnIndex {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: OnceLock<Arc<dyn File>>,
    entries: AtomicU64,
}

/// What a segment's index knows of a range of offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbortedInRange {
    /// The aborted transactions that touch the range, by marker.
    pub transactions: Vec<AbortedTransaction>,
    /// Whether later segments have nothing to add.
    pub is_complete: bool,
}

impl TxnIndex {
    /// Opens the index of a segment, which need not exist. A torn last entry is passed over.
    pub fn open(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<TxnIndex> {
        let (file, entries) = (OnceLock::new(), AtomicU64::new(0));
        match disk.open(&path, OpenMode::Write) {
            Ok(existing) => {
                entries.store(existing.len()? / ENTRY_BYTES, Ordering::Relaxed);
                file.get_or_init(|| existing);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(TxnIndex { disk, path, file, entries })
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.entries.load(Ordering::Acquire)
    }

    /// Whether no transaction was aborted in this segment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a transaction, whose marker stands behind those of all entries. Only the writer calls it.
    pub fn append(&self, transaction: &AbortedTransaction) -> io::Result<()> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let made = self.disk.open(&self.path, OpenMode::Create)?;
                self.file.get_or_init(|| made)
            }
        };
        let entries = self.len();
        let position = entries.saturating_mul(ENTRY_BYTES);
        file.write_all_at(&[IoSlice::new(&encode(transaction))], position)?;
        self.entries.store(entries.saturating_add(1), Ordering::Release);
        Ok(())
    }

    /// All entries.
    pub fn read(&self) -> io::Result<Vec<AbortedTransaction>> {
        self.read_bytes()?.as_chunks().0.iter().map(|entry| self.decode(entry)).collect()
    }

    fn read_bytes(&self) -> io::Result<Vec<u8>> {
        let Some(file) = self.file.get() else {
            return Ok(Vec::new());
        };
        let length = self.len().saturating_mul(ENTRY_BYTES);
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// The aborted transactions that touch the offsets from `fetch_offset` on and below
    /// `upper_bound`.
    pub fn aborted_in(
        &self,
        fetch_offset: Offset,
        upper_bound: Offset,
    ) -> io::Result<AbortedInRange> {
        let mut found = AbortedInRange::default();
        for entry in self.read()? {
            if entry.last_offset >= fetch_offset && entry.first_offset < upper_bound {
                found.transactions.push(entry);
            }
            // What ends later began at or after this stable offset.
            if entry.last_stable_offset >= upper_bound {
                found.is_complete = true;
                break;
            }
        }
        Ok(found)
    }

    /// Removes the transactions whose markers stand at or after `log_end`, and all from the first
    /// entry on that is none (what a power cut left). Only the writer calls it.
    pub fn truncate(&self, log_end: Offset) -> io::Result<()> {
        let bytes = self.read_bytes()?;
        let entries = bytes.as_chunks().0.iter().map_while(decode);
        let kept = entries.take_while(|entry| entry.last_offset < log_end).count();
        self.keep(kept as u64)
    }

    /// Removes all entries. Only the writer calls it.
    pub fn reset(&self) -> io::Result<()> {
        self.keep(0)
    }

    fn keep(&self, entries: u64) -> io::Result<()> {
        let Some(file) = self.file.get() else {
            return Ok(());
        };
        self.entries.store(entries, Ordering::Release);
        file.set_len(entries.saturating_mul(ENTRY_BYTES))
    }

    /// Makes the entries durable; the file's name needs a sync of the directory.
    pub fn sync(&self) -> io::Result<()> {
        self.file.get().map_or(Ok(()), |file| file.sync())
    }

    fn decode(&self, entry: &[u8; 34]) -> io::Result<AbortedTransaction> {
        decode(entry).ok_or_else(|| {
            let text = format!("{} holds an entry that is none", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }
}

fn encode(transaction: &AbortedTransaction) -> [u8; 34] {
    let mut entry = [0; 34];
    let numbers = [
        transaction.producer_id.to_wire(),
        transaction.first_offset.to_wire(),
        transaction.last_offset.to_wire(),
        transaction.last_stable_offset.to_wire(),
    ];
    let (_, fields) = entry.split_at_mut(VERSION.len());
    for (field, number) in fields.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *field = number.to_be_bytes();
    }
    entry
}

/// Reads an entry. The marker stands behind at least one record, so zeros are none.
fn decode(entry: &[u8; 34]) -> Option<AbortedTransaction> {
    let fields = entry.strip_prefix(&VERSION)?.as_chunks().0;
    let number = |index: usize| fields.get(index).map(|field| i64::from_be_bytes(*field));
    let transaction = AbortedTransaction {
        producer_id: ProducerId::from_wire(number(0)?)?,
        first_offset: Offset::from_wire(number(1)?)?,
        last_offset: Offset::from_wire(number(2)?)?,
        last_stable_offset: Offset::from_wire(number(3)?)?,
    };
    (transaction.first_offset < transaction.last_offset).then_some(transaction)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use millrace_types::{Offset, ProducerId};

    use super::{AbortedTransaction, TxnIndex};
    use crate::disk::RealDisk;

    fn aborted(id: i64, first: u64, last: u64, stable: u64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId::from_wire(id).unwrap(),
            first_offset: Offset::new(first),
            last_offset: Offset::new(last),
            last_stable_offset: Offset::new(stable),
        }
    }

    fn index(dir: &Path) -> TxnIndex {
        TxnIndex::open(Arc::new(RealDisk), dir.join("00000000000000000000.txnindex")).unwrap()
    }

    #[test]
    fn entries_have_kafkas_bytes_and_survive() {
        let dir = tempfile::tempdir().unwrap();
        let written = index(dir.path());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "made before its use");
        written.append(&aborted(7, 1, 2, 3)).unwrap();
        written.append(&aborted(8, 0, 4, 5)).unwrap();
        let bytes = std::fs::read(dir.path().join("00000000000000000000.txnindex")).unwrap();
        let mut expected = vec![0, 0];
        [7_i64, 1, 2, 3].iter().for_each(|n| expected.extend_from_slice(&n.to_be_bytes()));
        assert_eq!(bytes[..34], expected);
        assert_eq!(bytes.len(), 68);
        let all = vec![aborted(7, 1, 2, 3), aborted(8, 0, 4, 5)];
        assert_eq!(index(dir.path()).read().unwrap(), all);
    }

    #[test]
    fn a_torn_entry_is_passed_over_and_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        index(dir.path()).append(&aborted(7, 1, 2, 3)).unwrap();
        let path = dir.path().join("00000000000000000000.txnindex");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&[0; 20]);
        std::fs::write(&path, bytes).unwrap();
        let again = index(dir.path());
        assert_eq!(again.len(), 1);
        again.append(&aborted(8, 3, 4, 5)).unwrap();
        assert_eq!(again.read().unwrap(), [aborted(7, 1, 2, 3), aborted(8, 3, 4, 5)]);
    }

    #[test]
    fn zeros_that_a_power_cut_left_are_no_entry_and_are_cut() {
        let dir = tempfile::tempdir().unwrap();
        index(dir.path()).append(&aborted(7, 1, 2, 3)).unwrap();
        let path = dir.path().join("00000000000000000000.txnindex");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&[0; 68]);
        std::fs::write(&path, bytes).unwrap();
        let index = index(dir.path());
        assert!(index.read().is_err());
        index.truncate(Offset::MAX).unwrap();
        assert_eq!(index.read().unwrap(), [aborted(7, 1, 2, 3)]);
    }

    #[test]
    fn the_transactions_that_touch_a_range_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let index = index(dir.path());
        let all = [aborted(1, 0, 10, 5), aborted(2, 5, 12, 13), aborted(3, 14, 20, 21)];
        all.iter().for_each(|entry| index.append(entry).unwrap());
        for (from, to, expected, is_complete) in [
            (0, 30, &all[..], false),
            (0, 5, &all[..1], true),
            (0, 6, &all[..2], true),
            (11, 14, &all[1..2], true),
            (11, 13, &all[1..2], true),
            (13, 14, &[], true),
            (21, 30, &[], false),
        ] {
            let found = index.aborted_in(Offset::new(from), Offset::new(to)).unwrap();
            assert_eq!(found.transactions, expected, "{from}..{to}");
            assert_eq!(found.is_complete, is_complete, "{from}..{to}");
        }
    }

    #[test]
    fn truncation_removes_the_markers_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let index = index(dir.path());
        index.truncate(Offset::ZERO).unwrap();
        let all = [aborted(1, 0, 10, 5), aborted(2, 5, 12, 13)];
        all.iter().for_each(|entry| index.append(entry).unwrap());
        index.truncate(Offset::new(13)).unwrap();
        assert_eq!(index.len(), 2);
        index.truncate(Offset::new(12)).unwrap();
        assert_eq!(index.read().unwrap(), all[..1]);
        index.reset().unwrap();
        assert!(index.is_empty());
    }
}
