//! Restart: what a coordinator knows when it has read its log.

use expect_test::expect;

use crate::bench::check;

#[test]
fn a_stable_group_goes_on_in_its_generation_without_a_rebalance() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         commit a t-0=5
         restart
         heartbeat a
         heartbeat b
         fetch a
         describe admin g
         sync b
         commit b t-1=7",
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
            6000 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            6000 restart
            6000 heartbeat a
                a < alive
            6000 heartbeat b
                b < alive
            6000 fetch a
                a < offsets [t-0=5]
            6000 describe admin g
                admin < Stable consumer range [a-01@a/a="x">"x" b-02@b/b="x">"y"]
            6000 sync b
                b < assigned "y"
            6000 commit b t-1=7
                log g: t-1=7
                b < committed [ok]
        "#]],
    );
}

#[test]
fn sessions_begin_anew() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         wait 9999
         restart
         wait 9999
         heartbeat a
         wait 1
         heartbeat a",
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
            6000 wait 9999
            15999 restart
            15999 wait 9999
            25998 heartbeat a
                a < alive
            25998 wait 1
            25999 tick
                * group g ends generation 1: session of member b-02 expired
            25999 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
        "#]],
    );
}

#[test]
fn a_group_that_was_rebalancing_is_as_it_was_before() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c version=3
         restart
         heartbeat c
         heartbeat a
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
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 join c version=3
                * group g ends generation 1: member c-03 joined
            6000 restart
            6000 heartbeat c
                c < UNKNOWN_MEMBER_ID: member "" is not in the group
            6000 heartbeat a
                a < alive
            6000 describe admin g
                admin < Stable consumer range [a-01@a/a="x">"x" b-02@b/b="x">"y"]
        "#]],
    );
}

#[test]
fn an_empty_group_stays_empty_with_its_generation() {
    check(
        "join a version=3
         wait 3000
         sync a assign=a:x
         leave a
         restart
         list
         join b version=3
         wait 3000",
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
            3000 leave a
                * group g ends generation 1: members left: a-01
                * group g is empty in generation 2
                log g generation 2 []
                a < left [ok]
            3000 restart
            3000 list
                admin < groups [g:consumer:Empty]
            3000 join b version=3
                * group g ends generation 2: member b-02 joined
            3000 wait 3000
            6000 tick
                * group g begins generation 3 with 1 members
                b < joined as b-02 in generation 3, range of consumer, leader b-02 [b-02=x]
        "#]],
    );
}

#[test]
fn a_deleted_group_stays_deleted() {
    check(
        "commit a t-0=5
         delete admin g
         restart
         list",
        &expect![[r#"
            0 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            0 delete admin g
                log g: t-0 gone
                log g gone
                admin < deleted
            0 restart
            0 list
                admin < groups []
        "#]],
    );
}

#[test]
fn static_members_are_still_known_by_their_name() {
    check(
        "join a version=9 instance=one
         wait 3000
         sync a assign=a:x
         restart
         join b version=9 instance=one
         heartbeat a
         heartbeat b",
        &expect![[r#"
            0 join a version=9 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [one-01#one=x]
            3000 sync a assign=a:x
                log g generation 1 [one-01#one=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 restart
            3000 join b version=9 instance=one
                log g generation 1 [one-02#one=x>x]
                b < joined as one-02 in generation 1, range of consumer, leader one-02, skip [one-02#one=x]
            3000 heartbeat a
                a < FENCED_INSTANCE_ID: instance one is now member one-02
            3000 heartbeat b
                b < alive
        "#]],
    );
}

#[test]
fn a_group_that_is_now_too_large_rebalances_and_sends_the_last_away() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         config size=1
         heartbeat a
         join b
         join a
         wait 60000",
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
            6000 config size=1
                * group g ends generation 1: 2 members are too many
            6000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            6000 join b
            6000 join a
                * group g begins generation 2 with 1 members
                b < joined as b-02 in generation 2, range of consumer, leader b-02 [b-02=x]
                a < GROUP_MAX_SIZE_REACHED: the group has reached its limit of 1 members (member -)
            6000 wait 60000
            16000 tick
                * group g ends generation 2: session of member b-02 expired
                * group g is empty in generation 3
                log g generation 3 []
        "#]],
    );
}

#[test]
fn a_follower_is_asked_for_its_other_protocols_by_a_rebalance() {
    check(
        "join a version=3 protocols=range:x,sticky:y
         join b version=3 protocols=range:x,sticky:y
         wait 6000
         sync a assign=a:x,b:y
         sync b
         restart
         join b
         join a",
        &expect![[r#"
            0 join a version=3 protocols=range:x,sticky:y
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 protocols=range:x,sticky:y
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
            6000 restart
            6000 join b
                * group g ends generation 1: member b-02 joined again
            6000 join a
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
        "#]],
    );
}
