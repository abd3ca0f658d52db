//! Static members: a process that comes back under its name keeps its place. Source: KIP-345.

use expect_test::expect;

use crate::bench::check;

#[test]
fn a_static_member_that_comes_back_takes_its_place_without_a_rebalance() {
    check(
        "join a version=8 instance=one
         join b version=8 instance=two
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c version=8 instance=two
         sync c
         heartbeat a
         heartbeat c
         heartbeat b
         commit b t-0=1
         sync b
         join b member=b-02",
        &expect![[r#"
            0 join a version=8 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=8 instance=two
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [one-01#one=x two-02#two=x]
                b < joined as two-02 in generation 1, range of consumer, leader one-01
            6000 sync a assign=a:x,b:y
                log g generation 1 [one-01#one=x>x two-02#two=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 join c version=8 instance=two
                log g generation 1 [one-01#one=x>x two-03#two=x>y]
                c < joined as two-03 in generation 1, range of consumer, leader one-01
            6000 sync c
                c < assigned "y"
            6000 heartbeat a
                a < alive
            6000 heartbeat c
                c < alive
            6000 heartbeat b
                b < FENCED_INSTANCE_ID: instance two is now member two-03
            6000 commit b t-0=1
                b < FENCED_INSTANCE_ID: instance two is now member two-03
            6000 sync b
                b < FENCED_INSTANCE_ID: instance two is now member two-03
            6000 join b member=b-02
                b < FENCED_INSTANCE_ID: instance two is now member two-03 (member b-02)
        "#]],
    );
}

#[test]
fn a_static_leader_that_comes_back_is_told_to_skip_the_assignment() {
    check(
        "join a version=9 instance=one
         join b version=9 instance=two
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c version=9 instance=one
         sync c
         heartbeat b",
        &expect![[r#"
            0 join a version=9 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=9 instance=two
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [one-01#one=x two-02#two=x]
                b < joined as two-02 in generation 1, range of consumer, leader one-01
            6000 sync a assign=a:x,b:y
                log g generation 1 [one-01#one=x>x two-02#two=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 join c version=9 instance=one
                log g generation 1 [one-03#one=x>x two-02#two=x>y]
                c < joined as one-03 in generation 1, range of consumer, leader one-03, skip [one-03#one=x two-02#two=x]
            6000 sync c
                c < assigned "x"
            6000 heartbeat b
                b < alive
        "#]],
    );
}

#[test]
fn a_static_leader_of_an_old_version_is_not_told_that_it_leads() {
    check(
        "join a version=8 instance=one
         wait 3000
         sync a assign=a:x
         join c version=8 instance=one
         sync c
         join c",
        &expect![[r#"
            0 join a version=8 instance=one
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
            3000 join c version=8 instance=one
                log g generation 1 [one-02#one=x>x]
                c < joined as one-02 in generation 1, range of consumer, leader one-01
            3000 sync c
                c < assigned "x"
            3000 join c
                * group g ends generation 1: member one-02 joined again
                * group g begins generation 2 with 1 members
                c < joined as one-02 in generation 2, range of consumer, leader one-02 [one-02#one=x]
        "#]],
    );
}

#[test]
fn the_new_member_id_is_told_only_when_it_is_durable() {
    check(
        "join a version=9 instance=one
         wait 3000
         sync a assign=a:x
         hold
         join b version=9 instance=one
         heartbeat a
         durable
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
            3000 hold
            3000 join b version=9 instance=one
                log g generation 1 [one-02#one=x>x]
            3000 heartbeat a
                a < FENCED_INSTANCE_ID: instance one is now member one-02
            3000 durable
                b < joined as one-02 in generation 1, range of consumer, leader one-02, skip [one-02#one=x]
            3000 heartbeat b
                b < alive
        "#]],
    );
}

#[test]
fn a_rebalance_that_comes_between_takes_the_returning_member_along() {
    check(
        "join a version=9 instance=one
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         hold
         join c version=9 instance=one
         join b protocols=range:news
         durable",
        &expect![[r#"
            0 join a version=9 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=3
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                b < joined as b-02 in generation 1, range of consumer, leader one-01
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [b-02=x one-01#one=x]
            6000 sync a assign=a:x,b:y
                log g generation 1 [b-02=x>y one-01#one=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
            6000 hold
            6000 join c version=9 instance=one
                log g generation 1 [b-02=x>y one-03#one=x>x]
            6000 join b protocols=range:news
                * group g ends generation 1: member b-02 joined again
                * group g begins generation 2 with 2 members
                b < joined as b-02 in generation 2, range of consumer, leader one-03
                c < joined as one-03 in generation 2, range of consumer, leader one-03 [b-02=news one-03#one=x]
            6000 durable
        "#]],
    );
}

#[test]
fn a_static_member_with_other_protocols_begins_a_rebalance() {
    check(
        "join a version=9 instance=one protocols=range:r,sticky:s
         wait 3000
         sync a assign=a:x
         join b version=9 instance=one protocols=sticky:s",
        &expect![[r#"
            0 join a version=9 instance=one protocols=range:r,sticky:s
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [one-01#one=r]
            3000 sync a assign=a:x
                log g generation 1 [one-01#one=r>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 join b version=9 instance=one protocols=sticky:s
                * group g ends generation 1: static member one-02 came back
                * group g begins generation 2 with 1 members
                b < joined as one-02 in generation 2, sticky of consumer, leader one-02 [one-02#one=s]
        "#]],
    );
}

#[test]
fn a_static_member_that_comes_back_while_the_leader_decides_begins_a_rebalance() {
    check(
        "join a version=9 instance=one
         join b version=9 instance=two
         wait 6000
         sync b
         join c version=9 instance=two
         heartbeat a
         join a
         sync a assign=a:x,c:y
         sync c",
        &expect![[r#"
            0 join a version=9 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=9 instance=two
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [one-01#one=x two-02#two=x]
                b < joined as two-02 in generation 1, range of consumer, leader one-01
            6000 sync b
            6000 join c version=9 instance=two
                b < FENCED_INSTANCE_ID: instance two is now member two-03
                * group g ends generation 1: static member two-03 came back
            6000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            6000 join a
                * group g begins generation 2 with 2 members
                a < joined as one-01 in generation 2, range of consumer, leader one-01 [one-01#one=x two-03#two=x]
                c < joined as two-03 in generation 2, range of consumer, leader one-01
            6000 sync a assign=a:x,c:y
                log g generation 2 [one-01#one=x>x two-03#two=x>y]
                * group g is stable in generation 2
                a < assigned "x"
            6000 sync c
                c < assigned "y"
        "#]],
    );
}

#[test]
fn a_static_member_that_comes_back_while_members_join_replaces_the_one_that_waits() {
    check(
        "join a version=9 instance=one
         join b version=9 instance=one
         wait 3000",
        &expect![[r#"
            0 join a version=9 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=9 instance=one
                a < FENCED_INSTANCE_ID: instance one is now member one-02 (member one-01)
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                b < joined as one-02 in generation 1, range of consumer, leader one-02 [one-02#one=x]
        "#]],
    );
}

#[test]
fn a_static_member_that_is_known_by_its_id_must_be_the_holder_of_its_name() {
    check(
        "join a version=9 instance=one
         wait 3000
         sync a assign=a:x
         join a member=z-99
         join a instance=two",
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
            3000 join a member=z-99
                a < FENCED_INSTANCE_ID: instance one is now member one-01 (member z-99)
            3000 join a instance=two
                a < UNKNOWN_MEMBER_ID: member one-01 is not in the group (member one-01)
        "#]],
    );
}

#[test]
fn a_member_that_was_told_its_id_first_cannot_become_static() {
    check(
        "join a
         join a instance=one",
        &expect![[r#"
            0 join a
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 join a instance=one
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group (member a-01)
        "#]],
    );
}

#[test]
fn a_late_static_member_keeps_its_place_until_the_time_to_fetch_the_assignment_ends() {
    check(
        "join a version=9 instance=one rebalance=5000 session=60000
         join b version=3 rebalance=5000
         wait 5000
         sync a assign=a:x,b:y
         sync b
         join b protocols=range:news
         wait 5000
         sync b assign=b:y,a-01:x
         heartbeat a generation=2
         wait 5000",
        &expect![[r#"
            0 join a version=9 instance=one rebalance=5000 session=60000
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=3 rebalance=5000
            0 wait 5000
            5000 tick
                * group g begins generation 1 with 2 members
                b < joined as b-02 in generation 1, range of consumer, leader one-01
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [b-02=x one-01#one=x]
            5000 sync a assign=a:x,b:y
                log g generation 1 [b-02=x>y one-01#one=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            5000 sync b
                b < assigned "y"
            5000 join b protocols=range:news
                * group g ends generation 1: member b-02 joined again
            5000 wait 5000
            10000 tick
                * group g begins generation 2 with 2 members
                b < joined as b-02 in generation 2, range of consumer, leader b-02 [b-02=news one-01#one=x]
            10000 sync b assign=b:y,a-01:x
                log g generation 2 [b-02=news>y one-01#one=x>]
                * group g is stable in generation 2
                b < assigned "y"
            10000 heartbeat a generation=2
                a < alive
            10000 wait 5000
            15000 tick
                * group g ends generation 2: members did not fetch their assignment: one-01
        "#]],
    );
}

#[test]
fn a_rebalance_in_which_only_late_static_members_are_left_waits_for_them() {
    check(
        "join a version=9 instance=one rebalance=5000 session=20000
         join b version=9 instance=two rebalance=5000 session=20000
         wait 5000
         sync a assign=a:x,b:y
         sync b
         leave b
         wait 5000
         wait 5000
         join a
         sync a assign=a:all
         wait 9999",
        &expect![[r#"
            0 join a version=9 instance=one rebalance=5000 session=20000
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=9 instance=two rebalance=5000 session=20000
            0 wait 5000
            5000 tick
                * group g begins generation 1 with 2 members
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [one-01#one=x two-02#two=x]
                b < joined as two-02 in generation 1, range of consumer, leader one-01
            5000 sync a assign=a:x,b:y
                log g generation 1 [one-01#one=x>x two-02#two=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            5000 sync b
                b < assigned "y"
            5000 leave b
                * group g ends generation 1: members left: two-02
                b < left [ok]
            5000 wait 5000
            10000 wait 5000
            15000 join a
                * group g begins generation 2 with 1 members
                a < joined as one-01 in generation 2, range of consumer, leader one-01 [one-01#one=x]
            15000 sync a assign=a:all
                log g generation 2 [one-01#one=x>all]
                * group g is stable in generation 2
                a < assigned "all"
            15000 wait 9999
        "#]],
    );
}

#[test]
fn a_late_static_member_with_no_rebalance_time_does_not_keep_the_broker_busy() {
    check(
        "join a version=9 instance=one rebalance=0 session=6000
         join b version=3 rebalance=5000
         wait 5000
         sync a assign=a:x,b:y
         sync b
         leave b
         wait 5999
         wait 1
         list",
        &expect![[r#"
            0 join a version=9 instance=one rebalance=0 session=6000
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=3 rebalance=5000
            0 wait 5000
            3000 tick
                * group g begins generation 1 with 2 members
                b < joined as b-02 in generation 1, range of consumer, leader one-01
                a < joined as one-01 in generation 1, range of consumer, leader one-01 [b-02=x one-01#one=x]
            5000 sync a assign=a:x,b:y
                log g generation 1 [b-02=x>y one-01#one=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            5000 sync b
                b < assigned "y"
            5000 leave b
                * group g ends generation 1: members left: b-02
                b < left [ok]
            5000 wait 5999
            10999 wait 1
            11000 tick
                * group g is empty in generation 2
                log g generation 2 []
            11000 list
                admin < groups [g:consumer:Empty]
        "#]],
    );
}
