//! Accounts, transfers, batches and statements: every call, with what it answers.

use lastro_client::{
    AccountsQuery, BalanceWhen, Change, Client, Code, Command, Error, Frozen, ListOrder,
    NewAccount, NewBatch, NewPost, NewReversal, NewTransfer, NewVoid, PendingState, StatementQuery,
    TransferKind, TransfersQuery, new_id,
};

use super::{code, deposit, id, open, transfers_of};
use crate::support::{folder, serve};

#[tokio::test]
async fn accounts_are_opened_changed_listed_and_closed() {
    let folder = folder();
    let server = serve(folder.path());
    let client = Client::new(server.url()).unwrap();
    let user = open(&client, 100).await;
    let new = NewAccount {
        credit_limit: 100,
        ..NewAccount::new(&user, "BRL")
    };
    assert!(client.open_account(&new).await.unwrap().replayed);
    let other = NewAccount {
        currency: "USD".to_owned(),
        ..new
    };
    assert_eq!(
        code(client.open_account(&other).await),
        Code::ExistsWithDifferentCurrency
    );
    assert_eq!(
        client.account(&id("world:BRL")).await.unwrap().available,
        None
    );
    assert_eq!(
        code(client.account(&id("nobody")).await),
        Code::AccountNotFound
    );

    let change = Change {
        expected_credit_limit: Some(100),
        ..Change::limit(200)
    };
    let changed = client.change_account(&user, &change).await.unwrap();
    assert_eq!(
        (changed.record.credit_limit, changed.replayed),
        (Some(200), false)
    );
    let late = Change {
        expected_credit_limit: Some(100),
        ..Change::limit(300)
    };
    assert_eq!(
        code(client.change_account(&user, &late).await),
        Code::AccountInOtherState
    );
    client
        .change_account(&user, &Change::limit(400))
        .await
        .unwrap();
    let again = client.change_account(&user, &change).await.unwrap();
    assert!(
        again.replayed,
        "the id is known, whatever was changed since"
    );
    assert_eq!(client.account(&user).await.unwrap().credit_limit, Some(400));
    let frozen = client
        .change_account(&user, &Change::freeze(Frozen::Debits))
        .await
        .unwrap();
    assert_eq!(frozen.record.frozen, Frozen::Debits);
    let stopped = NewTransfer::new(&user, &id("1"), 1, "stopped");
    assert_eq!(code(client.transfer(&stopped).await), Code::AccountFrozen);
    client
        .change_account(&user, &Change::freeze(Frozen::None))
        .await
        .unwrap();
    let closed = client
        .change_account(&user, &Change::close())
        .await
        .unwrap();
    assert!(closed.record.closed);

    let query = AccountsQuery {
        limit: Some(2),
        closed: Some(false),
        ..AccountsQuery::default()
    };
    let mut accounts = client.accounts(query);
    let mut ids = Vec::new();
    while let Some(account) = accounts.next().await.unwrap() {
        ids.push(account.id.to_string());
    }
    assert_eq!(ids, ["1", "2", "3", "4", "5", "world:BRL"]);
}

