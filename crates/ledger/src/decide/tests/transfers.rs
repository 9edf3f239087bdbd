//! Transfers at once: the order of the checks, and the edges of amounts, limits and texts.

use super::check;
use crate::{DESCRIPTION_LENGTH_MAX, is_description};

#[test]
fn money_moves() {
    check(
        "
        open a BRL 0
        open b BRL 0
        transfer 1 world:BRL a 100
        transfer 2 a b 30
        transfer 3 b world:BRL 10 ref=7
        account a -> balance=70 available=70 pending=0/0
        account b -> balance=20 available=20 pending=0/0
        account world:BRL -> balance=-90 available=unlimited pending=0/0
        ",
    );
}

#[test]
fn the_limit_is_reached_exactly() {
    check(
        "
        open a BRL 100
        transfer 1 a world:BRL 101 -> insufficient_funds a available=100 required=101 limit=100
        transfer 2 a world:BRL 100
        transfer 3 a world:BRL 1 -> insufficient_funds a available=0 required=1 limit=100
        transfer 4 world:BRL a 1
        transfer 5 a world:BRL 2 -> insufficient_funds a available=1 required=2 limit=100
        transfer 6 a world:BRL 1
        account a -> balance=-100 available=0 pending=0/0
        ",
    );
}

#[test]
fn balances_stay_exact_whatever_went_through_the_account() {
    check(
        "
        open a BRL 0
        open b BRL 10
        transfer 1 world:BRL a max
        transfer 2 world:BRL a 1 -> balance_overflow a
        transfer 3 a world:BRL max
        transfer 4 world:BRL a 1
        account a -> balance=1 available=1 pending=0/0
        transfer 5 world:BRL b max-9 -> balance_overflow b
        transfer 6 world:BRL b max-10
        pend 7 world:BRL b 1 -> balance_overflow b
        transfer 8 b world:BRL max
        transfer 16 world:BRL b max
        open c BRL max
        transfer 9 world:BRL c 1 -> balance_overflow c
        pend 10 world:BRL c 1 -> balance_overflow c
        transfer 11 c world:BRL max
        transfer 17 world:BRL c max
        transfer 18 world:BRL c 1 -> balance_overflow c
        open d BRL 0
        pend 12 world:BRL d max
        transfer 13 world:BRL d 1 -> balance_overflow d
        void 14 12
        transfer 15 world:BRL d 1
        ",
    );
}

#[test]
fn unlimited_accounts_never_refuse() {
    let lines: String = (0..3_000)
        .map(|n| format!("open a{n} BRL 0\ntransfer {n} world:BRL a{n} max\n"))
        .collect();
    check(&lines);
}

#[test]
fn the_form_is_checked_in_order() {
    check(
        "
        open a BRL 0
        transfer 1 processor:x:BRL processor:x:BRL 0 desc= -> amount_out_of_range 0
        transfer 1 processor:x:BRL processor:x:BRL 1 desc= -> description_invalid
        transfer 1 processor:x:BRL processor:x:BRL 1 -> accounts_must_differ
        transfer 1 processor:x:BRL processor:y:BRL 1 -> account_reserved processor:x:BRL
        transfer 1 a processor:y:BRL 1 -> account_reserved processor:y:BRL
        transfer 1 a nobody max+1 -> amount_out_of_range 9007199254740992
        pend 1 a nobody 0 -> amount_out_of_range 0
        pend 1 a a 1 -> accounts_must_differ
        transfer 1 nobody a 1 -> account_not_found nobody
        transfer 1 nobody a 0 -> amount_out_of_range 0
        transfer 1 nobody a 1 -> exists: account_not_found nobody
        ",
    );
}

#[test]
fn the_state_is_checked_in_order_debit_side_first() {
    check(
        "
        open closed1 BRL 0
        open closed2 USD 0
        close closed1
        close closed2
        open a BRL 0
        open b USD max
        open c BRL max
        transfer 1 nobody1 nobody2 1 -> account_not_found nobody1
        transfer 2 closed1 nobody2 1 -> account_not_found nobody2
        transfer 3 closed1 closed2 1 -> account_closed closed1
        transfer 4 a closed2 1 -> account_closed closed2
        transfer 5 a b 1 -> currency_mismatch
        transfer 6 a c 1 -> insufficient_funds a available=0 required=1 limit=0
        transfer 7 world:BRL c 1 -> balance_overflow c
        transfer 8 world:USD a 1 -> currency_mismatch
        transfer 9 world:EUR a 1 -> account_not_found world:EUR
        transfer 10 world:BRL world:USD 1 -> currency_mismatch
        pend 11 nobody1 nobody2 1 -> account_not_found nobody1
        pend 12 a closed1 1 -> account_closed closed1
        pend 13 a b 1 -> currency_mismatch
        ",
    );
}

#[test]
fn descriptions_are_counted_in_scalar_values() {
    let longest = "💸".repeat(DESCRIPTION_LENGTH_MAX);
    assert!(is_description(&longest));
    check(&format!(
        "
        open a BRL 0
        transfer 1 world:BRL a 1 desc={longest}
        transfer 2 world:BRL a 1 desc={longest}x -> description_invalid
        transfer 3 world:BRL a 1 desc= -> description_invalid
        transfer 4 world:BRL a 1 desc=a\u{7}b -> description_invalid
        transfer 5 world:BRL a 1 desc=';DROP
        "
    ));
}
