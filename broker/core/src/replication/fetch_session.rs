//! Fetch sessions: a client names its partitions once, then only what changes, and is answered only
//! what changed.
//!
//! ```text
//!  epoch 0   full: all partitions named; the answer may carry the id of a new session
//!  epoch n   incremental: partitions added, changed, forgotten; all others are as before
//!  epoch -1  full, and no session is wanted; an id given with epoch 0 or -1 ends that session
//! ```
//!
//! [`FetchSessions::begin`] turns a request into the list of partitions to read;
//! [`FetchSessions::finish`] turns what was read into the list of partitions to answer. Whoever
//! calls them reads in between, as long as it takes.
//!
//! Source: KIP-227, KIP-516 (topic ids); Kafka's `FetchSession`.

use std::sync::Arc;

use millrace_types::{ErrorCode, LeaderEpoch, Offset, TimestampMs, TopicId};

mod cache;
mod session;
#[cfg(test)]
mod tests;

pub use cache::FetchSessions;

/// A topic as a client names it: up to version 12 by name, then by id. A session stays with one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    /// By name, as it came.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// A partition as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchTarget {
    /// Its topic.
    pub topic: TopicRef,
    /// Its number, as it came: a negative one names no partition.
    pub partition: i32,
}

/// What a client wants of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchWant {
    /// The first record wanted; `None` is a negative offset, which is out of every range.
    pub offset: Option<Offset>,
    /// How many bytes of it; 0 or less wants none but the first batch.
    pub bytes_max: i32,
    /// The leader that the client believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record the client has, to see whether its log went another way.
    pub last_fetched_epoch: Option<LeaderEpoch>,
}

/// The session part of a Fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// 0 for none.
    pub id: i32,
    /// See the module.
    pub epoch: i32,
    /// Whether topics are named by id: version 13 and later.
    pub uses_topic_ids: bool,
    /// Whether a follower fetches: its sessions are kept before those of consumers.
    pub is_follower: bool,
}

/// What a request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// For [`FetchSessions::finish`].
    pub kind: FetchKind,
    /// The partitions to read, in this order.
    pub partitions: Vec<(FetchTarget, FetchWant)>,
}

/// How a request stands to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// All partitions are answered, no session is made.
    Sessionless,
    /// All partitions are answered, a session is made if there is room.
    Full {
        /// Of the request.
        uses_topic_ids: bool,
        /// Of the request.
        is_follower: bool,
    },
    /// What changed is answered.
    Incremental {
        /// The session.
        id: u32,
        /// The epoch that its next request must have.
        next_epoch: u32,
    },
}

/// What was read of one partition, as far as sessions care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchOutcome {
    /// The high watermark told; `None` with an error.
    pub high_watermark: Option<Offset>,
    /// The log start told; `None` with an error.
    pub log_start: Option<Offset>,
    /// Whether there are records.
    pub has_records: bool,
    /// Whether it must be answered in any case: an error, a diverging epoch, another replica to read
    /// from.
    pub is_urgent: bool,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The session's id for the client; 0 if there is none.
    pub session_id: i32,
    /// For each partition that was read, whether it belongs into the answer.
    pub included: Vec<bool>,
}

/// Why a request does not fit its session. The client starts over with a full one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchSessionError {
    /// The session was ended, evicted, or never was.
    #[error("fetch session {id} is not known")]
    NotFound {
        /// As it came.
        id: i32,
    },
    /// Not the next request of the session: one was lost or repeated.
    #[error("fetch session {id} awaits epoch {expected}, the request has {given}")]
    Epoch {
        /// The session.
        id: i32,
        /// Its next epoch.
        expected: u32,
        /// As it came.
        given: i32,
    },
    /// The session names topics by id and the request by name, or the other way round.
    #[error("fetch session {id} began in a version that names topics in another way")]
    TopicIds {
        /// The session.
        id: i32,
    },
}

impl FetchSessionError {
    /// The code for the wire.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            FetchSessionError::NotFound { .. } => ErrorCode::FetchSessionIdNotFound,
            FetchSessionError::Epoch { .. } => ErrorCode::InvalidFetchSessionEpoch,
            FetchSessionError::TopicIds { .. } => ErrorCode::FetchSessionTopicIdError,
        }
    }
}

/// Where the ids of new sessions come from and when: a random number of the caller's, and the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The clock.
    pub now: TimestampMs,
    /// Chance.
    pub random: u32,
}

/// The epoch after this one; wraps to 1, because 0 starts a session.
const fn next_epoch(epoch: u32) -> u32 {
    if epoch >= i32::MAX.unsigned_abs() { 1 } else { epoch + 1 }
}
