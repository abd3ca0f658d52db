//! Sessions from the outside: requests in, partitions to read and to answer out.

use millrace_types::{Offset, TimestampMs};

use super::{
    Begun, FetchKind, FetchOutcome, FetchSessionError, FetchSessions, FetchTarget, FetchWant,
    Finished, Moment, SessionRequest, TopicRef,
};
use crate::limits;

fn target(partition: i32) -> FetchTarget {
    FetchTarget { topic: TopicRef::Name("t".into()), partition }
}

fn want(offset: u64) -> FetchWant {
    FetchWant {
        offset: Some(Offset::new(offset)),
        bytes_max: 1024,
        current_leader_epoch: None,
        last_fetched_epoch: None,
    }
}

fn named(partitions: &[(i32, u64)]) -> Vec<(FetchTarget, FetchWant)> {
    partitions.iter().map(|&(partition, offset)| (target(partition), want(offset))).collect()
}

fn request(id: i32, epoch: i32) -> SessionRequest {
    SessionRequest { id, epoch, uses_topic_ids: false, is_follower: false }
}

fn quiet(high_watermark: u64) -> FetchOutcome {
    FetchOutcome {
        high_watermark: Some(Offset::new(high_watermark)),
        log_start: Some(Offset::ZERO),
        has_records: false,
        is_urgent: false,
    }
}

fn records(high_watermark: u64) -> FetchOutcome {
    FetchOutcome { has_records: true, ..quiet(high_watermark) }
}

fn error() -> FetchOutcome {
    FetchOutcome { high_watermark: None, log_start: None, has_records: false, is_urgent: true }
}

fn at(ms: i64) -> Moment {
    Moment { now: TimestampMs::new(ms), random: 7 }
}

fn asked(begun: &Begun) -> Vec<i32> {
    begun.partitions.iter().map(|(target, _)| target.partition).collect()
}

/// A cache with one session (its id is 7) over these partitions, each at high watermark 5.
fn with_session(partitions: &[(i32, u64)]) -> FetchSessions {
    let mut sessions = FetchSessions::new(1000);
    let begun = sessions.begin(request(0, 0), named(partitions), &[], at(0).now).unwrap();
    let read = vec![quiet(5); partitions.len()];
    let finished = sessions.finish(&begun, &read, at(0)).unwrap();
    assert_eq!(finished, Finished { session_id: 7, included: vec![true; partitions.len()] });
    sessions
}

#[test]
fn a_client_that_wants_no_session_gets_none() {
    let mut sessions = FetchSessions::new(1000);
    let begun = sessions.begin(request(0, -1), named(&[(0, 1)]), &[], at(0).now).unwrap();
    assert_eq!(begun.kind, FetchKind::Sessionless);
    assert_eq!(sessions.finish(&begun, &[quiet(5)], at(0)).unwrap().session_id, 0);
    assert!(sessions.is_empty());
}

#[test]
fn an_incremental_fetch_reads_all_and_answers_what_changed() {
    let mut sessions = with_session(&[(0, 1), (1, 1), (2, 1), (3, 1)]);
    let begun = sessions.begin(request(7, 1), vec![], &[], at(1).now).unwrap();
    assert_eq!(asked(&begun), [0, 1, 2, 3]);
    let read = [quiet(5), quiet(6), records(5), error()];
    let finished = sessions.finish(&begun, &read, at(1)).unwrap();
    assert_eq!(finished, Finished { session_id: 7, included: vec![false, true, true, true] });

    // The one with records moved to the end; the error is gone, so that partition is told again.
    let begun = sessions.begin(request(7, 2), vec![], &[], at(2).now).unwrap();
    assert_eq!(asked(&begun), [0, 1, 3, 2]);
    let read = [quiet(5), quiet(6), quiet(5), quiet(5)];
    let finished = sessions.finish(&begun, &read, at(2)).unwrap();
    assert_eq!(finished.included, [false, false, true, false]);
}

