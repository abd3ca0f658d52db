//! Heartbeats and sessions: how a member is known to be alive.

use expect_test::expect;

use crate::bench::check;

#[test]
fn heartbeats_are_good_while_the_leader_decides_and_not_while_members_join() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         heartbeat b
         sync a assign=a:x,b:y
         heartbeat b
         join a
         heartbeat b",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            6000 heartbeat b
                b < alive
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 heartbeat b
                b < alive
            6000 join a
                * group g ends generation 1: member a-01 joined again
            6000 heartbeat b
                b < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
        "#]],
    );
}

#[test]
fn a_heartbeat_of_the_wrong_member_or_generation_is_refused() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         heartbeat a member=c-09
         heartbeat a generation=2
         heartbeat a generation=-1
         heartbeat c group=other member=a-01 generation=1",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 heartbeat a member=c-09
                a < UNKNOWN_MEMBER_ID: member c-09 is not in the group
            6000 heartbeat a generation=2
                a < ILLEGAL_GENERATION: generation 2 is not the current one, 1
            6000 heartbeat a generation=-1
                a < ILLEGAL_GENERATION: generation -1 is not the current one, 1
            6000 heartbeat c group=other member=a-01 generation=1
                c < UNKNOWN_MEMBER_ID: member a-01 is not in the group
        "#]],
    );
}

#[test]
fn a_member_whose_session_ends_is_out() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         wait 9000
         heartbeat a
         wait 1000
         heartbeat a
         join a
         heartbeat b",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 wait 9000
            15000 heartbeat a
                a < alive
            15000 wait 1000
            16000 tick
                * group g ends generation 1: session of member b-02 expired
            16000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            16000 join a
                * group g begins generation 2 with 1 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x]
            16000 heartbeat b
                b < UNKNOWN_MEMBER_ID: member b-02 is not in the group
        "#]],
    );
}

#[test]
fn a_heartbeat_that_is_late_but_comes_before_the_broker_noticed_keeps_the_member() {
    check(
        "join a version=3
         wait 3000
         sync a assign=a:x
         wait 9999
         heartbeat a
         wait 9999
         heartbeat a",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:x
                log g generation 1 [a-01=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 wait 9999
            12999 heartbeat a
                a < alive
            12999 wait 9999
            22998 heartbeat a
                a < alive
        "#]],
    );
}

#[test]
fn a_member_that_waits_for_the_others_needs_no_heartbeat() {
    check(
        "join a version=3 rebalance=100000
         join b version=3 rebalance=100000 session=60000
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join a
         wait 30000
         join b",
        &expect![[r#"
            0 join a version=3 rebalance=100000
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 rebalance=100000 session=60000
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 join a
                * group g ends generation 1: member a-01 joined again
            6000 wait 30000
            36000 join b
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_new_member_that_has_gone_away_does_not_hold_the_group_for_ever() {
    check(
        "join a version=3 rebalance=1000000 session=1800000
         wait 3000
         sync a assign=a:x
         join b version=3
         wait 299999
         wait 1
         join a",
        &expect![[r#"
            0 join a version=3 rebalance=1000000 session=1800000
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:x
                log g generation 1 [a-01=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 join b version=3
                * group g ends generation 1: member b-02 joined
            3000 wait 299999
            302999 wait 1
            303000 tick
                b < UNKNOWN_MEMBER_ID: member b-02 is not in the group (member -)
            303000 join a
                * group g begins generation 2 with 1 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x]
        "#]],
    );
}

#[test]
fn a_commit_keeps_the_session_too() {
    check(
        "join a version=3
         wait 3000
         sync a assign=a:x
         wait 9000
         commit a t-0=1
         wait 9000
         heartbeat a",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:x
                log g generation 1 [a-01=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 wait 9000
            12000 commit a t-0=1
                log g: t-0=1
                a < committed [ok]
            12000 wait 9000
            21000 heartbeat a
                a < alive
        "#]],
    );
}
