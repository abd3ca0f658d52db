//! A member of the one group: joins, owns, reads, commits, stalls, leaves and comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_client::Router;
use millrace_types::ErrorCode;
use millrace_wire::messages::{heartbeat, join_group, leave_group, offset_commit, sync_group};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Clients, Failure, GROUP, Wire, accepted, verify, within};
use crate::coverage;
use crate::history::{Event, Place};

const SESSION_TIMEOUT_MS: i32 = 10_000;
const REBALANCE_TIMEOUT_MS: i32 = 12_000;

/// Works until it is told to finish and has committed once more.
pub async fn run(clients: Clients, number: u32) {
    let mut rng =
        ChaCha8Rng::seed_from_u64(clients.options.seed ^ (u64::from(number) << 32) ^ 0x3e);
    let mut router = clients.router(&format!("member-{number}"));
    let mut id = String::new();
    let is_static = clients.options.has_static_members && number % 2 == 1;
    let instance = is_static.then(|| format!("static-{number}"));
    let instance = instance.as_deref();
    let mut last = None;
    loop {
        let finishing = clients.is_finishing();
        let mut member = Member {
            clients: &clients,
            router: &mut router,
            id: &mut id,
            instance,
            generation: 0,
            last: &mut last,
        };
        match member.live(&mut rng).await {
            // After the faults have stopped a whole life, from joining to a commit, must work.
            Ok(()) if finishing => {
                // Some go without a word: their sessions run out.
                if rng.random_bool(0.7) {
                    let _ = within(member.leave()).await;
                }
                return;
            }
            Ok(()) => {}
            Err(Failure::Refused(ErrorCode::RebalanceInProgress)) => continue,
            Err(Failure::Refused(ErrorCode::MemberIdRequired)) => continue,
            Err(failure) => {
                clients.note(|| format!("member-{number} starts again: {failure:?}"));
                id.clear();
                router.forget();
                clients.settle().await;
                continue;
            }
        }
        if rng.random_bool(0.2) {
            let _ = within(member.leave()).await;
            id.clear();
        }
    }
}

struct Member<'a> {
    clients: &'a Clients,
    router: &'a mut Router<Wire>,
    id: &'a mut String,
    /// The name of a static member, which outlives its ids.
    instance: Option<&'a str>,
    generation: i32,
    /// What was committed last, perhaps in an earlier generation.
    last: &'a mut Option<Commit>,
}

/// A commit that was acknowledged.
#[derive(Clone, Debug)]
struct Commit {
    generation: i32,
    place: Place,
    offset: i64,
}

