//! The feed: every event once, in one order that each account's own is part of, and never past an open transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_postgres::{PostgresEngine, PostgresOptions, migrate};
use ledger::{
    AccountId, Command, Engine, Event, EventPage, EventPosition, EventQuery, EventsFrom, MoveMoney,
    Notes, PlacedEvent, Timestamp, TransferId, Unavailable,
};
use testkit::bank::{accounts, currency, id, in_seconds, open_accounts, submit_one};
use testkit::meeting::meet;
use testkit::servers::Postgres;
use tokio_postgres::NoTls;

use crate::subject::open;

/// Longer than any reader waits for open transactions.
const PATIENCE: Duration = Duration::from_secs(60);

async fn page(engine: &PostgresEngine, from: EventsFrom, limit: usize) -> EventPage {
    let query = EventQuery {
        from,
        limit,
        bytes_max: usize::MAX,
        wait_until: None,
    };
    let page = engine.events(query, in_seconds(60)).await.unwrap();
    page.expect("a position that was given")
}

/// The events behind this place, up to the end.
async fn all(engine: &PostgresEngine, mut from: EventsFrom, limit: usize) -> Vec<PlacedEvent> {
    let mut events = Vec::new();
    loop {
        let page = page(engine, from, limit).await;
        if page.events.is_empty() {
            return events;
        }
        assert!(page.events.len() <= limit);
        from = EventsFrom::After(page.next);
        events.extend(page.events);
    }
}

fn deposit(number: u128) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: AccountId::world(currency()),
        credit_account_id: id("user:1"),
        amount: 1,
        description: "deposit".into(),
        notes: Notes::NONE,
    })
}

async fn transfer(engine: &PostgresEngine, number: u128) {
    let outcome = submit_one(engine, deposit(number), in_seconds(60)).await;
    assert_eq!(outcome.unwrap().code(), "created");
}

/// The ids of the transfers among the events, in order.
fn ids(events: &[PlacedEvent]) -> Vec<u128> {
    let transfers = events.iter().filter_map(|placed| placed.event.transfer());
    transfers.map(|transfer| transfer.id.to_u128()).collect()
}

/// Each account's entries are there from the first on, each once and later than the one before.
fn check_entries(events: &[PlacedEvent]) -> BTreeMap<AccountId, u64> {
    let mut newest: BTreeMap<AccountId, (u64, Timestamp)> = BTreeMap::new();
    for placed in events {
        let Some(transfer) = placed.event.transfer() else {
            continue;
        };
        for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
            if let Some(after) = transfer.after(id) {
                let newest = newest.entry(id.clone()).or_default();
                let number = after.entry_number;
                assert_eq!(number, newest.0 + 1, "account {id}: {:?}", placed.event);
                assert!(newest.1 < transfer.timestamp, "{:?}", placed.event);
                *newest = (number, transfer.timestamp);
            }
        }
    }
    let counts = newest.into_iter().map(|(id, (count, _))| (id, count));
    counts.collect()
}

