//! The list of accounts beside a writer that opens more of them, and out of the folder alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use engine_embedded::OfflineLedger;
use journal::Storage;
use journal::faulty::FaultyStorage;
use ledger::{Account, AccountId, AccountsPage, AccountsQuery, Engine};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::bank::{Bank, PATIENCE, account_id, deposit, open_account, small, wait};

const EVERY: AccountsQuery = AccountsQuery {
    after: None,
    prefix: None,
    currency: None,
    closed: None,
    limit: 64,
};

/// Every page of a list.
fn walk(
    mut query: AccountsQuery,
    page: impl Fn(AccountsQuery) -> AccountsPage,
) -> Vec<(AccountId, Account)> {
    let mut listed = Vec::new();
    loop {
        let page = page(query.clone());
        listed.extend(page.accounts);
        match page.next_after {
            Some(after) => query.after = Some(after),
            None => return listed,
        }
    }
}

fn walk_engine<S: Storage>(bank: &Bank<S>, query: AccountsQuery) -> Vec<(AccountId, Account)> {
    walk(query, |query| {
        wait(bank.engine.accounts(query, Instant::now() + PATIENCE)).unwrap()
    })
}

/// The names of accounts, in no order.
fn names(count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count)
        .map(|number| format!("users:{number:05}"))
        .collect();
    names.shuffle(&mut StdRng::seed_from_u64(7));
    names
}

#[test]
fn a_walk_beside_openings_lists_each_that_was_there_once() {
    let bank = Arc::new(Bank::open(FaultyStorage::new(1), small(1_024, 256)));
    let names = names(6_000);
    let (first, later) = names.split_at(1_500);
    let open = |bank: &Bank<FaultyStorage>, ids: &[String]| {
        for ids in ids.chunks(50) {
            let commands = ids.iter().map(|id| open_account(id, 0)).collect();
            bank.submit(commands).unwrap();
        }
    };
    open(&bank, first);
    let is_done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (bank, is_done, later) = (bank.clone(), is_done.clone(), later.to_vec());
        thread::spawn(move || {
            open(&bank, &later);
            is_done.store(true, Ordering::SeqCst);
        })
    };
    let mut there: Vec<AccountId> = first.iter().map(|id| account_id(id)).collect();
    let mut walks = 0;
    let mut was_done = false;
    while !was_done || walks < 3 {
        was_done = is_done.load(Ordering::SeqCst);
        let listed = walk_engine(&bank, EVERY);
        assert!(listed.is_sorted_by(|(one, _), (next, _)| one < next));
        let is_listed =
            |id: &AccountId| listed.binary_search_by(|(other, _)| other.cmp(id)).is_ok();
        assert!(there.iter().all(is_listed), "an account was left out");
        there = listed.into_iter().map(|(id, _)| id).collect();
        walks += 1;
    }
    writer.join().unwrap();
    assert_eq!(there.len(), names.len() + 1);
    // More than a page looks at: the last ones are found by their beginning.
    let of_last = AccountsQuery {
        prefix: Some(account_id("users:0599")),
        ..EVERY
    };
    let page = wait(bank.engine.accounts(of_last, Instant::now() + PATIENCE)).unwrap();
    assert_eq!((page.accounts.len(), page.next_after), (10, None));
}

#[test]
fn the_folder_alone_lists_what_the_ledger_does() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut number = 0;
    let mut opened = 0;
    // Without a snapshot, and with some.
    for snapshot_bytes in [u64::MAX, 0] {
        let storage = FaultyStorage::new(2);
        let options = engine_embedded::EmbeddedOptions {
            snapshot_bytes,
            ..small(128, 64)
        };
        let bank = Bank::open(storage.clone(), options);
        let names = names(700);
        for ids in names.chunks(10) {
            bank.submit(ids.iter().map(|id| open_account(id, 0)).collect())
                .unwrap();
            opened += ids.len();
            for _ in 0..10 {
                number += 1;
                let to = &names[rng.random_range(0..names.len())];
                bank.give(deposit(number, to, 5));
            }
            let offline = OfflineLedger::read(&storage).unwrap();
            let listed = walk(EVERY, |query| offline.accounts(query));
            assert_eq!(listed, walk_engine(&bank, EVERY));
            assert!(offline.head().sequence > 0);
        }
    }
    assert_eq!(opened, 1_400);
}
