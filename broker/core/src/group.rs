//! Groups of consumers and their offsets: one coordinator for each partition of `__consumer_offsets`.
//!
//! A [`Coordinator`] is a state machine. `millrace-server`'s `group.rs` drives it: it replays the
//! partition through [`Coordinator::apply`], then feeds [`Input`]s and does the [`Output`]s. State
//! changes at once; an answer that depends on records waits until they are durable. If an append
//! fails, what is in memory is ahead of the log: the driver drops the coordinator and replays.
//!
//! One file for each command: `classic/*` for members, `offsets/*` for offsets, `list`, `describe`
//! and `delete` for admins. Parsing of requests is in `server/api/*`.

mod change;
mod classic;
mod committed;
mod config;
mod delete;
mod describe;
mod error;
mod id;
mod list;
mod memory;
mod offsets;
mod phase;
mod record;
mod reply;
mod request;
mod state;
mod subscription;
mod supporters;
mod timers;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use millrace_types::{GroupId, PartitionIndex, TimestampMs, TopicId, TopicName};

pub use change::{Change, Reason};
pub use committed::CommittedOffset;
pub use config::GroupConfig;
pub use error::GroupError;
pub use id::{Generation, InstanceId, MemberId, Ticket, Token};
pub use list::GROUP_TYPE;
pub use phase::Phase;
pub use record::{GroupMetadata, GroupRecord, MemberMetadata, RecordError};
pub use reply::{
    DeletedTopic, DescribedGroup, DescribedMember, FetchedTopic, Joined, JoinedMember, ListedGroup,
    Reply, Synced,
};
pub use request::{
    Client, HeartbeatRequest, JoinRequest, LeaveRequest, Leaver, ListRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetToCommit, Protocol, Request, SyncRequest,
    TopicToFetch,
};
pub use turn::Output;

use committed::Offsets;
use memory::Memory;
use state::Group;
use timers::{Deadline, Timers};
use turn::{AfterCommit, Turn};

/// What happens to a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The log has been replayed; comes once, before all others.
    Loaded,
    /// A client asks.
    Request {
        /// Where the answer goes.
        token: Token,
        /// Who asks.
        client: Client,
        /// What is asked.
        request: Request,
    },
    /// The records of an append are durable.
    Committed {
        /// The append.
        ticket: Ticket,
    },
    /// An append failed. The coordinator answers all who wait and is of no use any more.
    AppendFailed {
        /// What those who wait are told.
        error: GroupError,
    },
    /// The time of [`Coordinator::next_deadline`] has come.
    Tick,
    /// Topics are gone.
    TopicsDeleted {
        /// Which.
        topics: Vec<DeletedTopic>,
    },
}

/// The groups of one partition of the offsets topic.
#[derive(Debug)]
pub struct Coordinator {
    config: GroupConfig,
    groups: BTreeMap<GroupId, Group>,
    timers: Timers,
    memory: Memory,
    waiting: BTreeMap<Ticket, Vec<AfterCommit>>,
    next_ticket: Ticket,
}

/// The partition of the offsets topic that coordinates a group.
///
/// Source: `GroupCoordinatorService.partitionFor`: the hash of Java's strings, made positive as
/// Kafka's `Utils.abs` does it, which has no positive for the smallest number and takes 0.
pub fn partition_for(group: &GroupId, partitions: u32) -> PartitionIndex {
    let hash = group
        .as_str()
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = hash.checked_abs().unwrap_or(0).unsigned_abs();
    let index = positive.checked_rem(partitions).unwrap_or(0);
    PartitionIndex::from_wire(index.cast_signed()).unwrap_or_default()
}

impl Coordinator {
    /// How many groups there are.
    pub fn groups_count(&self) -> usize {
        self.groups.len()
    }

    /// A coordinator without groups, before its log is replayed.
    pub fn new(config: GroupConfig) -> Coordinator {
        Coordinator {
            config,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            memory: Memory::default(),
            waiting: BTreeMap::new(),
            next_ticket: Ticket::default(),
        }
    }

