//! Reading everything back: statements page by page, and what became of the unanswered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use uuid::Uuid;

use super::operation::{Fate, Sent};
use super::servers::Servers;
use super::teller::{Account, Teller, WORLD};

/// Lines of a page: small enough that a run of any size walks several.
const PAGE: usize = 100;

/// One line of a statement.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) transfer_id: Uuid,
    pub(super) debit_account_id: String,
    pub(super) credit_account_id: String,
    pub(super) amount: i64,
    pub(super) balance_after: i64,
}

/// An account as it was at the end.
#[derive(Debug, Clone)]
pub(super) struct SeenAccount {
    pub(super) id: String,
    pub(super) credit_limit: i64,
    pub(super) balance: i64,
    pub(super) entries_count: u64,
    /// Newest first.
    pub(super) entries: Vec<Entry>,
}

/// All that was read back.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) accounts: Vec<SeenAccount>,
    /// Of the movements without an answer: whether the ledger has them.
    pub(super) unanswered: HashMap<Uuid, bool>,
}

#[derive(Deserialize)]
struct Page {
    account: PageAccount,
    entries: Vec<Entry>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct PageAccount {
    balance: i64,
    entry_count: u64,
}

#[derive(Deserialize)]
struct WorldAnswer {
    balance: i64,
}

/// Reads everything back, when nothing is in flight any more.
pub(super) async fn everything(teller: &Teller, within: Duration) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    for account in &teller.accounts {
        seen.accounts
            .push(statement(&teller.servers, account, within).await?);
    }
    let is_unanswered = |sent: &&Sent| sent.fate == Fate::Unknown;
    let unanswered: Vec<Uuid> = {
        let operations = teller.operations.borrow();
        let sent = operations.iter().filter(is_unanswered);
        sent.map(|sent| sent.movement.id).collect()
    };
    for id in unanswered {
        let path = format!("/v1/transfers/{id}");
        let deadline = Instant::now() + within;
        if let Some(answered) = teller.servers.ask(None, "GET", &path, "", deadline).await {
            seen.unanswered.insert(id, answered.status == 200);
        }
    }
    Ok(seen)
}

/// The outside's balance.
pub(super) async fn world_balance(servers: &Servers, within: Duration) -> anyhow::Result<i64> {
    let path = format!("/v1/accounts/{WORLD}");
    let world: WorldAnswer = get(servers, &path, within).await?;
    Ok(world.balance)
}

async fn statement(
    servers: &Servers,
    account: &Account,
    within: Duration,
) -> anyhow::Result<SeenAccount> {
    let path = format!("/v1/accounts/{}/statement?limit={PAGE}", account.id);
    let mut page: Page = get(servers, &path, within).await?;
    let mut entries = Vec::new();
    let first = (page.account.balance, page.account.entry_count);
    loop {
        entries.append(&mut page.entries);
        let Some(cursor) = page.next_cursor else {
            break;
        };
        ensure!(
            entries.len() as u64 <= first.1,
            "the statement of {} goes on past its {} entries",
            account.id,
            first.1
        );
        page = get(servers, &format!("{path}&cursor={cursor}"), within).await?;
    }
    Ok(SeenAccount {
        id: account.id.clone(),
        credit_limit: account.credit_limit,
        balance: first.0,
        entries_count: first.1,
        entries,
    })
}

async fn get<T: for<'a> Deserialize<'a>>(
    servers: &Servers,
    path: &str,
    within: Duration,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + within;
    let answered = servers
        .ask(None, "GET", path, "", deadline)
        .await
        .with_context(|| format!("no server answers GET {path}"))?;
    let body = String::from_utf8_lossy(&answered.body);
    ensure!(
        answered.status == 200,
        "GET {path} answers {}: {body}",
        answered.status
    );
    serde_json::from_slice(&answered.body)
        .with_context(|| format!("GET {path} answers what is no such thing: {body}"))
}
