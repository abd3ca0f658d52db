//! The last offset of each key, in bounded memory: keys are remembered by a hash of 128 bits.
//!
//! Two keys of one hash would count as one, and the older record would go. With 128 bits that does
//! not happen by chance, and to make it happen on purpose takes 2^64 tries.
//!
//! Source: Kafka's `SkimpyOffsetMap`.

use std::hash::{DefaultHasher, Hasher};

use millrace_types::Offset;

/// Bytes of memory for one key.
pub(crate) const SLOT_BYTES: usize = size_of::<Slot>();
/// How full the table may get, in percent; above that, searches become long.
const LOAD_PERCENT: usize = 90;

/// Two halves of the hash and the offset plus 1; 0 there is an empty slot.
type Slot = [u64; 3];

/// A hash table of fixed size: open addressing, linear probing, nothing is ever removed.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    slots: Vec<Slot>,
    keys: usize,
    keys_max: usize,
}

impl OffsetMap {
    /// A table for `keys_expected` keys, or for as many as `bytes_max` has room for.
    pub(crate) fn new(keys_expected: u64, bytes_max: usize) -> OffsetMap {
        let wanted = usize::try_from(keys_expected).unwrap_or(usize::MAX);
        let wanted = wanted.saturating_mul(100) / LOAD_PERCENT;
        let slots = wanted.saturating_add(2).min(bytes_max / SLOT_BYTES).max(2);
        // At least one slot stays empty: there a search ends.
        let keys_max = (slots.saturating_mul(LOAD_PERCENT) / 100).clamp(1, slots - 1);
        OffsetMap { slots: vec![[0; 3]; slots], keys: 0, keys_max }
    }

    /// Sets the offset of a key. `false` if there is no room for a new key.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = hash(key);
        let is_full = self.keys >= self.keys_max;
        let Some(slot) = self.find(hash).and_then(|index| self.slots.get_mut(index)) else {
            return false;
        };
        let [first, second, stored] = slot;
        if *stored == 0 {
            if is_full {
                return false;
            }
            self.keys += 1;
        }
        (*first, *second, *stored) = (hash.0, hash.1, offset.get().saturating_add(1));
        true
    }

    /// The offset of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        let [_, _, stored] = self.find(hash(key)).and_then(|index| self.slots.get(index))?;
        stored.checked_sub(1).map(Offset::new)
    }

    /// Number of keys.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.keys
    }

    /// Where the key is, or the empty slot where it would go.
    fn find(&self, (first, second): (u64, u64)) -> Option<usize> {
        let count = self.slots.len();
        let start = usize::try_from(first % count as u64).ok()?;
        (start..count).chain(0..start).find(|&index| {
            self.slots.get(index).is_some_and(|&[known_first, known_second, stored]| {
                stored == 0 || (known_first == first && known_second == second)
            })
        })
    }
}

fn hash(key: &[u8]) -> (u64, u64) {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(key);
        hasher.finish()
    };
    (half(0), half(1))
}

#[cfg(test)]
mod tests {
    use millrace_types::Offset;

    use super::{OffsetMap, SLOT_BYTES};

    #[test]
    fn the_last_offset_of_each_key_is_kept() {
        let mut map = OffsetMap::new(1_000, usize::MAX);
        for round in 0..3_u64 {
            for key in 0..1_000_u64 {
                assert!(map.put(&key.to_be_bytes(), Offset::new(round * 1_000 + key)));
            }
        }
        assert_eq!(map.len(), 1_000);
        for key in 0..1_000_u64 {
            assert_eq!(map.get(&key.to_be_bytes()), Some(Offset::new(2_000 + key)));
        }
        assert_eq!(map.get(b"never"), None);
        assert_eq!(map.get(b""), None);
        assert!(map.put(b"", Offset::ZERO));
        assert_eq!(map.get(b""), Some(Offset::ZERO));
    }

    #[test]
    fn memory_bounds_the_keys_and_known_ones_still_move() {
        let mut map = OffsetMap::new(u64::MAX, 100 * SLOT_BYTES);
        let stored = (0..1_000_u64).filter(|key| map.put(&key.to_be_bytes(), Offset::new(*key)));
        assert_eq!(stored.count(), 90);
        assert!(map.put(&5_u64.to_be_bytes(), Offset::new(7)));
        assert_eq!(map.get(&5_u64.to_be_bytes()), Some(Offset::new(7)));
        assert_eq!(map.get(&90_u64.to_be_bytes()), None);
    }
}
