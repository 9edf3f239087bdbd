//! Records of an earlier version: what was recorded is answered again, whatever the rules have
//! become since.
//!
//! Earlier versions recorded texts that this one refuses. No engine writes such a record any more,
//! so one with a text of today is written and then changed where it is kept.

use std::time::{Duration, Instant};

use ledger::{
    AcceptPayment, AccountId, Batch, BatchId, BoxFuture, Command, Currency, MoveMoney, OpenAccount,
    Outcome, PaymentId, TransferId,
};

use super::Subject;

/// A text of today.
const NEW: &str = "pay xyz001";
/// What an earlier version recorded: as many bytes, and it turns the digits around.
const OLD: &str = "pay \u{202e}001";

const PATIENCE: Duration = Duration::from_secs(60);

/// An engine whose records can be made those of an earlier version.
pub trait Aged: Subject {
    /// Closes the engine, puts `old` into the place of `new` in every record that is kept, and opens
    /// it again. Both are equally many bytes.
    fn age<'a>(&'a mut self, new: &'a [u8], old: &'a [u8]) -> BoxFuture<'a, ()>;
}

/// Replaces every occurrence.
#[must_use]
pub fn replaced(bytes: &[u8], new: &[u8], old: &[u8]) -> Vec<u8> {
    assert_eq!(new.len(), old.len(), "a record's length must not change");
    let mut replaced = bytes.to_vec();
    for at in 0..(bytes.len() + 1).saturating_sub(new.len()) {
        if bytes[at..].starts_with(new) {
            replaced[at..at + old.len()].copy_from_slice(old);
        }
    }
    replaced
}

fn account(id: &str) -> AccountId {
    match AccountId::new(id) {
        Ok(id) => id,
        Err(error) => panic!("{id}: {error}"),
    }
}

fn brl() -> Currency {
    match Currency::new("BRL") {
        Ok(currency) => currency,
        Err(error) => panic!("BRL: {error}"),
    }
}

fn moved(id: u128, debit: &str, text: &str) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: account(debit),
        credit_account_id: account("users:1"),
        amount: 50,
        description: text.into(),
        notes: ledger::Notes::NONE,
    }
}

fn transfer(id: u128, text: &str) -> Command {
    Command::Transfer(moved(id, "world:BRL", text))
}

fn pend(id: u128, text: &str) -> Command {
    Command::Pend {
        transfer: moved(id, "world:BRL", text),
        timeout_s: 0,
    }
}

fn refused(id: u128, text: &str) -> Command {
    Command::Transfer(moved(id, "nobody", text))
}

fn accept(id: u128, text: &str) -> Command {
    Command::AcceptPayment(AcceptPayment {
        id: PaymentId::from_u128(id),
        account_id: Some(account("users:1")),
        currency: brl(),
        amount: 5,
        description: text.into(),
        notes: ledger::Notes::NONE,
    })
}

async fn outcomes(subject: &impl Subject, batch: Batch) -> Vec<Outcome> {
    let engine = subject.engine();
    let answer = engine.submit(vec![batch], Instant::now() + PATIENCE).await;
    match answer {
        Ok(mut answers) => answers.remove(0),
        Err(error) => panic!("not answered: {error}"),
    }
}

async fn one(subject: &impl Subject, command: Command) -> Outcome {
    outcomes(subject, Batch::one(command)).await.remove(0)
}

async fn atomic(subject: &impl Subject, id: u128, members: Vec<Command>) -> Vec<&'static str> {
    let batch = match Batch::atomic(BatchId::from_u128(id), members) {
        Ok(batch) => batch,
        Err(error) => panic!("{error}"),
    };
    let outcomes = outcomes(subject, batch).await;
    outcomes.iter().map(Outcome::code).collect()
}

/// Checks that what an earlier version recorded with a text that is refused today is answered again
/// as it was answered first, alone and in batches, and that nothing new is recorded with it.
///
/// # Panics
///
/// Where the engine answers otherwise.
pub async fn check_aged(subject: &mut impl Aged) {
    let open = Command::OpenAccount(OpenAccount {
        id: account("users:1"),
        currency: brl(),
        credit_limit: 1_000,
    });
    let has_payments = subject.has_payments();
    let recorded = |text| {
        let mut commands = vec![transfer(1, text), pend(2, text), refused(3, text)];
        if has_payments {
            commands.push(accept(4, text));
        }
        commands
    };
    let mut first = Vec::new();
    assert_eq!(one(subject, open).await.code(), "created");
    for command in recorded(NEW) {
        first.push(one(subject, command).await);
    }
    subject.age(NEW.as_bytes(), OLD.as_bytes()).await;

    for (command, first) in recorded(OLD).into_iter().zip(&first) {
        let again = one(subject, command.clone()).await;
        assert!(again.replayed, "{command:?}: {again:?}");
        assert_eq!(again.result.is_ok(), first.result.is_ok(), "{command:?}");
        assert!(
            again.result.is_err() || format!("{again:?}").contains(&format!("{OLD:?}")),
            "{command:?}: {again:?}"
        );
    }
    for command in recorded(NEW) {
        let code = one(subject, command.clone()).await.code();
        assert_eq!(code, "exists_with_different_description", "{command:?}");
    }
    // Nothing new is recorded with it: the id stays free.
    let fresh = |text| {
        let mut commands = vec![transfer(11, text), pend(12, text), refused(13, text)];
        if has_payments {
            commands.push(accept(14, text));
        }
        commands
    };
    for command in fresh(OLD) {
        let outcome = one(subject, command.clone()).await;
        assert_eq!(outcome.code(), "description_invalid", "{command:?}");
        assert!(!outcome.replayed);
    }
    let members = || vec![transfer(21, NEW), transfer(1, OLD)];
    let expected = ["batch_member_failed", "exists"];
    assert_eq!(atomic(subject, 1, members()).await, expected);
    assert_eq!(atomic(subject, 1, members()).await, expected);
    let members = || vec![transfer(21, NEW), transfer(22, OLD)];
    let expected = ["batch_member_failed", "description_invalid"];
    assert_eq!(atomic(subject, 2, members()).await, expected);
    assert_eq!(atomic(subject, 2, members()).await, expected);
    for command in fresh(NEW) {
        let outcome = one(subject, command.clone()).await;
        assert!(!outcome.replayed, "{command:?}: {outcome:?}");
        assert_ne!(outcome.code(), "description_invalid", "{command:?}");
    }
}
