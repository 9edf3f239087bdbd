//! `lastro statement`: the entries of an account.

use std::process::ExitCode;

use lastro_client::{AccountId, Entry, EntryOrder, StatementQuery};

use super::money::Money;
use super::output::{List, or_dash};
use super::server::{ServerOptions, ask};
use crate::table::Side;

#[derive(Debug, clap::Args)]
pub(crate) struct StatementOptions {
    /// The account's id.
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    /// Only entries at or after this time, such as `2027-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only entries before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Shows the oldest first.
    #[arg(long)]
    oldest_first: bool,
    /// Ends after so many entries; without it after the last one.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerOptions,
}

/// How many entries are asked for at once.
const PAGE: u32 = 250;

pub(super) fn run(options: &StatementOptions) -> anyhow::Result<ExitCode> {
    ask(&options.server, async |session| {
        let account = session.client.account(&options.account).await?;
        let money = Money::of(&account.currency);
        let mut entries = session.client.statement(StatementQuery {
            from: options.from.clone(),
            to: options.to.clone(),
            order: options.oldest_first.then_some(EntryOrder::OldestFirst),
            limit: Some(PAGE),
            ..StatementQuery::new(&options.account)
        });
        let mut list = List::new(session.form, COLUMNS);
        let mut left = options.limit;
        while left != Some(0)
            && let Some(entry) = entries.next().await?
        {
            left = left.map(|left| left - 1);
            list.add(&entry, || row(&entry, &options.account, money))?;
        }
        Ok(list.end()?)
    })
}

const COLUMNS: [(&str, Side); 8] = [
    ("entry", Side::Right),
    ("kind", Side::Left),
    ("amount", Side::Right),
    ("balance", Side::Right),
    ("other account", Side::Left),
    ("description", Side::Left),
    ("reference", Side::Left),
    ("decided at", Side::Left),
];

/// An entry as its account sees it: debits are negative.
fn row(entry: &Entry, account: &AccountId, money: Money) -> [String; COLUMNS.len()] {
    let is_debit = entry.debit_account_id == *account;
    let (other, sign) = match is_debit {
        true => (&entry.credit_account_id, -1),
        false => (&entry.debit_account_id, 1),
    };
    [
        entry.number.to_string(),
        entry.kind.to_string(),
        money.number(sign * i128::from(entry.amount)),
        money.number(entry.balance_after.into()),
        other.to_string(),
        entry.description.clone(),
        or_dash(entry.reference.as_deref()),
        entry.timestamp.clone(),
    ]
}