/// Three nodes write, and two readers follow each of them: by what they answer, and from a page to the next.
#[test]
fn readers_beside_writers_on_several_nodes_see_each_event_once_and_in_order() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("feed").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Arc::new(open(&url).await));
        }
        let (stop, _) = tokio::sync::watch::channel(false);
        let readers = nodes.iter().cycle().zip([1, 7, 100, 1_000, 33, 1_000]);
        let readers = readers.map(|(node, limit)| {
            let (node, stop) = (Arc::clone(node), stop.subscribe());
            tokio::spawn(async move {
                let mut events: Vec<PlacedEvent> = Vec::new();
                let mut from = EventsFrom::Beginning;
                loop {
                    // Asked before the page: what is written until then has to be in it.
                    let is_last = *stop.borrow();
                    let page = page(&node, from, limit).await;
                    from = EventsFrom::After(page.next);
                    let is_empty = page.events.is_empty();
                    events.extend(page.events);
                    if is_last && is_empty {
                        return events;
                    }
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        meet(&nodes).await;
        stop.send_replace(true);
        let mut expected = None;
        for reader in readers {
            let events = reader.await.unwrap();
            let counts = check_entries(&events);
            for id in accounts() {
                let account = nodes[0].account(id.clone(), in_seconds(60)).await;
                if let Some(account) = account.unwrap() {
                    let count = counts.get(&id).copied();
                    assert_eq!(count.unwrap_or(0), account.entry_count, "{id}");
                }
            }
            let positions: HashSet<_> = events.iter().map(|placed| placed.position).collect();
            assert_eq!(positions.len(), events.len());
            // An atomic batch comes right behind its members, whatever other nodes do meanwhile.
            for (index, placed) in events.iter().enumerate() {
                if let Event::Batch(batch) = &placed.event
                    && batch.failure.is_none()
                {
                    let first = index - batch.members_count as usize;
                    let members = events[first..index].iter();
                    let mut times = members.map(|member| member.event.timestamp());
                    assert!(times.all(|at| at < batch.timestamp), "{batch:?}");
                }
            }
            assert_eq!(*expected.get_or_insert_with(|| events.clone()), events);
        }
        let again = all(&open(&url).await, EventsFrom::Beginning, 1_000).await;
        assert_eq!(expected, Some(again));
    });
}

/// A transaction that has drawn a position and not ended: nothing behind it is shown, on any node, until it has.
#[test]
fn nothing_is_shown_past_an_open_transaction() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("open").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, other) = (open(&url).await, open(&url).await);
        open_accounts(&engine).await;
        transfer(&engine, 1).await;
        let before = page(&engine, EventsFrom::Now, 1).await.next;
        let first_row = "SELECT max(position) FROM lastro.events";
        let first_row: i64 = postgres
            .psql_in("open", first_row)
            .unwrap()
            .parse()
            .unwrap();
        let (mut held, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        for (number, ends_well) in [(2, true), (3, false)] {
            let from = EventsFrom::After(page(&other, EventsFrom::Now, 1).await.next);
            let open = held.transaction().await.unwrap();
            // What transfer 1 has recorded, once more.
            let first = "INSERT INTO lastro.events (records)
                SELECT records FROM lastro.events WHERE position = $1";
            open.execute(first, &[&first_row]).await.unwrap();
            // Of another table, and of another's: neither holds anything back.
            let unrelated = "SELECT pg_current_xact_id()";
            open.execute(unrelated, &[]).await.unwrap();
            transfer(&engine, number).await;
            for node in [&engine, &other, &engine] {
                let page = page(node, from, 10).await;
                assert_eq!(
                    (page.events, EventsFrom::After(page.next)),
                    (Vec::new(), from)
                );
            }
            // A node that has never looked before knows the position all the same.
            let fresh = super::subject::open(&url).await;
            assert_eq!(all(&fresh, from, 10).await, Vec::new());
            match ends_well {
                true => open.commit().await.unwrap(),
                false => open.rollback().await.unwrap(),
            }
            for node in [&engine, &other, &fresh] {
                let events = all(node, from, 10).await;
                let expected: &[u128] = if ends_well { &[1, number] } else { &[number] };
                assert_eq!(ids(&events), expected);
            }
        }
        let events = all(&engine, EventsFrom::After(before), 1).await;
        assert_eq!(ids(&events), [1, 2, 3]);
    });
}

/// Neither another table's transaction, nor one of another database of the server, although both write.
#[test]
fn a_transaction_that_writes_elsewhere_holds_nothing_back() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("elsewhere").unwrap();
    let neighbour = postgres.create_database("neighbour").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        open_accounts(&engine).await;
        let mut sessions = Vec::new();
        for url in [&url, &neighbour] {
            let (session, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let writes =
                "BEGIN; CREATE TABLE elsewhere (a bigint); INSERT INTO elsewhere VALUES (1)";
            session.batch_execute(writes).await.unwrap();
            sessions.push(session);
        }
        let reads = "SELECT count(*) FROM lastro.events";
        sessions[0].batch_execute(reads).await.unwrap();
        let from = EventsFrom::After(page(&engine, EventsFrom::Now, 1).await.next);
        transfer(&engine, 1).await;
        assert_eq!(ids(&all(&engine, from, 10).await), [1]);
        for session in &sessions {
            session.batch_execute("ROLLBACK").await.unwrap();
        }
    });
}

