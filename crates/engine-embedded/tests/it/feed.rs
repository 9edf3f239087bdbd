//! The feed of events: every event once and in order, from any position, over restarts and beside a writer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use journal::faulty::FaultyStorage;
use journal::{FileStorage, Storage};
use ledger::{
    Batch, Engine, Event, EventPage, EventPosition, EventQuery, EventsFrom, PlacedEvent,
    TransferId, Unavailable,
};

use crate::bank::{Bank, PATIENCE, deposit, small, small_overlapping, transfer, wait};
use crate::gated::Gated;

fn query(from: EventsFrom, limit: usize) -> EventQuery {
    EventQuery {
        from,
        limit,
        bytes_max: usize::MAX,
        wait_until: None,
    }
}

async fn page<S: Storage>(engine: &EmbeddedEngine<S>, query: EventQuery) -> Option<EventPage> {
    let deadline = Instant::now() + PATIENCE;
    engine.events(query, deadline).await.unwrap()
}

fn all<S: Storage>(engine: &EmbeddedEngine<S>, from: EventsFrom, limit: usize) -> Vec<PlacedEvent> {
    wait(async {
        let (mut events, mut from) = (Vec::new(), from);
        loop {
            let page = page(engine, query(from, limit)).await.unwrap();
            if page.events.is_empty() {
                return events;
            }
            assert!(page.events.len() <= limit);
            from = EventsFrom::After(page.next);
            events.extend(page.events);
        }
    })
}

/// The ids of the transfers among the events, in order.
fn ids(events: &[PlacedEvent]) -> Vec<u128> {
    let transfers = events.iter().filter_map(|placed| placed.event.transfer());
    transfers.map(|transfer| transfer.id.to_u128()).collect()
}

fn options() -> EmbeddedOptions {
    small_overlapping(16, 8)
}

/// Deposits in calls of ten, until so many ids are used.
fn deposit_until<S: Storage>(bank: &Bank<S>, next: &mut u128, end: u128) {
    while *next < end {
        let calls = (*next..(*next + 10).min(end)).map(|id| deposit(id, "a", 1));
        bank.submit(calls.collect()).unwrap();
        *next = (*next + 10).min(end);
    }
}

#[test]
fn every_event_is_read_once_whatever_the_pages_and_after_restarts() {
    let storage = FaultyStorage::new(1);
    let mut bank = Bank::open(storage.clone(), options());
    bank.open_accounts(&["a"]);
    let mut next = 1;
    let mut known: Vec<(EventPosition, usize)> = Vec::new();
    for round in 1..=6 {
        deposit_until(&bank, &mut next, round * 300);
        if round % 2 == 0 {
            drop(bank);
            bank = Bank::open(storage.clone(), options());
        }
        let events = all(&bank.engine, EventsFrom::Beginning, 1_000);
        assert_eq!(ids(&events), (1..next).collect::<Vec<_>>());
        let timestamps = events.iter().map(|placed| placed.event.timestamp());
        assert!(timestamps.is_sorted_by(|one, other| one < other));
        for limit in [1, 7, 333] {
            assert_eq!(all(&bank.engine, EventsFrom::Beginning, limit), events);
        }
        // Positions of every earlier round still lead to what is behind them.
        for (position, before) in &known {
            let behind = all(&bank.engine, EventsFrom::After(*position), 1_000);
            assert_eq!(behind, events[*before..]);
        }
        let numbered = events.iter().zip(1..).step_by(37);
        known.extend(numbered.map(|(placed, before)| (placed.position, before)));
        let now = wait(page(&bank.engine, query(EventsFrom::Now, 9))).unwrap();
        assert!(now.events.is_empty());
        assert_eq!(all(&bank.engine, EventsFrom::After(now.next), 9), []);
        known.push((now.next, events.len()));
    }
}

