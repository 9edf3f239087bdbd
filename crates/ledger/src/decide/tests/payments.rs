//! Payments: each transition, from each state.

use super::check;

#[test]
fn acceptance_reserves_and_settlement_moves() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 60
        account a -> balance=0 available=40 pending=60/0
        accept 2 a BRL 41 -> insufficient_funds a available=40 required=41 limit=100
        accept 3 a BRL 40
        send 1 accepted/0 p 5
        account a -> balance=0 available=0 pending=100/0
        settle 1 sent/1 5
        account a -> balance=-60 available=0 pending=40/0
        account processor:p:BRL -> balance=60 available=unlimited pending=0/0
        refuse 3 accepted/0 processor_refused
        account a -> balance=-60 available=40 pending=0/0
        ",
    );
}

#[test]
fn the_outside_pays_where_no_account_is_named() {
    check(
        "
        accept 1 - BRL 60
        account world:BRL -> balance=0 available=unlimited pending=0/0
        send 1 accepted/0 p 5
        settle 1 sent/1 5
        account world:BRL -> balance=-60 available=unlimited pending=0/0
        account processor:p:BRL -> balance=60 available=unlimited pending=0/0
        ",
    );
}

#[test]
fn acceptance_checks_in_order() {
    check(
        "
        open a BRL 0
        open closed BRL 0
        close closed
        accept 1 world:BRL BRL 0 desc= -> amount_out_of_range 0
        accept 1 world:BRL BRL max+1 -> amount_out_of_range 9007199254740992
        accept 1 world:BRL BRL 1 desc= -> description_invalid
        accept 1 world:BRL BRL 1 -> account_reserved world:BRL
        accept 1 processor:p:BRL BRL 1 -> account_reserved processor:p:BRL
        accept 2 nobody BRL 1 -> account_not_found nobody
        accept 3 closed USD 1 -> account_closed closed
        accept 4 a USD 1 -> currency_mismatch
        accept 5 a BRL 1 -> insufficient_funds a available=0 required=1 limit=0
        accept 1 - BRL max
        ",
    );
}

#[test]
fn an_accepted_payment() {
    check(
        "
        accept 1 - BRL 1
        settle 1 accepted/0 5 -> payment_in_other_state accepted/0
        release 1 accepted/0 -> payment_in_other_state accepted/0
        release 1 sent/1 -> payment_in_other_state accepted/0
        settle 1 sent/1 5 -> payment_in_other_state accepted/0
        send 1 accepted/1 p 5 -> payment_in_other_state accepted/0
        send 1 sent/0 p 5 -> payment_in_other_state accepted/0
        refuse 1 accepted/1 operator_refused -> payment_in_other_state accepted/0
        refuse 1 sent/0 operator_refused -> payment_in_other_state accepted/0
        send 1 accepted/0 p 5
        ",
    );
}

#[test]
fn a_sent_payment_stays_with_its_processor() {
    check(
        "
        accept 1 - BRL 1
        send 1 accepted/0 p 5
        send 1 accepted/0 p 5 -> exists
        send 1 settled/0 p 5 -> payment_in_other_state sent/1
        send 1 refused/0 p 5 -> payment_in_other_state sent/1
        send 1 accepted/0 q 5 -> payment_in_other_state sent/1
        send 1 accepted/0 p 6 -> payment_in_other_state sent/1
        send 1 sent/1 q 5 -> payment_in_other_state sent/1
        send 1 sent/1 p 6 -> payment_in_other_state sent/1
        send 1 sent/2 p 5 -> payment_in_other_state sent/1
        send 1 sent/1 p 5
        send 1 sent/1 p 5 -> exists
        send 1 accepted/0 p 5 -> payment_in_other_state sent/2
        settle 1 sent/1 5 -> payment_in_other_state sent/2
        release 1 sent/1 -> payment_in_other_state sent/2
        refuse 1 sent/1 operator_refused -> payment_in_other_state sent/2
        release 1 sent/2
        release 1 sent/2 -> exists
        send 1 accepted/1 q 7 -> payment_in_other_state accepted/2
        send 1 accepted/2 q 7
        refuse 1 sent/3 processor_refused
        refuse 1 sent/3 processor_refused -> exists
        refuse 1 sent/3 operator_refused -> payment_in_other_state refused/3
        ",
    );
}

#[test]
fn what_has_ended_has_ended() {
    check(
        "
        accept 1 - BRL 1
        send 1 accepted/0 p 5
        settle 1 sent/1 6
        settle 1 sent/1 6 -> exists
        settle 1 sent/1 5 -> payment_in_other_state settled/1
        send 1 settled/1 p 5 -> payment_in_other_state settled/1
        release 1 sent/1 -> payment_in_other_state settled/1
        refuse 1 settled/1 operator_refused -> payment_in_other_state settled/1
        accept 2 - BRL 1
        refuse 2 accepted/0 operator_refused
        refuse 2 accepted/0 operator_refused -> exists
        send 2 refused/0 p 5 -> payment_in_other_state refused/0
        settle 2 refused/0 5 -> payment_in_other_state refused/0
        release 2 refused/0 -> payment_in_other_state refused/0
        accept 2 - BRL 1 -> exists
        ",
    );
}

