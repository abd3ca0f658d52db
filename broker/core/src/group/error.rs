//! Why the coordinator refuses: one enum for all its commands, and the one place where it becomes
//! an error code of Kafka.

use millrace_types::{ErrorCode, GroupId};

use super::id::{Generation, InstanceId, MemberId};
use super::phase::Phase;

/// Why a request about a group is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The command needs a group with a name.
    #[error("the group id is empty")]
    EmptyGroupId,
    /// The group does not exist.
    #[error("Group {group} not found.")]
    GroupNotFound {
        /// The group that was asked for.
        group: GroupId,
    },
    /// The command needs a group without members.
    #[error("group {group} is not empty: it is in state {phase} with {members} members")]
    NonEmptyGroup {
        /// The group.
        group: GroupId,
        /// The state it is in.
        phase: Phase,
        /// How many members it has.
        members: usize,
    },
    /// The group has no such member, or the request names none.
    #[error("member {} is not in the group", .member.as_ref().map_or("\"\"", MemberId::as_str))]
    UnknownMember {
        /// The member that the request names.
        member: Option<MemberId>,
    },
    /// Another process joined under the same `group.instance.id` and took the place.
    #[error("instance {instance} is now member {current}")]
    FencedInstance {
        /// The instance that the request names.
        instance: InstanceId,
        /// The member that holds the name.
        current: MemberId,
    },
    /// A new member shall join again with the id it was given. Source: KIP-394.
    #[error("join again as member {member}")]
    MemberIdRequired {
        /// The id it was given.
        member: MemberId,
    },
    /// The request is of another generation than the group.
    #[error("generation {} is not the current one, {current}", .asked.map_or(-1, Generation::to_wire))]
    IllegalGeneration {
        /// The generation of the request.
        asked: Option<Generation>,
        /// The generation of the group.
        current: Generation,
    },
    /// The members are to join again.
    #[error("the group is rebalancing: it is in state {phase}")]
    RebalanceInProgress {
        /// The state the group is in.
        phase: Phase,
    },
    /// The member and the group have no protocol in common, or the request names none.
    #[error("protocols of type {protocol_type:?} have none that every member supports")]
    InconsistentProtocol {
        /// The type of the request.
        protocol_type: String,
    },
    /// The session is shorter or longer than the broker allows.
    #[error("session timeout of {asked_ms} ms is outside {min_ms} to {max_ms} ms")]
    InvalidSessionTimeout {
        /// What the member asked for.
        asked_ms: i32,
        /// `group.min.session.timeout.ms`.
        min_ms: u32,
        /// `group.max.session.timeout.ms`.
        max_ms: u32,
    },
    /// The group has as many members as it may have.
    #[error("the group has reached its limit of {limit} members")]
    GroupFull {
        /// `group.max.size`, or the limit of members that have yet to join.
        limit: usize,
    },
    /// The members of all groups here take as much memory as they may.
    #[error("members of {size_bytes} bytes exceed the coordinator's limit of {limit_bytes}")]
    MembersTooLarge {
        /// What all members would take.
        size_bytes: usize,
        /// The most for the members of one partition of the offsets topic.
        limit_bytes: usize,
    },
    /// The text beside a committed offset is too long.
    #[error("metadata of {length} characters exceeds offset.metadata.max.bytes={limit}")]
    OffsetMetadataTooLarge {
        /// Its length in UTF-16 units.
        length: usize,
        /// The largest length allowed.
        limit: usize,
    },
    /// A member reads the topic, so its offsets cannot be deleted. Source: KIP-496.
    #[error("the group is subscribed to the topic")]
    SubscribedToTopic,
    /// The state of the group does not fit into one record of the offsets topic.
    #[error("group state of {size_bytes} bytes exceeds the limit of {limit_bytes}")]
    RecordTooLarge {
        /// Size of the record.
        size_bytes: usize,
        /// The largest that the offsets topic takes.
        limit_bytes: usize,
    },
    /// The coordinator has as many groups as it may have.
    #[error("the coordinator has reached its limit of {limit} groups")]
    TooManyGroups {
        /// The largest number of groups of one partition of the offsets topic.
        limit: usize,
    },
    /// The coordinator watches as many members as it may; try again.
    #[error("the coordinator has reached its limit of {limit} members in all groups")]
    TooManySessions {
        /// The largest number of members of one partition of the offsets topic.
        limit: usize,
    },
    /// The state of the group is being read from the log.
    #[error("the coordinator is loading the group")]
    LoadInProgress,
    /// The coordinator could not make the change durable; try again.
    #[error("the coordinator is not available")]
    NotAvailable,
    /// This broker does not coordinate the group.
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
}

impl From<&GroupError> for ErrorCode {
    fn from(error: &GroupError) -> ErrorCode {
        match error {
            GroupError::EmptyGroupId => ErrorCode::InvalidGroupId,
            GroupError::GroupNotFound { .. } => ErrorCode::GroupIdNotFound,
            GroupError::NonEmptyGroup { .. } => ErrorCode::NonEmptyGroup,
            GroupError::UnknownMember { .. } => ErrorCode::UnknownMemberId,
            GroupError::FencedInstance { .. } => ErrorCode::FencedInstanceId,
            GroupError::MemberIdRequired { .. } => ErrorCode::MemberIdRequired,
            GroupError::IllegalGeneration { .. } => ErrorCode::IllegalGeneration,
            GroupError::RebalanceInProgress { .. } => ErrorCode::RebalanceInProgress,
            GroupError::InconsistentProtocol { .. } => ErrorCode::InconsistentGroupProtocol,
            GroupError::InvalidSessionTimeout { .. } => ErrorCode::InvalidSessionTimeout,
            GroupError::GroupFull { .. } | GroupError::MembersTooLarge { .. } => {
                ErrorCode::GroupMaxSizeReached
            }
            GroupError::OffsetMetadataTooLarge { .. } => ErrorCode::OffsetMetadataTooLarge,
            GroupError::SubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            // As Kafka answers when the append fails with MESSAGE_TOO_LARGE.
            GroupError::RecordTooLarge { .. } => ErrorCode::UnknownServerError,
            GroupError::LoadInProgress => ErrorCode::CoordinatorLoadInProgress,
            GroupError::TooManyGroups { .. }
            | GroupError::TooManySessions { .. }
            | GroupError::NotAvailable => ErrorCode::CoordinatorNotAvailable,
            GroupError::NotCoordinator => ErrorCode::NotCoordinator,
        }
    }
}
