//! Which due expiries a batch's outcomes depend upon.

use ledger::reference::Books;
use ledger::{
    AMOUNT_MAX, AccountId, Batch, Command, Currency, DueWalk, MoveMoney, OpenAccount, Ticker,
    Timestamp, TransferId,
};

/// Seconds after the epoch.
const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn account_id(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

fn moves(id: u128, debit: &str, credit: &str, amount: u64) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: account_id(debit),
        credit_account_id: account_id(credit),
        amount,
        description: "x".into(),
        notes: ledger::Notes::NONE,
    }
}

fn transfer(id: u128, debit: &str, credit: &str, amount: u64) -> Command {
    Command::Transfer(moves(id, debit, credit, amount))
}

fn open(id: &str, credit_limit: u64) -> Command {
    Command::OpenAccount(OpenAccount {
        id: account_id(id),
        currency: Currency::new("BRL").unwrap(),
        credit_limit,
    })
}

/// `payer` may spend 100, of which 60 are reserved for `shop` and 30 for the world, and `shop` 10,
/// of which all is reserved for `payer`. All is due at 10 s.
fn books() -> (Books, Ticker) {
    let (mut books, mut ticker) = (Books::default(), Ticker::default());
    let pend = |id, debit, credit, amount| Command::Pend {
        transfer: moves(id, debit, credit, amount),
        timeout_s: 5,
    };
    for command in [
        open("payer", 100),
        open("shop", 10),
        open("other", 100),
        pend(1, "payer", "shop", 60),
        pend(2, "payer", "world:BRL", 30),
        pend(3, "shop", "payer", 10),
    ] {
        let outcomes = books.apply(Batch::one(command), &mut ticker, at(1));
        assert_eq!(outcomes[0].code(), "created");
    }
    (books, ticker)
}

/// The outcome of a command at 10 s, after only the expiries it depends upon; and which of the
/// three are still pending.
#[track_caller]
fn check(command: &Command, code: &str, left: &[u128]) {
    let (mut books, mut ticker) = books();
    let due = |books: &Books, command: &Command| {
        let commands = std::slice::from_ref(command);
        let expiries = books.expiries();
        let mut walk = DueWalk::default();
        let due = expiries.due_for(books.state(), commands, at(10), usize::MAX, &mut walk);
        assert!(due.are_all);
        due.pending_ids
    };
    let needed = due(&books, command);
    let expected: Vec<_> = (1..=3).filter(|id| !left.contains(id)).collect();
    let ids: Vec<_> = needed.iter().map(|id| id.to_u128()).collect();
    assert_eq!(ids, expected, "{command:?}");
    let batch = Batch::one(command.clone());
    let outcomes = books.apply_after_needed(batch, &mut ticker, at(10));
    assert_eq!(outcomes[0].code(), code, "{command:?}");
    assert_eq!(due(&books, command), [], "{command:?}");
}

#[test]
fn what_is_reserved_to_leave_the_debited_account_is_released_first() {
    check(&transfer(9, "payer", "other", 100), "created", &[3]);
    check(&transfer(9, "shop", "payer", 10), "created", &[1, 2]);
    check(
        &transfer(9, "payer", "other", 101),
        "insufficient_funds",
        &[3],
    );
}

#[test]
fn what_is_reserved_to_come_in_waits_unless_a_total_is_near_its_end() {
    check(&transfer(9, "other", "shop", 100), "created", &[1, 2, 3]);
    check(&transfer(9, "world:BRL", "payer", 5), "created", &[1, 2, 3]);
    let most = AMOUNT_MAX - 10;
    check(&transfer(9, "world:BRL", "shop", most), "created", &[2, 3]);
    let over = transfer(9, "world:BRL", "shop", most + 1);
    check(&over, "balance_overflow", &[2, 3]);
}

