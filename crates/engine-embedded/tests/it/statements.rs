//! Long statements: every page and every balance in the past, at a bounded number of reads.

use journal::faulty::FaultyStorage;
use ledger::{Engine, Entry, Timestamp};
use std::time::Instant;

use crate::bank::{Bank, PATIENCE, account_id, deposit, small, transfer, wait};
use crate::gated::Gated;

/// More than three checkpoints.
const ENTRIES: u64 = 3_400;
/// How far apart the checkpoints are.
const APART: u64 = 256;
/// The most reads for an entry by its number: a statement line is one small read.
const READS_MAX: u64 = APART + 1;

/// An account with that many entries, in both directions, and all of them.
fn long_statement() -> (Gated, Bank<Gated>, Vec<Entry>) {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small(1_024, 512));
    bank.open_accounts(&["a", "b"]);
    let mut id = 0;
    while bank.account("a").entry_count < ENTRIES {
        let commands = (0..200).map(|_| {
            id += 1;
            match id % 3 {
                0 => transfer(id, "a", "b", 1),
                _ => deposit(id, "a", (id % 7) as u64 + 1),
            }
        });
        bank.submit(commands.collect()).unwrap();
        bank.clock.advance_ns(1_000_000);
    }
    let entries = (1..=id).map(|id| {
        let Ok(Some(ledger::UsedTransfer::Created(transfer, _))) = bank.transfer(id) else {
            panic!("transfer {id}");
        };
        transfer.entry(&account_id("a")).unwrap()
    });
    let entries = entries.collect();
    (storage, bank, entries)
}

#[test]
fn every_page_of_a_long_statement_is_found_in_few_reads() {
    let (storage, bank, entries) = long_statement();
    let count = entries.len() as u64;
    let near_checkpoints = (0..14).flat_map(|n| n * APART..n * APART + 4);
    let starts = (0..count + 3).filter(|before| before % 61 < 2);
    for before in near_checkpoints.chain(starts).chain([u64::MAX]) {
        for limit in [1, 3] {
            let reads = storage.reads();
            let page = bank.statement("a", Some(before), limit).unwrap();
            let reads = storage.reads() - reads;
            assert!(
                reads <= READS_MAX + limit as u64,
                "{reads} reads before {before}"
            );
            let end = before.saturating_sub(1).min(count) as usize;
            let expected: Vec<_> = entries[..end].iter().rev().take(limit).cloned().collect();
            assert_eq!(page.entries, expected, "before {before}");
        }
    }
}

#[test]
fn a_long_statement_is_paged_from_end_to_end() {
    let (storage, bank, mut entries) = long_statement();
    entries.reverse();
    let walk = |bank: &Bank<Gated>, limit: usize| {
        let (mut before, mut found) = (None, Vec::new());
        loop {
            let page = bank.statement("a", before, limit).unwrap();
            before = page.next_before();
            found.extend(page.entries);
            if before.is_none() {
                return found;
            }
        }
    };
    for limit in [100, 255, 256, 1_000, 5_000] {
        assert_eq!(walk(&bank, limit), entries);
    }
    // Checkpoints are made anew by the replay.
    drop(bank);
    let bank = Bank::open(Gated::new(storage.inner.crash()), small(1_024, 512));
    assert_eq!(walk(&bank, 700), entries);
}

#[test]
fn the_balance_at_any_time_is_found_in_few_reads() {
    let (storage, bank, entries) = long_statement();
    let balance_at = |at: u64| {
        let at = Timestamp::from_nanos(at);
        let reads = storage.reads();
        let deadline = Instant::now() + PATIENCE;
        let answer = bank.engine.balance_at(account_id("a"), at, deadline);
        let found = wait(answer).unwrap().unwrap();
        let reads = storage.reads() - reads;
        assert!(reads <= READS_MAX + 8, "{reads} reads at {at}");
        (found.entry_number, found.balance)
    };
    assert_eq!(balance_at(0), (0, 0));
    let last = entries.last().unwrap();
    assert_eq!(balance_at(u64::MAX), (last.number, last.balance_after));
    let mut before = (0, 0);
    for entry in &entries {
        let at = entry.timestamp.as_nanos();
        let after = (entry.number, entry.balance_after);
        if entry.number % 83 < 2 || entry.number % APART < 2 {
            assert_eq!(balance_at(at - 1), before);
            assert_eq!(balance_at(at), after);
        }
        before = after;
    }
}
