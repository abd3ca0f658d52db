//! All sessions of a broker: a bounded number, with rules for who makes room for whom.

use std::collections::BTreeMap;

use millrace_types::TimestampMs;

use super::session::Session;
use super::{
    Begun, FetchKind, FetchOutcome, FetchSessionError, FetchTarget, FetchWant, Finished, Moment,
    SessionRequest, next_epoch,
};
use crate::limits;

/// The sessions of one broker.
#[derive(Clone, Debug)]
pub struct FetchSessions {
    sessions_max: usize,
    sessions: BTreeMap<u32, Session>,
    /// Over all sessions.
    partitions: usize,
    evictions: u64,
}

/// How much a session is worth keeping; the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    is_follower: bool,
    partitions: usize,
    id: u32,
}

impl FetchSessions {
    /// No sessions yet; `sessions_max` is `max.incremental.fetch.session.cache.slots`.
    pub const fn new(sessions_max: usize) -> FetchSessions {
        FetchSessions { sessions_max, sessions: BTreeMap::new(), partitions: 0, evictions: 0 }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many partitions they have together.
    pub const fn partitions(&self) -> usize {
        self.partitions
    }

    /// How many sessions had to make room for others so far.
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Finds out which partitions a request wants to read: those `named` in it and, if it is the
    /// next of a session, those that the session holds without the `forgotten`.
    ///
    /// # Errors
    /// Refuses a request that does not fit its session.
    pub fn begin(
        &mut self,
        request: SessionRequest,
        named: Vec<(FetchTarget, FetchWant)>,
        forgotten: &[FetchTarget],
        now: TimestampMs,
    ) -> Result<Begun, FetchSessionError> {
        let SessionRequest { uses_topic_ids, is_follower, .. } = request;
        if request.epoch == 0 || request.epoch == -1 {
            // A client that starts over has no more use for its old session.
            if let Ok(id) = u32::try_from(request.id) {
                self.remove(id);
            }
            let kind = match request.epoch {
                0 => FetchKind::Full { uses_topic_ids, is_follower },
                _ => FetchKind::Sessionless,
            };
            return Ok(Begun { kind, partitions: named });
        }
        let id = self.check(request)?;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(FetchSessionError::NotFound { id: request.id });
        };
        self.partitions -= session.len();
        // Named and forgotten at once is forgotten, as in Kafka.
        for (target, want) in &named {
            session.put(target.clone(), *want);
        }
        for target in forgotten {
            session.forget(target);
        }
        let partitions = session.len();
        if partitions == 0 {
            self.sessions.remove(&id);
            return Ok(Begun { kind: FetchKind::Sessionless, partitions: named });
        }
        let has_room = self.partitions + partitions <= limits::FETCH_SESSION_PARTITIONS_MAX;
        if !has_room || !named.iter().all(|(target, _)| Session::can_hold(target)) {
            // The client starts over; if there still is no room it goes on without a session.
            self.sessions.remove(&id);
            return Err(FetchSessionError::NotFound { id: request.id });
        }
        self.partitions += partitions;
        session.last_used = now;
        session.epoch = next_epoch(session.epoch);
        let kind = FetchKind::Incremental { id, next_epoch: session.epoch };
        Ok(Begun { kind, partitions: session.wants() })
    }

    /// Decides which of the partitions that were read are answered, and remembers what the client
    /// is told. `read` goes along the partitions that [`FetchSessions::begin`] listed.
    ///
    /// # Errors
    /// Refuses if the session went on meanwhile, through a repetition of the request.
    pub fn finish(
        &mut self,
        begun: &Begun,
        read: &[FetchOutcome],
        moment: Moment,
    ) -> Result<Finished, FetchSessionError> {
        let all = vec![true; read.len()];
        match begun.kind {
            FetchKind::Sessionless => Ok(Finished { session_id: 0, included: all }),
            FetchKind::Full { uses_topic_ids, is_follower } => {
                if !begun.partitions.iter().all(|(target, _)| Session::can_hold(target)) {
                    return Ok(Finished { session_id: 0, included: all });
                }
                let mut session = Session::new(uses_topic_ids, is_follower, moment.now);
                for ((target, want), outcome) in begun.partitions.iter().zip(read) {
                    session.put(target.clone(), *want);
                    session.tell(target, outcome);
                }
                let session_id = self.insert(session, moment).unwrap_or_default().cast_signed();
                Ok(Finished { session_id, included: all })
            }
            FetchKind::Incremental { id, next_epoch } => {
                let session_id = id.cast_signed();
                let Some(session) = self.sessions.get_mut(&id) else {
                    // Evicted while it was read: this answer is still good, the next is refused.
                    return Ok(Finished { session_id, included: all });
                };
                if session.epoch != next_epoch {
                    let (expected, given) = (session.epoch, next_epoch.cast_signed());
                    return Err(FetchSessionError::Epoch { id: session_id, expected, given });
                }
                let targets = begun.partitions.iter().map(|(target, _)| target);
                let included = targets.zip(read).map(|(target, one)| session.tell(target, one));
                Ok(Finished { session_id, included: included.collect() })
            }
        }
    }

