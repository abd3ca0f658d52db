//! The offset index: where in the log file an offset is, roughly.
//!
//! ```text
//! 8 bytes each: last offset of a batch - base offset of the segment, u32
//!               | position of that batch in the log file, u32          (both big endian)
//! ```
//! One entry for every `index.interval.bytes` of log or more. Both numbers ascend strictly.
//!
//! Source: Kafka's `OffsetIndex`.

use crate::sparse_index::Entry;

/// One batch, known by its last offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of the batch, counted from the segment's base.
    pub(crate) relative_offset: u32,
    /// Where the batch begins in the log file.
    pub(crate) position: u32,
}

impl OffsetEntry {
    /// Whether `next` may stand behind `previous`.
    pub(crate) fn ascends(previous: Option<&OffsetEntry>, next: &OffsetEntry) -> bool {
        previous.is_none_or(|previous| {
            previous.relative_offset < next.relative_offset && previous.position < next.position
        })
    }
}

impl Entry for OffsetEntry {
    const BYTES: u64 = 8;

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.relative_offset.to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> OffsetEntry {
        let number = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
            u32::from_be_bytes(four.unwrap_or_default())
        };
        OffsetEntry { relative_offset: number(0), position: number(4) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::OffsetEntry;
    use crate::disk::{Disk, File, OpenMode, RealDisk};
    use crate::sparse_index::{Entry, Found, SparseIndex, read_last, read_valid, search, write};

    fn entry(relative_offset: u32, position: u32) -> OffsetEntry {
        OffsetEntry { relative_offset, position }
    }

    fn file(dir: &tempfile::TempDir) -> Arc<dyn File> {
        RealDisk.open(&dir.path().join("index"), OpenMode::Create).unwrap()
    }

    fn find(index: &SparseIndex<OffsetEntry>, file: &dyn File, target: u32) -> Option<u32> {
        let is_before = |entry: &OffsetEntry| entry.relative_offset <= target;
        match index.find(is_before) {
            Found::Entry(entry) => Some(entry.position),
            Found::InFile { stored } => {
                let guesses = [0, stored / 2, stored, u64::from(target / 10), 3_000];
                let found = guesses.map(|guess| search(file, stored, guess, is_before).unwrap());
                assert_eq!(found, [found[0]; 5], "offset {target} by the guesses {guesses:?}");
                found[0].map(|entry| entry.position)
            }
        }
    }

    #[test]
    fn entries_have_kafkas_bytes() {
        let mut bytes = Vec::new();
        entry(0x0102_0304, 0x0506_0708).encode(&mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(OffsetEntry::decode(&bytes), entry(0x0102_0304, 0x0506_0708));
    }

    #[test]
    fn the_last_entry_at_or_before_an_offset_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir);
        let mut index = SparseIndex::new(0, None);
        // Offsets 10, 20, ... at positions 1, 2, ...; written in parts.
        for number in 1..=20_000 {
            index.push(entry(number * 10, number));
            if number % 7_000 == 0 {
                let (bytes, position) = index.unwritten().unwrap();
                write(&*file, &bytes, position).unwrap();
                index.written();
            }
        }
        assert_eq!(index.len(), 20_000);
        for target in (0..30).chain((0..400_000).step_by(1_337)).chain([139_999, 140_000, 140_001])
        {
            let expected = (target / 10).min(20_000);
            let expected = (expected > 0).then_some(expected);
            assert_eq!(find(&index, &*file, target), expected, "offset {target}");
        }
    }

    #[test]
    fn what_does_not_ascend_is_not_used_after_a_crash() {
        let good = [entry(1, 0), entry(5, 10), entry(9, 20)];
        for (bad, name) in [
            (entry(0, 0), "zeros of a preallocated file"),
            (entry(9, 30), "the same offset"),
            (entry(10, 20), "the same position"),
            (entry(10, 3), "an earlier position"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = file(&dir);
            let mut bytes = Vec::new();
            good.iter().chain([&bad, &entry(50, 50)]).for_each(|entry| entry.encode(&mut bytes));
            bytes.extend_from_slice(b"torn");
            write(&*file, &bytes, 0).unwrap();
            assert_eq!(read_valid(&*file, OffsetEntry::ascends).unwrap(), good, "{name}");
            assert_eq!(read_last(&*file).unwrap(), (5, Some(entry(50, 50))));
        }
    }

    #[test]
    fn a_file_cut_during_a_search_is_searched_as_far_as_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir);
        let mut bytes = Vec::new();
        (1..=100).for_each(|number| entry(number, number).encode(&mut bytes));
        write(&*file, &bytes, 0).unwrap();
        for guess in [0, 50, 5_000, 20_000] {
            let is_before = |entry: &OffsetEntry| entry.relative_offset <= 70;
            let found = search(&*file, 10_000, guess, is_before).unwrap();
            assert_eq!(found, Some(entry(70, 70)), "guess {guess}");
        }
    }
}
