//! What one client, or many, may make the coordinator remember.

use millrace_core::group::{GroupError, JoinRequest, Reply, Request};
use millrace_core::limits;
use millrace_types::GroupId;

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
