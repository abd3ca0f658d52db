//! What ListOffsets asks of a partition: a place by its name or by a time.

use millrace_types::{ErrorCode, LeaderEpoch, Offset, TimestampMs};

use super::last_stable::{LogBounds, Reader};

/// What is asked, read from the request's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -1: where the next record that the reader can see will stand.
    Latest,
    /// -2: the first record.
    Earliest,
    /// -3: the record with the largest timestamp. Source: KIP-734.
    MaxTimestamp,
    /// -4: the first record on a local disk. Source: KIP-405.
    EarliestLocal,
    /// -5: the last record in tiered storage. Source: KIP-1005.
    LatestTiered,
    /// -6: the first record that is not in tiered storage yet. Source: KIP-1023.
    EarliestPendingUpload,
    /// The first record of this time or later.
    Time(TimestampMs),
}

/// Why the question is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListOffsetsError {
    /// A negative timestamp that has no meaning, or none yet in this version of the request.
    #[error("timestamp {timestamp} has no meaning in ListOffsets version {version}")]
    Unsupported {
        /// As it came.
        timestamp: i64,
        /// Of the request.
        version: i16,
    },
    /// A new leader does not know yet how far the old one had committed. Source: KIP-207.
    #[error(
        "high watermark {high_watermark} has not reached the start {epoch_start} of this leader's epoch"
    )]
    NotAvailable {
        /// How far is committed for certain.
        high_watermark: Offset,
        /// Where the leader's epoch begins.
        epoch_start: Offset,
    },
}

/// What has to be done to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing: this is the answer.
    Known(FoundOffset),
    /// Look for the first record of a time, below a bound.
    ByTime {
        /// The time.
        timestamp: TimestampMs,
        /// Records from here on are not seen.
        upper_bound: Offset,
    },
    /// Look for the record with the largest timestamp, below a bound.
    ByMaxTime {
        /// Records from here on are not seen.
        upper_bound: Offset,
    },
}

/// The answer for a partition; all `None` if there is no such record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoundOffset {
    /// The place.
    pub offset: Option<Offset>,
    /// The record's timestamp, where one was looked for.
    pub timestamp: Option<TimestampMs>,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What is known of the leader and its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderView {
    /// What bounds the readers.
    pub bounds: LogBounds,
    /// The leader's epoch.
    pub epoch: LeaderEpoch,
    /// Where that epoch begins.
    pub epoch_start: Offset,
    /// The epoch of the first record.
    pub start_epoch: Option<LeaderEpoch>,
}

impl OffsetSpec {
    /// Reads the timestamp of a request of this version.
    ///
    /// # Errors
    /// Refuses negative numbers without meaning.
    pub fn from_wire(timestamp: i64, version: i16) -> Result<OffsetSpec, ListOffsetsError> {
        let unsupported = ListOffsetsError::Unsupported { timestamp, version };
        let (spec, version_min) = match timestamp {
            -1 => (OffsetSpec::Latest, 0),
            -2 => (OffsetSpec::Earliest, 0),
            -3 => (OffsetSpec::MaxTimestamp, 7),
            -4 => (OffsetSpec::EarliestLocal, 8),
            -5 => (OffsetSpec::LatestTiered, 9),
            -6 => (OffsetSpec::EarliestPendingUpload, 11),
            _ => (OffsetSpec::Time(TimestampMs::from_wire(timestamp).ok_or(unsupported)?), 0),
        };
        if version < version_min { Err(unsupported) } else { Ok(spec) }
    }

    /// Decides how to answer a reader.
    ///
    /// # Errors
    /// Refuses while the leader does not know what is committed.
    pub fn decide(self, view: &LeaderView, reader: Reader) -> Result<Lookup, ListOffsetsError> {
        let upper_bound = view.bounds.upper_bound(reader);
        let earliest = FoundOffset {
            offset: Some(view.bounds.start),
            timestamp: None,
            leader_epoch: view.start_epoch,
        };
        Ok(match self {
            OffsetSpec::Latest => {
                view.check_available()?;
                Lookup::Known(FoundOffset {
                    offset: Some(upper_bound),
                    timestamp: None,
                    leader_epoch: Some(view.epoch),
                })
            }
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => Lookup::Known(earliest),
            // Nothing is tiered: no last such record, and none waits for its upload.
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => {
                Lookup::Known(FoundOffset::default())
            }
            OffsetSpec::MaxTimestamp => Lookup::ByMaxTime { upper_bound },
            OffsetSpec::Time(timestamp) => Lookup::ByTime { timestamp, upper_bound },
        })
    }
}

