//! The Rust client against the real binary.

mod calls;
mod faults;
mod later;
mod quick_start;
mod ways;

use std::time::Duration;

use lastro_client::{
    AccountId, Client, ClientOptions, Code, Error, NewAccount, NewTransfer, Retry, new_id,
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

fn id(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

/// A client that asks for a long time, and often.
fn patient(url: &str) -> Client {
    let retry = Retry {
        within: PATIENCE,
        pause_max: Duration::from_millis(200),
        ..Retry::default()
    };
    Client::with(&ClientOptions {
        retry,
        ..ClientOptions::new(url)
    })
    .unwrap()
}

/// An account that no other test has.
async fn open(client: &Client, credit_limit: u64) -> AccountId {
    let account = id(&format!("users:{}", new_id()));
    let new = NewAccount {
        credit_limit,
        ..NewAccount::new(&account, "BRL")
    };
    let answered = client.open_account(&new).await.unwrap();
    assert_eq!(answered.record.available, Some(credit_limit));
    account
}

fn deposit(account: &AccountId, amount: u64) -> NewTransfer {
    NewTransfer::new(&id("world:BRL"), account, amount, "top-up")
}

/// The transfers in an account's statement, the oldest first.
async fn transfers_of(client: &Client, account: &AccountId) -> Vec<Uuid> {
    let query = lastro_client::StatementQuery {
        limit: Some(7),
        ..lastro_client::StatementQuery::new(account)
    };
    let mut entries = client.statement(query);
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await.unwrap() {
        found.push(entry.transfer_id);
    }
    found.reverse();
    found
}

/// The code of a refusal.
#[track_caller]
fn code<T: std::fmt::Debug>(refused: Result<T, Error>) -> Code {
    match refused {
        Err(Error::Refused(problem)) => problem.code,
        other => panic!("{other:?}"),
    }
}
