//! What a client asks of the coordinator, parsed from the wire by `server/api/*`.
//!
//! A request names one group; a frame that names several becomes several requests.

use std::sync::Arc;

use bytes::Bytes;
use millrace_types::{GroupId, LeaderEpoch, PartitionIndex, TopicId, TopicName};

use super::id::{Generation, InstanceId, MemberId};

/// Who sends a request; kept with the member for DescribeGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client id of the request header, `""` if there is none.
    pub id: Arc<str>,
    /// The address of the client as Kafka writes it, `/127.0.0.1`.
    pub host: Arc<str>,
}

/// A command to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// JoinGroup: become a member, or take part in a rebalance.
    Join(JoinRequest),
    /// SyncGroup: hand in the assignments (the leader), fetch one's own (everybody).
    Sync(SyncRequest),
    /// Heartbeat: keep the session, learn of a rebalance.
    Heartbeat(HeartbeatRequest),
    /// LeaveGroup: leave, or take others out.
    Leave(LeaveRequest),
    /// OffsetCommit.
    OffsetCommit(OffsetCommitRequest),
    /// OffsetFetch for one group.
    OffsetFetch(OffsetFetchRequest),
    /// OffsetDelete.
    OffsetDelete(OffsetDeleteRequest),
    /// ListGroups.
    List(ListRequest),
    /// DescribeGroups for one group.
    Describe(GroupId),
    /// DeleteGroups for one group.
    Delete(GroupId),
}

/// One way to divide the work that a member understands; the coordinator does not read the metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Its name, such as `range` or Connect's `sessioned`.
    pub name: Arc<str>,
    /// What the member tells the leader, such as its subscription.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The group.
    pub group: GroupId,
    /// The id that the member was given, `None` if it is new.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// How long the member may be silent; checked here against the broker's bounds.
    pub session_timeout_ms: i32,
    /// How long the member may take to join a rebalance; version 0 of the API sends none.
    pub rebalance_timeout_ms: Option<i32>,
    /// What kind of group this is: `consumer`, `connect`, or another.
    pub protocol_type: Arc<str>,
    /// What the member understands, the best first.
    pub protocols: Vec<Protocol>,
    /// The version of the API lets a new member be told its id first. Source: KIP-394.
    pub accepts_member_id_first: bool,
    /// The version of the API lets a static leader be told to skip the assignment. Source: KIP-814.
    pub accepts_skip_assignment: bool,
    /// Random bits for a new member's id.
    pub random: u128,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// The group.
    pub group: GroupId,
    /// The generation that the member joined.
    pub generation: Option<Generation>,
    /// The member.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The kind of group that the member believes to be in; old versions do not say.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that the member believes chosen; old versions do not say.
    pub protocol: Option<Arc<str>>,
    /// The leader's decision; empty from all others.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// Heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// The group.
    pub group: GroupId,
    /// The generation that the member believes current.
    pub generation: Option<Generation>,
    /// The member.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
}

/// LeaveGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveRequest {
    /// The group.
    pub group: GroupId,
    /// Who leaves.
    pub members: Vec<Leaver>,
}

/// A member that leaves, or that an admin takes out by its instance alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// The member; `None` leaves it to the instance.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
}

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequest {
    /// The group; may be empty, as the oldest clients commit.
    pub group: GroupId,
    /// The generation of the member; `None` from a consumer that is in no group.
    pub generation: Option<Generation>,
    /// The member.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// How long the offsets are to be kept from now; only versions 2 to 4 can say.
    pub retention_ms: Option<i64>,
    /// What is committed; every partition exists.
    pub offsets: Vec<OffsetToCommit>,
}

/// The progress in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// The topic.
    pub topic: TopicName,
    /// The topic's id; zero if unknown.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// The next record to read, as the client says; Kafka does not check it.
    pub offset: i64,
    /// The epoch of the last record that was read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// A text of the client's own.
    pub metadata: Arc<str>,
}

/// OffsetFetch for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequest {
    /// The group; may be empty.
    pub group: GroupId,
    /// Which partitions; `None` asks for all that have an offset.
    pub topics: Option<Vec<TopicToFetch>>,
}

/// The partitions of one topic whose offsets are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicToFetch {
    /// The topic's name, which need not exist.
    pub topic: Arc<str>,
    /// The topic's id if the client asks by id: an offset of an older topic of that name is none.
    pub topic_id: Option<TopicId>,
    /// The partitions, which need not exist.
    pub partitions: Vec<i32>,
}

/// OffsetDelete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group: GroupId,
    /// The partitions of each topic whose offsets are to go.
    pub topics: Vec<(Arc<str>, Vec<i32>)>,
}

/// ListGroups; an empty filter lets all pass, an unknown word none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Names of states in any case. Source: KIP-518.
    pub states: Vec<String>,
    /// Names of group types in any case. Source: KIP-848.
    pub types: Vec<String>,
}

impl Request {
    /// The group that the request is about; `None` if it is about all.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Request::Join(request) => Some(&request.group),
            Request::Sync(request) => Some(&request.group),
            Request::Heartbeat(request) => Some(&request.group),
            Request::Leave(request) => Some(&request.group),
            Request::OffsetCommit(request) => Some(&request.group),
            Request::OffsetFetch(request) => Some(&request.group),
            Request::OffsetDelete(request) => Some(&request.group),
            Request::List(_) => None,
            Request::Describe(group) | Request::Delete(group) => Some(group),
        }
    }
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} bytes)", self.name, self.metadata.len())
    }
}