impl LeaderView {
    /// Judges that nothing was found by time: final only if the leader knows what is committed.
    ///
    /// # Errors
    /// Refuses while it does not.
    pub fn check_available(&self) -> Result<(), ListOffsetsError> {
        let (high_watermark, epoch_start) = (self.bounds.high_watermark, self.epoch_start);
        if high_watermark < epoch_start {
            return Err(ListOffsetsError::NotAvailable { high_watermark, epoch_start });
        }
        Ok(())
    }
}

impl ListOffsetsError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            ListOffsetsError::Unsupported { .. } => ErrorCode::UnsupportedVersion,
            ListOffsetsError::NotAvailable { .. } => ErrorCode::OffsetNotAvailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::{LeaderEpoch, Offset, TimestampMs};

    use super::super::last_stable::{Isolation, LogBounds, Reader};
    use super::{FoundOffset, LeaderView, ListOffsetsError, Lookup, OffsetSpec};

    const COMMITTED: Reader = Reader::Consumer(Isolation::ReadCommitted);
    const ANY: Reader = Reader::Consumer(Isolation::ReadUncommitted);

    fn view() -> LeaderView {
        LeaderView {
            bounds: LogBounds {
                start: Offset::new(10),
                last_stable: Offset::new(20),
                high_watermark: Offset::new(30),
                end: Offset::new(40),
            },
            epoch: LeaderEpoch::from_wire(7).unwrap(),
            epoch_start: Offset::new(25),
            start_epoch: LeaderEpoch::from_wire(2),
        }
    }

    fn known(offset: u64, epoch: i32) -> Lookup {
        Lookup::Known(FoundOffset {
            offset: Some(Offset::new(offset)),
            timestamp: None,
            leader_epoch: LeaderEpoch::from_wire(epoch),
        })
    }

    #[test]
    fn every_special_timestamp_has_its_answer() {
        let by_max = |bound| Lookup::ByMaxTime { upper_bound: Offset::new(bound) };
        for (timestamp, reader, expected) in [
            (-1, ANY, known(30, 7)),
            (-1, COMMITTED, known(20, 7)),
            (-1, Reader::Follower, known(40, 7)),
            (-2, ANY, known(10, 2)),
            (-4, ANY, known(10, 2)),
            (-3, ANY, by_max(30)),
            (-3, COMMITTED, by_max(20)),
            (-5, ANY, Lookup::Known(FoundOffset::default())),
            (-6, ANY, Lookup::Known(FoundOffset::default())),
            (5, ANY, {
                Lookup::ByTime { timestamp: TimestampMs::new(5), upper_bound: Offset::new(30) }
            }),
        ] {
            let spec = OffsetSpec::from_wire(timestamp, 11).unwrap();
            assert_eq!(spec.decide(&view(), reader), Ok(expected), "{timestamp} {reader:?}");
        }
    }

    #[test]
    fn a_special_timestamp_is_refused_in_versions_that_do_not_know_it() {
        for (timestamp, version, is_known) in [
            (-3, 6, false),
            (-3, 7, true),
            (-4, 7, false),
            (-4, 8, true),
            (-5, 8, false),
            (-5, 9, true),
            (-6, 10, false),
            (-6, 11, true),
            (-7, 11, false),
            (i64::MIN, 11, false),
            (0, 1, true),
        ] {
            let spec = OffsetSpec::from_wire(timestamp, version);
            assert_eq!(spec.is_ok(), is_known, "{timestamp} in version {version}");
        }
    }

    #[test]
    fn the_latest_is_not_told_before_the_leader_knows_what_is_committed() {
        let mut view = view();
        view.bounds.high_watermark = Offset::new(24);
        let refused = ListOffsetsError::NotAvailable {
            high_watermark: Offset::new(24),
            epoch_start: Offset::new(25),
        };
        assert_eq!(OffsetSpec::Latest.decide(&view, ANY), Err(refused));
        assert!(OffsetSpec::Earliest.decide(&view, ANY).is_ok());
    }
}
