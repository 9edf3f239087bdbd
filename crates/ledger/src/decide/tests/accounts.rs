//! Opening, limiting and closing accounts.

use super::check;
use crate::reference::Books;
use crate::{
    Account, AccountId, Batch, Command, Currency, Decision, Event, Field, Limit, MoveMoney,
    OpenAccount, Outcome, Record, Refusal, Ticker, Timestamp, TransferId, decide,
};

#[test]
fn an_account_is_opened_once() {
    check(
        "
        open a BRL 100
        account a -> balance=0 available=100 pending=0/0
        account world:BRL -> balance=0 available=unlimited pending=0/0
        open a BRL 100 -> exists
        open a USD 100 -> exists_with_different_currency
        open a USD 101 -> exists_with_different_currency
        open a BRL 101 -> exists_with_different_credit_limit
        limit a 5
        open a BRL 100 -> exists
        open a BRL 5 -> exists_with_different_credit_limit
        close a
        open a BRL 100 -> exists
        ",
    );
}

#[test]
fn the_form_is_checked_before_the_id() {
    check(
        "
        open a BRL 0
        open a BRL max+1 -> amount_out_of_range 9007199254740992
        open b BRL max
        open world:BRL BRL max+1 -> account_reserved world:BRL
        open processor:x:BRL BRL 1 -> account_reserved processor:x:BRL
        open worldly:1 BRL 1
        limit nobody max+1 -> amount_out_of_range 9007199254740992
        limit world:BRL 1 -> account_reserved world:BRL
        close processor:x:BRL -> account_reserved processor:x:BRL
        ",
    );
}

#[test]
fn a_limit_goes_down_to_what_is_used() {
    check(
        "
        open a BRL 100
        open b BRL 0
        limit nobody 1 -> account_not_found nobody
        transfer 1 a b 30
        pend 2 a b 20
        limit a 50
        account a -> balance=-30 available=0 pending=20/0
        limit a 49 -> insufficient_funds a available=0 required=50 limit=49
        limit a 51
        account a -> balance=-30 available=1 pending=20/0
        transfer 3 a b 2 -> insufficient_funds a available=1 required=2 limit=51
        limit a 50
        limit a 50
        void 4 2
        limit a 30
        limit a 29 -> insufficient_funds a available=0 required=30 limit=29
        close b -> account_in_use b balance=30 pending=0/0
        ",
    );
}

#[test]
fn a_limit_goes_up_to_what_totals_can_hold() {
    check(
        "
        open a BRL 0
        transfer 1 world:BRL a 10
        pend 2 world:BRL a 5
        limit a max-15
        limit a max-14 -> balance_overflow a
        transfer 3 a world:BRL 10
        limit a max-5
        limit a max-4 -> balance_overflow a
        void 4 2
        limit a max
        transfer 5 a world:BRL max
        transfer 6 world:BRL a max
        limit a max
        ",
    );
}

#[test]
fn an_account_is_closed_when_nothing_is_left() {
    check(
        "
        open a BRL 100
        open b BRL 0
        close nobody -> account_not_found nobody
        transfer 1 a b 5
        close a -> account_in_use a balance=-5 pending=0/0
        close b -> account_in_use b balance=5 pending=0/0
        transfer 2 b a 5
        pend 3 a b 7
        close a -> account_in_use a balance=0 pending=7/0
        close b -> account_in_use b balance=0 pending=0/7
        void 4 3
        accept 1 a BRL 3
        close a -> account_in_use a balance=0 pending=3/0
        refuse 1 accepted/0 operator_refused
        close a
        close a -> account_closed a
        limit a 1 -> account_closed a
        transfer 5 a b 1 -> account_closed a
        transfer 6 world:BRL a 1 -> account_closed a
        pend 7 world:BRL a 1 -> account_closed a
        accept 2 a BRL 1 -> account_closed a
        close b
        ",
    );
}