#[test]
fn an_empty_ledger_has_a_position_too() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage, options());
    let empty = wait(page(&bank.engine, query(EventsFrom::Beginning, 9))).unwrap();
    assert!(empty.events.is_empty());
    let now = wait(page(&bank.engine, query(EventsFrom::Now, 9))).unwrap();
    bank.open_accounts(&["a"]);
    for begun in [empty.next, now.next] {
        let events = all(&bank.engine, EventsFrom::After(begun), 9);
        assert!(matches!(events[0].event, Event::AccountOpened { .. }));
    }
}

#[test]
fn a_page_has_bounds_and_always_an_event() {
    let bank = Bank::open(FaultyStorage::new(1), options());
    bank.open_accounts(&["a"]);
    deposit_until(&bank, &mut 1, 200);
    let count = |limit, bytes_max| {
        let asked = EventQuery {
            bytes_max,
            ..query(EventsFrom::Beginning, limit)
        };
        wait(page(&bank.engine, asked)).unwrap().events.len()
    };
    assert_eq!(count(1_000, 0), 1);
    assert_eq!(count(5_000, usize::MAX), 200);
    assert!((5..50).contains(&count(1_000, 1_500)));
    assert_eq!(count(0, usize::MAX), 0);
}

#[test]
fn positions_of_another_ledger_and_of_a_lost_future_are_refused() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |path| Bank::open(FileStorage::open(path).unwrap(), small(64, 32));
    let bank = open(folder.path());
    bank.open_accounts(&["a"]);
    bank.give(deposit(1, "a", 1));
    drop(bank);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let (bank, restored) = (open(folder.path()), open(copy.path()));
    let shared = all(&bank.engine, EventsFrom::Beginning, 9);
    assert_eq!(all(&restored.engine, EventsFrom::Beginning, 9), shared);
    for bank in [&bank, &restored] {
        bank.give(deposit(2, "a", 1));
    }
    bank.give(deposit(3, "a", 1));
    restored.give(deposit(4, "a", 1));
    let lost = all(&bank.engine, EventsFrom::Beginning, 9).pop().unwrap();
    let refused = |bank: &Bank<_>, position| {
        let from = EventsFrom::After(position);
        wait(page(&bank.engine, query(from, 9))).is_none()
    };
    assert!(refused(&restored, lost.position));
    assert!(!refused(&restored, shared[1].position));
    let other = Bank::open(FaultyStorage::new(2), small(64, 32));
    other.open_accounts(&["a"]);
    for placed in &shared {
        let found = wait(page(
            &other.engine,
            query(EventsFrom::After(placed.position), 9),
        ));
        assert!(found.is_none());
    }
    let mut bytes = lost.position.to_bytes();
    for index in 0..bytes.len() {
        bytes[index] ^= 4;
        assert!(refused(&bank, EventPosition::from_bytes(bytes)));
        bytes[index] ^= 4;
    }
    assert!(!refused(&bank, lost.position));
}

