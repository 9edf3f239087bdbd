//! More money than 64 bits can count: the system's totals wrap, and nothing else notices.

use journal::faulty::FaultyStorage;
use ledger::AMOUNT_MAX;

use crate::bank::{Bank, deposit, open_account, small};

/// So many full accounts are more than 2^63, the least of a balance.
const FULL_ACCOUNTS: u64 = 1_030;

#[test]
fn a_world_that_owes_more_than_64_bits_is_still_in_balance() {
    let storage = FaultyStorage::new(1);
    let options = small(8_192, 4_096);
    let bank = Bank::open(storage.clone(), options.clone());
    let id = |number: u64| format!("users:{number}");
    let opened = bank.submit(
        (0..FULL_ACCOUNTS)
            .map(|number| open_account(&id(number), 0))
            .collect(),
    );
    let filled = bank.submit(
        (0..FULL_ACCOUNTS)
            .map(|number| deposit(number.into(), &id(number), AMOUNT_MAX))
            .collect(),
    );
    for outcome in opened.unwrap().iter().chain(&filled.unwrap()) {
        assert_eq!(outcome.code(), "created");
    }
    let owed = u128::from(FULL_ACCOUNTS) * u128::from(AMOUNT_MAX);
    assert!(owed > 1 << 63);
    let world = bank.account("world:BRL");
    assert_eq!(u128::from(world.debits_posted), owed);
    drop(bank);

    let verified = engine_embedded::verify(storage.crash(), options.journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert!(verified.audit.balances.values().all(|sum| *sum == 0));
}
