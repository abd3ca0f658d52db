//! One group: its state, its members and their votes. Only bookkeeping: what is allowed when, and
//! what follows, is decided in `classic/*` and `offsets/*`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use millrace_types::{GroupId, TimestampMs};

use super::committed::Offsets;
use super::error::GroupError;
use super::id::{Generation, InstanceId, MemberId, Token};
use super::memory::said_bytes;
use super::phase::Phase;
use super::record::{GroupMetadata, MemberMetadata};
use super::request::{Client, Protocol};
use super::subscription;
use super::supporters::Supporters;

/// The protocol type of the groups whose members read topics; only theirs does the broker look into.
pub(super) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The state of a group with what only that state knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    PreparingRebalance(Gathering),
    CompletingRebalance(Assigning),
    Stable,
}

/// How the members of a rebalance are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gathering {
    /// The group was empty: more members are likely to start now, so the full delay is waited.
    First(FirstGathering),
    /// Members are known: the rebalance goes on as soon as all have joined again.
    Again,
}

/// How much longer the first members of a group wait for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FirstGathering {
    /// Somebody joined since the delay was set, so it may be extended.
    pub(super) has_newcomer: bool,
    /// The delay that is running.
    pub(super) delay_ms: u32,
    /// How much the delay may still be extended by.
    pub(super) remaining_ms: u32,
}

/// How far the leader's decision has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assigning {
    /// The leader has not spoken.
    Awaited,
    /// Its assignments, handed in by this request, are on their way to the log.
    Persisting(Token),
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) instance: Option<InstanceId>,
    pub(super) client: Client,
    pub(super) session_timeout_ms: u32,
    pub(super) rebalance_timeout_ms: u32,
    /// Without two of one name; the best first.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// The JoinGroup that waits for the end of the rebalance.
    pub(super) awaiting_join: Option<Token>,
    /// The SyncGroup that waits for the leader.
    pub(super) awaiting_sync: Option<Token>,
    /// It has never been told its generation: its session runs out even while it waits.
    pub(super) is_new: bool,
}

impl Member {
    /// The member as it stood when the record was written: it knows the one protocol that was chosen.
    fn from_record(record: &MemberMetadata, protocol: Option<&Arc<str>>) -> Member {
        let known = |name: &Arc<str>| Protocol {
            name: Arc::clone(name),
            metadata: record.subscription.clone(),
        };
        Member {
            id: record.member.clone(),
            instance: record.instance.clone(),
            client: record.client.clone(),
            session_timeout_ms: record.session_timeout_ms,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            protocols: protocol.map(known).into_iter().collect(),
            assignment: record.assignment.clone(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    /// What it takes in memory beside its fixed size, in bytes.
    fn size_bytes(&self) -> usize {
        said_bytes(&self.client, &self.protocols).saturating_add(self.assignment.len())
    }

    /// Whether silence is no sign of failure: the member waits for us.
    pub(super) fn is_waiting_for_us(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// What the member says for `protocol`; empty if it does not support it.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let named = |known: &&Protocol| Some(&*known.name) == protocol;
        self.protocols.iter().find(named).map(|known| known.metadata.clone()).unwrap_or_default()
    }
}

/// One group with its offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) state: State,
    /// Since when it is in its state; unknown in records of old brokers.
    pub(super) state_since: Option<TimestampMs>,
    pub(super) generation: Generation,
    pub(super) protocol_type: Option<Arc<str>>,
    /// The protocol chosen for this generation.
    pub(super) protocol: Option<Arc<str>>,
    pub(super) leader: Option<MemberId>,
    pub(super) members: BTreeMap<MemberId, Member>,
    /// What they take in memory together, in bytes.
    members_bytes: usize,
    /// How many members support each protocol.
    pub(super) supporters: Supporters,
    /// The member that holds each static name.
    pub(super) instances: BTreeMap<InstanceId, MemberId>,
    /// Members that were told their id and have yet to join with it.
    pub(super) pending_join: BTreeSet<MemberId>,
    /// Members of this generation that have not sent their SyncGroup.
    pub(super) pending_sync: BTreeSet<MemberId>,
    /// The topics that some member reads; `None` if that cannot be known.
    pub(super) subscribed: Option<BTreeSet<String>>,
    pub(super) offsets: Offsets,
}

impl Group {
    /// A group without members that never had any.
    pub(super) fn new(id: GroupId, now: TimestampMs) -> Group {
        Group { state_since: Some(now), ..Group::empty(id) }
    }

    /// The group as the log has it; members stand as they did when the record was written.
    pub(super) fn from_record(record: &GroupMetadata, offsets: Offsets) -> Group {
        let mut group = Group {
            state: if record.members.is_empty() { State::Empty } else { State::Stable },
            state_since: record.state_since,
            generation: record.generation,
            protocol_type: record.protocol_type.clone(),
            protocol: record.protocol.clone(),
            offsets,
            ..Group::empty(record.group.clone())
        };
        for member in &record.members {
            group.add(Member::from_record(member, record.protocol.as_ref()));
        }
        if let Some(leader) = &record.leader
            && group.members.contains_key(leader)
        {
            group.leader = Some(leader.clone());
        }
        group.subscribed = group.subscriptions();
        group
    }

    /// A group of which only the name is known.
    pub(super) fn empty(id: GroupId) -> Group {
        Group {
            id,
            state: State::Empty,
            state_since: None,
            generation: Generation::ZERO,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            members_bytes: 0,
            supporters: Supporters::default(),
            instances: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            subscribed: None,
            offsets: Offsets::default(),
        }
    }

    /// The state by Kafka's name.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Empty => Phase::Empty,
            State::PreparingRebalance(_) => Phase::PreparingRebalance,
            State::CompletingRebalance(_) => Phase::CompletingRebalance,
            State::Stable => Phase::Stable,
        }
    }