/// A node that has never found the end does not take the beginning for it: its followers would be shown the whole past.
#[test]
fn from_now_on_is_never_from_the_beginning() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("now").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        open_accounts(&engine).await;
        transfer(&engine, 1).await;
        let (mut held, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let open_one = held.transaction().await.unwrap();
        let draw = "INSERT INTO lastro.events (records) VALUES ('')";
        open_one.execute(draw, &[]).await.unwrap();
        let fresh = open(&url).await;
        let query = EventQuery {
            from: EventsFrom::Now,
            limit: 1,
            bytes_max: 1,
            wait_until: None,
        };
        let early = fresh.events(query, in_seconds(1)).await;
        assert_eq!(early, Err(Unavailable::Timeout));
        let asked = fresh.events(query, in_seconds(60));
        let end = async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            open_one.rollback().await.unwrap();
        };
        let (page, ()) = tokio::join!(asked, end);
        let from = EventsFrom::After(page.unwrap().unwrap().next);
        assert_eq!(all(&fresh, from, 10).await, Vec::new());
        transfer(&engine, 2).await;
        assert_eq!(ids(&all(&fresh, from, 10).await), [2]);
    });
}

/// What was seen of a server says nothing of the one that comes after it.
#[test]
fn a_server_that_is_killed_and_comes_back_goes_on_with_the_feed() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.create_database("killed").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&url));
    let from = runtime.block_on(async {
        open_accounts(&engine).await;
        let from = EventsFrom::After(page(&engine, EventsFrom::Now, 1).await.next);
        let (held, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let draw = "BEGIN; INSERT INTO lastro.events (records) VALUES ('')";
        held.batch_execute(draw).await.unwrap();
        transfer(&engine, 1).await;
        // A look that waits for a transaction which dies with the server.
        assert_eq!(all(&engine, from, 10).await, Vec::new());
        from
    });
    postgres.kill();
    postgres.restart().unwrap();
    runtime.block_on(async {
        transfer(&engine, 2).await;
        assert_eq!(ids(&all(&engine, from, 10).await), [1, 2]);
    });
}

/// Numbers of transactions that were rolled back, at the very end, hide nothing that comes after them.
#[test]
fn a_reader_goes_on_behind_numbers_that_are_missing() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("missing").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        open_accounts(&engine).await;
        transfer(&engine, 1).await;
        let all_before = all(&engine, EventsFrom::Beginning, 1_000).await;
        let from = EventsFrom::After(all_before.last().unwrap().position);
        let draw = "BEGIN; INSERT INTO lastro.events (records) VALUES (''); ROLLBACK";
        for number in 2..=4 {
            postgres.psql_in("missing", draw).unwrap();
            assert_eq!(all(&engine, EventsFrom::Now, 10).await, Vec::new());
            let before: Vec<u128> = (2..number).collect();
            assert_eq!(ids(&all(&engine, from, 10).await), before);
            transfer(&engine, number).await;
            let after: Vec<u128> = (2..=number).collect();
            assert_eq!(ids(&all(&engine, from, 10).await), after);
        }
    });
}

/// What was answered by one node is in the next page of any other.
#[test]
fn what_was_answered_is_in_the_next_page_of_every_node() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("answered").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, other) = (open(&url).await, open(&url).await);
        open_accounts(&engine).await;
        let mut from = EventsFrom::After(page(&other, EventsFrom::Now, 1).await.next);
        for number in 1..=50 {
            transfer(&engine, number).await;
            let page = page(&other, from, 10).await;
            assert_eq!(ids(&page.events), [number]);
            from = EventsFrom::After(page.next);
        }
    });
}

#[test]
fn who_waits_gets_the_first_event_that_comes() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("waits").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, other) = (open(&url).await, open(&url).await);
        open_accounts(&engine).await;
        let query = |until: Duration| EventQuery {
            from: EventsFrom::Now,
            limit: 10,
            bytes_max: 1,
            wait_until: Some(Instant::now() + until),
        };
        let nothing = other.events(query(Duration::from_millis(200)), in_seconds(60));
        assert_eq!(nothing.await.unwrap().unwrap().events, Vec::new());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let waits = async {
            let page = other.events(query(PATIENCE), in_seconds(120)).await;
            stop.send_replace(true);
            page.unwrap().unwrap().events
        };
        // When it began to wait is not known: it is given something until it has it.
        let writes = async {
            let mut number = 0;
            while !*stopped.borrow() {
                number += 1;
                transfer(&engine, number).await;
            }
        };
        let (events, ()) = tokio::join!(waits, writes);
        // A page that may have one byte has one event.
        assert_eq!(events.len(), 1);
        assert_eq!(ids(&events).len(), 1);
    });
}

