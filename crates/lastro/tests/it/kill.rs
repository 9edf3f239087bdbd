//! `kill -9` at random moments under load: every answered write is there after the restart, and
//! no atomic batch is half there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use futures_util::future::join_all;
use journal::FileStorage;
use ledger::{
    AccountId, Batch, BatchId, Command as LedgerCommand, Currency, Engine, MoveMoney, OpenAccount,
    TransferId, UsedTransfer,
};
use serde_json::{Value, json};
use testkit::RealClock;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::support::{Bank, assert_clean, folder, rounds, serve};

/// How long the load goes before the process is killed.
fn a_while() -> Duration {
    Duration::from_millis(20 + u64::from(Uuid::new_v4().as_bytes()[0]))
}

/// How long a round is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many writes are answered in each round before the process is killed.
const ANSWERED_MIN: u32 = 6;

/// What was answered: the body sent, the status, the body received.
type Answered = Vec<(Value, u16, Value)>;

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_write_survives_kill_9() {
    let folder = folder();
    let mut answered_count = 0;
    for _ in 0..rounds() {
        let process = serve(folder.path());
        let bank = Bank::of(&process);
        let answers = Arc::new(Semaphore::new(0));
        let workers =
            (0..16).map(|worker| tokio::spawn(hammer(bank.clone(), worker, answers.clone())));
        let workers: Vec<_> = workers.collect();
        // However slow the machine is, there is something to lose.
        let some = answers.acquire_many(ANSWERED_MIN);
        drop(tokio::time::timeout(PATIENCE, some).await.unwrap().unwrap());
        tokio::time::sleep(a_while()).await;
        process.kill();
        let answered: Vec<Answered> = join_all(workers)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();

        let process = serve(folder.path());
        let bank = Bank::of(&process);
        for (body, status, answer) in answered.iter().flatten() {
            assert_still_there(&bank, body, *status, answer).await;
            answered_count += 1;
        }
        assert!(process.stop().unwrap().success());
        assert_clean(folder.path());
    }
    let least = ANSWERED_MIN * rounds();
    assert!(
        answered_count >= least,
        "only {answered_count} writes were answered"
    );
}

/// Sends transfers until the connection breaks.
async fn hammer(bank: Bank, worker: u64, answers: Arc<Semaphore>) -> Answered {
    let bank = Bank {
        http: reqwest::Client::new(),
        ..bank
    };
    let mut answered = Answered::new();
    for step in 0_u64.. {
        let account = format!("{}", 1 + (worker + step) % 5);
        let (debit, credit) = if step % 3 == 0 {
            ("world:BRL".to_owned(), account)
        } else {
            (account, "world:BRL".to_owned())
        };
        let body = json!({
            "id": Uuid::new_v4(),
            "debit_account_id": debit,
            "credit_account_id": credit,
            // Some pass the limit: refusals are answered and remembered as well.
            "amount": 1 + (step * 7_919) % 200_000,
            "description": format!("{worker}/{step}"),
        });
        match bank.transfer(&body).await {
            Ok((status, replayed, answer)) => {
                assert!(
                    [201, 422].contains(&status) && !replayed,
                    "{status}: {answer}"
                );
                answered.push((body, status, answer));
                answers.add_permits(1);
            }
            Err(_) => break,
        }
    }
    answered
}

/// The same again is answered as before, and said to be a replay.
async fn assert_still_there(bank: &Bank, body: &Value, status: u16, answer: &Value) {
    let (again, replayed, same) = bank.transfer(body).await.unwrap();
    let expected = if status == 201 { 200 } else { status };
    assert_eq!((again, replayed), (expected, true), "{body}: {same}");
    assert_eq!(same, *answer, "{body}");
}

const CHILD: &str = "LASTRO_TEST_ATOMIC_BATCHES_IN";
const MEMBERS: u64 = 40;

