//! Checks what is in a database against the rules, in one snapshot of it, from one connection that
//! writes nothing; nodes go on meanwhile.
//!
//! | pass | reads, in order | checks |
//! |---|---|---|
//! | accounts | accounts, entries, pendings and reservations by account | totals, limits, numbers without gaps, balances |
//! | transfers | used ids of transfers, by id | each record against its entries, its pending transfer, its parts, its payment |
//! | payments | payments by id | each record against its columns and its transfer's id; sums per bucket |
//! | lists | places in lists | each transfer and payment is in its own, and nothing else |
//! | resolutions | what operators decided, by payment | each against what became of its payment |
//! | changes | changes of accounts and payments that no other table has | each against its account or payment |
//! | events | the feed, by position | the records of transfers: each the same as under its id, and none is missing |
//! | batches, stripes | both in full | digests and outcomes; totals against the transfers |
//!
//! Rows come by pages, so that memory stays the same however large the ledger is. It shares nothing
//! with the engine but the records' encoding and the rules' types.

mod accounts;
mod batches;
mod changes;
mod feed;
mod finding;
mod findings;
mod lists;
pub(crate) mod pages;
mod parts;
mod payments;
mod resolutions;
mod stripes;
mod transfers;

use std::collections::BTreeMap;

use ledger::{Account, AccountId, Currency};
use tokio_postgres::{IsolationLevel, Transaction};
use uuid::Uuid;

use crate::error::PostgresOpenError;
use crate::migrate;
use crate::options::PostgresOptions;
use crate::pool::connect_to_verify;
use findings::Findings;

pub use finding::Finding;

/// Earlier transfers that others have ended, posted a part of or reversed.
const EARLIER: &str = "
    SELECT transfer_id, record, pending_state, reversed_amount, left_amount
    FROM lastro.transfers WHERE transfer_id = ANY ($1)";

fn transfer_at(id: Uuid) -> String {
    format!("transfer {id}")
}

/// What is in the database, counted and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Accounts, the system's included.
    pub accounts_count: u64,
    /// Transfers created under an id of their own.
    pub transfers_count: u64,
    /// Refusals that are remembered.
    pub refusals_count: u64,
    /// Payments accepted.
    pub payments_count: u64,
    /// Atomic batches decided.
    pub batches_count: u64,
    /// Entries of all statements.
    pub entries_count: u64,
    /// What all balances of a currency sum to: always 0, modulo 2^64.
    pub balances: BTreeMap<Currency, i64>,
    /// How many rules are broken.
    pub findings_count: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether no rule is broken.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings_count == 0
    }
}

/// How far it is: what is being read, and how many rows of it have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being read.
    pub what: &'static str,
    /// How many rows.
    pub rows_count: u64,
}

/// An unlimited account's totals: 64 bits that wrap around.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    debits_posted: u64,
    credits_posted: u64,
    debits_pending: u64,
    credits_pending: u64,
}

/// What the passes share.
struct Auditor<'a> {
    transaction: Transaction<'a>,
    findings: Findings,
    verified: Verified,
    /// What the transfers and payments make of the unlimited accounts.
    unlimited: BTreeMap<AccountId, Totals>,
    /// How many entries the transfers made, as their records say.
    entries_made: u64,
    /// How many records there are under ids of transfers, but for payments that are not settled.
    recorded_count: u64,
    /// How many rows of pending transfers there have to be.
    pendings_made: u64,
    /// How many places in lists there have to be.
    listed_made: u64,
    pendings_count: u64,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

/// Checks the ledger in the database of this URL.
///
/// # Errors
///
/// When the database cannot be read. Broken rules are findings.
pub async fn verify(
    url: &str,
    options: &PostgresOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Verified, PostgresOpenError> {
    let mut client = connect_to_verify(url, options).await?;
    migrate::check(&client).await?;
    let transaction = client
        .client_mut()
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let mut auditor = Auditor {
        transaction,
        findings: Findings::default(),
        verified: Verified::default(),
        unlimited: BTreeMap::new(),
        entries_made: 0,
        recorded_count: 0,
        listed_made: 0,
        pendings_made: 0,
        pendings_count: 0,
        progress,
    };
    auditor.accounts().await?;
    auditor.transfers().await?;
    auditor.payments().await?;
    auditor.lists().await?;
    auditor.sums().await?;
    auditor.resolutions().await?;
    auditor.changes().await?;
    auditor.feed().await?;
    auditor.batches().await?;
    auditor.stripes().await?;
    Ok(auditor.finish())
}

impl Auditor<'_> {
    fn finish(mut self) -> Verified {
        for (currency, balance) in &self.verified.balances {
            self.findings.check(*balance == 0, currency, || {
                format!("the balances sum to {balance}, not to 0")
            });
        }
        let (made, found) = (self.entries_made, self.verified.entries_count);
        self.findings.check(made == found, "entries", || {
            format!("there are {found}, and the transfers made {made}")
        });
        let (made, found) = (self.pendings_made, self.pendings_count);
        self.findings.check(made == found, "pendings", || {
            format!("there are {found}, and the pending transfers have {made}")
        });
        let (count, first) = self.findings.into_parts();
        Verified {
            findings_count: count,
            findings: first,
            ..self.verified
        }
    }

    fn add_balance(&mut self, account: &Account) {
        let balance = self.verified.balances.entry(account.currency).or_default();
        *balance = balance.wrapping_add(account.balance());
        self.verified.accounts_count += 1;
    }
}