#[test]
fn a_changed_account_is_released_of_everything() {
    let account_id = || account_id("shop");
    let close = Command::CloseAccount {
        account_id: account_id(),
        expected_entry_count: None,
        by: None,
    };
    check(&close, "created", &[2]);
    let limit = Command::ChangeLimit {
        account_id: account_id(),
        credit_limit: 0,
        expected_credit_limit: None,
        by: None,
    };
    check(&limit, "created", &[2]);
}

#[test]
fn a_pending_transfer_that_is_named_is_expired_first() {
    let (id, pending_id) = (TransferId::from_u128(9), TransferId::from_u128(2));
    let post = Command::Post {
        id,
        pending_id,
        amount: None,
    };
    check(&post, "pending_expired", &[1, 3]);
    let void = Command::Void { id, pending_id };
    check(&void, "pending_expired", &[1, 3]);
    check(&open("new", 0), "created", &[1, 2, 3]);
}

#[test]
fn no_more_are_told_than_asked_for_and_none_that_are_postponed() {
    let (books, _) = books();
    let commands = [transfer(9, "payer", "shop", 1)];
    let due = |expiries: &ledger::Expiries, count_max| {
        let mut walk = DueWalk::default();
        let due = expiries.due_for(books.state(), &commands, at(10), count_max, &mut walk);
        assert_eq!(due.are_all, count_max > 1);
        let ids = due.pending_ids.iter();
        ids.map(|id| id.to_u128()).collect::<Vec<_>>()
    };
    let mut expiries = books.expiries().clone();
    assert_eq!(due(&expiries, usize::MAX), [1, 2]);
    assert_eq!(due(&expiries, 1), [1]);
    expiries.postpone(TransferId::from_u128(1), at(60));
    assert_eq!(due(&expiries, usize::MAX), [2]);
    assert_eq!(expiries.due(at(10)), Some(TransferId::from_u128(2)));
    let mut walk = DueWalk::default();
    let early = expiries.due_for(books.state(), &commands, at(5), usize::MAX, &mut walk);
    assert_eq!(early.pending_ids, []);
}

/// The largest batch there is, all of it about one account on which much is due: what is due is
/// gone through once, and what came due meanwhile is not missed.
#[test]
fn what_is_due_is_gone_through_once_for_the_largest_batch() {
    const DUE_COUNT: u128 = 16_383;
    const COMMANDS_COUNT: u128 = 8_190;
    let (mut books, mut ticker) = books();
    let pend = |id, timeout_s| Command::Pend {
        transfer: moves(id, "other", "shop", 1),
        timeout_s,
    };
    let limit = Command::ChangeLimit {
        account_id: account_id("other"),
        credit_limit: 100_000,
        expected_credit_limit: None,
        by: None,
    };
    books.apply(Batch::one(limit), &mut ticker, at(1));
    for id in 0..DUE_COUNT {
        let batch = Batch::one(pend(10_000 + id, 5));
        assert_eq!(books.apply(batch, &mut ticker, at(1))[0].code(), "created");
    }
    books.apply(Batch::one(pend(9_999, 10)), &mut ticker, at(1));
    let commands: Vec<_> = (0..COMMANDS_COUNT)
        .map(|id| transfer(100_000 + id, "other", "payer", 1))
        .collect();
    let (expiries, mut walk) = (books.expiries(), DueWalk::default());
    let due = expiries.due_for(books.state(), &commands, at(10), usize::MAX, &mut walk);
    assert_eq!(due.pending_ids.len() as u128, DUE_COUNT);
    assert!(walk.lookups_count() <= DUE_COUNT as u64 + 10);
    // The next batches of the same walk look only at what came due since.
    let before = walk.lookups_count();
    let later = expiries.due_for(books.state(), &commands, at(12), usize::MAX, &mut walk);
    assert_eq!(later.pending_ids, [TransferId::from_u128(9_999)]);
    assert_eq!(walk.lookups_count() - before, 2);
    // A clock that steps back begins anew.
    let back = expiries.due_for(books.state(), &commands, at(10), usize::MAX, &mut walk);
    assert_eq!(back, due);
}