#[test]
fn there_has_to_be_a_payment() {
    check(
        "
        open a BRL 0
        accept 1 a BRL 1 -> insufficient_funds a available=0 required=1 limit=0
        send 1 accepted/0 p 5 -> payment_not_found 1
        send 2 accepted/0 p 5 -> payment_not_found 2
        settle 2 sent/1 5 -> payment_not_found 2
        release 2 sent/1 -> payment_not_found 2
        refuse 2 accepted/0 operator_refused -> payment_not_found 2
        ",
    );
}

#[test]
fn an_operator_resolves_as_a_dispatcher_would_and_is_named() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 60
        resolve 1 accepted/0 release ana x -> payment_in_other_state accepted/0
        send 1 accepted/0 p 5
        resolve 1 sent/0 release ana x -> payment_in_other_state sent/1
        resolve 1 sent/1 release ana not-there
        resolve 1 sent/1 release eve again -> exists
        release 1 sent/1 -> exists
        send 1 accepted/1 q 7
        resolve 1 sent/2 settled 8 bia on-statement
        account a -> balance=-60 available=40 pending=0/0
        account processor:q:BRL -> balance=60 available=unlimited pending=0/0
        resolve 1 sent/2 settled 8 eve again -> exists
        settle 1 sent/2 8 -> exists
        resolve 1 sent/2 settled 9 eve x -> payment_in_other_state settled/2
        resolve 1 settled/2 refuse eve x -> payment_in_other_state settled/2
        resolutions 1 -> 2 q settled bia on-statement; 1 p release ana not-there
        accept 2 a BRL 40
        resolve 2 accepted/0 refuse ana asked-to
        account a -> balance=-60 available=40 pending=0/0
        refuse 2 accepted/0 operator_refused -> exists
        resolve 2 accepted/0 refuse eve again -> exists
        resolutions 2 -> 0 - refuse ana asked-to
        resolve 3 accepted/0 refuse ana x -> payment_not_found 3
        resolutions 3 -> none
        ",
    );
}

#[test]
fn an_operator_waits_until_no_request_can_be_under_way() {
    check(
        "
        at 100
        accept 1 - BRL 1
        send 1 accepted/0 p 5
        resolve 1 sent/1 release ana x 15 -> payment_under_way
        at 114.999999999
        resolve 1 sent/1 refuse ana x 15 -> payment_under_way
        at 116
        send 1 sent/1 p 5
        resolve 1 sent/1 refuse ana x 15 -> payment_in_other_state sent/2
        resolve 1 sent/2 release ana x 15 -> payment_under_way
        resolutions 1 -> none
        at 132
        resolve 1 sent/2 release ana x 15
        resolve 1 sent/2 release ana x 15 -> exists
        resolve 1 accepted/2 refuse ana x 15
        accept 2 - BRL 1
        send 2 accepted/0 p 5
        resolve 2 sent/1 settled 5 ana x 15
        ",
    );
}

#[test]
fn what_a_dispatcher_did_is_nobodys_decision() {
    check(
        "
        accept 1 - BRL 1
        send 1 accepted/0 p 5
        settle 1 sent/1 5
        resolve 1 sent/1 settled 5 ana x -> exists
        resolutions 1 -> none
        ",
    );
}

#[test]
fn an_operator_may_resolve_in_an_atomic_batch() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 60
        send 1 accepted/0 p 5
        atomic 1: resolve 1 sent/1 settled 5 ana x; transfer 9 a world:BRL 41 -> batch_member_failed; insufficient_funds a available=40 required=41 limit=100
        resolutions 1 -> none
        atomic 2: resolve 1 sent/1 release ana x; resolve 1 accepted/1 refuse ana y -> created; created
        account a -> balance=0 available=100 pending=0/0
        resolutions 1 -> 1 - refuse ana y; 1 p release ana x
        atomic 2: resolve 1 sent/1 release ana x; resolve 1 accepted/1 refuse ana y -> exists; exists
        ",
    );
}

#[test]
fn a_purge_refuses_what_is_accepted_and_nothing_else() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 10
        accept 2 a BRL 20
        accept 3 a BRL 30
        send 2 accepted/0 p 5
        send 3 accepted/0 p 5
        release 3 sent/1
        purge
        account a -> balance=0 available=80 pending=20/0
        send 1 accepted/0 p 5 -> payment_in_other_state refused/0
        refuse 1 accepted/0 purged -> exists
        send 3 accepted/1 p 5 -> payment_in_other_state refused/1
        settle 2 sent/1 5
        account a -> balance=-20 available=80 pending=0/0
        accept 1 a BRL 10 -> exists
        purge
        ",
    );
}

#[test]
fn a_late_purge_takes_nothing_that_was_accepted_meanwhile() {
    check(
        "
        at 0
        open a BRL 100
        purge expects=0
        at 1
        accept 1 a BRL 10
        purge expects=0 -> payments_in_other_state 1000000000
        at 2
        accept 2 a BRL 20
        refuse 2 accepted/0 purged
        purge expects=1000000000 -> payments_in_other_state 2000000000
        accept 3 a BRL 1000 -> insufficient_funds a available=90 required=1000 limit=100
        account a -> balance=0 available=90 pending=10/0
        atomic 7: accept 4 - BRL 1; purge expects=2000000000 -> batch_member_failed; payments_in_other_state 2000000003
        purge expects=2000000000
        account a -> balance=0 available=100 pending=0/0
        purge expects=2000000000
        ",
    );
}
