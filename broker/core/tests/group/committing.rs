//! OffsetCommit and OffsetFetch: the progress of consumers.

use expect_test::expect;

use crate::bench::check;

#[test]
fn a_consumer_in_no_group_commits_and_fetches() {
    check(
        "commit a t-0=5 t-1=6@3
         commit a u-0=7 metadata=note
         fetch a t-0 t-1 t-2 u-0 nothing-0 t--1
         fetch a
         list",
        &expect![[r#"
            0 commit a t-0=5 t-1=6@3
                log g: t-0=5
                log g: t-1=6@3
                a < committed [ok ok]
            0 commit a u-0=7 metadata=note
                log g: u-0=7 "note"
                a < committed [ok]
            0 fetch a t-0 t-1 t-2 u-0 nothing-0 t--1
                a < offsets [t-0=5 t-1=6@3 t-2=none u-0=7 "note" nothing-0=none t--1=none]
            0 fetch a
                a < offsets [t-0=5 t-1=6@3 u-0=7 "note"]
            0 list
                admin < groups [g:-:Empty]
        "#]],
    );
}

#[test]
fn an_offset_of_the_empty_group_is_kept_too() {
    check(
        "commit a group= t-0=5
         fetch a t-0",
        &expect![[r#"
            0 commit a group= t-0=5
                log : t-0=5
                a < committed [ok]
            0 fetch a t-0
                a < offsets [t-0=5]
        "#]],
    );
}

#[test]
fn a_member_commits_in_its_generation() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         commit a t-0=5
         commit a t-0=6 generation=0
         commit a t-0=6 generation=2
         commit a t-0=6 generation=-1
         commit a t-0=6 member=z-09
         fetch a",
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
            6000 commit a t-0=6 generation=0
                a < ILLEGAL_GENERATION: generation 0 is not the current one, 1
            6000 commit a t-0=6 generation=2
                a < ILLEGAL_GENERATION: generation 2 is not the current one, 1
            6000 commit a t-0=6 generation=-1
                a < ILLEGAL_GENERATION: generation -1 is not the current one, 1
            6000 commit a t-0=6 member=z-09
                a < UNKNOWN_MEMBER_ID: member z-09 is not in the group
            6000 fetch a
                a < offsets [t-0=5]
        "#]],
    );
}

#[test]
fn an_outsider_cannot_commit_while_the_group_has_members() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         commit c t-0=9
         fetch c t-0",
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
            6000 commit c t-0=9
                c < UNKNOWN_MEMBER_ID: member "" is not in the group
            6000 fetch c t-0
                c < offsets [t-0=none]
        "#]],
    );
}

#[test]
fn a_member_of_a_group_that_does_not_exist_cannot_commit() {
    check(
        "commit a t-0=5 generation=3 member=a-01
         list",
        &expect![[r#"
            0 commit a t-0=5 generation=3 member=a-01
                a < GROUP_ID_NOT_FOUND: Group g not found.
            0 list
                admin < groups []
        "#]],
    );
}

#[test]
fn a_member_commits_while_others_join_but_not_while_the_leader_decides() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         join b protocols=range:news
         commit a t-0=5
         join a
         commit a t-0=6
         fetch a",
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
            6000 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            6000 join a
                * group g begins generation 2 with 2 members
                a < joined as a-01 in generation 2, range of consumer, leader a-01 [a-01=x b-02=news]
                b < joined as b-02 in generation 2, range of consumer, leader a-01
            6000 commit a t-0=6
                a < REBALANCE_IN_PROGRESS: the group is rebalancing: it is in state CompletingRebalance
            6000 fetch a
                a < offsets [t-0=5]
        "#]],
    );
}

#[test]
fn a_static_member_that_lost_its_place_cannot_commit() {
    check(
        "join a version=9 instance=one
         wait 3000
         sync a assign=a:x
         join b version=9 instance=one
         commit a t-0=5
         commit b t-0=6",
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
            3000 join b version=9 instance=one
                log g generation 1 [one-02#one=x>x]
                b < joined as one-02 in generation 1, range of consumer, leader one-02, skip [one-02#one=x]
            3000 commit a t-0=5
                a < FENCED_INSTANCE_ID: instance one is now member one-02
            3000 commit b t-0=6
                log g: t-0=6
                b < committed [ok]
        "#]],
    );
}

#[test]
fn a_commit_is_answered_when_it_is_durable_and_so_is_a_fetch_that_sees_it() {
    check(
        "commit a t-0=5
         hold
         commit a t-0=6
         fetch b t-0
         durable
         fetch b t-0",
        &expect![[r#"
            0 commit a t-0=5
                log g: t-0=5
                a < committed [ok]
            0 hold
            0 commit a t-0=6
                log g: t-0=6
            0 fetch b t-0
            0 durable
                a < committed [ok]
                b < offsets [t-0=6]
            0 fetch b t-0
                b < offsets [t-0=6]
        "#]],
    );
}

#[test]
fn metadata_that_is_too_long_is_refused_for_its_partition() {
    check(
        "config metadata=4
         commit a t-0=1 metadata=1234
         commit a t-0=2 metadata=12345
         commit a t-0=3 metadata=ééé
         commit a t-0=4 metadata=😀😀
         commit a t-0=5 metadata=😀😀😀
         fetch a",
        &expect![[r#"
            0 config metadata=4
            0 commit a t-0=1 metadata=1234
                log g: t-0=1 "1234"
                a < committed [ok]
            0 commit a t-0=2 metadata=12345
                a < committed [OFFSET_METADATA_TOO_LARGE]
            0 commit a t-0=3 metadata=ééé
                log g: t-0=3 "ééé"
                a < committed [ok]
            0 commit a t-0=4 metadata=😀😀
                log g: t-0=4 "😀😀"
                a < committed [ok]
            0 commit a t-0=5 metadata=😀😀😀
                a < committed [OFFSET_METADATA_TOO_LARGE]
            0 fetch a
                a < offsets [t-0=4 "😀😀"]
        "#]],
    );
}
