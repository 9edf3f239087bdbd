//! Lists that are walked beside a writer, across sealed segments, tables, merges, snapshots and restarts.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedOptions, verify};
use journal::FileStorage;
use ledger::{
    Command, Engine, ListOrder, ListPage, ListPlace, ListedTransfer, Notes, Reference, TransferId,
    TransferList,
};

use crate::bank::{
    Bank, PATIENCE, account_id, deposit, open_account, pend, small_overlapping, wait,
};

/// Segments of a few hundred records, and a snapshot before each.
fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        snapshot_bytes: 0,
        ..small_overlapping(64, 16)
    }
}

type FileBank = Bank<FileStorage>;

fn page(bank: &FileBank, list: &TransferList, page: ListPage) -> Vec<ListedTransfer> {
    let listed = bank
        .engine
        .transfers(list.clone(), page, Instant::now() + PATIENCE);
    wait(listed).unwrap()
}

/// The numbers of what a walk from page to page shows.
fn walk(bank: &FileBank, list: &TransferList, order: ListOrder, limit: usize) -> Vec<u128> {
    walk_from(bank, list, ListPage::first(order, limit))
}

fn walk_from(bank: &FileBank, list: &TransferList, mut next: ListPage) -> Vec<u128> {
    let mut numbers = Vec::new();
    loop {
        let listed = page(bank, list, next);
        numbers.extend(listed.iter().map(|listed| listed.transfer.id.to_u128()));
        match listed.last() {
            Some(last) if listed.len() == next.limit => {
                next.after = Some(ListPlace::of_transfer(&last.transfer));
            }
            Some(_) | None => return numbers,
        }
    }
}

/// A deposit that makes an entry, a reservation that makes none, and now and then the end of one: the list of the account
/// is of its statement and of places.
fn step(number: u128) -> Vec<Command> {
    let mut deposit = deposit(number * 10, "a", 5);
    if let Command::Transfer(transfer) = &mut deposit {
        transfer.notes = Notes::of_reference(Reference::new("one for all").ok());
    }
    // What makes no entry first: a look at both must not find the entry and miss it.
    let mut commands = vec![pend(number * 10 + 1, "a", 1, 0), deposit];
    if number.is_multiple_of(3) {
        commands.push(Command::Void {
            id: TransferId::from_u128(number * 10 + 2),
            pending_id: TransferId::from_u128(number * 10 + 1),
        });
    }
    commands
}

fn lists() -> [TransferList; 3] {
    [
        TransferList::Of(account_id("a")),
        TransferList::Of(account_id("world:BRL")),
        TransferList::With(Reference::new("one for all").unwrap()),
    ]
}

#[test]
fn a_walk_beside_a_writer_skips_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(FileStorage::open(folder.path()).unwrap(), options());
    bank.give(open_account("a", 1_000_000));
    let bank = Arc::new(bank);
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (bank, is_over) = (Arc::clone(&bank), Arc::clone(&is_over));
        move || {
            let mut number = 1;
            // Ten segments at least, whatever the machine is busy with.
            while number < 1_500 || (number < 20_000 && !is_over.load(Ordering::Relaxed)) {
                for outcome in bank.submit(step(number)).unwrap() {
                    assert_eq!(outcome.code(), "created");
                }
                number += 1;
            }
            number
        }
    });
    for _ in 0..6 {
        for list in lists() {
            let before: BTreeSet<u128> =
                page(&bank, &list, ListPage::first(ListOrder::Descending, 1_000))
                    .iter()
                    .map(|listed| listed.transfer.id.to_u128())
                    .collect();
            let down = walk(&bank, &list, ListOrder::Descending, 97);
            let newest = page(&bank, &list, ListPage::first(ListOrder::Descending, 1));
            let mut ascending = ListPage {
                after: newest
                    .first()
                    .map(|newest| ListPlace::of_transfer(&newest.transfer)),
                ..ListPage::first(ListOrder::Ascending, 250)
            };
            let begun = ascending;
            let mut up = Vec::new();
            // At the head, where the writer is: what is shown there once has nothing before it that comes later.
            for _ in 0..300 {
                let listed = page(&bank, &list, ascending);
                up.extend(listed.iter().map(|listed| listed.transfer.id.to_u128()));
                if let Some(last) = listed.last() {
                    ascending.after = Some(ListPlace::of_transfer(&last.transfer));
                }
            }
            let shown: BTreeSet<u128> = down.iter().copied().collect();
            assert_eq!(shown.len(), down.len(), "{list:?}");
            assert!(before.is_subset(&shown), "{list:?}");
            let again = walk_from(&bank, &list, begun);
            assert_eq!(up, again[..up.len()], "{list:?}");
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let steps_count = writer.join().unwrap() - 1;
    let lengths = |bank: &FileBank| {
        lists().map(|list| {
            let up = walk(bank, &list, ListOrder::Ascending, 250);
            let mut down = walk(bank, &list, ListOrder::Descending, 31);
            down.reverse();
            assert_eq!(up, down, "{list:?}");
            up
        })
    };
    let expected = lengths(&bank);
    let voids = steps_count / 3;
    let counts = expected.each_ref().map(|list| list.len() as u128);
    // A pending transfer is between the account and the world, and so is its end.
    assert_eq!(counts[2], steps_count);
    assert_eq!(counts[0], 2 * steps_count + voids);
    assert_eq!(counts[1], 2 * steps_count + voids);
    drop(bank);
    // After a restart, and from the records alone, it is the same.
    for removes in ["", "ids-", "books-"] {
        let entries = fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: Vec<String> = names.collect();
        assert!(
            names.iter().any(|name| name.starts_with("ids-")),
            "{names:?}"
        );
        for name in names
            .iter()
            .filter(|name| !removes.is_empty() && name.starts_with(removes))
        {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let storage = FileStorage::open_existing(folder.path()).unwrap();
        let bank = Bank::open(storage, options());
        assert!(lengths(&bank) == expected, "without {removes}");
        drop(bank);
    }
    let storage = FileStorage::open_existing(folder.path()).unwrap();
    let verified = verify(storage, options().journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert!(verified.tables_count > 0);
}

/// A page of nothing asks nobody, and one between two times that are the wrong way round has nothing.
#[test]
fn pages_of_nothing_are_empty() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(FileStorage::open(folder.path()).unwrap(), options());
    bank.give(open_account("a", 1_000));
    for list in lists() {
        assert_eq!(
            page(&bank, &list, ListPage::first(ListOrder::Ascending, 10)),
            []
        );
    }
    bank.submit(step(1)).unwrap();
    bank.clock
        .advance_ns(u64::try_from(Duration::from_secs(1).as_nanos()).unwrap());
    for list in lists() {
        assert_ne!(
            page(&bank, &list, ListPage::first(ListOrder::Ascending, 10)),
            []
        );
        assert_eq!(
            page(&bank, &list, ListPage::first(ListOrder::Ascending, 0)),
            []
        );
        let all = page(&bank, &list, ListPage::first(ListOrder::Descending, 10));
        let newest = ListPlace::of_transfer(&all[0].transfer);
        let behind = ListPage {
            after: Some(newest),
            ..ListPage::first(ListOrder::Ascending, 10)
        };
        assert_eq!(page(&bank, &list, behind), []);
    }
}