#[tokio::test]
async fn transfers_are_made_held_posted_voided_and_reversed() {
    let folder = folder();
    let server = serve(folder.path());
    let client = Client::new(server.url()).unwrap();
    let (user, shop) = (open(&client, 100).await, open(&client, 0).await);
    let metadata = [("shop".to_owned(), "7".to_owned())];
    let top_up = NewTransfer {
        reference: Some("order 7".to_owned()),
        metadata: Some(metadata.into()),
        ..deposit(&user, 50)
    };
    let preview = client.preview(&top_up).await.unwrap();
    assert_eq!((preview.record.id, preview.replayed), (top_up.id, false));
    assert_eq!(
        code(client.transfer_by_id(top_up.id).await),
        Code::TransferNotFound
    );
    let first = client.transfer(&top_up).await.unwrap();
    let again = client.transfer(&top_up).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.record, again.record);
    assert_eq!(first.record.metadata, top_up.metadata);
    assert_eq!(first.record.credit.unwrap().balance_after, 50);
    let other = NewTransfer {
        amount: 51,
        ..top_up.clone()
    };
    assert_eq!(
        code(client.transfer(&other).await),
        Code::ExistsWithDifferentAmount
    );

    let hold = NewTransfer {
        timeout_s: Some(60),
        ..NewTransfer::new(&user, &shop, 80, "hotel")
    };
    let held = client.transfer(&hold).await.unwrap().record;
    assert_eq!((held.kind, held.timeout_s), (TransferKind::Pend, Some(60)));
    let part = NewPost {
        amount: Some(30),
        is_final: false,
        ..NewPost::new(hold.id)
    };
    assert_eq!(
        client.post(&part).await.unwrap().record.is_final,
        Some(false)
    );
    let so_far = client.transfer_by_id(hold.id).await.unwrap();
    assert_eq!(
        (so_far.pending_state, so_far.posted_amount),
        (Some(PendingState::Pending), Some(30))
    );
    let rest = NewPost::new(hold.id);
    assert_eq!(client.post(&rest).await.unwrap().record.amount, 50);
    let void = NewVoid::new(hold.id);
    assert_eq!(code(client.void(&void).await), Code::PendingAlreadyPosted);
    let other = NewTransfer {
        timeout_s: Some(0),
        ..NewTransfer::new(&user, &shop, 1, "hotel")
    };
    client.transfer(&other).await.unwrap();
    let voided = client.void(&NewVoid::new(other.id)).await.unwrap().record;
    assert_eq!(
        (voided.kind, voided.pending_id),
        (TransferKind::Void, Some(other.id))
    );
    let refund = NewReversal {
        amount: Some(20),
        ..NewReversal::new(rest.id, "refund")
    };
    let refund = client.reverse(&refund).await.unwrap().record;
    assert_eq!(
        (refund.kind, refund.reverses),
        (TransferKind::Reverse, Some(rest.id))
    );
    let too_much = NewReversal {
        amount: Some(31),
        ..NewReversal::new(rest.id, "refund")
    };
    assert_eq!(
        code(client.reverse(&too_much).await),
        Code::AmountExceedsReversible
    );

    let poor = NewTransfer::new(&user, &shop, 1_000, "car");
    let Err(Error::Refused(problem)) = client.transfer(&poor).await else {
        panic!("it was not refused")
    };
    assert_eq!(problem.code, Code::InsufficientFunds);
    assert_eq!(
        (problem.figure("available"), problem.figure("required")),
        (Some(90), Some(1_000))
    );
    assert!(problem.request_id.is_some());

    let when = BalanceWhen::After(top_up.id);
    assert_eq!(client.balance(&user, &when).await.unwrap().balance, 50);
    let when = BalanceWhen::At(first.record.timestamp);
    assert_eq!(
        client.balance(&user, &when).await.unwrap().entry_number,
        Some(1)
    );
}

#[tokio::test]
async fn batches_are_applied_each_alone_or_all_or_nothing() {
    let folder = folder();
    let server = serve(folder.path());
    let client = Client::new(server.url()).unwrap();
    let (user, shop) = (open(&client, 0).await, open(&client, 0).await);
    let too_much = || Command::Transfer(NewTransfer::new(&user, &shop, 10_000, "too much"));
    let alone = NewBatch::independent(vec![Command::Transfer(deposit(&user, 5)), too_much()]);
    let outcomes = client.batch(&alone).await.unwrap().record.outcomes;
    let statuses: Vec<_> = outcomes.iter().map(|outcome| outcome.status).collect();
    assert_eq!(statuses, [201, 422]);
    assert_eq!(
        outcomes[1].problem.as_ref().unwrap().figure("required"),
        Some(10_000)
    );
    let all = NewBatch::atomic_new(vec![Command::Transfer(deposit(&user, 5)), too_much()]);
    let Err(Error::BatchRefused(refused)) = client.batch(&all).await else {
        panic!("it was not refused")
    };
    assert_eq!(refused.batch.index, Some(1));
    let read = client.batch_by_id(all.id().unwrap()).await.unwrap();
    assert_eq!((read.index, read.outcomes.len()), (Some(1), 2));
    assert_eq!(
        code(client.batch_by_id(new_id()).await),
        Code::BatchNotFound
    );
    let account = id(&format!("b:{}", new_id()));
    let every = NewBatch::atomic_new(vec![
        Command::OpenAccount(NewAccount::new(&account, "BRL")),
        Command::ChangeLimit {
            account_id: account.clone(),
            credit_limit: 9,
            expected_credit_limit: Some(0),
        },
        Command::ChangeFreeze {
            account_id: account.clone(),
            frozen: Frozen::Credits,
            expected_frozen: Some(Frozen::None),
        },
        Command::CloseAccount {
            account_id: account,
            expected_entry_count: Some(0),
        },
    ]);
    let done = client.batch(&every).await.unwrap();
    assert!(
        done.record
            .outcomes
            .iter()
            .all(|outcome| outcome.code == "created")
    );
    assert!(done.record.outcomes[3].account.as_ref().unwrap().closed);
    assert!(client.batch(&every).await.unwrap().replayed);
    assert_eq!(transfers_of(&client, &user).await.len(), 1);
}

