//! SyncGroup: the way from a new generation to a stable group.

use expect_test::expect;

use crate::bench::check;

#[test]
fn members_that_sync_before_the_leader_wait_for_it() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync b
         sync a assign=a:x,b:y
         sync b",
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
            6000 sync b
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
                b < assigned "y"
            6000 sync b
                b < assigned "y"
        "#]],
    );
}

#[test]
fn the_assignment_is_told_only_when_it_is_durable() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         hold
         sync b
         sync a assign=a:x,b:y
         describe admin g
         durable
         describe admin g",
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
            6000 hold
            6000 sync b
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
            6000 describe admin g
                admin < CompletingRebalance consumer - [a-01@a/a="">"" b-02@b/b="">""]
            6000 durable
                * group g is stable in generation 1
                a < assigned "x"
                b < assigned "y"
            6000 describe admin g
                admin < Stable consumer range [a-01@a/a="x">"x" b-02@b/b="x">"y"]
        "#]],
    );
}

#[test]
fn a_leader_that_asks_again_decides_only_once() {
    check(
        "join a version=3
         wait 3000
         hold
         sync a assign=a:first
         sync a assign=a:second
         durable
         sync a assign=a:third",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 hold
            3000 sync a assign=a:first
                log g generation 1 [a-01=x>first]
            3000 sync a assign=a:second
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state CompletingRebalance
            3000 durable
                * group g is stable in generation 1
                a < assigned "first"
            3000 sync a assign=a:third
                a < assigned "first"
        "#]],
    );
}

#[test]
fn an_assignment_of_a_generation_that_has_passed_is_not_told() {
    check(
        "join a version=3
         wait 3000
         hold
         sync a assign=a:x
         join b version=3
         durable
         heartbeat a
         join a
         durable",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 hold
            3000 sync a assign=a:x
                log g generation 1 [a-01=x>x]
            3000 join b version=3
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state CompletingRebalance
                * group g ends generation 1: member b-02 joined
            3000 durable
            3000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            3000 join a
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
            3000 durable
        "#]],
    );
}

#[test]
fn a_decision_for_a_deleted_group_does_not_reach_its_namesake() {
    check(
        "hold
         join a version=3
         wait 3000
         sync a assign=a:old
         leave a
         delete admin g
         join b version=3
         wait 3000
         sync b assign=b:new
         durable",
        &expect![[r#"
            0 hold
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:old
                log g generation 1 [a-01=x>old]
            3000 leave a
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group
                * group g ends generation 1: members left: a-01
                * group g is empty in generation 2
                log g generation 2 []
            3000 delete admin g
                log g gone
            3000 join b version=3
                * group g ends generation 0: member b-02 joined
                log g generation 0 []
            3000 wait 3000
            6000 tick
                * group g begins generation 1 with 1 members
                b < joined as b-02 in generation 1, range of consumer, leader b-02 [b-02=x]
            6000 sync b assign=b:new
                log g generation 1 [b-02=x>new]
            6000 durable
                a < left [ok]
                admin < deleted
                * group g is stable in generation 1
                b < assigned "new"
        "#]],
    );
}

#[test]
fn a_member_that_the_leader_forgot_has_nothing_to_do() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,nobody-99:z
         sync b",
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
            6000 sync a assign=a:x,nobody-99:z
                log g generation 1 [a-01=x>x b-02=x>]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned ""
        "#]],
    );
}

#[test]
fn a_sync_of_the_wrong_member_generation_or_protocol_is_refused() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         sync b member=c-09
         sync b generation=0
         sync b generation=2
         sync b generation=-1
         sync b synctype=connect
         sync b synctype=consumer syncprotocol=sticky
         sync b synctype=consumer syncprotocol=range",
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
            6000 sync b member=c-09
                b < UNKNOWN_MEMBER_ID: member c-09 is not in the group
            6000 sync b generation=0
                b < ILLEGAL_GENERATION: generation 0 is not the current one, 1
            6000 sync b generation=2
                b < ILLEGAL_GENERATION: generation 2 is not the current one, 1
            6000 sync b generation=-1
                b < ILLEGAL_GENERATION: generation -1 is not the current one, 1
            6000 sync b synctype=connect
                b < INCONSISTENT_GROUP_PROTOCOL: protocols of type "connect" have none that every member supports
            6000 sync b synctype=consumer syncprotocol=sticky
                b < INCONSISTENT_GROUP_PROTOCOL: protocols of type "consumer" have none that every member supports
            6000 sync b synctype=consumer syncprotocol=range
                b < assigned "y"
        "#]],
    );
}

#[test]
fn a_sync_to_no_group_or_an_empty_one_is_refused() {
    check(
        "sync a member=a-01 generation=1
         commit b t-0=1
         sync b member=b-01 generation=0",
        &expect![[r#"
            0 sync a member=a-01 generation=1
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group
            0 commit b t-0=1
                log g: t-0=1
                b < committed [ok]
            0 sync b member=b-01 generation=0
                b < UNKNOWN_MEMBER_ID: member b-01 is not in the group
        "#]],
    );
}

#[test]
fn a_member_that_does_not_sync_in_time_is_out_and_the_others_join_again() {
    check(
        "join a version=3 rebalance=5000
         join b version=3 rebalance=5000 session=1800000
         wait 5000
         sync a assign=a:x,b:y
         wait 4999
         heartbeat a
         wait 1
         heartbeat a
         join a
         sync b",
        &expect![[r#"
            0 join a version=3 rebalance=5000
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 rebalance=5000 session=1800000
            0 wait 5000
            5000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            5000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            5000 wait 4999
            9999 heartbeat a
                a < alive
            9999 wait 1
            10000 tick
                * group g ends generation 1: members did not fetch their assignment: b-02
            10000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            10000 join a
                * group g begins generation 2 with 1 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x]
            10000 sync b
                b < UNKNOWN_MEMBER_ID: member b-02 is not in the group
        "#]],
    );
}

#[test]
fn who_waits_for_a_leader_that_does_not_sync_joins_again() {
    check(
        "join a version=3 rebalance=5000
         join b version=3 rebalance=5000
         wait 5000
         sync b
         wait 5000
         join b
         sync b assign=b:all",
        &expect![[r#"
            0 join a version=3 rebalance=5000
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 rebalance=5000
            0 wait 5000
            5000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            5000 sync b
            5000 wait 5000
            10000 tick
                b < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state CompletingRebalance
                * group g ends generation 1: members did not fetch their assignment: a-01
            10000 join b
                * group g begins generation 2 with 1 members
                b < joined as b-02 in generation 2, range of consumer, leader b-02 [b-02=x]
            10000 sync b assign=b:all
                log g generation 2 [b-02=x>all]
                * group g is stable in generation 2
                b < assigned "all"
        "#]],
    );
}

#[test]
fn an_assignment_too_large_for_the_log_is_refused_and_the_group_rebalances() {
    check(
        "config record=200
         join a version=3
         wait 3000
         sync a assign=a:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
         join a
         sync a assign=a:y",
        &expect![[r#"
            0 config record=200
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                a < UNKNOWN_SERVER_ERROR: group state of 258 bytes exceeds the limit of 200
                * group g ends generation 1: assignment of 258 bytes is too large
            3000 join a
                * group g begins generation 2 with 1 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:y
                log g generation 2 [a-01=x>y]
                * group g is stable in generation 2
                a < assigned "y"
        "#]],
    );
}
