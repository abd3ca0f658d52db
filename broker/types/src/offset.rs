//! Where a record stands: offset, partition, and the epoch of the leader that wrote it.

use std::fmt;

/// A position in one partition's log, counted in records; 0 is the first record ever written.
///
/// Never above `i64::MAX`: the wire carries an `int64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// The first record ever written to a partition.
    pub const ZERO: Offset = Offset(0);
    /// The largest position that the wire can carry.
    pub const MAX: Offset = Offset(i64::MAX.unsigned_abs());

    /// Reads the wire's `int64`; a negative number never names a record.
    pub fn from_wire(value: i64) -> Option<Offset> {
        u64::try_from(value).ok().map(Offset)
    }

    /// Makes an offset from a count of records; larger than [`Offset::MAX`] becomes `MAX`.
    pub const fn new(value: u64) -> Offset {
        if value > Offset::MAX.0 { Offset::MAX } else { Offset(value) }
    }

    /// The count as a plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The wire's `int64`.
    pub const fn to_wire(self) -> i64 {
        self.0.cast_signed()
    }

    /// The position `records` further on; stops at [`Offset::MAX`].
    #[must_use]
    pub const fn plus(self, records: u64) -> Offset {
        Offset::new(self.0.saturating_add(records))
    }

    /// How many records lie from `earlier` up to here; 0 if `earlier` is in fact later.
    pub const fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the leaders of one partition; a larger number is a later leader.
///
/// Range 0 to `i32::MAX`. Source: KIP-101.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(u32);

impl LeaderEpoch {
    /// The epoch of a partition's first leader.
    pub const ZERO: LeaderEpoch = LeaderEpoch(0);

    /// Reads the wire's `int32`; a negative number means that the sender knows none.
    pub fn from_wire(value: i32) -> Option<LeaderEpoch> {
        u32::try_from(value).ok().map(LeaderEpoch)
    }

    /// The wire's `int32`.
    pub const fn to_wire(self) -> i32 {
        self.0.cast_signed()
    }

    /// The epoch of the leader after this one; stops at `i32::MAX`, which the wire can still carry.
    #[must_use]
    pub const fn next(self) -> LeaderEpoch {
        if self.0 >= i32::MAX.unsigned_abs() { self } else { LeaderEpoch(self.0 + 1) }
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a partition within its topic, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionIndex(u32);

impl PartitionIndex {
    /// Reads the wire's `int32`; a negative number names no partition.
    pub fn from_wire(value: i32) -> Option<PartitionIndex> {
        u32::try_from(value).ok().map(PartitionIndex)
    }

    /// The wire's `int32`.
    pub const fn to_wire(self) -> i32 {
        self.0.cast_signed()
    }

    /// The number itself, as an index.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for PartitionIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{LeaderEpoch, Offset, PartitionIndex};

    #[test]
    fn a_negative_number_names_nothing() {
        assert_eq!(Offset::from_wire(-1), None);
        assert_eq!(LeaderEpoch::from_wire(-1), None);
        assert_eq!(PartitionIndex::from_wire(i32::MIN), None);
    }

    #[test]
    fn offsets_never_leave_the_range_of_the_wire() {
        assert_eq!(Offset::MAX.plus(1), Offset::MAX);
        assert_eq!(Offset::new(u64::MAX).to_wire(), i64::MAX);
        assert_eq!(Offset::ZERO.since(Offset::new(5)), 0);
    }

    #[test]
    fn epochs_never_leave_the_range_of_the_wire() {
        let last = LeaderEpoch::from_wire(i32::MAX).unwrap();
        assert_eq!((last.next(), LeaderEpoch::ZERO.next().to_wire()), (last, 1));
    }
}
