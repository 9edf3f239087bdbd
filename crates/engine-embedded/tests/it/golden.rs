//! What the fixture was made with, and what is read from it.

use ledger::{
    AccountId, Batch, Command, MoveMoney, Note, PaymentExpected, PaymentId, PaymentStateName,
    ResolutionKind, ResolvePayment, TransferId,
};

use crate::picture::Ids;
use crate::script::{Step, steps};

/// How the fixture's folder is opened.
pub(crate) fn options() -> engine_embedded::EmbeddedOptions {
    let journal = journal::JournalOptions {
        segment_bytes: 13 << 10,
        frame_bytes_max: 25 << 9,
        ..journal::JournalOptions::default()
    };
    engine_embedded::EmbeddedOptions {
        journal,
        overlaps: false,
        ..engine_embedded::EmbeddedOptions::default()
    }
}

/// Likewise, with a snapshot before each segment, of which the newest two are kept.
pub(crate) fn beside_options() -> engine_embedded::EmbeddedOptions {
    engine_embedded::EmbeddedOptions {
        snapshot_bytes: 0,
        ..options()
    }
}

/// The script, a resolution of the payment that it leaves open, and so many deposits that an entry of
/// the account has a place of its own in the snapshots.
pub(crate) fn beside_steps() -> Vec<Step> {
    let resolve = Command::ResolvePayment(ResolvePayment {
        id: PaymentId::from_u128(6),
        expected: PaymentExpected {
            state: PaymentStateName::Sent,
            attempt: 1,
        },
        kind: ResolutionKind::Release,
        who: Note::new("ana").unwrap(),
        why: Note::new("it never arrived").unwrap(),
        send_lease: std::time::Duration::ZERO,
    });
    let send = Command::SendPayment {
        id: PaymentId::from_u128(6),
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt: 0,
        },
        processor: ledger::ProcessorName::new("fallback").unwrap(),
        requested_at: ledger::Millis(1_767_225_600_000),
    };
    let deposit = |number: u128| {
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(DEPOSITS_FROM + number),
            debit_account_id: AccountId::new("world:BRL").unwrap(),
            credit_account_id: AccountId::new("a").unwrap(),
            amount: 1,
            description: "deposit".into(),
            notes: ledger::Notes::NONE,
        })
    };
    let calls = (0..1_100).step_by(5);
    let deposits = calls.map(|first| (first..first + 5).map(deposit).collect());
    let calls = [vec![send], vec![resolve]].into_iter().chain(deposits);
    let step = |commands| {
        [
            Step::Advance(1_000_000),
            Step::Submit(vec![Batch::independent(commands).unwrap()]),
        ]
    };
    steps().into_iter().chain(calls.flat_map(step)).collect()
}

/// The id of the first deposit of [`beside_steps`].
pub(crate) const DEPOSITS_FROM: u128 = 1_000_000;

/// Every id of the script, and some that it does not use.
pub(crate) fn ids() -> Ids {
    let accounts = [
        "a",
        "b",
        "c",
        "d",
        "nobody",
        "processor:default:BRL",
        "processor:fallback:BRL",
        "world:BRL",
        "world:USD",
    ];
    let payments: Vec<_> = (1..=8).map(PaymentId::from_u128).collect();
    let settlements = payments.iter().map(|id| TransferId::of_payment(*id));
    let transfers = (1..=16).map(TransferId::from_u128);
    Ids {
        accounts: accounts
            .iter()
            .map(|id| AccountId::new(id).unwrap())
            .collect(),
        transfers: transfers.chain(settlements).collect(),
        payments,
    }
}
