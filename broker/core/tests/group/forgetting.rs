//! OffsetDelete and deleted topics: how offsets go before their time.

use expect_test::expect;

use crate::bench::check;

#[test]
fn an_offset_of_an_older_topic_of_the_same_name_is_none() {
    check(
        "commit a t#1-0=5
         fetch a t-0 t#1-0 t#2-0
         commit a t-0=6
         fetch a t#2-0",
        &expect![[r#"
            0 commit a t#1-0=5
                log g: t-0=5
                a < committed [ok]
            0 fetch a t-0 t#1-0 t#2-0
                a < offsets [t-0=5 t-0=5 t-0=none]
            0 commit a t-0=6
                log g: t-0=6
                a < committed [ok]
            0 fetch a t#2-0
                a < offsets [t-0=6]
        "#]],
    );
}

#[test]
fn offsets_of_deleted_topics_go_and_those_of_their_successors_stay() {
    check(
        "commit a t#1-0=5 t#2-1=6 u-0=7
         topic-deleted t#1 u#9
         fetch a",
        &expect![[r#"
            0 commit a t#1-0=5 t#2-1=6 u-0=7
                log g: t-0=5
                log g: t-1=6
                log g: u-0=7
                a < committed [ok ok ok]
            0 topic-deleted t#1 u#9
                log g: t-0 gone
                log g: u-0 gone
            0 fetch a
                a < offsets [t-1=6]
        "#]],
    );
}

#[test]
fn an_admin_deletes_offsets_that_nobody_uses() {
    check(
        "commit a t-0=5 t-1=6
         delete-offsets admin t-0 t-9 u-0
         fetch a
         delete-offsets admin group=other t-0",
        &expect![[r#"
            0 commit a t-0=5 t-1=6
                log g: t-0=5
                log g: t-1=6
                a < committed [ok ok]
            0 delete-offsets admin t-0 t-9 u-0
                log g: t-0 gone
                admin < offsets deleted [ok ok ok]
            0 fetch a
                a < offsets [t-1=6]
            0 delete-offsets admin group=other t-0
                admin < GROUP_ID_NOT_FOUND: Group other not found.
        "#]],
    );
}

#[test]
fn offsets_of_topics_that_members_read_are_not_deleted() {
    check(
        "commit c t-0=5 u-0=6
         join a version=3 protocols=range:topics(t)
         wait 3000
         sync a assign=a:x
         delete-offsets admin t-0 u-0
         fetch a",
        &expect![[r#"
            0 commit c t-0=5 u-0=6
                log g: t-0=5
                log g: u-0=6
                c < committed [ok ok]
            0 join a version=3 protocols=range:topics(t)
                * group g ends generation 0: member a-01 joined
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=t]
            3000 sync a assign=a:x
                log g generation 1 [a-01=t>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 delete-offsets admin t-0 u-0
                log g: u-0 gone
                admin < offsets deleted [GROUP_SUBSCRIBED_TO_TOPIC ok]
            3000 fetch a
                a < offsets [t-0=5]
        "#]],
    );
}

#[test]
fn offsets_of_members_that_are_no_consumers_are_not_deleted() {
    check(
        "commit c t-0=5
         join a version=3 type=connect
         wait 3000
         sync a assign=a:x
         delete-offsets admin t-0",
        &expect![[r#"
            0 commit c t-0=5
                log g: t-0=5
                c < committed [ok]
            0 join a version=3 type=connect
                * group g ends generation 0: member a-01 joined
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of connect, leader a-01 [a-01=x]
            3000 sync a assign=a:x
                log g generation 1 [a-01=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 delete-offsets admin t-0
                admin < NON_EMPTY_GROUP: group g is not empty: it is in state Stable with 1 members
        "#]],
    );
}

#[test]
fn offsets_of_consumers_whose_subscription_makes_no_sense_are_not_deleted() {
    check(
        "commit c t-0=5
         join a version=3 protocols=range:nonsense
         wait 3000
         delete-offsets admin t-0",
        &expect![[r#"
            0 commit c t-0=5
                log g: t-0=5
                c < committed [ok]
            0 join a version=3 protocols=range:nonsense
                * group g ends generation 0: member a-01 joined
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=nonsense]
            3000 delete-offsets admin t-0
                admin < offsets deleted [GROUP_SUBSCRIBED_TO_TOPIC]
        "#]],
    );
}
