//! What the fixture was made with, and what is read from it.

use ledger::{AccountId, PaymentId, TransferId};

use crate::picture::Ids;

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