    fn check(&self, request: SessionRequest) -> Result<u32, FetchSessionError> {
        let SessionRequest { id, epoch: given, uses_topic_ids, .. } = request;
        let found = u32::try_from(id).ok().and_then(|id| Some((id, self.sessions.get(&id)?)));
        let Some((number, session)) = found else {
            return Err(FetchSessionError::NotFound { id });
        };
        if u32::try_from(given) != Ok(session.epoch) {
            return Err(FetchSessionError::Epoch { id, expected: session.epoch, given });
        }
        if uses_topic_ids != session.uses_topic_ids {
            return Err(FetchSessionError::TopicIds { id });
        }
        Ok(number)
    }

    /// Keeps a session if there is room or it is worth more than another; returns its id.
    fn insert(&mut self, session: Session, moment: Moment) -> Option<u32> {
        let partitions = session.len();
        if partitions == 0
            || !self.make_room_for(partitions, moment.now)
            || (self.sessions.len() >= self.sessions_max && !self.evict_for(&session, moment.now))
        {
            return None;
        }
        let id = self.free_id(moment.random);
        self.partitions += partitions;
        self.sessions.insert(id, session);
        Some(id)
    }

    /// Ends sessions that are not used any more until so many further partitions fit.
    fn make_room_for(&mut self, partitions: usize, now: TimestampMs) -> bool {
        if partitions > limits::FETCH_SESSION_PARTITIONS_MAX {
            return false;
        }
        while self.partitions > limits::FETCH_SESSION_PARTITIONS_MAX - partitions {
            let Some(stale) = self.stale(now) else { return false };
            self.remove(stale);
            self.evictions += 1;
        }
        true
    }

    /// The session that was not used for longest, if that is long enough.
    fn stale(&self, now: TimestampMs) -> Option<u32> {
        let oldest = self.sessions.iter().min_by_key(|&(&id, session)| (session.last_used, id));
        oldest.filter(|(_, session)| is_older(session.last_used, now)).map(|(&id, _)| id)
    }

    fn evict_for(&mut self, newcomer: &Session, now: TimestampMs) -> bool {
        let victim = self.stale(now).or_else(|| {
            let worth = |id, session: &Session| Worth {
                is_follower: session.is_follower,
                partitions: session.len(),
                id,
            };
            let may_go = |session: &Session| {
                (newcomer.is_follower && !session.is_follower) || is_older(session.created, now)
            };
            self.sessions
                .iter()
                .filter(|(_, session)| may_go(session))
                .map(|(&id, session)| worth(id, session))
                .min()
                // Of the same size the older one stays: id 0 is below all.
                .filter(|least| worth(0, newcomer) > *least)
                .map(|least| least.id)
        });
        match victim {
            Some(id) => {
                self.remove(id);
                self.evictions += 1;
                true
            }
            None => false,
        }
    }

    fn remove(&mut self, id: u32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.len();
        }
    }

    /// A positive `int32` that no session has, at or after a random one.
    fn free_id(&self, random: u32) -> u32 {
        let mut id = (random & i32::MAX.unsigned_abs()).max(1);
        while self.sessions.contains_key(&id) {
            id = next_epoch(id);
        }
        id
    }
}

/// Whether an instant is so long ago that a session from then may make room for another.
fn is_older(since: TimestampMs, now: TimestampMs) -> bool {
    now.since_ms(since) > limits::FETCH_SESSION_EVICTION_MS_MIN
}