#[test]
fn an_expiry_makes_an_account_ready_to_close() {
    check(
        "
        open a BRL 100
        at 0
        pend 1 a world:BRL 7 timeout=1
        at 0.999999999
        close a -> account_in_use a balance=0 pending=7/0
        at 1
        close a
        ",
    );
}

#[test]
fn a_currency_that_is_not_current_opens_no_account() {
    check(
        "
        open a HRK 0 -> currency_not_current HRK
        open a XAU 0 -> currency_not_current XAU
        open a BRL 0
        open a HRK 0 -> exists_with_different_currency
        accept 1 - HRK 5 -> currency_not_current HRK
        accept 1 - HRK 5 -> exists: currency_not_current HRK
        account a -> balance=0 available=0 pending=0/0
        ",
    );
}

#[test]
fn an_account_in_a_currency_withdrawn_since_goes_on() {
    let currency = Currency::new("HRK").unwrap();
    let opened = |limit, at| Event::AccountOpened {
        id: AccountId::new("old").unwrap(),
        account: Account::new(currency, Limit::Credit(limit), Timestamp::from_nanos(at)),
    };
    let books = Books::replay(&[opened(10, 1)]);
    let open = |credit_limit| {
        Command::OpenAccount(OpenAccount {
            id: AccountId::new("old").unwrap(),
            currency,
            credit_limit,
        })
    };
    let now = Timestamp::from_nanos(2);
    let again = decide(books.state(), open(10), now);
    assert!(
        matches!(&again, Decision::Exists(outcome) if outcome.result.is_ok()),
        "{again:?}"
    );
    let differs = Refusal::ExistsWithDifferent(Field::CreditLimit);
    assert_eq!(
        decide(books.state(), open(11), now),
        Decision::Refused(differs)
    );
    let paid = decide(
        books.state(),
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(1),
            debit_account_id: AccountId::new("old").unwrap(),
            credit_account_id: AccountId::world(currency),
            amount: 10,
            description: "last kuna".into(),
            notes: crate::notes::Notes::NONE,
        }),
        now,
    );
    assert!(
        matches!(paid, Decision::Event(Event::Transfer(_))),
        "{paid:?}"
    );
}

#[test]
fn a_late_change_does_not_overwrite_a_newer_one() {
    check(
        "
        open a BRL 100
        open b BRL 0
        limit a 200 expects=99 -> account_in_other_state a limit=100 entries=0
        limit a 700 expects=100
        limit a 500 expects=100 -> account_in_other_state a limit=700 entries=0
        limit a 700 expects=100
        limit a 500
        limit nobody 5 expects=0 -> account_not_found nobody
        transfer 1 world:BRL b 5
        close b expects=0 -> account_in_other_state b limit=0 entries=1
        transfer 2 b world:BRL 5
        close b expects=0 -> account_in_other_state b limit=0 entries=2
        close b expects=2
        close b expects=2 -> account_closed b
        limit b 5 expects=0 -> account_closed b
        ",
    );
}

#[test]
fn an_account_that_is_closed_by_now_is_opened_again_as_closed() {
    let open = || {
        Command::OpenAccount(OpenAccount {
            id: AccountId::new("a").unwrap(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 7,
        })
    };
    let close = Command::CloseAccount {
        account_id: AccountId::new("a").unwrap(),
        expected_entry_count: None,
        by: None,
    };
    let (mut books, mut ticker) = (Books::default(), Ticker::default());
    let mut give = |command| {
        let now = Timestamp::from_nanos(1_000);
        books.apply(Batch::one(command), &mut ticker, now).remove(0)
    };
    let first = give(open());
    let again = give(open());
    assert!(again.replayed);
    assert_eq!(again.result, first.result);
    assert_eq!(give(close).code(), "created");
    let Ok(Record::Account { id, account }) = first.result else {
        panic!("no account was opened");
    };
    let closed = Account {
        closed: true,
        ..account
    };
    let expected = Record::Account {
        id,
        account: closed,
    };
    assert_eq!(give(open()), Outcome::exists(Ok(expected)));
}