#[test]
fn a_changed_log_start_is_news() {
    let mut sessions = with_session(&[(0, 1)]);
    let begun = sessions.begin(request(7, 1), vec![], &[], at(1).now).unwrap();
    let moved = FetchOutcome { log_start: Some(Offset::new(3)), ..quiet(5) };
    assert_eq!(sessions.finish(&begun, &[moved], at(1)).unwrap().included, [true]);
}

#[test]
fn partitions_are_added_changed_and_forgotten() {
    let mut sessions = with_session(&[(0, 1), (1, 1), (2, 1)]);
    let changes = named(&[(1, 9), (4, 2)]);
    let begun = sessions.begin(request(7, 1), changes, &[target(0)], at(1).now).unwrap();
    assert_eq!(begun.partitions, named(&[(1, 9), (2, 1), (4, 2)]));
    assert_eq!(sessions.partitions(), 3);
    let begun = sessions.begin(request(7, 2), named(&[(4, 9)]), &[target(4)], at(2).now).unwrap();
    assert_eq!(begun.partitions, named(&[(1, 9), (2, 1)]), "forgotten, though named too");
}

#[test]
fn sessions_left_behind_make_room_for_partitions() {
    const LATER_MS: i64 = limits::FETCH_SESSION_EVICTION_MS_MIN + 1;
    let all = i32::try_from(limits::FETCH_SESSION_PARTITIONS_MAX).unwrap();
    let mut sessions = FetchSessions::new(1000);
    assert!(offer(&mut sessions, all - 1, false, 0));
    assert!(!offer(&mut sessions, 2, false, 1));
    assert!(!offer(&mut sessions, all + 1, false, LATER_MS));
    assert!(offer(&mut sessions, 2, false, LATER_MS));
    assert_eq!((sessions.len(), sessions.partitions(), sessions.evictions()), (1, 2, 1));
}

#[test]
fn no_session_remembers_a_name_that_no_topic_can_have() {
    let long = |bytes: usize| {
        let topic = TopicRef::Name("t".repeat(bytes).into());
        vec![(FetchTarget { topic, partition: 0 }, want(0))]
    };
    for (bytes, is_kept) in [(249, true), (250, false)] {
        let mut sessions = FetchSessions::new(1000);
        let begun = sessions.begin(request(0, 0), long(bytes), &[], at(0).now).unwrap();
        let finished = sessions.finish(&begun, &[quiet(5)], at(0)).unwrap();
        assert_eq!(finished.session_id != 0, is_kept, "{bytes}");
        let mut sessions = with_session(&[(0, 1)]);
        let begun = sessions.begin(request(7, 1), long(bytes), &[], at(1).now);
        assert_eq!(begun.is_ok(), is_kept, "{bytes}");
        assert_eq!(sessions.partitions(), if is_kept { 2 } else { 0 });
    }
}

#[test]
fn a_session_with_no_partition_left_ends() {
    let mut sessions = with_session(&[(0, 1)]);
    let begun = sessions.begin(request(7, 1), vec![], &[target(0)], at(1).now).unwrap();
    assert_eq!(begun, Begun { kind: FetchKind::Sessionless, partitions: vec![] });
    assert!(sessions.is_empty());
    assert_eq!(sessions.partitions(), 0);
}

#[test]
fn a_request_that_does_not_fit_its_session_is_refused() {
    let mut sessions = with_session(&[(0, 1)]);
    let ids = SessionRequest { uses_topic_ids: true, ..request(7, 1) };
    for (request, expected) in [
        (request(8, 1), FetchSessionError::NotFound { id: 8 }),
        (request(0, 1), FetchSessionError::NotFound { id: 0 }),
        (request(-3, 1), FetchSessionError::NotFound { id: -3 }),
        (request(7, 2), FetchSessionError::Epoch { id: 7, expected: 1, given: 2 }),
        (request(7, -2), FetchSessionError::Epoch { id: 7, expected: 1, given: -2 }),
        (ids, FetchSessionError::TopicIds { id: 7 }),
    ] {
        assert_eq!(sessions.begin(request, vec![], &[], at(1).now), Err(expected));
    }
}