    /// Goes into another state.
    pub(super) fn enter(&mut self, state: State, now: TimestampMs) {
        self.state = state;
        self.state_since = Some(now);
    }

    /// Whether the group is of the kind whose members read topics.
    pub(super) fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether `member` decides in this generation.
    pub(super) fn is_leader(&self, member: &MemberId) -> bool {
        self.leader.as_ref() == Some(member)
    }

    /// Adds a member; the first becomes the leader.
    pub(super) fn add(&mut self, member: Member) {
        self.pending_join.remove(&member.id);
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.supporters.add(&member.protocols);
        self.members_bytes += member.size_bytes();
        if let Some(before) = self.members.insert(member.id.clone(), member) {
            self.supporters.remove(&before.protocols);
            self.members_bytes -= before.size_bytes();
        }
    }

    /// What the members take in memory together, in bytes.
    pub(super) const fn members_bytes(&self) -> usize {
        self.members_bytes
    }

    /// What a member says of itself, in bytes.
    pub(super) fn said_bytes(&self, id: &MemberId) -> usize {
        self.members.get(id).map_or(0, |member| said_bytes(&member.client, &member.protocols))
    }

    /// Takes over what a member says of itself now.
    pub(super) fn renew(&mut self, id: &MemberId, client: Client, protocols: Vec<Protocol>) {
        let Some(member) = self.members.get_mut(id) else { return };
        self.members_bytes -= member.size_bytes();
        self.supporters.add(&protocols);
        let before = std::mem::replace(&mut member.protocols, protocols);
        self.supporters.remove(&before);
        member.client = client;
        self.members_bytes += member.size_bytes();
    }

    /// How many bytes the members are assigned.
    pub(super) fn assigned_bytes(&self) -> usize {
        self.members.values().map(|member| member.assignment.len()).sum()
    }

    /// Gives each member its share; who has none loses the one of before.
    pub(super) fn assign(&mut self, mut assignments: BTreeMap<MemberId, Bytes>) {
        self.members_bytes -= self.assigned_bytes();
        for member in self.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        self.members_bytes += self.assigned_bytes();
    }

    /// Takes a member out, whether it joined or was only told its id.
    pub(super) fn remove(&mut self, id: &MemberId) -> Option<Member> {
        self.pending_join.remove(id);
        self.pending_sync.remove(id);
        let member = self.members.remove(id)?;
        self.supporters.remove(&member.protocols);
        self.members_bytes -= member.size_bytes();
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Checks that a request comes from a current member, and from the holder of its static name.
    pub(super) fn check_member(
        &self,
        member: Option<&MemberId>,
        instance: Option<&InstanceId>,
    ) -> Result<MemberId, GroupError> {
        let unknown = || GroupError::UnknownMember { member: member.cloned() };
        if let Some(instance) = instance {
            let current = self.instances.get(instance).ok_or_else(unknown)?;
            if Some(current) != member {
                let (instance, current) = (instance.clone(), current.clone());
                return Err(GroupError::FencedInstance { instance, current });
            }
        }
        member.filter(|member| self.members.contains_key(member)).cloned().ok_or_else(unknown)
    }

    /// Whether all who are expected have joined the rebalance.
    pub(super) fn has_all_joined(&self) -> bool {
        self.pending_join.is_empty() && self.members.values().all(|m| m.awaiting_join.is_some())
    }

    /// How many members wait for the end of the rebalance.
    pub(super) fn count_awaiting_join(&self) -> usize {
        self.members.values().filter(|member| member.awaiting_join.is_some()).count()
    }

    /// The longest time that some member may take to join.
    pub(super) fn rebalance_timeout_ms(&self) -> u32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Whether a member with these protocols can be added: one of them is supported by all.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        match self.state {
            State::Empty => accepts_first(protocol_type, protocols),
            State::PreparingRebalance(_) | State::CompletingRebalance(_) | State::Stable => {
                self.protocol_type.as_deref() == Some(protocol_type)
                    && protocols.iter().any(|protocol| self.all_support(&protocol.name))
            }
        }
    }

    fn all_support(&self, protocol: &str) -> bool {
        self.supporters.count(protocol) == self.members.len()
    }

    /// The protocol that most members like best among those that all support.
    ///
    /// Where votes are equal Kafka leaves it to the order of a hash map; here the first name wins.
    pub(super) fn vote(&self) -> Option<Arc<str>> {
        let is_candidate = |name: &&Arc<str>| self.all_support(name);
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut liked = member.protocols.iter().map(|protocol| &protocol.name);
            if let Some(best) = liked.find(is_candidate) {
                *votes.entry(best).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| Arc::clone(name))
    }

    /// The topics that the members say they read, if this is a group that reads topics.
    pub(super) fn subscriptions(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer_group() {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(Some(self.protocol.as_deref()?));
            topics.extend(subscription::topics(&metadata)?);
        }
        Some(topics)
    }

    /// Whether offsets of `topic` are in use. A consumer group that cannot be understood may use any.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    /// The record that makes the group, as it is with `assignments`, survive a restart.
    pub(super) fn to_record(&self, assignments: impl Fn(&Member) -> Bytes) -> GroupMetadata {
        let protocol = self.protocol.as_deref();
        let members = self.members.values().map(|member| MemberMetadata {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignments(member),
        });
        GroupMetadata {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: self.state_since,
            members: members.collect(),
        }
    }
}

/// Whether a member may be the first of a group: it must name what it understands.
pub(super) fn accepts_first(protocol_type: &str, protocols: &[Protocol]) -> bool {
    !protocol_type.is_empty() && !protocols.is_empty()
}
