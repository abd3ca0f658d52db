//! Whether client and leader mean the same leader. Source: KIP-320.

use millrace_types::{ErrorCode, LeaderEpoch};

/// Why a request for another leader epoch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaderEpochError {
    /// The client knows an older leader: it must refresh its metadata.
    #[error("leader epoch {given} is fenced, the partition's is {current}")]
    Fenced {
        /// The client's.
        given: LeaderEpoch,
        /// The partition's.
        current: LeaderEpoch,
    },
    /// The client knows a newer leader than this broker does: it must try again.
    #[error("leader epoch {given} is not known here yet, the partition's is {current}")]
    Unknown {
        /// The client's.
        given: LeaderEpoch,
        /// The partition's.
        current: LeaderEpoch,
    },
}

impl LeaderEpochError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            LeaderEpochError::Fenced { .. } => ErrorCode::FencedLeaderEpoch,
            LeaderEpochError::Unknown { .. } => ErrorCode::UnknownLeaderEpoch,
        }
    }
}

/// Compares the epoch that a client believes to be current with the partition's; a client that
/// names none is trusted.
///
/// # Errors
/// Refuses an older and a newer one.
pub fn check_leader_epoch(
    given: Option<LeaderEpoch>,
    current: LeaderEpoch,
) -> Result<(), LeaderEpochError> {
    match given {
        Some(given) if given < current => Err(LeaderEpochError::Fenced { given, current }),
        Some(given) if given > current => Err(LeaderEpochError::Unknown { given, current }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::{ErrorCode, LeaderEpoch};

    use super::check_leader_epoch;

    #[test]
    fn only_the_current_epoch_and_none_pass() {
        let current = LeaderEpoch::from_wire(5).unwrap();
        for (given, expected) in [
            (-1, ErrorCode::None),
            (4, ErrorCode::FencedLeaderEpoch),
            (5, ErrorCode::None),
            (6, ErrorCode::UnknownLeaderEpoch),
        ] {
            let result = check_leader_epoch(LeaderEpoch::from_wire(given), current);
            let code = result.map_or_else(|error| error.error_code(), |()| ErrorCode::None);
            assert_eq!(code, expected, "{given}");
        }
    }
}
