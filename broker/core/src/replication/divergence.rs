//! Whether a reader's log went another way than the leader's. Source: KIP-595.

use millrace_types::{LeaderEpoch, Offset};

/// How a reader's last record stands to the leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// The leader has it too.
    None,
    /// It has not: the reader must cut its log to `end` of `epoch` and ask again.
    At {
        /// The largest epoch up to the reader's that the leader knows.
        epoch: LeaderEpoch,
        /// Where it ends in the leader's log.
        end: Offset,
    },
    /// The leader knows nothing of that time: the reader's offset is out of range.
    Unknown,
}

/// Compares the epoch of a reader's last record, `last_fetched`, with what the leader knows: `found`
/// is its largest epoch up to that one and where it ends.
pub fn divergence(
    last_fetched: LeaderEpoch,
    fetch_offset: Offset,
    found: Option<(LeaderEpoch, Offset)>,
) -> Divergence {
    match found {
        None => Divergence::Unknown,
        Some((epoch, end)) if epoch < last_fetched || end < fetch_offset => {
            Divergence::At { epoch, end }
        }
        Some(_) => Divergence::None,
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::{LeaderEpoch, Offset};

    use super::{Divergence, divergence};

    #[test]
    fn a_reader_ahead_of_its_epoch_or_of_an_unknown_one_must_cut() {
        let epoch = |number| LeaderEpoch::from_wire(number).unwrap();
        let at = |number, end| Divergence::At { epoch: epoch(number), end: Offset::new(end) };
        for (last, offset, found, expected) in [
            (5, 10, Some((5, 10)), Divergence::None),
            (5, 10, Some((5, 99)), Divergence::None),
            (5, 11, Some((5, 10)), at(5, 10)),
            (5, 3, Some((4, 10)), at(4, 10)),
            (5, 3, None, Divergence::Unknown),
        ] {
            let found = found.map(|(number, end)| (epoch(number), Offset::new(end)));
            assert_eq!(divergence(epoch(last), Offset::new(offset), found), expected, "{last}");
        }
    }
}