#[tokio::test]
async fn transfers_are_listed_by_account_and_by_reference() {
    let folder = folder();
    let server = serve(folder.path());
    let client = Client::new(server.url()).unwrap();
    let user = open(&client, 0).await;
    let mut made = Vec::new();
    for amount in 1..=5 {
        let new = NewTransfer {
            reference: Some("order 1017".to_owned()),
            ..deposit(&user, amount)
        };
        made.push(client.transfer(&new).await.unwrap().record);
    }
    let hold = NewTransfer {
        timeout_s: Some(60),
        ..NewTransfer::new(&user, &id("world:BRL"), 1, "hold")
    };
    client.transfer(&hold).await.unwrap();
    let expected: Vec<_> = made.iter().map(|transfer| transfer.id).collect();
    let oldest_first = TransfersQuery {
        order: Some(ListOrder::OldestFirst),
        limit: Some(2),
        ..TransfersQuery::of_reference("order 1017")
    };
    let mut transfers = client.transfers(oldest_first);
    let mut listed = Vec::new();
    while let Some(transfer) = transfers.next().await.unwrap() {
        listed.push(transfer.id);
    }
    assert_eq!(listed, expected);
    let of_account = TransfersQuery::of_account(&user);
    let page = client.transfers_page(&of_account, None).await.unwrap();
    let listed: Vec<_> = page.transfers.iter().rev().map(|found| found.id).collect();
    assert_eq!(listed, [&expected[..], &[hold.id]].concat());
    let pending = TransfersQuery {
        kind: Some(TransferKind::Pend),
        state: Some(PendingState::Pending),
        ..of_account.clone()
    };
    let mut transfers = client.transfers(pending);
    let found = client.transfer_by_id(hold.id).await.unwrap();
    assert_eq!(transfers.next().await, Ok(Some(found)));
    assert_eq!(transfers.next().await, Ok(None));
    let window = TransfersQuery {
        from: Some(made[1].timestamp.clone()),
        to: Some(made[3].timestamp.clone()),
        ..of_account
    };
    let page = client.transfers_page(&window, None).await.unwrap();
    let amounts: Vec<_> = page.transfers.iter().map(|found| found.amount).collect();
    assert_eq!(amounts, [3, 2]);

    let world = StatementQuery {
        from: Some(made[4].timestamp.clone()),
        ..StatementQuery::new(&id("world:BRL"))
    };
    let page = client.statement_page(&world, None).await.unwrap();
    let entry = &page.entries[0];
    assert_eq!(
        (entry.transfer_id, entry.number, entry.balance_after),
        (made[4].id, None, None)
    );
    assert_eq!(page.window.unwrap().opening_balance, None);
}

#[tokio::test]
async fn statements_are_read_in_pages_windows_and_as_a_whole() {
    let folder = folder();
    let server = serve(folder.path());
    let client = Client::new(server.url()).unwrap();
    let user = open(&client, 0).await;
    let deposits = (1..=20).map(|amount| Command::Transfer(deposit(&user, amount)));
    client
        .batch(&NewBatch::independent(deposits.collect()))
        .await
        .unwrap();
    let oldest_first = StatementQuery {
        order: Some(ListOrder::OldestFirst),
        limit: Some(3),
        ..StatementQuery::new(&user)
    };
    let mut entries = client.statement(oldest_first.clone());
    let mut times = Vec::new();
    while let Some(entry) = entries.next().await.unwrap() {
        assert_eq!(entry.number, Some(entry.amount));
        times.push(entry.timestamp);
    }
    assert_eq!(times.len(), 20);
    let window = StatementQuery {
        from: Some(times[2].clone()),
        to: Some(times[5].clone()),
        ..oldest_first
    };
    let page = client.statement_page(&window, None).await.unwrap();
    let balances = page.window.unwrap();
    assert_eq!(
        (balances.opening_balance, balances.closing_balance),
        (Some(3), Some(15))
    );
    assert_eq!((page.entries.len(), page.next_cursor), (3, None));
    let mut whole = client.whole_statement(&window).await.unwrap();
    assert_eq!(
        (whole.opening_balance(), whole.closing_balance()),
        (Some(3), Some(15))
    );
    let mut amounts = Vec::new();
    while let Some(entry) = whole.next().await.unwrap() {
        amounts.push(entry.amount);
    }
    assert_eq!(amounts, [3, 4, 5]);
    let nobody = StatementQuery::new(&id("nobody"));
    assert_eq!(
        code(client.whole_statement(&nobody).await),
        Code::AccountNotFound
    );
}