impl Member<'_> {
    /// From joining to a few commits.
    async fn live(&mut self, rng: &mut ChaCha8Rng) -> Result<(), Failure> {
        // Joining takes as long as the slowest member may take.
        let wait = Duration::from_secs(60);
        let joined = tokio::time::timeout(wait, self.join()).await;
        let owned = joined.unwrap_or(Err(Failure::Unknown))?;
        self.clients.record(Event::Assigned {
            group: GROUP.to_owned(),
            generation: self.generation,
            member: self.instance.unwrap_or(self.id).to_owned(),
            places: owned.clone(),
        });
        let mut positions: BTreeMap<Place, i64> = BTreeMap::new();
        for (place, offset) in within(verify::committed(self.router, &owned)).await? {
            positions.insert(place.clone(), offset.unwrap_or(0));
            let group = GROUP.to_owned();
            self.clients.record(Event::FetchedCommit { group, place, offset });
        }
        self.clients.count(coverage::GENERATION, 1);
        self.clients.count(coverage::STATIC_JOIN, u64::from(self.instance.is_some()));
        let late = self.last.clone().filter(|last| last.generation != self.generation);
        for _ in 0..rng.random_range(1..5) {
            within(self.heartbeat()).await?;
            for place in &owned {
                let from = positions.get(place).copied().unwrap_or(0);
                let mut found = Vec::new();
                let next = within(verify::fetch_from(self.router, place, from, &mut found)).await?;
                if next > from {
                    self.stall(rng).await;
                    let commit =
                        Commit { generation: self.generation, place: place.clone(), offset: next };
                    if let Err(failure) = within(self.commit(&commit)).await {
                        let is_stale = matches!(
                            failure,
                            Failure::Refused(
                                ErrorCode::IllegalGeneration
                                    | ErrorCode::UnknownMemberId
                                    | ErrorCode::FencedInstanceId
                            )
                        );
                        self.clients.count(coverage::COMMIT_FENCED, u64::from(is_stale));
                        return Err(failure);
                    }
                    positions.insert(place.clone(), next);
                    let (group, place) = (GROUP.to_owned(), place.clone());
                    self.clients.record(Event::Committed { group, place, offset: next });
                    *self.last = Some(commit);
                }
            }
            if let Some(late) = &late {
                self.commit_late(late).await?;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..1_000))).await;
        }
        Ok(())
    }

    /// Sends a commit of an earlier generation once more, as one that was long on its way. Its
    /// offset is old news, so the broker may not take it.
    async fn commit_late(&mut self, late: &Commit) -> Result<(), Failure> {
        if !self.clients.options.faults.late_commits || self.clients.is_finishing() {
            return Ok(());
        }
        self.clients.count(coverage::LATE_COMMIT, 1);
        match within(self.commit(late)).await {
            Ok(()) | Err(Failure::Refused(ErrorCode::IllegalGeneration)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Does nothing for a while, perhaps longer than its session, with what it read in its hands.
    async fn stall(&self, rng: &mut ChaCha8Rng) {
        if self.clients.options.faults.stalls
            && !self.clients.is_finishing()
            && rng.random_bool(0.1)
        {
            self.clients.note(|| format!("member {} stalls", self.id));
            self.clients.count(coverage::STALL, 1);
            let stall_ms = rng.random_range(1_000..20_000);
            tokio::time::sleep(Duration::from_millis(stall_ms)).await;
        }
    }

    /// Joins and syncs; answers what it owns.
    async fn join(&mut self) -> Result<Vec<Place>, Failure> {
        let request = join_group::Request {
            group_id: GROUP.into(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![join_group::RequestProtocol {
                name: "range".into(),
                metadata: b"opaque"[..].into(),
            }],
            ..Default::default()
        };
        let reply = self.router.coordinator(GROUP).await?.call(&request).await?;
        let response = reply.read::<join_group::Request<'_>>()?;
        if !response.member_id.is_empty() {
            *self.id = response.member_id.to_string();
        }
        accepted(response.error_code)?;
        self.generation = response.generation_id;
        let members: Vec<&str> =
            response.members.iter().map(|member| member.member_id.as_ref()).collect();
        let plan =
            if response.leader == response.member_id { self.share_out(&members) } else { vec![] };
        self.sync(plan).await
    }

    /// Deals the partitions out like cards.
    fn share_out(&self, members: &[&str]) -> Vec<(String, String)> {
        let places = self.clients.places();
        let hand = |(index, member): (usize, &&str)| {
            let own = places.iter().skip(index).step_by(members.len().max(1));
            let own: Vec<String> =
                own.map(|place| format!("{}/{}", place.topic, place.partition)).collect();
            ((*member).to_owned(), own.join(" "))
        };
        members.iter().enumerate().map(hand).collect()
    }

    async fn sync(&mut self, plan: Vec<(String, String)>) -> Result<Vec<Place>, Failure> {
        let request = sync_group::Request {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: plan
                .iter()
                .map(|(member, hand)| sync_group::RequestAssignment {
                    member_id: member.as_str().into(),
                    assignment: hand.as_bytes().into(),
                })
                .collect(),
        };
        let reply = self.router.coordinator(GROUP).await?.call(&request).await?;
        let response = reply.read::<sync_group::Request<'_>>()?;
        accepted(response.error_code)?;
        let hand = String::from_utf8_lossy(&response.assignment).into_owned();
        let place = |text: &str| {
            let (topic, partition) = text.split_once('/')?;
            Some(Place { topic: topic.to_owned(), partition: partition.parse().ok()? })
        };
        Ok(hand.split(' ').filter_map(place).collect())
    }

    async fn heartbeat(&mut self) -> Result<(), Failure> {
        let request = heartbeat::Request {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.map(Into::into),
        };
        let reply = self.router.coordinator(GROUP).await?.call(&request).await?;
        accepted(reply.read::<heartbeat::Request<'_>>()?.error_code)
    }

    async fn commit(&mut self, commit: &Commit) -> Result<(), Failure> {
        let request = offset_commit::Request {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: commit.generation,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.map(Into::into),
            topics: vec![offset_commit::RequestTopic {
                name: commit.place.topic.as_str().into(),
                partitions: vec![offset_commit::RequestTopicPartition {
                    partition_index: commit.place.partition,
                    committed_offset: commit.offset,
                    committed_metadata: Some("".into()),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let connection = self.router.coordinator(GROUP).await?;
        // Version 9 is the last that names topics.
        connection.send_version(&request, 9).await?;
        let reply = connection.receive().await?;
        let response = reply.read::<offset_commit::Request<'_>>()?;
        let answer = response.topics.first().and_then(|topic| topic.partitions.first());
        accepted(answer.map_or(-1, |answer| answer.error_code))
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        let request = leave_group::Request {
            group_id: GROUP.into(),
            member_id: self.id.as_str().into(),
            members: vec![leave_group::RequestMember {
                member_id: self.id.as_str().into(),
                group_instance_id: self.instance.map(Into::into),
                ..Default::default()
            }],
        };
        let reply = self.router.coordinator(GROUP).await?.call(&request).await?;
        accepted(reply.read::<leave_group::Request<'_>>()?.error_code)
    }
}
