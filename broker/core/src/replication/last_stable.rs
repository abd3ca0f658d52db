//! How far a reader may read.

use millrace_types::Offset;

/// Which records a reader wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Every committed record, transactions or not.
    #[default]
    ReadUncommitted,
    /// Only what lies before the first open transaction.
    ReadCommitted,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A consumer: sees what is committed.
    Consumer(Isolation),
    /// A follower: sees all that the leader has.
    Follower,
}

/// The offsets of a partition that bound what is read, each at most the next in this order but
/// for `last_stable` and `high_watermark` against `start` while a follower catches up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// The first record that is there.
    pub start: Offset,
    /// Below it every transaction has ended.
    pub last_stable: Offset,
    /// Below it every record is committed.
    pub high_watermark: Offset,
    /// Where the next record goes.
    pub end: Offset,
}

impl Isolation {
    /// Reads the wire's `int8`; any number but 1 reads all, as in Kafka.
    pub const fn from_wire(level: i8) -> Isolation {
        if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
    }
}

impl LogBounds {
    /// The offset that a reader never gets to.
    pub const fn upper_bound(&self, reader: Reader) -> Offset {
        match reader {
            Reader::Consumer(Isolation::ReadUncommitted) => self.high_watermark,
            Reader::Consumer(Isolation::ReadCommitted) => self.last_stable,
            Reader::Follower => self.end,
        }
    }
}

/// The offset below which every transaction has ended: the first record of the oldest open one, or
/// the high watermark if none is open below it.
///
/// `first_open` must also cover transactions whose marker is not committed yet.
///
/// Source: KIP-98; Kafka's `UnifiedLog.fetchLastStableOffsetMetadata`.
pub fn last_stable(high_watermark: Offset, first_open: Option<Offset>) -> Offset {
    first_open.map_or(high_watermark, |first_open| first_open.min(high_watermark))
}

#[cfg(test)]
mod tests {
    use millrace_types::Offset;

    use super::{Isolation, LogBounds, Reader, last_stable};

    #[test]
    fn stops_at_the_oldest_open_transaction_but_never_past_the_high_watermark() {
        for (first_open, expected) in [(None, 10), (Some(4), 4), (Some(12), 10)] {
            let found = last_stable(Offset::new(10), first_open.map(Offset::new));
            assert_eq!(found, Offset::new(expected), "{first_open:?}");
        }
    }

    #[test]
    fn each_reader_has_its_bound() {
        let bounds = LogBounds {
            start: Offset::new(1),
            last_stable: Offset::new(2),
            high_watermark: Offset::new(3),
            end: Offset::new(4),
        };
        for (reader, expected) in [
            (Reader::Consumer(Isolation::from_wire(0)), 3),
            (Reader::Consumer(Isolation::from_wire(1)), 2),
            (Reader::Consumer(Isolation::from_wire(9)), 3),
            (Reader::Follower, 4),
        ] {
            assert_eq!(bounds.upper_bound(reader), Offset::new(expected), "{reader:?}");
        }
    }
}
