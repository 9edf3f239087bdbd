//! History that has to be fetched from a slow disk: the threads that serve requests do not wait.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use ledger::{Engine, StatementQuery, TransferId, Unavailable};

use crate::bank::{Bank, account_id, deposit, small};
use crate::gated::Gated;

/// As many as read at once and wait, and one more.
const TOO_MANY: usize = 8 + 1_024 + 1;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// One thread serves everything here, as each of a server's does for its connections.
fn one_thread() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

/// A bank whose disk answers no read until it is told to, or until the test has failed.
fn stalled() -> (Bank<Gated>, Gated, mpsc::Sender<()>) {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a"]);
    for id in 1..=20 {
        bank.give(deposit(id, "a", 10));
    }
    storage.stall_reads();
    let (over, is_over) = mpsc::channel::<()>();
    let stalled = storage.clone();
    thread::spawn(move || {
        let _ = is_over.recv_timeout(Duration::from_secs(10));
        stalled.end_stall();
    });
    (bank, storage, over)
}

#[test]
fn reads_of_memory_and_probes_go_on_while_history_waits_for_the_disk() {
    let (bank, _, over) = stalled();
    let engine = &bank.engine;
    let query = StatementQuery {
        account_id: account_id("a"),
        before: None,
        limit: 10,
    };
    one_thread().block_on(async {
        let history = async {
            let deadline = soon();
            let read = tokio::join!(
                engine.statement(query, deadline),
                engine.transfer(TransferId::from_u128(1), deadline),
                engine.balance_at(account_id("a"), ledger::Timestamp::from_nanos(1), deadline),
            );
            (Instant::now(), read)
        };
        let others = async {
            // Whatever else this thread serves: probes, balances, writes.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let account = engine
                .account(account_id("a"), soon())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(account.balance(), 200);
            let batch = ledger::Batch::one(deposit(21, "a", 1));
            let outcomes = engine.submit(vec![batch], soon()).await.unwrap();
            assert_eq!(outcomes[0][0].code(), "created");
            let done = Instant::now();
            over.send(()).unwrap();
            done
        };
        let ((read_at, (statement, transfer, balance)), done_at) = tokio::join!(history, others);
        assert!(done_at < read_at, "nothing waited for the disk");
        assert_eq!(statement.unwrap().unwrap().entries.len(), 10);
        assert!(transfer.unwrap().is_some());
        assert_eq!(balance.unwrap().unwrap().balance, 0);
    });
}

#[test]
fn history_has_a_bounded_queue_and_deadlines() {
    let (bank, _, over) = stalled();
    one_thread().block_on(async {
        let soon = Instant::now() + Duration::from_millis(300);
        let reads = (0..TOO_MANY).map(|_| {
            let engine = Arc::clone(&bank.engine);
            tokio::spawn(async move { engine.transfer(TransferId::from_u128(1), soon).await })
        });
        let mut answers = Vec::new();
        for read in reads.collect::<Vec<_>>() {
            answers.push(read.await.unwrap());
        }
        let count = |why| answers.iter().filter(|one| **one == Err(why)).count();
        let overloaded = count(Unavailable::Overloaded);
        // Some threads may not have taken their first read when the last one came.
        assert!((1..=9).contains(&overloaded), "{overloaded}");
        assert_eq!(count(Unavailable::Timeout), TOO_MANY - overloaded);
        // What waits in vain keeps nobody from reading later.
        over.send(()).unwrap();
        let until = self::soon();
        let read = loop {
            let read = bank.engine.transfer(TransferId::from_u128(1), until).await;
            // Until what nobody waits for any more has left the queue.
            if read != Err(Unavailable::Overloaded) || Instant::now() > until {
                break read;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert!(read.unwrap().is_some());
    });
}
