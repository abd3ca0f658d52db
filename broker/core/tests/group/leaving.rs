//! LeaveGroup: members that leave, and admins that take them out.

use expect_test::expect;

use crate::bench::check;

#[test]
fn a_member_that_leaves_makes_the_others_join_again() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         leave b
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
            6000 leave b
                * group g ends generation 1: members left: b-02
                b < left [ok]
            6000 heartbeat a
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance
            6000 join a
                * group g begins generation 2 with 1 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x]
            6000 heartbeat b
                b < UNKNOWN_MEMBER_ID: member b-02 is not in the group
        "#]],
    );
}

#[test]
fn the_last_member_that_leaves_leaves_an_empty_group() {
    check(
        "join a version=3
         wait 3000
         sync a assign=a:x
         hold
         leave a
         durable
         list",
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
            3000 hold
            3000 leave a
                * group g ends generation 1: members left: a-01
                * group g is empty in generation 2
                log g generation 2 []
            3000 durable
                a < left [ok]
            3000 list
                admin < groups [g:consumer:Empty]
        "#]],
    );
}

#[test]
fn several_members_leave_with_one_request_and_each_is_answered() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c version=3
         join a
         join b
         leave a b nobody c
         join d version=3",
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
            6000 join a
            6000 join b
                * group g begins generation 2 with 3 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x c-03=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
                c < joined as c-03 in generation 2, range of consumer, leader a-01
            6000 leave a b nobody c
                * group g ends generation 2: members left: a-01, b-02, c-03
                * group g is empty in generation 3
                log g generation 3 []
                a < left [ok ok UNKNOWN_MEMBER_ID ok]
            6000 join d version=3
                * group g ends generation 3: member d-06 joined
        "#]],
    );
}

#[test]
fn a_member_that_waits_to_join_can_leave() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join c
         join c
         leave c
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
            6000 join c
                c < MEMBER_ID_REQUIRED: join again as member c-03 (member c-03)
            6000 join c
                * group g ends generation 1: member c-03 joined
            6000 leave c
                c < UNKNOWN_MEMBER_ID: member c-03 is not in the group (member -)
                c < left [ok]
            6000 join a
            6000 join b
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_member_that_only_has_its_id_can_leave() {
    check(
        "join a
         leave a
         join a
         list",
        &expect![[r#"
            0 join a
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 leave a
                a < left [ok]
            0 join a
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group (member a-01)
            0 list
                admin < groups [g:-:Empty]
        "#]],
    );
}

#[test]
fn an_admin_takes_static_members_out_by_their_name_alone() {
    check(
        "join a version=5 instance=one
         join b version=5 instance=two
         wait 6000
         sync a assign=a:x,b:y
         sync b
         leave admin #one #three
         heartbeat a
         join b",
        &expect![[r#"
            0 join a version=5 instance=one
                * group g ends generation 0: member one-01 joined
                log g generation 0 []
            0 join b version=5 instance=two
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
            6000 leave admin #one #three
                * group g ends generation 1: members left: one-01
                admin < left [ok UNKNOWN_MEMBER_ID]
            6000 heartbeat a
                a < UNKNOWN_MEMBER_ID: member one-01 is not in the group
            6000 join b
                * group g begins generation 2 with 1 members
                b < joined as two-02 in generation 2, range of consumer, leader two-02 [two-02#two=x]
        "#]],
    );
}

#[test]
fn a_static_member_that_lost_its_place_cannot_take_its_successor_out() {
    check(
        "join a version=5 instance=one
         wait 3000
         sync a assign=a:x
         join b version=5 instance=one
         leave a
         heartbeat b
         leave b",
        &expect![[r#"
            0 join a version=5 instance=one
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
            3000 join b version=5 instance=one
                log g generation 1 [one-02#one=x>x]
                b < joined as one-02 in generation 1, range of consumer, leader one-01
            3000 leave a
                a < left [FENCED_INSTANCE_ID]
            3000 heartbeat b
                b < alive
            3000 leave b
                * group g ends generation 1: members left: one-02
                * group g is empty in generation 2
                log g generation 2 []
                b < left [ok]
        "#]],
    );
}

#[test]
fn leaving_a_group_that_does_not_exist_is_refused_for_each_member() {
    check(
        "leave a b",
        &expect![[r#"
            0 leave a b
                a < left [UNKNOWN_MEMBER_ID UNKNOWN_MEMBER_ID]
        "#]],
    );
}

#[test]
fn members_that_leave_while_the_first_gather_do_not_shorten_the_wait() {
    check(
        "join a
         join b
         join a
         join b
         leave b
         leave a
         wait 2999
         list
         wait 3001
         list",
        &expect![[r#"
            0 join a
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 join b
                b < MEMBER_ID_REQUIRED: join again as member b-02 (member b-02)
            0 join a
                * group g ends generation 0: member a-01 joined
            0 join b
            0 leave b
                b < UNKNOWN_MEMBER_ID: member b-02 is not in the group (member -)
                b < left [ok]
            0 leave a
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group (member -)
                a < left [ok]
            0 wait 2999
            2999 list
                admin < groups [g:consumer:PreparingRebalance]
            2999 wait 3001
            6000 tick
                * group g is empty in generation 1
                log g generation 1 []
            6000 list
                admin < groups [g:consumer:Empty]
        "#]],
    );
}
