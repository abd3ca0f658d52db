//! What the members of one coordinator take in memory, counted as they come and go.
//!
//! A member stays as long as its session lasts, also when its client is gone. So who joins over and
//! over and says much of itself is stopped here, and with it everybody who needs more room than is
//! left; members that say no more than before go on.

use millrace_types::TimestampMs;

use super::error::GroupError;
use super::request::{Client, Protocol};
use crate::limits;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    members_bytes: usize,
    warned_at: Option<TimestampMs>,
}

impl Memory {
    /// Takes over that some members took `before` bytes and take `after` now.
    pub(super) fn count(&mut self, before: usize, after: usize) {
        self.members_bytes = self.members_bytes.saturating_sub(before).saturating_add(after);
    }

    /// Checks whether members may take so many bytes more.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn check(&self, more_bytes: usize) -> Result<(), GroupError> {
        let size_bytes = self.members_bytes.saturating_add(more_bytes);
        let limit_bytes = limits::GROUP_MEMBERS_BYTES_PER_COORDINATOR_MAX;
        if more_bytes > 0 && size_bytes > limit_bytes {
            return Err(GroupError::MembersTooLarge { size_bytes, limit_bytes });
        }
        Ok(())
    }

    /// Whether it is time to tell of a refusal again.
    pub(super) fn is_to_warn(&mut self, now: TimestampMs) -> bool {
        let is_due = self
            .warned_at
            .is_none_or(|warned| now.since_ms(warned) >= limits::GROUP_MEMBERS_WARNING_MS);
        if is_due {
            self.warned_at = Some(now);
        }
        is_due
    }
}

/// How many bytes a member says of itself.
pub(super) fn said_bytes(client: &Client, protocols: &[Protocol]) -> usize {
    let of_client = client.id.len().saturating_add(client.host.len());
    let size = |protocol: &Protocol| protocol.name.len().saturating_add(protocol.metadata.len());
    protocols.iter().map(size).fold(of_client, usize::saturating_add)
}
