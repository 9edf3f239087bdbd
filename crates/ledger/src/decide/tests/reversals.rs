//! Reversals: never more than was moved, never twice, within the limits.

use super::check;

#[test]
fn money_goes_back_in_parts_and_never_more_than_was_moved() {
    check(
        "
        open a BRL 100
        open b BRL 0
        transfer 1 a b 60
        reversed 1 -> 0
        reverse 2 1 20
        account a -> balance=-40 available=60 pending=0/0
        account b -> balance=40 available=40 pending=0/0
        reversed 1 -> 20
        reverse 3 1 41 -> amount_exceeds_reversible available=40 required=41
        reverse 4 1 39
        reversed 1 -> 59
        reverse 5 1
        reversed 1 -> 60
        account a -> balance=0 available=100 pending=0/0
        reverse 6 1 -> amount_exceeds_reversible available=0 required=60
        reverse 7 1 1 -> amount_exceeds_reversible available=0 required=1
        ",
    );
}

#[test]
fn what_moved_money_is_reversed_and_nothing_else() {
    check(
        "
        open a BRL 100
        open b BRL 0
        reverse 1 99 -> transfer_not_reversible 99 not_found
        pend 10 a b 30
        reverse 2 10 -> transfer_not_reversible 10 nothing_moved
        post 11 10 20
        reverse 3 10 -> transfer_not_reversible 10 pend
        reverse 4 11 5
        reversed 11 -> 5
        reversed 10 -> never
        reverse 5 4 -> transfer_not_reversible 4 reversal
        pend 12 a b 30
        void 13 12
        reverse 6 12 -> transfer_not_reversible 12 nothing_moved
        reverse 7 13 -> transfer_not_reversible 13 nothing_moved
        transfer 14 a b 10000 -> insufficient_funds a available=85 required=10000 limit=100
        reverse 8 14 -> transfer_not_reversible 14 nothing_moved
        reverse 9 9 -> transfer_not_reversible 9 not_found
        ",
    );
}

#[test]
fn limits_hold_for_a_reversal_as_for_any_transfer() {
    check(
        "
        open a BRL 100
        open b BRL 0
        open c BRL 0
        transfer 1 a b 60
        transfer 2 b c 50
        reverse 3 1 -> insufficient_funds b available=10 required=60 limit=0
        reversed 1 -> 0
        reverse 4 1 10
        reverse 3 1 -> exists: insufficient_funds b available=10 required=60 limit=0
        pend 5 c a 50
        reverse 6 2 1 -> insufficient_funds c available=0 required=1 limit=0
        void 7 5
        reverse 8 2
        limit b 0
        reverse 9 1
        close c
        transfer 20 a b 1
        ",
    );
    check(
        "
        open a BRL 100
        open b BRL 0
        open c BRL 0
        transfer 1 a b 10
        transfer 2 b c 10
        close b
        reverse 3 1 -> account_closed b
        reverse 4 2 -> account_closed b
        ",
    );
}

#[test]
fn a_reversal_frees_what_is_due_first() {
    check(
        "
        at 0
        open a BRL 100
        open b BRL 0
        transfer 1 a b 60
        pend 2 b a 60 timeout=10
        at 5
        reverse 3 1 -> insufficient_funds b available=0 required=60 limit=0
        at 11
        reverse 4 1
        ",
    );
}

#[test]
fn the_same_id_with_the_same_content_has_the_first_outcome() {
    check(
        "
        open a BRL 100
        open b BRL 0
        transfer 1 a b 60
        transfer 2 a b 10
        reverse 3 1 20 ref=r
        reverse 3 1 20 ref=r -> exists
        reverse 3 2 20 ref=r -> exists_with_different_reverses
        reverse 3 1 21 ref=r -> exists_with_different_amount
        reverse 3 1 ref=r -> exists_with_different_amount
        reverse 3 1 20 ref=r desc=x -> exists_with_different_description
        reverse 3 1 20 -> exists_with_different_reference
        transfer 3 b a 20 -> exists_with_different_kind
        reverse 1 2 -> exists_with_different_kind
        reverse 4 1
        reverse 4 1 -> exists
        reverse 4 1 40 ref=r -> exists_with_different_amount
        reverse 5 1 0 -> amount_out_of_range 0
        reverse 5 1 desc= -> description_invalid
        reverse 5 2
        ",
    );
}

#[test]
fn a_settled_payment_comes_back_from_its_processor() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 40
        reverse 1 payment:1 -> transfer_not_reversible 308040427132220670642827065456291087557 nothing_moved
        send 1 accepted/0 p 5
        settle 1 sent/1 5
        account processor:p:BRL -> balance=40 available=unlimited pending=0/0
        reverse 2 payment:1 15
        account processor:p:BRL -> balance=25 available=unlimited pending=0/0
        account a -> balance=-25 available=75 pending=0/0
        reverse 3 payment:1 26 -> amount_exceeds_reversible available=25 required=26
        reverse 4 payment:1
        account processor:p:BRL -> balance=0 available=unlimited pending=0/0
        ",
    );
}

#[test]
fn a_batch_reverses_its_own_transfers() {
    check(
        "
        open a BRL 100
        open b BRL 0
        atomic 1: transfer 1 a b 60; reverse 2 1 50; reverse 3 1 -> created; created; created
        reversed 1 -> 60
        atomic 2: transfer 4 a b 60; reverse 5 4 61 -> batch_member_failed; amount_exceeds_reversible available=60 required=61
        reversed 4 -> never
        account b -> balance=0 available=0 pending=0/0
        ",
    );
}
