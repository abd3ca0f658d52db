//! Appends that fail: everybody who waits is told, and the log is what counts.

use expect_test::expect;

use crate::bench::check;

#[test]
fn all_who_wait_are_told_to_try_again_when_an_append_fails() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync b
         hold
         sync a assign=a:x,b:y
         commit c group=h t-0=1
         fetch d group=h t-0
         join e group=i version=3
         fail
         restart
         list",
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
            6000 hold
            6000 sync a assign=a:x,b:y
                log g generation 1 [a-01=x>x b-02=x>y]
            6000 commit c group=h t-0=1
                log h: t-0=1
            6000 fetch d group=h t-0
            6000 join e group=i version=3
                * group i ends generation 0: member e-03 joined
                log i generation 0 []
            6000 fail
                c < COORDINATOR_NOT_AVAILABLE: the coordinator is not available
                d < NOT_COORDINATOR: this broker does not coordinate the group
                a < COORDINATOR_NOT_AVAILABLE: the coordinator is not available
                b < COORDINATOR_NOT_AVAILABLE: the coordinator is not available
                e < COORDINATOR_NOT_AVAILABLE: the coordinator is not available (member e-03)
            6000 restart
            6000 list
                admin < groups [g:-:Empty]
        "#]],
    );
}

#[test]
fn what_was_not_durable_is_gone() {
    check(
        "commit a t-0=5
         hold
         commit a t-0=6
         fail
         restart
         release
         fetch a t-0",
        &expect![[r#"
            0 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            0 hold
            0 commit a t-0=6
                log g: t-0=6
            0 fail
                a < COORDINATOR_NOT_AVAILABLE: the coordinator is not available
            0 restart
            0 release
            0 fetch a t-0
                a < offsets [t-0=5]
        "#]],
    );
}