/// Not a test of its own: the process that [`no_atomic_batch_is_half_there_after_kill_9`] kills.
#[tokio::test]
async fn submit_atomic_batches_until_killed() {
    let Some(place) = std::env::var_os(CHILD) else {
        return;
    };
    let engine = Arc::new(open(Path::new(&place)));
    let submitters = (0..8).map(|_| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            loop {
                let number = Uuid::new_v4().as_u128() & !0xff;
                let deadline = Instant::now() + Duration::from_secs(10);
                let outcomes = engine
                    .submit(vec![atomic_batch(number)], deadline)
                    .await
                    .unwrap();
                assert!(
                    outcomes[0].iter().all(|outcome| outcome.result.is_ok()),
                    "{outcomes:?}"
                );
                println!("answered {number}");
            }
        })
    });
    join_all(submitters).await;
}

fn open(place: &Path) -> EmbeddedEngine {
    let storage = FileStorage::open(place).unwrap();
    EmbeddedEngine::open(
        storage,
        EmbeddedOptions::default(),
        Arc::new(RealClock::default()),
    )
    .unwrap()
    .0
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

/// Members have the batch's number plus 1, 2, 3 …
fn atomic_batch(number: u128) -> Batch {
    let member = |index: u64| {
        LedgerCommand::Transfer(MoveMoney {
            id: TransferId::from_u128(number + u128::from(index)),
            debit_account_id: account("world:BRL"),
            credit_account_id: account(if index.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            }),
            amount: index,
            description: "member".into(),
            notes: ledger::Notes::NONE,
        })
    };
    Batch::atomic(
        BatchId::from_u128(number),
        (1..=MEMBERS).map(member).collect(),
    )
    .unwrap()
}

#[tokio::test]
async fn no_atomic_batch_is_half_there_after_kill_9() {
    let folder = folder();
    let place = folder.path().join("ledger");
    open_accounts(&open(&place)).await;
    let mut answered = Vec::new();
    for _ in 0..rounds() {
        answered.extend(submit_and_kill(&place));
        assert_clean(&place);
    }
    assert!(
        answered.len() > 2 * rounds() as usize,
        "only {} batches",
        answered.len()
    );

    let engine = open(&place);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut whole = HashMap::new();
    for number in answered {
        for index in 1..=MEMBERS {
            let id = TransferId::from_u128(number + u128::from(index));
            let used = engine.transfer(id, deadline).await.unwrap();
            assert!(
                matches!(used, Some(UsedTransfer::Created(..))),
                "{number} lacks {index}"
            );
        }
        whole.insert(number, ());
    }
    // What was not answered may be there too, but only whole: both accounts have the same count
    // of entries, and their totals are those of whole batches.
    let even = engine
        .account(account("even"), deadline)
        .await
        .unwrap()
        .unwrap();
    let odd = engine
        .account(account("odd"), deadline)
        .await
        .unwrap()
        .unwrap();
    let batches = even.entry_count / (MEMBERS / 2);
    assert_eq!(even.entry_count, odd.entry_count);
    assert_eq!(even.entry_count % (MEMBERS / 2), 0);
    let (half, members) = (MEMBERS / 2, MEMBERS);
    assert_eq!(even.credits_posted, batches * half * (half + 1));
    assert_eq!(
        odd.credits_posted,
        batches * (members * (members + 1) / 2 - half * (half + 1))
    );
    assert!(batches >= whole.len() as u64);
}

async fn open_accounts(engine: &EmbeddedEngine) {
    let currency = Currency::new("BRL").unwrap();
    let open = |name| {
        LedgerCommand::OpenAccount(OpenAccount {
            id: account(name),
            currency,
            credit_limit: 0,
        })
    };
    let batch = Batch::independent(vec![open("even"), open("odd")]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    engine.submit(vec![batch], deadline).await.unwrap();
}

/// Runs the child for a while, kills it, and answers with the batches it was answered.
fn submit_and_kill(place: &Path) -> Vec<u128> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::submit_atomic_batches_until_killed",
            "--nocapture",
        ])
        .env(CHILD, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let number = |line: String| line.split_once("answered ")?.1.trim().parse().ok();
    // The first answer shows that it is at work.
    let first = lines.by_ref().find_map(number);
    std::thread::sleep(a_while());
    child.kill().unwrap();
    child.wait().unwrap();
    first.into_iter().chain(lines.filter_map(number)).collect()
}