#[test]
fn a_repeated_request_is_refused_and_the_overtaken_answer_too() {
    let mut sessions = with_session(&[(0, 1)]);
    let slow = sessions.begin(request(7, 1), vec![], &[], at(1).now).unwrap();
    let repeated = sessions.begin(request(7, 1), vec![], &[], at(1).now);
    assert_eq!(repeated, Err(FetchSessionError::Epoch { id: 7, expected: 2, given: 1 }));
    sessions.begin(request(7, 2), vec![], &[], at(1).now).unwrap();
    assert!(sessions.finish(&slow, &[quiet(5)], at(2)).is_err());
}

#[test]
fn starting_over_ends_the_old_session() {
    for epoch in [0, -1] {
        let mut sessions = with_session(&[(0, 1)]);
        sessions.begin(request(7, epoch), named(&[(0, 1)]), &[], at(1).now).unwrap();
        assert!(sessions.is_empty(), "epoch {epoch}");
    }
}

#[test]
fn the_epoch_wraps_to_one() {
    assert_eq!(super::next_epoch(1), 2);
    assert_eq!(super::next_epoch(i32::MAX.unsigned_abs()), 1);
}

/// Offers a session of so many partitions to a cache of two slots; returns whether it was kept.
fn offer(sessions: &mut FetchSessions, partitions: i32, is_follower: bool, ms: i64) -> bool {
    let wanted: Vec<_> = (0..partitions).map(|partition| (partition, 0)).collect();
    let request = SessionRequest { is_follower, ..request(0, 0) };
    let begun = sessions.begin(request, named(&wanted), &[], at(ms).now).unwrap();
    let read = vec![quiet(0); wanted.len()];
    sessions.finish(&begun, &read, at(ms)).unwrap().session_id != 0
}

#[test]
fn a_full_cache_makes_room_only_for_what_is_worth_more() {
    const SAFE_MS: i64 = limits::FETCH_SESSION_EVICTION_MS_MIN;
    let mut sessions = FetchSessions::new(2);
    assert!(offer(&mut sessions, 3, false, 0));
    assert!(offer(&mut sessions, 5, false, 0));
    // Young sessions are safe from consumers, however large, but not from followers.
    assert!(!offer(&mut sessions, 9, false, SAFE_MS));
    assert!(offer(&mut sessions, 1, true, SAFE_MS));
    assert_eq!(sessions.partitions(), 6, "the smaller one went");
    // The session of 5 was not used for longer than that: it goes for any other.
    assert!(offer(&mut sessions, 1, false, SAFE_MS + 1));
    assert_eq!(sessions.partitions(), 2);
    assert!(!offer(&mut sessions, 1, false, SAFE_MS + 1));
    assert_eq!(sessions.evictions(), 2);
}

#[test]
fn an_old_session_in_use_goes_only_for_a_larger_one() {
    const LATER_MS: i64 = limits::FETCH_SESSION_EVICTION_MS_MIN + 1;
    let mut sessions = FetchSessions::new(1);
    assert!(offer(&mut sessions, 3, false, 0));
    sessions.begin(request(7, 1), vec![], &[], at(LATER_MS).now).unwrap();
    assert!(!offer(&mut sessions, 3, false, LATER_MS));
    assert!(offer(&mut sessions, 4, false, LATER_MS));
    assert_eq!((sessions.len(), sessions.partitions()), (1, 4));
}

#[test]
fn without_slots_there_are_no_sessions() {
    let mut sessions = FetchSessions::new(0);
    assert!(!offer(&mut sessions, 3, true, 0));
}

#[test]
fn two_sessions_never_share_an_id() {
    let mut sessions = FetchSessions::new(1000);
    for _ in 0..50 {
        assert!(offer(&mut sessions, 1, false, 0));
    }
    assert_eq!(sessions.len(), 50);
}