#[test]
fn positions_of_another_ledger_or_of_none_are_refused() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut ends = Vec::new();
        for name in ["one", "other"] {
            let engine = open(&postgres.create_database(name).unwrap()).await;
            open_accounts(&engine).await;
            let end = page(&engine, EventsFrom::Now, 1).await.next;
            ends.push((engine, end));
        }
        let [(one, own), (_, foreign)] = &ends[..] else {
            unreachable!("there are two");
        };
        let asked = async |position| {
            let query = EventQuery {
                from: EventsFrom::After(position),
                limit: 1,
                bytes_max: 1,
                wait_until: None,
            };
            one.events(query, in_seconds(60)).await.unwrap()
        };
        assert!(asked(*own).await.is_some());
        assert_eq!(asked(*foreign).await, None);
        for index in 0..EventPosition::BYTES {
            let mut bytes = own.to_bytes();
            bytes[index] ^= 1;
            assert_eq!(
                asked(EventPosition::from_bytes(bytes)).await,
                None,
                "{index}"
            );
        }
        // A copy of an earlier state: the positions behind it are not its own.
        postgres
            .psql_in("one", "SELECT setval('lastro.events_position', 1)")
            .unwrap();
        assert_eq!(asked(*own).await, None);
    });
}

/// A database that was restored to an earlier moment gives its numbers to other events: followers of the lost ones are
/// told, also when there are as many again.
#[test]
fn a_position_behind_the_moment_of_a_restore_stays_refused() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("restored").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        open_accounts(&engine).await;
        let kept = page(&engine, EventsFrom::Now, 1).await.next;
        transfer(&engine, 1).await;
        let lost = page(&engine, EventsFrom::Now, 1).await.next;
        let restored = "DELETE FROM lastro.events
                WHERE position = (SELECT max(position) FROM lastro.events);
            SELECT setval('lastro.events_position', (SELECT max(position) FROM lastro.events))";
        postgres.psql_in("restored", restored).unwrap();
        let engine = open(&url).await;
        let refused = async || {
            let query = EventQuery {
                from: EventsFrom::After(lost),
                limit: 10,
                bytes_max: usize::MAX,
                wait_until: None,
            };
            assert_eq!(engine.events(query, in_seconds(60)).await.unwrap(), None);
        };
        refused().await;
        for number in 2..=4 {
            transfer(&engine, number).await;
            refused().await;
        }
        let events = all(&engine, EventsFrom::After(kept), 10).await;
        assert_eq!(ids(&events), [2, 3, 4]);
    });
}

#[test]
fn a_ledger_from_before_the_feed_says_that_its_feed_is_not_whole() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("older").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        open_accounts(&open(&url).await).await;
        let is_whole = || postgres.psql_in("older", "SELECT feed_is_whole FROM lastro.ledger");
        assert_eq!(is_whole().unwrap(), "t");
        let older = "DROP TABLE lastro.events, lastro.webhooks, lastro.listed;
            DROP FUNCTION lastro.events_drawn();
            ALTER TABLE lastro.ledger DROP COLUMN feed_is_whole;
            DELETE FROM lastro.migrations WHERE number >= 16";
        postgres.psql_in("older", older).unwrap();
        migrate(&url, &PostgresOptions::default()).await.unwrap();
        assert_eq!(is_whole().unwrap(), "f");
        let engine = open(&url).await;
        assert_eq!(all(&engine, EventsFrom::Beginning, 10).await, Vec::new());
        transfer(&engine, 1).await;
        assert_eq!(ids(&all(&engine, EventsFrom::Beginning, 10).await), [1]);
        let options = PostgresOptions::default();
        let verified = engine_postgres::verify(&url, &options, &mut |_| {}).await;
        assert!(verified.unwrap().is_clean());
    });
}
