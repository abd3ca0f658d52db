//! Commands to a coordinator with their answers as types: what `core::group` keeps in two enums so
//! that one machine can be driven with all of them.

use millrace_core::group::{
    DescribedGroup, FetchedTopic, GroupError, HeartbeatRequest, JoinRequest, Joined, LeaveRequest,
    MemberId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, Reply, Request,
    SyncRequest, Synced,
};
use millrace_types::GroupId;

/// A request about one group.
pub trait Command: Sized {
    /// What is answered.
    type Answer;

    /// The group that it is about.
    fn group(&self) -> &GroupId;

    /// The request as the coordinator takes it.
    fn into_request(self) -> Request;

    /// The answer as the coordinator gives it; `None` if it is of another kind, which it never is.
    fn answer(reply: Reply) -> Option<Self::Answer>;

    /// The answer if no coordinator could be asked.
    fn refused(error: GroupError) -> Self::Answer;
}

/// DescribeGroups for one group.
#[derive(Clone, Debug)]
pub struct Describe(pub GroupId);

/// DeleteGroups for one group.
#[derive(Clone, Debug)]
pub struct Delete(pub GroupId);

macro_rules! command {
    ($name:ident, $variant:ident, $group:tt, $payload:expr, $answer:ty) => {
        impl Command for $name {
            type Answer = Result<$answer, GroupError>;

            fn group(&self) -> &GroupId {
                &self.$group
            }

            fn into_request(self) -> Request {
                let payload: fn($name) -> _ = $payload;
                Request::$variant(payload(self))
            }

            fn answer(reply: Reply) -> Option<Self::Answer> {
                if let Reply::$variant(result) = reply { Some(result) } else { None }
            }

            fn refused(error: GroupError) -> Self::Answer {
                Err(error)
            }
        }
    };
}

command!(SyncRequest, Sync, group, |it| it, Synced);
command!(HeartbeatRequest, Heartbeat, group, |it| it, ());
command!(LeaveRequest, Leave, group, |it| it, Vec<Result<(), GroupError>>);
command!(OffsetCommitRequest, OffsetCommit, group, |it| it, Vec<Result<(), GroupError>>);
command!(OffsetFetchRequest, OffsetFetch, group, |it| it, Vec<FetchedTopic>);
command!(OffsetDeleteRequest, OffsetDelete, group, |it| it, Vec<Result<(), GroupError>>);
command!(Describe, Describe, 0, |it| it.0, DescribedGroup);
command!(Delete, Delete, 0, |it| it.0, ());

impl Command for JoinRequest {
    /// The member that the answer is for, and its place in the generation.
    type Answer = (Option<MemberId>, Result<Joined, GroupError>);

    fn group(&self) -> &GroupId {
        &self.group
    }

    fn into_request(self) -> Request {
        Request::Join(self)
    }

    fn answer(reply: Reply) -> Option<Self::Answer> {
        if let Reply::Join { member, result } = reply { Some((member, result)) } else { None }
    }

    fn refused(error: GroupError) -> Self::Answer {
        (None, Err(error))
    }
}
