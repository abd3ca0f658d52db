//! ListGroups, DescribeGroups and DeleteGroups: what an admin sees and removes.

use expect_test::expect;

use crate::bench::check;

#[test]
fn groups_are_listed_by_state_and_type_in_any_case() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         commit c group=h t-0=1
         list
         list states=Stable
         list states=empty,PREPARINGREBALANCE
         list states=nonsense
         list types=CLASSIC
         list types=consumer
         list types=classic states=empty",
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
            6000 commit c group=h t-0=1
                log h: t-0=1
                c < committed [ok]
            6000 list
                admin < groups [g:consumer:Stable h:-:Empty]
            6000 list states=Stable
                admin < groups [g:consumer:Stable]
            6000 list states=empty,PREPARINGREBALANCE
                admin < groups [h:-:Empty]
            6000 list states=nonsense
                admin < groups []
            6000 list types=CLASSIC
                admin < groups [g:consumer:Stable h:-:Empty]
            6000 list types=consumer
                admin < groups []
            6000 list types=classic states=empty
                admin < groups [h:-:Empty]
        "#]],
    );
}

#[test]
fn a_stable_group_is_described_with_all_and_any_other_without_metadata() {
    check(
        "join a version=9 instance=one
         join b version=3
         wait 6000
         describe admin g
         sync a assign=a:x,b:y
         describe admin g
         join a
         describe admin g",
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
            6000 describe admin g
                admin < CompletingRebalance consumer - [b-02@b/b="">"" one-01#one@a/a="">""]
            6000 sync a assign=a:x,b:y
                log g generation 1 [b-02=x>y one-01#one=x>x]
                * group g is stable in generation 1
                a < assigned "x"
            6000 describe admin g
                admin < Stable consumer range [b-02@b/b="x">"y" one-01#one@a/a="x">"x"]
            6000 join a
                * group g ends generation 1: member one-01 joined again
            6000 describe admin g
                admin < PreparingRebalance consumer - [b-02@b/b="">"y" one-01#one@a/a="">"x"]
        "#]],
    );
}

#[test]
fn a_group_that_does_not_exist_is_not_found() {
    check(
        "describe admin g
         delete admin g",
        &expect![[r#"
            0 describe admin g
                admin < GROUP_ID_NOT_FOUND: Group g not found.
            0 delete admin g
                admin < GROUP_ID_NOT_FOUND: Group g not found.
        "#]],
    );
}

#[test]
fn a_group_without_members_is_deleted_with_its_offsets() {
    check(
        "commit a t-0=5 t-1=6
         hold
         delete admin g
         describe admin g
         durable
         fetch a t-0",
        &expect![[r#"
            0 commit a t-0=5 t-1=6
                log g: t-0=5
                log g: t-1=6
                a < committed [ok ok]
            0 hold
            0 delete admin g
                log g: t-0 gone
                log g: t-1 gone
                log g gone
            0 describe admin g
                admin < GROUP_ID_NOT_FOUND: Group g not found.
            0 durable
                admin < deleted
            0 fetch a t-0
                a < offsets [t-0=none]
        "#]],
    );
}

#[test]
fn a_group_with_members_is_not_deleted() {
    check(
        "join a version=3
         join b version=3
         wait 6000
         sync a assign=a:x,b:y
         sync b
         delete admin g",
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
            6000 delete admin g
                admin < NON_EMPTY_GROUP: group g is not empty: it is in state Stable with 2 members
        "#]],
    );
}

#[test]
fn a_member_that_only_has_its_id_does_not_save_its_group() {
    check(
        "join a
         delete admin g
         join a",
        &expect![[r#"
            0 join a
                a < MEMBER_ID_REQUIRED: join again as member a-01 (member a-01)
                log g generation 0 []
            0 delete admin g
                log g gone
                admin < deleted
            0 join a
                a < UNKNOWN_MEMBER_ID: member a-01 is not in the group (member a-01)
        "#]],
    );
}