    /// Takes over what a record of the log says; for the replay only.
    pub fn apply(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::Offset { group, topic, partition, offset } => {
                if offset.is_none() && !self.groups.contains_key(group) {
                    return;
                }
                // An offset without a group is that of a consumer that keeps nothing else here.
                let group = self.groups.entry(group.clone());
                let group = group.or_insert_with_key(|id| Group::empty(id.clone()));
                group.offsets.set(topic, *partition, offset.clone());
            }
            GroupRecord::Group(metadata) => {
                let offsets = self.take_offsets(&metadata.group);
                let group = Group::from_record(metadata, offsets);
                self.groups.insert(metadata.group.clone(), group);
            }
            GroupRecord::GroupTombstone(id) => {
                let offsets = self.take_offsets(id);
                if !offsets.is_empty() {
                    let mut group = Group::empty(id.clone());
                    group.offsets = offsets;
                    self.groups.insert(id.clone(), group);
                }
            }
        }
    }

    fn take_offsets(&mut self, group: &GroupId) -> Offsets {
        self.groups.remove(group).map(|group| group.offsets).unwrap_or_default()
    }

    /// Lets something happen, and adds to `outputs` what the driver is to do, in this order.
    pub fn step(&mut self, now: TimestampMs, input: Input, outputs: &mut Vec<Output>) {
        match input {
            Input::Loaded => {
                let members_bytes = self.groups.values().map(Group::members_bytes).sum();
                self.memory.count(0, members_bytes);
                self.turn(now, outputs, classic::load::on_loaded);
            }
            Input::Request { token, client, request } => {
                self.request(now, token, client, request, outputs);
            }
            Input::Committed { ticket } => self.committed(now, ticket, outputs),
            Input::AppendFailed { error } => self.fail(&error, outputs),
            Input::Tick => self.tick(now, outputs),
            Input::TopicsDeleted { topics } => {
                self.turn(now, outputs, |groups, turn| {
                    offsets::forget::forget(groups, turn, &topics);
                });
            }
        }
    }

    /// The topics in which groups have offsets, by name and id; zero where no id is known.
    ///
    /// For the driver to compare with the topics that there are, after a replay.
    pub fn topics_with_offsets(&self) -> BTreeSet<(TopicName, TopicId)> {
        let topics = self.groups.values().flat_map(|group| group.offsets.topics());
        let topics = topics.flat_map(|(topic, partitions)| {
            partitions.values().map(move |offset| (topic.clone(), offset.topic_id))
        });
        topics.collect()
    }

    /// When [`Input::Tick`] is due; `None` if nothing is waited for.
    pub fn next_deadline(&self) -> Option<TimestampMs> {
        self.timers.next()
    }

    fn request(
        &mut self,
        now: TimestampMs,
        token: Token,
        client: Client,
        request: Request,
        outputs: &mut Vec<Output>,
    ) {
        if let Request::OffsetFetch(fetch) = &request {
            let fetched = offsets::fetch::fetch(self.groups.get(&fetch.group), fetch);
            return self.reply_once_durable(token, Reply::OffsetFetch(Ok(fetched)), outputs);
        }
        let group = request.group().cloned();
        self.turn(now, outputs, |groups, turn| {
            let before = members_bytes(groups, group.as_ref());
            command(groups, turn, token, client, request);
            turn.memory.count(before, members_bytes(groups, group.as_ref()));
        });
    }

    /// Answers when all that is decided so far is durable: nothing is told that a failed append
    /// could take back.
    fn reply_once_durable(&mut self, token: Token, reply: Reply, outputs: &mut Vec<Output>) {
        match self.waiting.last_entry() {
            Some(mut last) => last.get_mut().push(AfterCommit::Reply { token, reply }),
            None => outputs.push(Output::Reply { token, reply }),
        }
    }

    fn committed(&mut self, now: TimestampMs, ticket: Ticket, outputs: &mut Vec<Output>) {
        let Some(after) = self.waiting.remove(&ticket) else { return };
        self.turn(now, outputs, |groups, turn| {
            for after in after {
                after.run(groups, turn);
            }
        });
    }

    fn tick(&mut self, now: TimestampMs, outputs: &mut Vec<Output>) {
        self.turn(now, outputs, |groups, turn| {
            // One by one, because what is done for one may move or cancel the next; and not more
            // than are due now, so that a wait of no time cannot go round for ever.
            for _ in 0..turn.timers.count_due(now) {
                let Some(deadline) = turn.timers.pop_due(now) else { break };
                on_deadline(groups, turn, deadline);
            }
        });
    }

    fn fail(&mut self, error: &GroupError, outputs: &mut Vec<Output>) {
        let waiting = std::mem::take(&mut self.waiting).into_values().flatten();
        for after in waiting {
            if let AfterCommit::Reply { token, reply } = after {
                outputs.push(Output::Reply { token, reply: reply.failed(error.clone()) });
            }
        }
        for member in self.groups.values_mut().flat_map(|group| group.members.values_mut()) {
            if let Some(token) = member.awaiting_join.take() {
                let member = Some(member.id.clone());
                let reply = Reply::Join { member, result: Err(error.clone()) };
                outputs.push(Output::Reply { token, reply });
            }
            if let Some(token) = member.awaiting_sync.take() {
                outputs.push(Output::Reply { token, reply: Reply::Sync(Err(error.clone())) });
            }
        }
        self.timers = Timers::default();
    }

    /// Runs a command, then hands out its records, or at once does what would wait for them.
    fn turn(
        &mut self,
        now: TimestampMs,
        outputs: &mut Vec<Output>,
        command: impl FnOnce(&mut BTreeMap<GroupId, Group>, &mut Turn<'_>),
    ) {
        let mut turn = Turn {
            now,
            config: &self.config,
            timers: &mut self.timers,
            memory: &mut self.memory,
            outputs,
            records: Vec::new(),
            after: Vec::new(),
        };
        command(&mut self.groups, &mut turn);
        if turn.records.is_empty() {
            for after in std::mem::take(&mut turn.after) {
                after.run(&mut self.groups, &mut turn);
            }
            return;
        }
        let Turn { records, after, outputs, .. } = turn;
        let ticket = self.next_ticket;
        self.next_ticket = Ticket(ticket.0.saturating_add(1));
        self.waiting.insert(ticket, after);
        outputs.push(Output::Append { ticket, records });
    }
}