/// Readers beside a writer see its events in one order, without a gap, and never one that is not answered for.
#[test]
fn readers_keep_up_with_a_writer_without_a_gap() {
    const LAST: u128 = 3_000;
    let bank = Bank::open(FaultyStorage::new(1), options());
    bank.open_accounts(&["a"]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let readers = [1, 10, 1_000].map(|limit| {
            let engine = Arc::clone(&bank.engine);
            tokio::spawn(async move {
                let (mut seen, mut from) = (Vec::new(), EventsFrom::Beginning);
                while seen.last() != Some(&(LAST - 1)) {
                    let asked = EventQuery {
                        wait_until: Some(Instant::now() + PATIENCE),
                        ..query(from, limit)
                    };
                    let page = page(&engine, asked).await.unwrap();
                    assert!(!page.events.is_empty());
                    let ids = ids(&page.events);
                    for id in &ids {
                        let id = TransferId::from_u128(*id);
                        let used = engine.transfer(id, Instant::now() + PATIENCE).await;
                        assert!(used.unwrap().is_some(), "what is shown is published");
                    }
                    seen.extend(ids);
                    from = EventsFrom::After(page.next);
                }
                seen
            })
        });
        for id in 1..LAST {
            let batch = vec![Batch::one(deposit(id, "a", 1))];
            bank.engine
                .submit(batch, Instant::now() + PATIENCE)
                .await
                .unwrap();
        }
        for reader in readers {
            assert_eq!(reader.await.unwrap(), (1..LAST).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_thousand_waiting_readers_are_woken_by_one_event() {
    let bank = Bank::open(FaultyStorage::new(1), options());
    bank.open_accounts(&["a"]);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(async {
        let asked = EventQuery {
            wait_until: Some(Instant::now() + PATIENCE),
            ..query(EventsFrom::Now, 10)
        };
        let readers = (0..1_000).map(|_| {
            let engine = Arc::clone(&bank.engine);
            tokio::spawn(async move { page(&engine, asked).await })
        });
        let readers: Vec<_> = readers.collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        let began = Instant::now();
        let batch = vec![Batch::one(deposit(1, "a", 1))];
        bank.engine.submit(batch, began + PATIENCE).await.unwrap();
        for reader in readers {
            assert_eq!(ids(&reader.await.unwrap().unwrap().events), [1]);
        }
        assert!(began.elapsed() < PATIENCE / 4);
        // Without an event the answer is empty, and comes in time.
        let until = Instant::now() + Duration::from_millis(50);
        let asked = EventQuery {
            wait_until: Some(until),
            ..query(EventsFrom::Now, 10)
        };
        assert!(page(&bank.engine, asked).await.unwrap().events.is_empty());
        assert!(Instant::now() >= until);
    });
}

#[test]
fn what_is_not_durable_is_not_shown() {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small_overlapping(64, 32));
    bank.open_accounts(&["a"]);
    storage.close();
    let engine = Arc::clone(&bank.engine);
    let writing = std::thread::spawn(move || {
        let batch = vec![Batch::one(deposit(1, "a", 1))];
        wait(engine.submit(batch, Instant::now() + PATIENCE))
    });
    let asked = EventQuery {
        wait_until: Some(Instant::now() + Duration::from_millis(300)),
        ..query(EventsFrom::Now, 10)
    };
    let shown = wait(page(&bank.engine, asked)).unwrap();
    assert!(shown.events.is_empty());
    storage.open_gate();
    writing.join().unwrap().unwrap();
    assert_eq!(
        ids(&all(&bank.engine, EventsFrom::After(shown.next), 9)),
        [1]
    );
}

#[test]
fn damage_fails_the_page_that_meets_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(FileStorage::open(folder.path()).unwrap(), small(16, 8));
    bank.open_accounts(&["a"]);
    for id in 1..=400 {
        let command = match id % 7 {
            0 => transfer(id, "a", "world:BRL", 1),
            _ => deposit(id, "a", 1),
        };
        bank.give(command);
    }
    let events = all(&bank.engine, EventsFrom::Beginning, 100);
    let text = b"transfer 150";
    let files = std::fs::read_dir(folder.path()).unwrap();
    let mut segments = files.map(|entry| entry.unwrap().path());
    let (file, mut bytes, at) = segments
        .find_map(|file| {
            let bytes = std::fs::read(&file).unwrap();
            let mut windows = bytes.windows(text.len());
            let at = windows.position(|window| window == text)?;
            Some((file, bytes, at))
        })
        .unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let read = |from| {
        let asked = query(from, 1_000);
        wait(bank.engine.events(asked, Instant::now() + PATIENCE))
    };
    assert_eq!(
        read(EventsFrom::Beginning),
        Err(Unavailable::StorageDamaged)
    );
    let behind = EventsFrom::After(events[200].position);
    assert_eq!(read(behind).unwrap().unwrap().events, events[201..]);
}
