//! JoinGroup: who is let in, and what new members are told.

use expect_test::expect;

use crate::bench::check;

#[test]
fn a_new_member_is_told_its_id_first_and_waits_for_others() {
    check(
        "join a
         join a
         wait 2999
         wait 1",
        &expect![[r#"
            0 join a
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 join a
                * group g ends generation 0: member a-01 joined
            0 wait 2999
            2999 wait 1
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
        "#]],
    );
}

#[test]
fn an_old_client_joins_without_being_told_its_id_first() {
    check(
        "join a version=3
         wait 3000",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
        "#]],
    );
}

#[test]
fn members_that_come_while_a_group_gathers_extend_the_wait_up_to_the_rebalance_timeout() {
    check(
        "join a version=3 rebalance=7000
         wait 2000
         join b version=3 rebalance=7000
         wait 2000
         join c version=3 rebalance=7000
         wait 2000
         join d version=3 rebalance=7000
         wait 1000",
        &expect![[r#"
            0 join a version=3 rebalance=7000
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 2000
            2000 join b version=3 rebalance=7000
            2000 wait 2000
            4000 join c version=3 rebalance=7000
            4000 wait 2000
            6000 join d version=3 rebalance=7000
            6000 wait 1000
            7000 tick
                * group g begins generation 1 with 4 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x c-03=x d-04=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
                c < joined as c-03 in generation 1, range of consumer, leader a-01
                d < joined as d-04 in generation 1, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_member_that_never_uses_its_id_is_forgotten_after_its_session() {
    check(
        "join a session=6000
         wait 5999
         describe admin g
         join b
         wait 1
         join a
         list",
        &expect![[r#"
            0 join a session=6000
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 wait 5999
            5999 describe admin g
                admin < Empty - - []
            5999 join b
                b < MEMBER_ID_REQUIRED: join again as member b-02 (member b-02)
            5999 wait 1
            6000 join a
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group (member a-01)
            6000 list
                admin < groups [g:-:Empty]
        "#]],
    );
}

#[test]
fn a_member_that_has_yet_to_use_its_id_holds_a_rebalance_up_until_its_session_ends() {
    check(
        "join a version=3
         wait 3000
         sync a assign=a:all
         join b session=6000
         join a
         wait 6000",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
            3000 sync a assign=a:all
                log g generation 1 [a-01=x>all]
                * group g is stable in generation 1
                a < assigned "all"
            3000 join b session=6000
                b < MEMBER_ID_REQUIRED: join again as member b-02 (member b-02)
            3000 join a
                * group g ends generation 1: member a-01 joined again
            3000 wait 6000
            9000 tick
                * group g begins generation 2 with 1 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x]
        "#]],
    );
}

#[test]
fn a_session_outside_of_the_bounds_is_refused() {
    check(
        "join a session=5999
         join a session=1800001
         join a session=-1
         join a session=1800000",
        &expect![[r#"
            0 join a session=5999
                a < INVALID_SESSION_TIMEOUT: session timeout of 5999 ms is outside 6000 to 1800000 ms (member -)
            0 join a session=1800001
                a < INVALID_SESSION_TIMEOUT: session timeout of 1800001 ms is outside 6000 to 1800000 ms (member -)
            0 join a session=-1
                a < INVALID_SESSION_TIMEOUT: session timeout of -1 ms is outside 6000 to 1800000 ms (member -)
            0 join a session=1800000
                a < MEMBER_ID_REQUIRED: join again as member a-04 (member a-04)
                log g generation 0 []
        "#]],
    );
}

#[test]
fn a_member_of_a_group_that_does_not_exist_is_unknown() {
    check(
        "join a member=a-77
         list",
        &expect![[r#"
            0 join a member=a-77
                a < UNKNOWN_MEMBER_ID: member a-77 is not in the group (member a-77)
            0 list
                admin < groups []
        "#]],
    );
}

#[test]
fn an_empty_group_id_is_refused() {
    check(
        "join a group=
         sync a
         heartbeat a
         leave a
         delete-offsets a t-0",
        &expect![[r#"
            0 join a group=
                a < INVALID_GROUP_ID: the group id is empty (member -)
            0 sync a
                a < INVALID_GROUP_ID: the group id is empty
            0 heartbeat a
                a < INVALID_GROUP_ID: the group id is empty
            0 leave a
                a < INVALID_GROUP_ID: the group id is empty
            0 delete-offsets a t-0
                a < INVALID_GROUP_ID: the group id is empty
        "#]],
    );
}

#[test]
fn a_member_without_protocol_or_protocol_type_is_refused() {
    check(
        "join a protocols=
         join b type=
         list",
        &expect![[r#"
            0 join a protocols=
                a < INCONSISTENT_GROUP_PROTOCOL: protocols of type "consumer" have none that every member supports (member -)
            0 join b type=
                b < INCONSISTENT_GROUP_PROTOCOL: protocols of type "" have none that every member supports (member -)
            0 list
                admin < groups []
        "#]],
    );
}

#[test]
fn a_member_that_shares_no_protocol_with_all_others_is_refused() {
    check(
        "join a version=3 protocols=range:x,sticky:y
         join b version=3 protocols=sticky:z
         join c version=3 protocols=range:x
         join d version=3 type=connect protocols=sticky:z
         join e version=3 protocols=sticky:z
         wait 10000",
        &expect![[r#"
            0 join a version=3 protocols=range:x,sticky:y
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 protocols=sticky:z
            0 join c version=3 protocols=range:x
                c < INCONSISTENT_GROUP_PROTOCOL: protocols of type "consumer" have none that every member supports (member -)
            0 join d version=3 type=connect protocols=sticky:z
                d < INCONSISTENT_GROUP_PROTOCOL: protocols of type "connect" have none that every member supports (member -)
            0 join e version=3 protocols=sticky:z
            0 wait 10000
            6000 tick
                * group g begins generation 1 with 3 members
                a < joined as a-01 in generation 1, sticky of consumer, leader a-01 [a-01=y b-02=z e-05=z]
                b < joined as b-02 in generation 1, sticky of consumer, leader a-01
                e < joined as e-05 in generation 1, sticky of consumer, leader a-01
        "#]],
    );
}

#[test]
fn the_protocol_that_most_members_like_best_is_chosen() {
    check(
        "join a version=3 protocols=range:ra,sticky:sa
         join b version=3 protocols=sticky:sb,range:rb
         join c version=3 protocols=sticky:sc,range:rc
         wait 6000",
        &expect![[r#"
            0 join a version=3 protocols=range:ra,sticky:sa
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 protocols=sticky:sb,range:rb
            0 join c version=3 protocols=sticky:sc,range:rc
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 3 members
                a < joined as a-01 in generation 1, sticky of consumer, leader a-01 [a-01=sa b-02=sb c-03=sc]
                b < joined as b-02 in generation 1, sticky of consumer, leader a-01
                c < joined as c-03 in generation 1, sticky of consumer, leader a-01
        "#]],
    );
}

#[test]
fn protocols_that_the_broker_does_not_know_are_passed_on_as_they_are() {
    check(
        "join a version=3 type=connect protocols=sessioned:s,compatible:c,default:d
         join b version=3 type=connect protocols=sessioned:t,compatible:c,default:d
         wait 6000
         sync a assign=a:x,b:y synctype=connect syncprotocol=sessioned
         sync b",
        &expect![[r#"
            0 join a version=3 type=connect protocols=sessioned:s,compatible:c,default:d
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 type=connect protocols=sessioned:t,compatible:c,default:d
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, sessioned of connect, leader a-01 [a-01=s b-02=t]
                b < joined as b-02 in generation 1, sessioned of connect, leader a-01
            6000 sync a assign=a:x,b:y synctype=connect syncprotocol=sessioned
                log g generation 1 [a-01=s>x b-02=t>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 sync b
                b < assigned "y"
        "#]],
    );
}

#[test]
fn a_protocol_named_twice_counts_once() {
    check(
        "join a version=3 protocols=range:x,range:y
         join b version=3 protocols=range:z
         wait 6000",
        &expect![[r#"
            0 join a version=3 protocols=range:x,range:y
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3 protocols=range:z
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=z]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_group_takes_no_more_members_than_it_may() {
    check(
        "config size=2
         join a version=3
         join b version=3
         join c version=3
         wait 6000
         sync a assign=a:x,b:y
         join c version=3
         join b",
        &expect![[r#"
            0 config size=2
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join b version=3
            0 join c version=3
                c < GROUP_MAX_SIZE_REACHED: the group has reached its limit of 2 members (member -)
            0 wait 6000
            6000 tick
                * group g begins generation 1 with 2 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x b-02=x]
                b < joined as b-02 in generation 1, range of consumer, leader a-01
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
                * group g is stable in generation 1
                a < assigned "x"
            6000 join c version=3
                c < GROUP_MAX_SIZE_REACHED: the group has reached its limit of 2 members (member -)
            6000 join b
                b < joined as b-02 in generation 1, range of consumer, leader a-01
        "#]],
    );
}

#[test]
fn a_join_that_is_asked_again_answers_the_first_and_waits_on() {
    check(
        "join a version=3
         join a member=a-01
         wait 3000",
        &expect![[r#"
            0 join a version=3
                * group g ends generation 0: member a-01 joined
                log g generation 0 []
            0 join a member=a-01
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state PreparingRebalance (member a-01)
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=x]
        "#]],
    );
}
