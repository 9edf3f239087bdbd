//! Texts that an earlier version of the rules recorded and this one does not record any more: what
//! was recorded is answered again for good, nothing new is.

use std::time::Duration;

use crate::reference::Books;
use crate::{
    AcceptPayment, AccountId, Batch, BatchId, Command, Currency, Event, Field, MoveMoney, Note,
    OpenAccount, Outcome, PaymentExpected, PaymentId, PaymentStateName, Refusal, ResolutionKind,
    ResolvePayment, Ticker, Timestamp, TransferId, check_content, check_form, is_description,
    is_kept_description,
};

const NEW: &str = "pay xyz001";
/// As long in bytes as [`NEW`], and turns the digits around.
const OLD: &str = "pay \u{202e}001";

fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

fn brl() -> Currency {
    Currency::new("BRL").unwrap()
}

fn moved(id: u128, amount: u64, description: &str) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: AccountId::world(brl()),
        credit_account_id: account("a"),
        amount,
        description: description.into(),
        notes: crate::notes::Notes::NONE,
    }
}

fn transfer(id: u128, amount: u64, description: &str) -> Command {
    Command::Transfer(moved(id, amount, description))
}

fn pend(id: u128, description: &str) -> Command {
    Command::Pend {
        transfer: moved(id, 5, description),
        timeout_s: 0,
    }
}

fn accept(id: u128, amount: u64, description: &str) -> Command {
    Command::AcceptPayment(AcceptPayment {
        id: PaymentId::from_u128(id),
        account_id: Some(account("a")),
        currency: brl(),
        amount,
        description: description.into(),
        notes: crate::notes::Notes::NONE,
    })
}

fn refuse(id: u128, why: &str) -> Command {
    Command::ResolvePayment(ResolvePayment {
        id: PaymentId::from_u128(id),
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt: 0,
        },
        kind: ResolutionKind::Refuse,
        who: Note::new("ana").unwrap(),
        why: Note::kept(why).unwrap(),
        send_lease: Duration::ZERO,
    })
}

struct Run {
    books: Books,
    ticker: Ticker,
}

impl Run {
    /// Books in which an earlier version recorded these commands with the old text.
    fn of_old(commands: Vec<Command>) -> Self {
        let mut run = Self {
            books: Books::default(),
            ticker: Ticker::default(),
        };
        let open = Command::OpenAccount(OpenAccount {
            id: account("a"),
            currency: brl(),
            credit_limit: 0,
        });
        for command in [vec![open], commands].concat() {
            run.give(command);
        }
        let aged: Vec<Event> = run.books.events().iter().map(aged).collect();
        run.books = Books::replay(&aged);
        run
    }

    fn give(&mut self, command: Command) -> Outcome {
        self.give_all(Batch::one(command)).remove(0)
    }

    fn give_all(&mut self, batch: Batch) -> Vec<Outcome> {
        let now = Timestamp::from_nanos(1_000_000_000);
        self.books.apply(batch, &mut self.ticker, now)
    }
}

/// The event as an earlier version recorded it.
fn aged(event: &Event) -> Event {
    let bytes = postcard::to_allocvec(event).unwrap();
    let (new, old) = (NEW.as_bytes(), OLD.as_bytes());
    assert_eq!(new.len(), old.len());
    let mut aged = bytes.clone();
    for at in 0..bytes.len().saturating_sub(new.len() - 1) {
        if bytes[at..].starts_with(new) {
            aged[at..at + new.len()].copy_from_slice(old);
        }
    }
    postcard::from_bytes(&aged).unwrap()
}

#[track_caller]
fn assert_invalid(outcome: &Outcome) {
    assert_eq!(*outcome, Outcome::refused(Refusal::DescriptionInvalid));
}

#[track_caller]
fn assert_differs(outcome: &Outcome, field: Field) {
    assert_eq!(
        *outcome,
        Outcome::refused(Refusal::ExistsWithDifferent(field))
    );
}

