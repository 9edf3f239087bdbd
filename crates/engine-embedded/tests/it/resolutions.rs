//! What operators decide of payments is kept: across restarts, and however often it was decided.

use std::time::Instant;

use engine_embedded::verify;
use journal::Storage;
use journal::faulty::FaultyStorage;
use ledger::{
    AcceptPayment, Command, Currency, Engine, Millis, Note, PaymentExpected, PaymentId,
    PaymentStateName, ProcessorName, RESOLUTIONS_READ_MAX, Resolution, ResolutionKind,
    ResolvePayment,
};

use crate::bank::{Bank, small, wait};

const ID: PaymentId = PaymentId::from_u128(1);

fn accept() -> Command {
    Command::AcceptPayment(AcceptPayment {
        id: ID,
        account_id: None,
        currency: Currency::new("BRL").unwrap(),
        amount: 5,
        description: "paid".into(),
        notes: ledger::Notes::NONE,
    })
}

fn send(attempt: u32) -> Command {
    Command::SendPayment {
        id: ID,
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt,
        },
        processor: ProcessorName::new("default").unwrap(),
        requested_at: Millis(1),
    }
}

const fn sent(attempt: u32) -> PaymentExpected {
    PaymentExpected {
        state: PaymentStateName::Sent,
        attempt,
    }
}

fn resolve(attempt: u32, kind: ResolutionKind) -> Command {
    Command::ResolvePayment(ResolvePayment {
        id: ID,
        expected: sent(attempt),
        kind,
        who: Note::new("ana").unwrap(),
        why: Note::new(&format!("reason {attempt}")).unwrap(),
        send_lease: std::time::Duration::ZERO,
    })
}

fn resolutions<S: Storage>(bank: &Bank<S>) -> Vec<Resolution> {
    wait(bank.engine.resolutions(ID, Instant::now())).unwrap()
}

fn give_all<S: Storage>(bank: &Bank<S>, commands: Vec<Command>) {
    for outcome in bank.submit(commands).unwrap() {
        assert_eq!(outcome.code(), "created");
    }
}

fn whys(resolutions: &[Resolution]) -> Vec<&str> {
    resolutions.iter().map(|each| each.why.as_str()).collect()
}

#[test]
fn resolutions_outlive_restarts_and_what_comes_after_them() {
    let storage = FaultyStorage::new(1);
    let open = || Bank::open(storage.clone(), small(64, 48));
    let bank = open();
    give_all(&bank, vec![accept(), send(0)]);
    assert_eq!(resolutions(&bank), []);
    give_all(&bank, vec![resolve(1, ResolutionKind::Release), send(1)]);
    let first = resolutions(&bank);
    assert_eq!(whys(&first), ["reason 1"]);
    assert_eq!(first[0].processor.as_ref().unwrap().as_str(), "default");
    drop(bank);
    let bank = open();
    assert_eq!(resolutions(&bank), first);
    // Decided by an engine that has read of the first one only.
    give_all(&bank, vec![resolve(2, ResolutionKind::Release)]);
    let again = bank.give(resolve(2, ResolutionKind::Release));
    assert_eq!(again.code(), "exists");
    assert_eq!(whys(&resolutions(&bank)), ["reason 2", "reason 1"]);
    give_all(&bank, vec![send(2)]);
    drop(bank);
    let bank = open();
    // The end is the dispatcher's own; what operators decided before stays.
    let settle = Command::SettlePayment {
        id: ID,
        expected: sent(3),
        requested_at: Millis(1),
    };
    give_all(&bank, vec![settle]);
    assert_eq!(whys(&resolutions(&bank)), ["reason 2", "reason 1"]);
    drop(bank);
    assert_eq!(whys(&resolutions(&open())), ["reason 2", "reason 1"]);
    let verified = verify(storage, small(64, 48).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
}

#[test]
fn the_newest_are_told_and_all_are_kept() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(256, 48));
    give_all(&bank, vec![accept()]);
    let resolutions_count = RESOLUTIONS_READ_MAX + 5;
    for attempt in 0..u32::try_from(resolutions_count).unwrap() {
        let release = resolve(attempt + 1, ResolutionKind::Release);
        give_all(&bank, vec![send(attempt), release]);
    }
    let told = resolutions(&bank);
    assert_eq!(told.len(), RESOLUTIONS_READ_MAX);
    let attempts = told.iter().map(|each| each.attempt as usize);
    assert!(attempts.eq((6..=resolutions_count).rev()));
    drop(bank);
    let verified = verify(storage, small(256, 48).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert_eq!(
        verified.audit.records_count as usize,
        1 + 2 * resolutions_count
    );
}
