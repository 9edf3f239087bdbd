//! Accounts of which an operator has stopped debits, credits or both.

use super::check;

#[test]
fn a_frozen_side_takes_nothing_new() {
    check(
        "
        open a BRL 100
        open b BRL 100
        transfer 1 a b 10
        freeze a debits
        transfer 2 a b 1 -> account_frozen a debit
        pend 3 a b 1 -> account_frozen a debit
        accept 1 a BRL 1 -> account_frozen a debit
        transfer 4 b a 1
        pend 5 b a 1
        freeze a credits
        transfer 6 b a 1 -> account_frozen a credit
        pend 7 b a 1 -> account_frozen a credit
        transfer 8 a b 1
        accept 2 a BRL 1
        freeze a both
        transfer 9 a b 1 -> account_frozen a debit
        transfer 10 b a 1 -> account_frozen a credit
        freeze a none
        transfer 11 a b 1
        transfer 12 b a 1
        transfer 2 a b 1 -> exists: account_frozen a debit
        account a -> balance=-10 available=89 pending=1/1
        ",
    );
}

#[test]
fn what_was_reserved_before_is_honoured() {
    check(
        "
        open a BRL 100
        open b BRL 100
        at 0
        pend 1 a b 10
        pend 2 a b 10
        pend 3 a b 10
        pend 4 a b 10 timeout=5
        accept 1 a BRL 10
        accept 2 a BRL 10
        send 1 accepted/0 default 1
        freeze a both
        freeze b both
        post 5 1 4
        part 6 2 4
        post 7 2
        void 8 3
        settle 1 sent/1 1
        send 2 accepted/0 default 2
        release 2 sent/1
        refuse 2 accepted/1 operator_refused
        at 6
        account a -> balance=-24 available=76 pending=0/0
        account b -> balance=14 available=114 pending=0/0
        reverse 9 5 -> account_frozen b debit
        freeze b none
        reverse 9 5 -> exists: account_frozen b debit
        reverse 10 5 -> account_frozen a credit
        freeze a debits
        reverse 11 5
        ",
    );
}

#[test]
fn a_freeze_names_what_it_expects() {
    check(
        "
        open a BRL 100
        freeze a debits expects=none
        freeze a debits expects=none
        freeze a both expects=none -> account_in_other_state a limit=100 entries=0
        freeze a both expects=debits
        freeze a none expects=debits -> account_in_other_state a limit=100 entries=0
        freeze a none expects=both
        freeze a none expects=both
        freeze nobody debits -> account_not_found nobody
        freeze world:BRL debits -> account_reserved world:BRL
        freeze processor:x:BRL none -> account_reserved processor:x:BRL
        ",
    );
}

#[test]
fn a_frozen_account_is_limited_and_closed_as_any_other() {
    check(
        "
        open a BRL 100
        freeze a both
        limit a 50
        account a -> balance=0 available=50 pending=0/0
        open a BRL 100 -> exists
        close a
        freeze a none -> account_closed a
        transfer 1 world:BRL a 1 -> account_closed a
        ",
    );
}

#[test]
fn the_checks_are_in_order() {
    check(
        "
        open a BRL 100
        open b USD 0
        open c BRL 0
        freeze a debits
        freeze b credits
        transfer 1 a nobody 1 -> account_not_found nobody
        close c
        transfer 2 a c 1 -> account_closed c
        transfer 3 a b 1000 -> account_frozen a debit
        freeze a none
        transfer 4 a b 1000 -> account_frozen b credit
        freeze b none
        transfer 5 a b 1000 -> currency_mismatch
        ",
    );
}

#[test]
fn a_freeze_in_an_atomic_batch_counts_for_what_comes_behind_it() {
    check(
        "
        open a BRL 100
        atomic 1: transfer 1 a world:BRL 1; freeze a debits; transfer 2 a world:BRL 1 -> batch_member_failed; batch_member_failed; account_frozen a debit
        atomic 2: transfer 3 a world:BRL 1; freeze a debits -> created; created
        transfer 4 a world:BRL 1 -> account_frozen a debit
        ",
    );
}
