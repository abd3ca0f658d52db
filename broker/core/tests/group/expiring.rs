//! Expiry of offsets: a week after their last use, and groups with their last offset.

use expect_test::expect;

use crate::bench::check;

#[test]
fn offsets_of_a_consumer_in_no_group_expire_a_week_after_their_commit() {
    check(
        "commit a t-0=5
         wait 259200000
         commit a t-1=6
         wait 345600000
         fetch a
         wait 259200000
         list",
        &expect![[r#"
            0 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            0 wait 259200000
            259200000 commit a t-1=6
                log g: t-1=6
                a < committed [ok]
            259200000 wait 345600000
            604800000 tick
                log g: t-0 gone
            604800000 fetch a
                a < offsets [t-1=6]
            604800000 wait 259200000
            864000000 tick
                log g: t-1 gone
                log g gone
            864000000 list
                admin < groups []
        "#]],
    );
}

#[test]
fn offsets_of_a_group_expire_a_week_after_its_last_member_left() {
    check(
        "join a version=3 session=1800000
         wait 3000
         sync a assign=a:x
         commit a t-0=5
         wait 1000000
         commit a t-1=6
         leave a
         wait 604400000
         fetch a
         wait 600000
         fetch a
         list",
        &expect![[r#"
            0 join a version=3 session=1800000
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
            3000 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            3000 wait 1000000
            1003000 commit a t-1=6
                log g: t-1=6
                a < committed [ok]
            1003000 leave a
                * group g ends generation 1: members left: a-01
                * group g is empty in generation 2
                log g generation 2 []
                a < left [ok]
            1003000 wait 604400000
            605403000 fetch a
                a < offsets [t-0=5 t-1=6]
            605403000 wait 600000
            606000000 tick
                log g: t-0 gone
                log g: t-1 gone
                log g gone
            606003000 fetch a
                a < offsets []
            606003000 list
                admin < groups []
        "#]],
    );
}

#[test]
fn offsets_of_a_stable_group_expire_only_for_topics_that_it_does_not_read() {
    check(
        "commit c t-0=5 u-0=6
         join a version=3 session=1800000 protocols=range:topics(t)
         wait 3000
         sync a assign=a:x
         keep a 604800000
         fetch a",
        &expect![[r#"
            0 commit c t-0=5 u-0=6
                log g: t-0=5
                log g: u-0=6
                c < committed [ok ok]
            0 join a version=3 session=1800000 protocols=range:topics(t)
                * group g ends generation 0: member a-01 joined
            0 wait 3000
            3000 tick
                * group g begins generation 1 with 1 members
                a < joined as a-01 in generation 1, range of consumer, leader a-01 [a-01=t]
            3000 sync a assign=a:x
                log g generation 1 [a-01=t>x]
                * group g is stable in generation 1
                a < assigned "x"
            3000 keep a 604800000
            604800000 tick
                log g: u-0 gone
            604803000 fetch a
                a < offsets [t-0=5]
        "#]],
    );
}

#[test]
fn a_retention_that_the_client_asked_for_holds_instead() {
    check(
        "commit a t-0=5 retention=1000000
         commit a t-1=5
         wait 600000
         wait 600000
         fetch a",
        &expect![[r#"
            0 commit a t-0=5 retention=1000000
                log g: t-0=5
                a < committed [ok]
            0 commit a t-1=5
                log g: t-1=5
                a < committed [ok]
            0 wait 600000
            600000 wait 600000
            1200000 tick
                log g: t-0 gone
            1200000 fetch a
                a < offsets [t-1=5]
        "#]],
    );
}

#[test]
fn an_empty_group_without_offsets_goes_at_the_next_look() {
    check(
        "join a
         wait 600000
         wait 600000
         list",
        &expect![[r#"
            0 join a
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 wait 600000
            600000 tick
                log g gone
            600000 wait 600000
            1200000 list
                admin < groups []
        "#]],
    );
}

#[test]
fn nothing_is_looked_for_when_there_is_no_group() {
    check(
        "commit a t-0=5
         delete admin g
         wait 1200000",
        &expect![[r#"
            0 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            0 delete admin g
                log g: t-0 gone
                log g gone
                admin < deleted
            0 wait 1200000
        "#]],
    );
}
