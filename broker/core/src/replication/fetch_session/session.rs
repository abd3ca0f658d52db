//! One session: its partitions in the order in which they are read, and what was last told of each.

use std::collections::BTreeMap;

use millrace_types::{Offset, TimestampMs, TopicName};

use super::{FetchOutcome, FetchTarget, FetchWant, TopicRef};

/// One session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) uses_topic_ids: bool,
    pub(super) is_follower: bool,
    pub(super) created: TimestampMs,
    pub(super) last_used: TimestampMs,
    /// The epoch that the next request must have.
    pub(super) epoch: u32,
    /// By turn: whoever was given records goes to the end, so that none starves.
    turns: BTreeMap<u64, Member>,
    by_target: BTreeMap<FetchTarget, u64>,
    next_turn: u64,
}

#[derive(Clone, Debug)]
struct Member {
    target: FetchTarget,
    want: FetchWant,
    /// `None` if the client was told nothing, or an error: then it is told again.
    told_high_watermark: Option<Offset>,
    told_log_start: Option<Offset>,
}

impl Session {
    pub(super) fn new(uses_topic_ids: bool, is_follower: bool, now: TimestampMs) -> Session {
        Session {
            uses_topic_ids,
            is_follower,
            created: now,
            last_used: now,
            epoch: 1,
            turns: BTreeMap::new(),
            by_target: BTreeMap::new(),
            next_turn: 0,
        }
    }

    /// Whether the partition may be remembered: a name that no topic can have would only take room.
    pub(super) fn can_hold(target: &FetchTarget) -> bool {
        match &target.topic {
            TopicRef::Name(name) => name.len() <= TopicName::LENGTH_MAX,
            TopicRef::Id(_) => true,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Adds a partition at the end, or changes what is wanted of one.
    pub(super) fn put(&mut self, target: FetchTarget, want: FetchWant) {
        if let Some(member) = self.by_target.get(&target).and_then(|turn| self.turns.get_mut(turn))
        {
            member.want = want;
            return;
        }
        let turn = self.take_turn();
        self.by_target.insert(target.clone(), turn);
        let member = Member { target, want, told_high_watermark: None, told_log_start: None };
        self.turns.insert(turn, member);
    }

    pub(super) fn forget(&mut self, target: &FetchTarget) {
        if let Some(turn) = self.by_target.remove(target) {
            self.turns.remove(&turn);
        }
    }

    /// All partitions, by turn.
    pub(super) fn wants(&self) -> Vec<(FetchTarget, FetchWant)> {
        self.turns.values().map(|member| (member.target.clone(), member.want)).collect()
    }

    /// Notes what was read of a partition; returns whether the client must be told.
    pub(super) fn tell(&mut self, target: &FetchTarget, outcome: &FetchOutcome) -> bool {
        let Some(&turn) = self.by_target.get(target) else {
            // Forgotten meanwhile, by a repetition of the request on another connection.
            return true;
        };
        let Some(member) = self.turns.get_mut(&turn) else {
            return true;
        };
        let is_news = outcome.has_records
            || outcome.is_urgent
            || member.told_high_watermark != outcome.high_watermark
            || member.told_log_start != outcome.log_start;
        member.told_high_watermark = outcome.high_watermark;
        member.told_log_start = outcome.log_start;
        if outcome.has_records
            && let Some(member) = self.turns.remove(&turn)
        {
            let last = self.take_turn();
            self.by_target.insert(member.target.clone(), last);
            self.turns.insert(last, member);
        }
        is_news
    }

    fn take_turn(&mut self) -> u64 {
        // Would take centuries to wrap.
        self.next_turn = self.next_turn.wrapping_add(1);
        self.next_turn
    }
}
