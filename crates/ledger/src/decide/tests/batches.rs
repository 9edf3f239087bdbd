//! Atomic batches: all or nothing, and remembered.

use super::check;

#[test]
fn all_is_applied() {
    check(
        "
        open a BRL 0
        atomic 1: transfer 1 world:BRL a 10; pend 2 a world:BRL 10; post 3 2 4 -> created; created; created
        account a -> balance=6 available=6 pending=0/0
        atomic 1: transfer 1 world:BRL a 10; pend 2 a world:BRL 10; post 3 2 4 -> exists; exists; exists
        transfer 1 world:BRL a 10 -> exists
        account a -> balance=6 available=6 pending=0/0
        ",
    );
}

#[test]
fn nothing_is_applied_where_a_member_is_refused() {
    check(
        "
        open a BRL 0
        atomic 1: transfer 1 world:BRL a 10; transfer 2 a world:BRL 11; transfer 3 world:BRL a 1 -> batch_member_failed; insufficient_funds a available=10 required=11 limit=0; batch_member_failed
        account a -> balance=0 available=0 pending=0/0
        transfer 1 world:BRL a 20
        atomic 1: transfer 1 world:BRL a 10; transfer 2 a world:BRL 11; transfer 3 world:BRL a 1 -> exists: batch_member_failed; exists: insufficient_funds a available=10 required=11 limit=0; exists: batch_member_failed
        transfer 2 a world:BRL 11
        atomic 2: transfer 9 world:BRL a 0 -> amount_out_of_range 0
        atomic 3: open b BRL 0; transfer 4 world:BRL b 1; transfer 5 a nobody 1 -> batch_member_failed; batch_member_failed; account_not_found nobody
        transfer 4 world:BRL b 1 -> account_not_found b
        ",
    );
}

#[test]
fn a_used_id_refuses_a_new_batch() {
    check(
        "
        open a BRL 0
        transfer 1 world:BRL a 10
        atomic 1: transfer 2 world:BRL a 1; transfer 1 world:BRL a 10 -> batch_member_failed; exists
        atomic 2: transfer 2 world:BRL a 1; transfer 1 world:BRL a 11 -> batch_member_failed; exists_with_different_amount
        atomic 3: transfer 2 world:BRL a 1; transfer 2 world:BRL a 1 -> batch_member_failed; exists
        atomic 4: open a BRL 0 -> exists
        atomic 1: transfer 2 world:BRL a 1; transfer 1 world:BRL a 10 -> exists: batch_member_failed; exists
        account a -> balance=10 available=10 pending=0/0
        ",
    );
}

#[test]
fn a_batch_id_with_other_members_is_refused() {
    check(
        "
        open a BRL 0
        atomic 1: transfer 1 world:BRL a 10; transfer 2 world:BRL a 1 -> created; created
        atomic 1: transfer 1 world:BRL a 10 -> exists_with_different_members
        atomic 1: transfer 2 world:BRL a 1; transfer 1 world:BRL a 10 -> exists_with_different_members; exists_with_different_members
        atomic 1: transfer 1 world:BRL a 10; transfer 2 world:BRL a 2 -> exists_with_different_members; exists_with_different_members
        ",
    );
}

#[test]
fn payments_and_purges_are_members_too() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 10
        atomic 1: accept 2 a BRL 20; purge; transfer 1 a world:BRL 100 -> created; created; created
        account a -> balance=-100 available=0 pending=0/0
        transfer 2 world:BRL a 100
        accept 3 a BRL 10
        atomic 2: purge; transfer 3 a world:BRL 101 -> batch_member_failed; insufficient_funds a available=100 required=101 limit=100
        account a -> balance=0 available=90 pending=10/0
        atomic 3: send 3 accepted/0 p 5; settle 3 sent/1 5 -> created; created
        account processor:p:BRL -> balance=10 available=unlimited pending=0/0
        ",
    );
}