/// Carries a request out.
fn command(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    token: Token,
    client: Client,
    request: Request,
) {
    match request {
        Request::Join(join) => classic::join::join(groups, turn, token, client, join),
        Request::Sync(sync) => classic::sync::sync(groups, turn, token, sync),
        Request::Heartbeat(heartbeat) => {
            let result = classic::heartbeat::heartbeat(groups, turn, &heartbeat);
            turn.reply(token, Reply::Heartbeat(result));
        }
        Request::Leave(leave) => classic::leave::leave(groups, turn, token, &leave),
        Request::OffsetCommit(commit) => offsets::commit::commit(groups, turn, token, commit),
        // Answered above.
        Request::OffsetFetch(_) => {}
        Request::OffsetDelete(delete) => offsets::delete::delete(groups, turn, token, &delete),
        Request::List(filters) => {
            let listed = list::list(groups, &filters);
            turn.reply(token, Reply::List(Ok(listed)));
        }
        Request::Describe(group) => {
            let described = describe::describe(groups, &group);
            turn.reply(token, Reply::Describe(described));
        }
        Request::Delete(group) => delete::delete(groups, turn, token, &group),
    }
}

/// What the members of a group take in memory.
fn members_bytes(groups: &BTreeMap<GroupId, Group>, id: Option<&GroupId>) -> usize {
    id.and_then(|id| groups.get(id)).map_or(0, Group::members_bytes)
}

fn on_deadline(groups: &mut BTreeMap<GroupId, Group>, turn: &mut Turn<'_>, deadline: Deadline) {
    let (id, member) = match deadline {
        Deadline::Expiry => return offsets::expire::expire(groups, turn),
        Deadline::Join(id) => return with(groups, turn, &id, classic::rebalance::on_join_deadline),
        Deadline::Sync(id) => return with(groups, turn, &id, classic::expire::on_sync_deadline),
        Deadline::Session(id, member) => (id, member),
    };
    with(groups, turn, &id, |group, turn| {
        classic::expire::on_session_deadline(group, turn, &member);
    });
}

fn with(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    id: &GroupId,
    command: impl FnOnce(&mut Group, &mut Turn<'_>),
) {
    if let Some(group) = groups.get_mut(id) {
        let before = group.members_bytes();
        command(group, turn);
        turn.memory.count(before, group.members_bytes());
    }
}

impl AfterCommit {
    fn run(self, groups: &mut BTreeMap<GroupId, Group>, turn: &mut Turn<'_>) {
        match self {
            AfterCommit::Reply { token, reply } => turn.reply(token, reply),
            AfterCommit::Assign { group, decision, assignments } => {
                with(groups, turn, &group, |group, turn| {
                    classic::sync::assign(group, turn, decision, assignments);
                });
            }
            AfterCommit::Welcome { group, member, token, reply } => {
                with(groups, turn, &group, |group, turn| {
                    classic::replace::welcome(group, turn, &member, token, reply);
                });
            }
        }
    }
}
