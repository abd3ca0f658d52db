//! What one client, or many, may make the coordinator remember.

use millrace_core::group::{GroupError, JoinRequest, Reply, Request};
use millrace_core::limits;
use millrace_types::{ErrorCode, GroupId};

use crate::bench::{Bench, Player, run};

#[test]
fn a_member_may_not_say_more_of_itself_than_could_ever_be_kept() {
    for (bytes, is_refused) in [(4 * 1024 * 1024 - 5, false), (4 * 1024 * 1024 - 4, true)] {
        let mut bench = run("config delay=0");
        bench.line(&format!("join a version=3 protocols=range:{}", "x".repeat(bytes)));
        bench.line("wait 0");
        let (_, reply) = bench.replies.last().expect("an answer");
        let Reply::Join { result, .. } = reply else { panic!("{reply:?}") };
        let is_too_large = matches!(result, Err(GroupError::RecordTooLarge { .. }));
        assert_eq!(is_too_large, is_refused, "{bytes}");
    }
}

#[test]
fn a_coordinator_watches_no_more_members_than_it_can() {
    let mut bench = run("");
    let limit = limits::GROUP_SESSIONS_PER_COORDINATOR_MAX;
    let ask = |bench: &mut Bench, group: usize| {
        let player = Player::default();
        let random = u128::try_from(bench.replies.len()).expect("a small number");
        let join = JoinRequest { group: GroupId::new(&format!("g{group}")), ..player.join(random) };
        bench.ask("a", Request::Join(join));
        let (_, reply) = bench.replies.last().expect("an answer");
        let Reply::Join { result: Err(error), .. } = reply else { panic!("{reply:?}") };
        error.clone()
    };
    // One of the deadlines is that of the look for expired offsets.
    for number in 1..limit {
        let error = ask(&mut bench, number / 1000);
        assert!(matches!(error, GroupError::MemberIdRequired { .. }), "{number}: {error}");
    }
    assert_eq!(ask(&mut bench, 0), GroupError::TooManySessions { limit });
    bench.line("wait 10000");
    assert!(matches!(ask(&mut bench, 0), GroupError::MemberIdRequired { .. }));
}

/// Lets a client join a group of its own, saying so many bytes; returns why it was refused, if it was.
fn join_saying(bench: &mut Bench, group: usize, bytes: usize) -> Option<GroupError> {
    let (who, before) = (format!("c{group}"), bench.replies.len());
    let protocols = format!("range:{}", "x".repeat(bytes));
    let options = [("version", "3"), ("session", "30000"), ("protocols", &protocols)];
    let random = bench.random();
    let player = bench.players.entry(who.clone()).or_default();
    player.options.extend(options.map(|(key, value)| (key.to_owned(), value.to_owned())));
    player.options.insert("group".to_owned(), format!("g{group}"));
    let join = player.join(random);
    bench.ask(&who, Request::Join(join));
    let reply = bench.replies.get(before).map(|(_, reply)| reply)?;
    let Reply::Join { result, .. } = reply else { panic!("{reply:?}") };
    result.as_ref().err().cloned()
}

#[test]
fn members_take_no_more_memory_than_a_coordinator_has_for_them() {
    let mut bench = run("config delay=0");
    let mib = 1024 * 1024;
    let limit_bytes = limits::GROUP_MEMBERS_BYTES_PER_COORDINATOR_MAX;
    // What else is known of each member takes some, too.
    let fitting = limit_bytes / mib - 1;
    assert!((0..fitting).all(|group| join_saying(&mut bench, group, mib).is_none()));
    bench.line("wait 0");
    let refused = join_saying(&mut bench, fitting, mib);
    let Some(error @ GroupError::MembersTooLarge { size_bytes, limit_bytes: told }) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(ErrorCode::from(&error), ErrorCode::GroupMaxSizeReached);
    assert!(size_bytes > limit_bytes && told == limit_bytes);
    assert_eq!(bench.transcript.matches("are refused").count(), 1, "it is told");
    // Who says no more than before, or little, is not refused.
    bench.line("sync c0 assign=c0:y");
    assert_eq!(join_saying(&mut bench, 0, mib), None);
    assert_eq!(join_saying(&mut bench, fitting, 1_000), None);
    assert!(join_saying(&mut bench, fitting + 1, mib).is_some());
    assert_eq!(join_saying(&mut bench, 0, mib / 2), None);
    assert_eq!(bench.transcript.matches("are refused").count(), 1, "it is told once a minute");
    // Their clients are gone: so is what they said, some time, and a restart knows of none of it.
    for (first, then) in [(100, "wait 0"), (200, "restart")] {
        bench.line("wait 400000");
        bench.line(then);
        assert!((first..first + fitting).all(|g| join_saying(&mut bench, g, mib).is_none()));
        assert!(join_saying(&mut bench, first + fitting, mib).is_some());
    }
}

#[test]
fn what_members_are_assigned_counts_and_outlives_a_restart() {
    let mut bench = run("config delay=0");
    let size = 900 * 1024;
    let limit_bytes = limits::GROUP_MEMBERS_BYTES_PER_COORDINATOR_MAX;
    let fitting = limit_bytes / size;
    let assign = |bench: &mut Bench, group: usize| {
        assert_eq!(join_saying(bench, group, 10), None);
        bench.line("wait 0");
        bench.line(&format!("sync c{group} assign=c{group}:{}", "y".repeat(size)));
        let (_, reply) = bench.replies.last().expect("an answer");
        let Reply::Sync(result) = reply else { panic!("{reply:?}") };
        result.as_ref().err().cloned()
    };
    for group in 0..fitting {
        assert_eq!(assign(&mut bench, group), None, "{group} of {fitting}");
    }
    bench.line("restart");
    let refused = assign(&mut bench, fitting);
    assert!(matches!(refused, Some(GroupError::MembersTooLarge { .. })), "{refused:?}");
    bench.line("leave c0");
    assert_eq!(assign(&mut bench, fitting + 1), None);
}