#[test]
fn what_was_recorded_with_an_old_text_is_answered_again() {
    assert!(is_description(NEW) && !is_description(OLD) && is_kept_description(OLD));
    let refused = Command::Transfer(MoveMoney {
        debit_account_id: account("nobody"),
        ..moved(4, 5, NEW)
    });
    let mut run = Run::of_old(vec![
        transfer(1, 100, NEW),
        pend(2, NEW),
        accept(3, 10, NEW),
        refused.clone(),
    ]);
    let before = run.books.events().len();
    for command in [transfer(1, 100, OLD), pend(2, OLD), accept(3, 10, OLD)] {
        let outcome = run.give(command.clone());
        assert!(outcome.replayed && outcome.result.is_ok(), "{command:?}");
    }
    let Command::Transfer(mut refused) = refused else {
        unreachable!();
    };
    refused.description = OLD.into();
    let outcome = run.give(Command::Transfer(refused));
    assert!(outcome.replayed);
    assert_eq!(outcome.code(), "account_not_found");

    assert_differs(&run.give(transfer(1, 99, OLD)), Field::Amount);
    assert_differs(&run.give(transfer(1, 100, NEW)), Field::Description);
    assert_differs(&run.give(transfer(2, 5, OLD)), Field::Kind);
    assert_differs(&run.give(accept(3, 9, OLD)), Field::Amount);
    assert_eq!(run.books.events().len(), before);
}

#[test]
fn nothing_new_is_recorded_with_an_old_text_and_its_id_stays_free() {
    let mut run = Run::of_old(vec![transfer(1, 100, NEW)]);
    let before = run.books.events().len();
    let fresh = [transfer(5, 1, OLD), pend(6, OLD), accept(7, 1, OLD)];
    for command in &fresh {
        assert_invalid(&run.give(command.clone()));
    }
    assert_eq!(run.books.events().len(), before);
    for command in [transfer(5, 1, NEW), pend(6, NEW), accept(7, 1, NEW)] {
        assert_eq!(run.give(command).code(), "created");
    }
    // What was never recorded is malformed, whatever id it names.
    assert_invalid(&run.give(transfer(1, 100, "a\nb")));
    assert_invalid(&run.give(accept(7, 1, "")));
}

#[test]
fn an_atomic_batch_says_the_same_of_its_members() {
    let mut run = Run::of_old(vec![transfer(1, 100, NEW)]);
    let mut codes = |id: u128, members: Vec<Command>| -> Vec<&'static str> {
        let batch = Batch::atomic(BatchId::from_u128(id), members).unwrap();
        let outcomes = run.give_all(batch);
        outcomes.iter().map(Outcome::code).collect()
    };
    let again = codes(1, vec![transfer(8, 1, NEW), transfer(1, 100, OLD)]);
    assert_eq!(again, ["batch_member_failed", "exists"]);
    let fresh = codes(2, vec![transfer(8, 1, NEW), transfer(9, 1, OLD)]);
    assert_eq!(fresh, ["batch_member_failed", "description_invalid"]);
    let repeated = codes(2, vec![transfer(8, 1, NEW), transfer(9, 1, OLD)]);
    assert_eq!(repeated, fresh);
    assert_eq!(codes(3, vec![transfer(8, 1, NEW)]), ["created"]);
}

#[test]
fn a_resolution_that_was_carried_out_is_answered_again() {
    let mut run = Run::of_old(vec![
        transfer(1, 100, NEW),
        accept(3, 10, NEW),
        refuse(3, NEW),
        accept(4, 10, NEW),
    ]);
    let again = run.give(refuse(3, OLD));
    assert!(again.replayed && again.result.is_ok(), "{again:?}");
    assert_invalid(&run.give(refuse(4, OLD)));
    assert_eq!(run.give(refuse(4, NEW)).code(), "created");
}

#[test]
fn the_checks_of_form_and_content_tell_old_texts_from_malformed_ones() {
    for command in [
        transfer(1, 1, OLD),
        pend(1, OLD),
        accept(1, 1, OLD),
        refuse(1, OLD),
    ] {
        assert_eq!(check_form(&command), Ok(()));
        assert_eq!(check_content(&command), Err(Refusal::DescriptionInvalid));
    }
    for command in [
        transfer(1, 1, NEW),
        pend(1, NEW),
        accept(1, 1, NEW),
        refuse(1, NEW),
    ] {
        assert_eq!(check_form(&command), Ok(()));
        assert_eq!(check_content(&command), Ok(()));
    }
    for command in [transfer(1, 1, "a\nb"), pend(1, ""), accept(1, 1, "\u{85}")] {
        assert_eq!(check_form(&command), Err(Refusal::DescriptionInvalid));
    }
}
