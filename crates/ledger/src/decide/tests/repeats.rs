//! Ids that come again: the first outcome with the same content, the field that differs with other.

use super::check;

#[test]
fn a_transfer_again() {
    check(
        "
        open a BRL 100
        open b BRL 100
        open c USD 100
        transfer 1 a b 10 desc=x ref=1
        transfer 1 a b 10 desc=x ref=1 -> exists
        transfer 1 b a 9 desc=y ref=2 -> exists_with_different_debit_account_id
        transfer 1 a c 9 desc=y ref=2 -> exists_with_different_credit_account_id
        transfer 1 a b 9 desc=y ref=2 -> exists_with_different_amount
        transfer 1 a b 10 desc=y ref=2 -> exists_with_different_description
        transfer 1 a b 10 desc=x ref=2 -> exists_with_different_reference
        transfer 1 a b 10 desc=x -> exists_with_different_reference
        transfer 1 a b 10 desc=x ref=1 meta=m -> exists_with_different_metadata
        transfer 2 a b 1 ref=order meta=m
        transfer 2 a b 1 ref=order meta=m -> exists
        transfer 2 a b 1 ref=order meta=n -> exists_with_different_metadata
        transfer 2 a b 1 ref=order -> exists_with_different_metadata
        transfer 1 nobody a 10 desc=x ref=1 -> exists_with_different_debit_account_id
        pend 1 a b 10 desc=x ref=1 -> exists_with_different_kind
        void 1 1 -> exists_with_different_kind
        post 1 1 -> exists_with_different_kind
        transfer 1 a b 10 desc=x ref=1 -> exists
        account a -> balance=-11 available=89 pending=0/0
        ",
    );
}

#[test]
fn a_refusal_again() {
    check(
        "
        open a BRL 0
        transfer 1 a world:BRL 10 -> insufficient_funds a available=0 required=10 limit=0
        transfer 2 world:BRL a 50
        transfer 1 a world:BRL 10 -> exists: insufficient_funds a available=0 required=10 limit=0
        transfer 1 a world:BRL 9 -> exists_with_different_amount
        pend 1 a world:BRL 10 -> exists_with_different_kind
        transfer 3 a b 1 -> account_not_found b
        open b BRL 0
        transfer 3 a b 1 -> exists: account_not_found b
        account a -> balance=50 available=50 pending=0/0
        ",
    );
}

#[test]
fn a_pending_transfer_and_its_ends_again() {
    check(
        "
        open a BRL 100
        at 0
        pend 1 a world:BRL 10 timeout=5
        pend 1 a world:BRL 10 timeout=5 -> exists
        pend 1 a world:BRL 11 timeout=6 -> exists_with_different_amount
        pend 1 a world:BRL 10 timeout=6 -> exists_with_different_timeout_s
        transfer 1 a world:BRL 10 -> exists_with_different_kind
        post 2 1 4
        post 2 1 4 -> exists
        post 2 9 5 -> exists_with_different_pending_id
        post 2 1 5 -> exists_with_different_amount
        post 2 1 -> exists_with_different_amount
        void 2 1 -> exists_with_different_kind
        pend 3 a world:BRL 10 timeout=5
        post 4 3
        post 4 3 10 -> exists_with_different_amount
        pend 5 a world:BRL 10 timeout=5
        void 6 5
        void 6 5 -> exists
        void 6 1 -> exists_with_different_pending_id
        pend 7 a world:BRL 10 timeout=5
        at 100
        pend 7 a world:BRL 10 timeout=5 -> exists
        pend 1 a world:BRL 10 timeout=5 -> exists
        post 8 7 -> pending_expired 7
        post 8 7 -> exists: pending_expired 7
        post 8 7 1 -> exists_with_different_amount
        account a -> balance=-14 available=86 pending=0/0
        ",
    );
}

#[test]
fn a_payment_again() {
    check(
        "
        open a BRL 100
        open b USD 100
        accept 1 a BRL 10
        accept 1 a BRL 10 -> exists
        accept 1 b USD 9 desc=x -> exists_with_different_account_id
        accept 1 - BRL 10 -> exists_with_different_account_id
        accept 1 a USD 9 desc=x -> exists_with_different_currency
        accept 1 a BRL 9 desc=x -> exists_with_different_amount
        accept 1 a BRL 10 desc=x -> exists_with_different_description
        send 1 accepted/0 p 5
        settle 1 sent/1 5
        accept 1 a BRL 10 -> exists
        accept 2 b BRL 10 -> currency_mismatch
        accept 2 b BRL 10 -> exists: currency_mismatch
        accept 2 b USD 10 -> exists_with_different_currency
        account a -> balance=-10 available=90 pending=0/0
        ",
    );
}

#[test]
fn a_payments_transfer_has_an_id_that_is_taken() {
    check(
        "
        open a BRL 100
        accept 1 a BRL 10
        transfer payment:1 a world:BRL 10 -> exists_with_different_kind
        post payment:1 1 -> exists_with_different_kind
        send 1 accepted/0 p 5
        settle 1 sent/1 5
        transfer payment:1 a world:BRL 10 -> exists_with_different_kind
        transfer payment:2 a world:BRL 10
        accept 2 a BRL 10 -> exists_with_different_kind
        accept 2 a BRL 10 -> exists_with_different_kind
        send 2 accepted/0 p 5 -> payment_not_found 2
        ",
    );
}
