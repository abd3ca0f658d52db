//! What the coordinator answers; `server/api/*` puts it onto the wire.

use std::sync::Arc;

use bytes::Bytes;
use millrace_types::{GroupId, TopicId, TopicName};

use super::committed::CommittedOffset;
use super::error::GroupError;
use super::id::{Generation, InstanceId, MemberId};
use super::phase::Phase;
use super::request::Request;

/// An answer, of the kind of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Join`].
    Join {
        /// The member that the answer is for, also with an error.
        member: Option<MemberId>,
        /// The generation that the member is in now.
        result: Result<Joined, GroupError>,
    },
    /// To [`Request::Sync`].
    Sync(Result<Synced, GroupError>),
    /// To [`Request::Heartbeat`].
    Heartbeat(Result<(), GroupError>),
    /// To [`Request::Leave`]: one result for each leaver, in order.
    Leave(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To [`Request::OffsetCommit`]: one result for each offset, in order.
    OffsetCommit(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To [`Request::OffsetFetch`].
    OffsetFetch(Result<Vec<FetchedTopic>, GroupError>),
    /// To [`Request::OffsetDelete`]: for each topic, in order, whether its offsets could go.
    OffsetDelete(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To [`Request::List`].
    List(Result<Vec<ListedGroup>, GroupError>),
    /// To [`Request::Describe`].
    Describe(Result<DescribedGroup, GroupError>),
    /// To [`Request::Delete`].
    Delete(Result<(), GroupError>),
}

/// A member's place in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: Generation,
    /// The kind of group.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that was chosen.
    pub protocol: Option<Arc<str>>,
    /// The member that decides who does what.
    pub leader: Option<MemberId>,
    /// The leader need not decide: the assignment of before is kept.
    pub skip_assignment: bool,
    /// To the leader all members, to the others none.
    pub members: Vec<JoinedMember>,
}

/// What the leader learns of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// What the member said for the protocol that was chosen.
    pub metadata: Bytes,
}

/// A member's share of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The kind of group.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that was chosen.
    pub protocol: Option<Arc<str>>,
    /// What the leader assigned; empty if it forgot the member.
    pub assignment: Bytes,
}

/// The offsets of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name as it was asked for.
    pub topic: Arc<str>,
    /// Each partition that was asked for, with its offset if one is committed.
    pub partitions: Vec<(i32, Option<CommittedOffset>)>,
}

/// One line of ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group: GroupId,
    /// The kind of group; `None` if it only keeps offsets.
    pub protocol_type: Option<Arc<str>>,
    /// The state it is in.
    pub phase: Phase,
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The state it is in.
    pub phase: Phase,
    /// The kind of group; `None` if it only keeps offsets.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that was chosen; only a stable group tells.
    pub protocol: Option<Arc<str>>,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The client id of its JoinGroup.
    pub client_id: Arc<str>,
    /// The address that its JoinGroup came from.
    pub client_host: Arc<str>,
    /// What it said for the protocol that was chosen; only a stable group tells.
    pub metadata: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

/// A topic that is gone, with its id: offsets of a later topic of the same name stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The name it had.
    pub name: TopicName,
    /// The id it had.
    pub id: TopicId,
}

impl Reply {
    /// The answer to `request` if it fails as a whole.
    pub fn refuse(request: &Request, error: GroupError) -> Reply {
        match request {
            Request::Join(join) => Reply::Join { member: join.member.clone(), result: Err(error) },
            Request::Sync(_) => Reply::Sync(Err(error)),
            Request::Heartbeat(_) => Reply::Heartbeat(Err(error)),
            Request::Leave(_) => Reply::Leave(Err(error)),
            Request::OffsetCommit(_) => Reply::OffsetCommit(Err(error)),
            Request::OffsetFetch(_) => Reply::OffsetFetch(Err(error)),
            Request::OffsetDelete(_) => Reply::OffsetDelete(Err(error)),
            Request::List(_) => Reply::List(Err(error)),
            Request::Describe(_) => Reply::Describe(Err(error)),
            Request::Delete(_) => Reply::Delete(Err(error)),
        }
    }

    /// The same answer as a failure: what it would have said did not become durable.
    pub(crate) fn failed(self, error: GroupError) -> Reply {
        match self {
            Reply::Join { member, .. } => Reply::Join { member, result: Err(error) },
            Reply::Sync(_) => Reply::Sync(Err(error)),
            Reply::Heartbeat(_) => Reply::Heartbeat(Err(error)),
            Reply::Leave(_) => Reply::Leave(Err(error)),
            Reply::OffsetCommit(_) => Reply::OffsetCommit(Err(error)),
            // Consumers before 3.9 do not retry COORDINATOR_NOT_AVAILABLE here.
            // Source: GroupCoordinatorService.handleOffsetFetchException.
            Reply::OffsetFetch(_) if error == GroupError::NotAvailable => {
                Reply::OffsetFetch(Err(GroupError::NotCoordinator))
            }
            Reply::OffsetFetch(_) => Reply::OffsetFetch(Err(error)),
            Reply::OffsetDelete(_) => Reply::OffsetDelete(Err(error)),
            Reply::List(_) => Reply::List(Err(error)),
            Reply::Describe(_) => Reply::Describe(Err(error)),
            Reply::Delete(_) => Reply::Delete(Err(error)),
        }
    }
}
