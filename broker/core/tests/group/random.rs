//! Random scripts: whatever clients do, in whatever order, with appends that lag and fail and a
//! broker that restarts, the promises of a group hold.

use std::collections::BTreeMap;

use millrace_core::group::{
    Client, Coordinator, Generation, GroupConfig, GroupRecord, Input, Output, Phase, Reply,
    Request, Token,
};
use millrace_types::GroupId;
use proptest::prelude::*;

use crate::bench::Bench;

/// What was promised so far.
#[derive(Default)]
struct Promises {
    /// Who was told to lead a generation, in each life of the broker.
    leaders: BTreeMap<(u32, GroupId, i32), String>,
    /// From which decision of a leader the members of a generation were told their share.
    decisions: BTreeMap<(GroupId, i32), String>,
    /// The last offset whose commit was acknowledged; offsets are numbers of lines.
    committed: BTreeMap<GroupId, i64>,
    /// The line that last took offsets of the group away: earlier commits count no more.
    erased: BTreeMap<GroupId, i64>,
    lives: u32,
    replies_seen: usize,
    transcript_seen: usize,
}

const GROUPS: [&str; 2] = ["g", "h"];

/// How many scripts are run; `PROPTEST_CASES` overrides it.
const SCRIPTS: u32 = 400;

fn line() -> impl Strategy<Value = String> {
    let who = prop::sample::select(vec!["a", "b", "c", "d"]);
    let group = prop::sample::select(vec!["g", "g", "g", "h"]);
    let version = prop::sample::select(vec![3, 8, 9]);
    let instance = prop::sample::select(vec!["", "", "", "one", "two"]);
    let protocols = prop::sample::select(vec![
        "range:x",
        "range:x,sticky:y",
        "sticky:y,range:topics(t)",
        "range:topics(t)",
    ]);
    let join = (who.clone(), group.clone(), version, instance, protocols).prop_map(
        |(who, group, version, instance, protocols)| {
            format!(
                "join {who} group={group} version={version} instance={instance} \
                 protocols={protocols} session=6000 rebalance=9000"
            )
        },
    );
    let fresh = who.clone().prop_map(|who| format!("join {who} member="));
    let again = who.clone().prop_map(|who| format!("join {who}"));
    let short = |words: &'static str, who: &BoxedStrategy<&'static str>| {
        who.clone().prop_map(move |who| format!("{words} {who}")).boxed()
    };
    let who_boxed = who.clone().boxed();
    let admin = prop::sample::select(vec![
        "list",
        "describe admin g",
        "delete admin g",
        "delete admin h",
        "delete-offsets admin t-0 u-0",
        "topic-deleted t",
        "leave admin #one #two",
        "restart",
        "fail",
        "hold",
        "durable",
        "release",
    ])
    .prop_map(str::to_owned);
    let wait = prop::sample::select(vec![1, 1_000, 3_000, 5_999, 9_000, 700_000_000])
        .prop_map(|wait_ms| format!("wait {wait_ms}"));
    prop_oneof![
        4 => join,
        2 => fresh,
        5 => again,
        8 => short("sync", &who_boxed),
        3 => short("heartbeat", &who_boxed),
        2 => short("leave", &who_boxed),
        4 => short("commit", &who_boxed),
        2 => short("fetch", &who_boxed),
        3 => admin,
        4 => wait,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(SCRIPTS),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_promises_hold_whatever_clients_do(lines in prop::collection::vec(line(), 1..80)) {
        let mut bench = Bench::new(GroupConfig::default());
        let mut promises = Promises::default();
        for (number, line) in lines.iter().enumerate() {
            run(&mut bench, &mut promises, number, line);
            promises.check(&bench, i64::try_from(number).unwrap_or(0))?;
        }
        bench.line("release");
        if !lines.iter().any(|line| line == "fail") {
            check_replay(&mut bench)?;
        }
        // Whatever waits is answered in the end.
        bench.line("wait 20000000");
        prop_assert!(bench.waiting.is_empty(), "unanswered {:?}", bench.waiting);
    }
}

fn run(bench: &mut Bench, promises: &mut Promises, number: usize, line: &str) {
    let offset = i64::try_from(number).unwrap_or(0);
    match line.split_once(' ') {
        // Each decision differs from all others, and gives different work to each.
        Some(("sync", _)) => {
            let names = ["a", "b", "c", "d"];
            let work: Vec<String> = names.iter().map(|n| format!("{n}:{number}/{n}")).collect();
            bench.line(&format!("{line} assign={}", work.join(",")));
        }
        Some(("commit", who)) => bench.line(&format!("commit {who} t-0={offset}")),
        Some(("fetch", who)) => bench.line(&format!("fetch {who} t-0")),
        _ if line == "fail" => {
            // The driver drops what failed and reads the log again.
            bench.line("fail");
            bench.line("restart");
            promises.lives += 1;
        }
        _ => {
            bench.line(line);
            promises.lives += u32::from(line == "restart");
        }
    }
}

impl Promises {
    fn check(&mut self, bench: &Bench, line: i64) -> Result<(), TestCaseError> {
        let news = bench.transcript.get(self.transcript_seen..).unwrap_or_default();
        let gone = |group: &str| {
            [format!("log {group} gone"), format!("log {group}: t-0 gone")]
                .iter()
                .any(|line| news.contains(line))
        };
        for group in GROUPS.iter().filter(|group| gone(group)) {
            // After a deletion generations and offsets begin anew: nothing more to compare with.
            let id = GroupId::new(group);
            self.committed.remove(&id);
            self.erased.insert(id.clone(), line);
            self.decisions.retain(|(known, _), _| *known != id);
            self.leaders.retain(|(_, known, _), _| *known != id);
        }
        for (request, reply) in bench.replies.iter().skip(self.replies_seen) {
            match request.group().filter(|group| !gone(group.as_str())) {
                Some(group) => {
                    self.check_reply(group, request, reply)?;
                    check_durable(bench, group, request, reply)?;
                }
                None => continue,
            }
        }
        self.replies_seen = bench.replies.len();
        self.transcript_seen = bench.transcript.len();
        Ok(())
    }

    fn remember(&mut self, group: &GroupId, offset: i64) {
        if self.erased.get(group).is_none_or(|line| offset > *line) {
            self.committed.insert(group.clone(), offset);
        }
    }

    fn check_reply(
        &mut self,
        group: &GroupId,
        request: &Request,
        reply: &Reply,
    ) -> Result<(), TestCaseError> {
        match (request, reply) {
            (_, Reply::Join { member: Some(member), result: Ok(joined) }) => {
                let leads = joined.leader.as_ref() == Some(member);
                prop_assert!(leads || joined.members.is_empty(), "a follower got the members");
                if leads && !joined.members.is_empty() && !joined.skip_assignment {
                    let key = (self.lives, group.clone(), joined.generation.to_wire());
                    let leader = self.leaders.entry(key).or_insert_with(|| member.to_string());
                    prop_assert_eq!(&*leader, member.as_str(), "two leaders");
                }
            }
            (Request::Sync(sync), Reply::Sync(Ok(synced))) if !synced.assignment.is_empty() => {
                let work = String::from_utf8_lossy(&synced.assignment).into_owned();
                let decision = work.split('/').next().unwrap_or_default().to_owned();
                let generation = sync.generation.map_or(-1, Generation::to_wire);
                let key = (group.clone(), generation);
                let known = self.decisions.entry(key).or_insert_with(|| decision.clone());
                prop_assert_eq!(&*known, &decision, "two decisions in one generation");
            }
            (Request::OffsetCommit(commit), Reply::OffsetCommit(Ok(_))) => {
                let newest = commit.offsets.iter().map(|offset| offset.offset).max().unwrap_or(0);
                self.remember(group, newest);
            }
            (_, Reply::OffsetFetch(Ok(topics))) => {
                let offsets = topics.iter().flat_map(|topic| &topic.partitions);
                let offset = offsets.filter_map(|(_, offset)| offset.as_ref()).map(|o| o.offset);
                let newest = offset.max();
                if let Some(committed) = self.committed.get(group) {
                    prop_assert!(newest >= Some(*committed), "{newest:?} after {committed}");
                }
                if let Some(newest) = newest {
                    self.remember(group, newest);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Checks that what was told is in the log.
fn check_durable(
    bench: &Bench,
    group: &GroupId,
    request: &Request,
    reply: &Reply,
) -> Result<(), TestCaseError> {
    let has_offset = |wanted: i64| {
        bench.log.iter().any(|record| {
            matches!(record, GroupRecord::Offset { group: of, offset: Some(offset), .. }
                if of == group && offset.offset == wanted)
        })
    };
    match (request, reply) {
        (Request::Sync(sync), Reply::Sync(Ok(synced))) => {
            let assigned = bench.log.iter().any(|record| match record {
                GroupRecord::Group(metadata) => {
                    metadata.group == *group
                        && Some(metadata.generation) == sync.generation
                        && metadata.members.iter().any(|member| {
                            Some(&member.member) == sync.member.as_ref()
                                && member.assignment == synced.assignment
                        })
                }
                GroupRecord::Offset { .. } | GroupRecord::GroupTombstone(_) => false,
            });
            prop_assert!(assigned, "told {synced:?} before it was durable");
        }
        (Request::OffsetCommit(commit), Reply::OffsetCommit(Ok(_))) => {
            for offset in &commit.offsets {
                prop_assert!(has_offset(offset.offset), "acknowledged before it was durable");
            }
        }
        (_, Reply::OffsetFetch(Ok(topics))) => {
            for (_, offset) in topics.iter().flat_map(|topic| &topic.partitions) {
                let told = offset.as_ref().map(|offset| offset.offset);
                prop_assert!(told.is_none_or(has_offset), "told before it was durable");
            }
        }
        _ => {}
    }
    Ok(())
}

/// Checks that groups that are not between two states are the same when they are read from the log.
fn check_replay(bench: &mut Bench) -> Result<(), TestCaseError> {
    let mut replayed = bench.replayed();
    for group in GROUPS.map(GroupId::new) {
        let live = ask(&mut bench.coordinator, bench.now, Request::Describe(group.clone()));
        let mut settled = true;
        if let Reply::Describe(Ok(described)) = &live {
            settled = matches!(described.phase, Phase::Stable | Phase::Empty);
        }
        if settled {
            let read = ask(&mut replayed, bench.now, Request::Describe(group.clone()));
            prop_assert_eq!(&live, &read, "{} after a replay", group);
        }
        let fetch = || {
            let group = group.clone();
            Request::OffsetFetch(millrace_core::group::OffsetFetchRequest { group, topics: None })
        };
        let live = ask(&mut bench.coordinator, bench.now, fetch());
        prop_assert_eq!(live, ask(&mut replayed, bench.now, fetch()));
    }
    Ok(())
}

fn ask(coordinator: &mut Coordinator, now: millrace_types::TimestampMs, request: Request) -> Reply {
    let client = Client { id: "checker".into(), host: "/checker".into() };
    let mut outputs = Vec::new();
    coordinator.step(now, Input::Request { token: Token(u64::MAX), client, request }, &mut outputs);
    match outputs.pop() {
        Some(Output::Reply { reply, .. }) => reply,
        other => panic!("no answer but {other:?}"),
    }
}
