//! Readers beside writers: what they see is of one instant, and never older than what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use ledger::{Record, TransferId};

use crate::bank::{Bank, deposit, small, transfer};

const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
const WRITERS: u128 = 2;
const CALLS: u128 = 120;
const COMMANDS: u128 = 40;

type Shared = Arc<Bank<FaultyStorage>>;

#[test]
fn reads_under_writes_are_of_one_instant() {
    let bank = Arc::new(Bank::open(FaultyStorage::new(1), small(1_024, 256)));
    bank.open_accounts(&ACCOUNTS);
    let is_done = Arc::new(AtomicBool::new(false));
    let pages = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = ACCOUNTS
        .iter()
        .map(|id| {
            let (bank, is_done, pages) = (bank.clone(), is_done.clone(), pages.clone());
            thread::spawn(move || {
                let mut newest = 0;
                while !is_done.load(Ordering::SeqCst) {
                    newest = read_page(&bank, id, newest);
                    pages.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let bank = bank.clone();
            thread::spawn(move || (0..CALLS).for_each(|call| write(&bank, writer, call)))
        })
        .collect();
    writers
        .into_iter()
        .for_each(|writer| writer.join().unwrap());
    is_done.store(true, Ordering::SeqCst);
    readers
        .into_iter()
        .for_each(|reader| reader.join().unwrap());
    assert!(pages.load(Ordering::SeqCst) > 100);
    let world = bank.account("world:BRL").balance();
    let balances = ACCOUNTS.map(|id| bank.account(id).balance());
    assert_eq!(balances.iter().sum::<i64>() + world, 0);
}

/// A page together with its account, and the one before it.
fn read_page(bank: &Shared, id: &str, newest_before: u64) -> u64 {
    let page = bank.statement(id, None, 20).unwrap();
    let newest = page.account.entry_count;
    assert!(newest >= newest_before, "{newest} after {newest_before}");
    let first = page.entries.first();
    assert_eq!(first.map_or(0, |entry| entry.number), newest);
    let balance = first.map_or(0, |entry| entry.balance_after);
    assert_eq!(balance, page.account.balance());
    assert!(
        page.account
            .available()
            .is_some_and(|available| available < 1 << 53)
    );
    for (entry, older) in page
        .entries
        .iter()
        .zip(&page.entries[1.min(page.entries.len())..])
    {
        assert_eq!(entry.number, older.number + 1);
        assert!(entry.timestamp > older.timestamp);
        let is_credit = entry.credit_account_id.as_str() == id;
        let amount = entry.amount as i64;
        let change = if is_credit { amount } else { -amount };
        assert_eq!(entry.balance_after, older.balance_after + change);
    }
    newest
}

/// A call, and that every read shows at once what it was answered.
fn write(bank: &Shared, writer: u128, call: u128) {
    let first = (writer * CALLS + call) * COMMANDS;
    let commands = (first..first + COMMANDS).map(|id| {
        let (from, to) = (ACCOUNTS[id as usize % 3], ACCOUNTS[(id as usize + 1) % 3]);
        match id % 4 {
            0 => transfer(id, from, to, 2),
            _ => deposit(id, to, 1),
        }
    });
    let outcomes = bank.submit(commands.collect()).unwrap();
    for (id, outcome) in (first..).zip(outcomes) {
        let Ok(Record::Transfer(created)) = outcome.result else {
            assert_eq!(outcome.code(), "insufficient_funds");
            continue;
        };
        assert_eq!(created.id, TransferId::from_u128(id));
        let to = created.credit_account_id.as_str();
        assert!(bank.account(to).entry_count >= created.credit.unwrap().entry_number);
        assert!(bank.transfer(id).unwrap().is_some());
    }
}

/// A reader does not wait for a sync.
#[test]
fn reads_do_not_wait_for_a_sync() {
    let storage = crate::gated::Gated::new(FaultyStorage::new(1));
    let bank = Arc::new(Bank::open(storage.clone(), small(64, 32)));
    bank.open_accounts(&["a"]);
    bank.give(deposit(1, "a", 1));
    storage.close();
    let writing = {
        let bank = bank.clone();
        thread::spawn(move || bank.submit(vec![deposit(2, "a", 1)]))
    };
    storage.wait_for_a_sync();
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(bank.account("a").balance(), 1);
        assert_eq!(bank.statement("a", None, 10).unwrap().entries.len(), 1);
        assert_eq!(bank.transfer(2), Ok(None));
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    storage.open_gate();
    assert!(writing.join().unwrap().is_ok());
    assert_eq!(bank.account("a").balance(), 2);
}
