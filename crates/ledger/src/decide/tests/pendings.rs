//! Pending transfers: posted, voided, expired, each once.

use super::check;

#[test]
fn a_reservation_counts_on_both_sides() {
    check(
        "
        open a BRL 100
        open b BRL 0
        pend 1 a b 60
        account a -> balance=0 available=40 pending=60/0
        account b -> balance=0 available=0 pending=0/60
        transfer 2 a b 41 -> insufficient_funds a available=40 required=41 limit=100
        pend 3 a b 41 -> insufficient_funds a available=40 required=41 limit=100
        transfer 4 b a 1 -> insufficient_funds b available=0 required=1 limit=0
        pend 5 a b 40
        account a -> balance=0 available=0 pending=100/0
        ",
    );
}

#[test]
fn a_post_takes_all_or_a_part() {
    check(
        "
        open a BRL 100
        open b BRL 0
        pend 1 a b 60
        post 2 1 0 -> amount_out_of_range 0
        post 2 1 max+1 -> amount_out_of_range 9007199254740992
        post 2 1 61 -> amount_exceeds_pending available=60 required=61
        post 3 1 1
        account a -> balance=-1 available=99 pending=0/0
        account b -> balance=1 available=1 pending=0/0
        pend 4 a b 10
        post 5 4 10
        pend 6 a b 10
        post 7 6
        account a -> balance=-21 available=79 pending=0/0
        account world:BRL -> balance=0 available=unlimited pending=0/0
        ",
    );
}

#[test]
fn a_pending_transfer_ends_once() {
    check(
        "
        open a BRL 100
        pend 1 a world:BRL 10
        pend 2 a world:BRL 10
        post 3 1
        post 4 1 -> pending_already_posted 1
        void 5 1 -> pending_already_posted 1
        expire 1 -> pending_already_posted 1
        void 6 2
        post 7 2 -> pending_already_voided 2
        void 8 2 -> pending_already_voided 2
        expire 2 -> pending_already_voided 2
        account a -> balance=-10 available=90 pending=0/0
        ",
    );
}

#[test]
fn only_pending_transfers_end() {
    check(
        "
        open a BRL 100
        transfer 1 a world:BRL 10
        pend 2 nobody a 1 -> account_not_found nobody
        accept 9 a BRL 1
        post 3 1 -> pending_not_found 1
        void 4 1 -> pending_not_found 1
        post 5 2 -> pending_not_found 2
        post 6 99 -> pending_not_found 99
        void 7 7 -> pending_not_found 7
        expire 99 -> pending_not_found 99
        expire 1 -> pending_not_found 1
        pend 10 a world:BRL 1
        post 11 10
        post 12 11 -> pending_not_found 11
        pend 13 a world:BRL 1
        expire 13 -> pending_not_found 13
        ",
    );
}

#[test]
fn it_expires_at_timestamp_plus_timeout_exactly() {
    check(
        "
        open a BRL 100
        at 0
        pend 1 a world:BRL 10 timeout=5
        pend 2 a world:BRL 10 timeout=5
        pend 3 a world:BRL 10
        at 4.999999999
        account a -> balance=0 available=70 pending=30/0
        post 4 1
        at 5
        expire 2 -> pending_not_found 2
        at 5.000000001
        account a -> balance=-10 available=80 pending=10/0
        post 5 2 -> pending_expired 2
        void 6 2 -> pending_expired 2
        expire 2 -> pending_expired 2
        at 4000000
        post 7 3
        ",
    );
}

#[test]
fn what_has_expired_is_available_in_the_same_moment() {
    check(
        "
        open a BRL 10
        at 0
        pend 1 a world:BRL 10 timeout=1
        at 0.999999999
        transfer 2 a world:BRL 10 -> insufficient_funds a available=0 required=10 limit=10
        at 1
        transfer 3 a world:BRL 10
        post 4 1 -> pending_expired 1
        transfer 2 a world:BRL 10 -> exists: insufficient_funds a available=0 required=10 limit=10
        ",
    );
}

#[test]
fn the_longest_timeout_is_counted() {
    check(
        "
        open a BRL 10
        at 0
        pend 1 a world:BRL 10 timeout=4294967295
        at 4294967294
        account a -> balance=0 available=0 pending=10/0
        at 4294967295
        account a -> balance=0 available=10 pending=0/0
        ",
    );
}
