//! `lastro payments`: what a data folder has of payments that are not over.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::EmbeddedEngine;
use journal::FileStorage;
use ledger::{
    AcceptPayment, AccountId, Batch, Command, Currency, Engine, Millis, OpenAccount,
    PaymentExpected, PaymentId, PaymentStateName, ProcessorName, RefusedCode,
};
use serde_json::Value;
use testkit::ManualClock;

use crate::support::{binary, folder};

/// A ledger with the payments 1 to 4: 2 and 3 were sent, and 4 was refused.
async fn make_ledger(data_dir: &Path) {
    let currency = Currency::new("BRL").unwrap();
    let account_id = AccountId::new("users:42").unwrap();
    let accept = |number: u128, account_id: Option<AccountId>| {
        Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(number),
            account_id,
            currency,
            amount: 1_990,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        })
    };
    let expected = PaymentExpected {
        state: PaymentStateName::Accepted,
        attempt: 0,
    };
    let send = |number: u128, processor: &str| Command::SendPayment {
        id: PaymentId::from_u128(number),
        expected,
        processor: ProcessorName::new(processor).unwrap(),
        requested_at: Millis(1_752_582_896_007),
    };
    let commands = vec![
        Command::OpenAccount(OpenAccount {
            id: account_id.clone(),
            currency,
            credit_limit: 10_000,
        }),
        accept(1, None),
        accept(2, Some(account_id)),
        accept(3, None),
        accept(4, None),
        send(2, "default"),
        send(3, "fallback"),
        send(4, "default"),
        Command::RefusePayment {
            id: PaymentId::from_u128(4),
            expected: PaymentExpected {
                state: PaymentStateName::Sent,
                attempt: 1,
            },
            code: RefusedCode::ProcessorRefused,
        },
    ];
    let storage = FileStorage::open(data_dir).unwrap();
    let options = engine_embedded::EmbeddedOptions::default();
    let clock = Arc::new(ManualClock::default());
    let engine = EmbeddedEngine::open(storage, options, clock).unwrap().0;
    let deadline = Instant::now() + Duration::from_secs(20);
    for command in commands {
        let outcomes = engine
            .submit(vec![Batch::one(command)], deadline)
            .await
            .unwrap();
        assert!(outcomes[0][0].result.is_ok(), "{outcomes:?}");
    }
}

fn printed(data_dir: &Path, arguments: &[&str]) -> String {
    let mut command = Process::new(binary());
    command.args(["payments", "--data-dir"]).arg(data_dir);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_payments_of_a_folder_that_are_not_over_are_listed() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    make_ledger(&data_dir).await;
    let lines = printed(&data_dir, &["--json"]);
    let payments: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let states: Vec<_> = payments
        .iter()
        .map(|payment| payment["state"].as_str())
        .collect();
    assert_eq!(states, [Some("accepted"), Some("sent"), Some("sent")]);
    assert_eq!(payments[1]["processor"], "default");
    assert_eq!(payments[1]["account_id"], "users:42");
    let accepted_at = |place: usize| payments[place]["accepted_at"].as_str().unwrap();
    let expected = format!(
        "\
payment                               state     account   currency  amount  processor  attempt  accepted at
00000000-0000-0000-0000-000000000001  accepted  -         BRL         1990  -                0  {}
00000000-0000-0000-0000-000000000002  sent      users:42  BRL         1990  default          1  {}
00000000-0000-0000-0000-000000000003  sent      -         BRL         1990  fallback         1  {}
",
        accepted_at(0),
        accepted_at(1),
        accepted_at(2),
    );
    assert_eq!(printed(&data_dir, &[]), expected);
    for (arguments, places) in [
        (vec!["--state", "accepted"], vec![0]),
        (vec!["--state", "sent"], vec![1, 2]),
        (vec!["--processor", "fallback"], vec![2]),
        (vec!["--account", "users:42"], vec![1]),
        (vec!["--account", "users:42", "--state", "accepted"], vec![]),
    ] {
        let lines = printed(&data_dir, &[&arguments[..], &["--json"]].concat());
        let found: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let expected: Vec<Value> = places
            .iter()
            .map(|place: &usize| payments[*place].clone())
            .collect();
        assert_eq!(found, expected, "{arguments:?}");
    }
}
