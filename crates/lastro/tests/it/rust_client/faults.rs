//! Lost answers: whatever is cut or killed, what has an id happens once, and lists are whole.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lastro_client::{
    AccountsQuery, Client, Error, EventsQuery, NewAccount, NewTransfer, StatementQuery,
};
use testkit::LastroProcess;
use testkit::middle::Middle;
use uuid::Uuid;

use super::{PATIENCE, deposit, id, open, patient, transfers_of};
use crate::support::{assert_clean, folder, rounds, serve};

fn address(server: &LastroProcess) -> SocketAddr {
    server
        .url()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap()
}

/// Waits until the ledger has the transfer.
async fn applied(client: &Client, id: Uuid) {
    let give_up = Instant::now() + PATIENCE;
    while client.transfer_by_id(id).await.is_err() {
        assert!(Instant::now() < give_up, "the transfer never arrived");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Sends a transfer whose first answer is held back; what it ends with.
fn sent_through(
    middle: &Middle,
    new: &NewTransfer,
) -> tokio::task::JoinHandle<Result<lastro_client::Answered<lastro_client::Transfer>, Error>> {
    middle.let_answers_pass(false);
    let client = patient(&format!("http://{}", middle.address()));
    let new = new.clone();
    tokio::spawn(async move { client.transfer(&new).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_between_request_and_answer_moves_the_money_once() {
    let folder = folder();
    let mut server = serve(folder.path());
    let middle = Middle::start(address(&server)).unwrap();
    let user = open(&patient(server.url()), 0).await;
    let mut expected = Vec::new();
    for _ in 0..rounds().min(10) {
        let new = deposit(&user, 7);
        let sent = sent_through(&middle, &new);
        applied(&patient(server.url()), new.id).await;
        server.kill();
        server = serve(folder.path());
        middle.lead_to(address(&server));
        middle.cut();
        middle.let_answers_pass(true);
        let answered = sent.await.unwrap().unwrap();
        assert!(
            answered.replayed,
            "the first answer was lost with the server"
        );
        expected.push(new.id);
    }
    assert_eq!(transfers_of(&patient(server.url()), &user).await, expected);
    assert!(server.stop().unwrap().success());
    assert_clean(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_after_the_request_moves_the_money_once() {
    let folder = folder();
    let server = serve(folder.path());
    let middle = Middle::start(address(&server)).unwrap();
    let direct = patient(server.url());
    let user = open(&direct, 0).await;
    let mut expected = Vec::new();
    for round in 0..rounds() {
        let new = deposit(&user, 7);
        let sent = sent_through(&middle, &new);
        if round % 2 == 0 {
            applied(&direct, new.id).await;
        }
        middle.cut();
        middle.let_answers_pass(true);
        let answered = sent.await.unwrap().unwrap();
        assert!(answered.replayed || round % 2 == 1);
        expected.push(new.id);
    }
    assert_eq!(transfers_of(&direct, &user).await, expected);
}

/// The ledger has it, nobody was told, and the id leads back to it.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_names_the_id_that_finds_it() {
    let folder = folder();
    let server = serve(folder.path());
    let middle = Middle::start(address(&server)).unwrap();
    middle.let_answers_pass(false);
    let direct = patient(server.url());
    let user = open(&direct, 0).await;
    let mut options = lastro_client::ClientOptions::new(format!("http://{}", middle.address()));
    options.retry.within = Duration::from_millis(500);
    let client = Client::with(&options).unwrap();
    let new = deposit(&user, 7);
    let Err(Error::OutcomeUnknown(unknown)) = client.transfer(&new).await else {
        panic!("it was answered")
    };
    assert_eq!(unknown.id, Some(new.id));
    applied(&direct, new.id).await;
    assert!(direct.transfer(&new).await.unwrap().replayed);
    assert_eq!(transfers_of(&direct, &user).await, [new.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_neither_skip_nor_repeat_while_others_write() {
    let folder = folder();
    let server = serve(folder.path());
    let client = patient(server.url());
    let user = open(&client, 0).await;
    let name = |number: u32| id(&format!("list:{number:04}"));
    for number in (0..40).step_by(2) {
        client
            .open_account(&NewAccount::new(&name(number), "BRL"))
            .await
            .unwrap();
        client.transfer(&deposit(&user, 1)).await.unwrap();
    }
    let writer = {
        let (client, user) = (client.clone(), user.clone());
        tokio::spawn(async move {
            for number in (1..400).step_by(2) {
                client
                    .open_account(&NewAccount::new(&name(number), "BRL"))
                    .await
                    .unwrap();
                client.transfer(&deposit(&user, 1)).await.unwrap();
            }
        })
    };
    for _ in 0..rounds().min(20) {
        let query = AccountsQuery {
            prefix: Some("list:".to_owned()),
            limit: Some(3),
            ..AccountsQuery::default()
        };
        let mut accounts = client.accounts(query);
        let mut found = Vec::new();
        while let Some(account) = accounts.next().await.unwrap() {
            found.push(account.id);
        }
        assert!(found.is_sorted_by(|one, next| one < next), "{found:?}");
        for number in (0..40).step_by(2) {
            assert!(found.contains(&name(number)), "{number} was skipped");
        }
        let query = StatementQuery {
            limit: Some(3),
            ..StatementQuery::new(&user)
        };
        let mut entries = client.statement(query);
        let mut numbers = Vec::new();
        while let Some(entry) = entries.next().await.unwrap() {
            numbers.push(entry.number.unwrap());
        }
        let expected: Vec<u64> = (1..=numbers[0]).rev().collect();
        assert_eq!(numbers, expected);
    }
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_over_a_kill_each_once_and_in_order() {
    let folder = folder();
    let mut server = serve(folder.path());
    let middle = Middle::start(address(&server)).unwrap();
    let user = open(&patient(server.url()), 0).await;
    let follower = {
        let client = patient(&format!("http://{}", middle.address()));
        let query = EventsQuery {
            types: vec!["transfer.posted".to_owned()],
            account: Some(user.clone()),
            ..EventsQuery::default()
        };
        tokio::spawn(async move {
            let mut events = client.follow(query);
            let mut found = Vec::new();
            while found.len() < 20 {
                let event = events.next().await.unwrap();
                found.push(event.transfer.unwrap().id);
            }
            found
        })
    };
    let mut expected = Vec::new();
    for round in 0..20 {
        let new = deposit(&user, 1);
        patient(server.url()).transfer(&new).await.unwrap();
        expected.push(new.id);
        if round == 9 {
            server.kill();
            server = serve(folder.path());
            middle.lead_to(address(&server));
            middle.cut();
        }
    }
    let found = tokio::time::timeout(PATIENCE, follower)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, expected);
}
