//! `lastro statement`: the entries of an account.

use std::process::ExitCode;

use lastro_client::{AccountId, Entry, ListOrder, StatementQuery};

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
            order: options.oldest_first.then_some(ListOrder::OldestFirst),
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
    // Entries of the system's accounts have neither: their cells stay empty.
    let number = entry.number.map(|number| number.to_string());
    let balance = entry
        .balance_after
        .map(|balance| money.number(balance.into()));
    [
        number.unwrap_or_default(),
        entry.kind.to_string(),
        money.number(sign * i128::from(entry.amount)),
        balance.unwrap_or_default(),
        other.to_string(),
        entry.description.clone(),
        or_dash(entry.reference.as_deref()),
        entry.timestamp.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use lastro_client::TransferKind;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn entries_of_the_systems_accounts_leave_cells_empty() {
        let world = AccountId::new("world:BRL").unwrap();
        let at = "2026-11-30T16:36:35.576746600Z".to_owned();
        let entry = Entry {
            number: None,
            transfer_id: Uuid::from_u128(7),
            kind: TransferKind::Transfer,
            pending_id: None,
            payment_id: None,
            reverses: None,
            debit_account_id: world.clone(),
            credit_account_id: AccountId::new("users:42").unwrap(),
            amount: 1_990,
            description: "top-up".to_owned(),
            reference: None,
            metadata: None,
            balance_after: None,
            timestamp: at.clone(),
        };
        let expected = |number, balance| {
            let (kind, amount, at) = ("transfer", "-19.90", at.as_str());
            [number, kind, amount, balance, "users:42", "top-up", "-", at]
        };
        let cells = row(&entry, &world, Money::of("BRL"));
        assert_eq!(cells, expected("", ""));
        let numbered = Entry {
            number: Some(3),
            balance_after: Some(-5),
            ..entry
        };
        let cells = row(&numbered, &world, Money::of("BRL"));
        assert_eq!(cells, expected("3", "-0.05"));
    }
}
