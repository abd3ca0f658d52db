//! Rebalances: what begins one, and what does not.

use expect_test::expect;

use crate::bench::check;

#[test]
fn a_new_member_makes_the_others_join_again() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c version=3
         heartbeat a
         join a
         join b",
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
            6000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            6000 join a
            6000 join b
                * group g begins generation 2 with 3 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x c-03=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
                c < joined as c-03 in generation 2, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_rebalance_does_not_wait_for_members_longer_than_their_rebalance_timeout() {
    check(
        "join a version=3 rebalance=9000
         join b version=3 rebalance=8000
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c version=3
         wait 2000
         heartbeat a
         join a
         wait 6999
         wait 53001",
        &expect![[r#"
            0 join a version=3 rebalance=9000
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 rebalance=8000
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
            6000 wait 2000
            8000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            8000 join a
            8000 wait 6999
            14999 wait 53001
            16000 tick
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x c-03=x]
                c < joined as c-03 in generation 2, range of consumer, leader a-01
            26000 tick
                * group g ends generation 2: session of member a-01 expired
                * group g is empty in generation 3
                log g generation 3 []
        "#]],
    );
}

#[test]
fn a_follower_that_joins_again_with_the_same_metadata_is_told_the_current_generation() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join b",
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
            6000 join b
                b < joined as b-02 in generation 1, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_follower_that_joins_again_with_news_begins_a_rebalance() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join b protocols=range:news
         join a",
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
            6000 join b protocols=range:news
                * group g ends generation 1: member b-02 joined again
            6000 join a
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=news]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_leader_that_joins_again_always_begins_a_rebalance() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join a
         join b",
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
            6000 join a
                * group g ends generation 1: member a-01 joined again
            6000 join b
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_member_that_lost_its_answer_is_told_again_while_the_leader_decides() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         join b
         join a
         join b protocols=range:news
         sync a assign=a:x,b:y",
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
            6000 join b
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            6000 join a
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
            6000 join b protocols=range:news
                * group g ends generation 1: member b-02 joined again
            6000 sync a assign=a:x,b:y
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
        "#]],
    );
}

#[test]
fn a_leader_that_does_not_come_back_is_succeeded() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join b protocols=range:news session=1800000
         wait 60000
         sync b assign=b:all",
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
            6000 join b protocols=range:news session=1800000
                * group g ends generation 1: member b-02 joined again
            6000 wait 60000
            16000 tick
                * group g begins generation 2 with 1 members
                b < joined as b-02 in generation 2, range of consumer, leader b-02 [b-02=news]
            66000 sync b assign=b:all
                log g generation 2 [b-02=news>all]
                * group g is stable in generation 2
                b < assigned "all"
        "#]],
    );
}

#[test]
fn cooperative_members_give_up_partitions_in_one_generation_and_get_them_in_the_next() {
    check(
        "join a version=3 protocols=coop:owns-none
         wait 3000
         sync a assign=a:p0+p1
         join b version=3 protocols=coop:owns-none
         join a protocols=coop:owns-p0+p1
         sync a assign=a:p0
         sync b
         join a protocols=coop:owns-p0
         heartbeat b
         join b
         sync a assign=a:p0,b:p1
         sync b",
        &expect![[r#"
            0 join a version=3 protocols=coop:owns-none
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, coop of consumer, leader a-01 [a-01=owns-none]
            3000 sync a assign=a:p0+p1
                log g generation 1 [a-01=owns-none>p0+p1]
                * group g is stable in generation 1
                a < assigned "p0+p1"
            3000 join b version=3 protocols=coop:owns-none
                * group g ends generation 1: member b-02 joined
            3000 join a protocols=coop:owns-p0+p1
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, coop of consumer, leader a-01 [a-01=owns-p0+p1 b-02=owns-none]
                b < joined as b-02 in generation 2, coop of consumer, leader a-01
            3000 sync a assign=a:p0
                log g generation 2 [a-01=owns-p0+p1>p0 b-02=owns-none>]
                * group g is stable in generation 2
                a < assigned "p0"
            3000 sync b
                b < assigned ""
            3000 join a protocols=coop:owns-p0
                * group g ends generation 2: member a-01 joined again
            3000 heartbeat b
                b < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            3000 join b
                * group g begins generation 3 with 2 members
                a < joined as a-01 in generation 3, coop of consumer, leader a-01 [a-01=owns-p0 b-02=owns-none]
                b < joined as b-02 in generation 3, coop of consumer, leader a-01
            3000 sync a assign=a:p0,b:p1
                log g generation 3 [a-01=owns-p0>p0 b-02=owns-none>p1]
                * group g is stable in generation 3
                a < assigned "p0"
            3000 sync b
                b < assigned "p1"
        "#]],
    );
}

#[test]
fn a_group_that_lost_all_its_members_is_empty_and_can_begin_again() {
    check(
        "join a version=3
         wait 3000
         sync a assign=a:x
         wait 10000
         list
         heartbeat a
         join b version=3 type=connect
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
            3000 wait 10000
            13000 tick
                * group g ends generation 1: session of member a-01 expired
                * group g is empty in generation 2
                log g generation 2 []
            13000 list
                admin < groups [g:consumer:Empty]
            13000 heartbeat a
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group
            13000 join b version=3 type=connect
                * group g ends generation 2: member b-02 joined
            13000 wait 3000
            16000 tick
                * group g begins generation 3 with 1 members
                b < joined as b-02 in generation 3, range of connect, leader b-02 [b-02=x]
        "#]],
    );
}
