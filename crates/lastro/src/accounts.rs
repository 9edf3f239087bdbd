//! `lastro accounts`: the accounts of a data folder, as a table or as lines of JSON.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use engine_embedded::OfflineLedger;
use ledger::{ACCOUNTS_PAGE_MAX, Account, AccountId, AccountsQuery, Currency, Frozen};

use crate::data_folder::read_ledger;
use crate::table::{self, Side};

#[derive(clap::Args)]
pub(crate) struct AccountsOptions {
    /// The data folder, or a backup. Nothing in it is locked or changed: a server may have it open.
    #[arg(long, env = "LASTRO_DATA_DIR", default_value = "lastro-data")]
    data_dir: PathBuf,
    /// Only accounts whose ids begin with this text.
    #[arg(long, value_name = "TEXT", value_parser = account_id)]
    prefix: Option<AccountId>,
    /// Only accounts of this currency, such as BRL.
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Option<Currency>,
    /// `true`: only closed accounts; `false`: only accounts that are not closed.
    #[arg(long, value_name = "true|false")]
    closed: Option<bool>,
    /// Prints one JSON object a line, as `GET /v1/accounts/{id}` answers it, instead of a table. Amounts are in
    /// minor units in both: 5000 for 50.00 BRL.
    #[arg(long)]
    json: bool,
}

pub(crate) fn account_id(text: &str) -> Result<AccountId, String> {
    let wrong = |_| "use 1 to 64 characters of A-Z a-z 0-9 _ . : -".to_owned();
    AccountId::new(text).map_err(wrong)
}

pub(crate) fn currency(text: &str) -> Result<Currency, String> {
    let wrong = |_| "use a code of ISO 4217 in capitals, such as BRL".to_owned();
    Currency::new(text).map_err(wrong)
}

pub(crate) fn run(options: &AccountsOptions) -> anyhow::Result<ExitCode> {
    let ledger = read_ledger(&options.data_dir)?;
    table::to_stdout(|out| {
        if options.json {
            each(&ledger, options, &mut |id, account| {
                writeln!(out, "{}", server::account_json(id, account))
            })
        } else {
            table::print(out, COLUMNS, |take| {
                each(&ledger, options, &mut |id, account| take(row(id, account)))
            })
        }
    })
}

/// Hands over each account that is asked for, in the order of their ids.
fn each(
    ledger: &OfflineLedger,
    options: &AccountsOptions,
    visit: &mut dyn FnMut(&AccountId, &Account) -> io::Result<()>,
) -> io::Result<()> {
    let mut query = AccountsQuery {
        after: None,
        prefix: options.prefix.clone(),
        currency: options.currency,
        closed: options.closed,
        limit: ACCOUNTS_PAGE_MAX,
    };
    loop {
        let page = ledger.accounts(query.clone());
        for (id, account) in &page.accounts {
            visit(id, account)?;
        }
        match page.next_after {
            Some(after) => query.after = Some(after),
            None => return Ok(()),
        }
    }
}

const COLUMNS: [(&str, Side); 10] = [
    ("account", Side::Left),
    ("currency", Side::Left),
    ("balance", Side::Right),
    ("available", Side::Right),
    ("credit limit", Side::Right),
    ("debits pending", Side::Right),
    ("credits pending", Side::Right),
    ("entries", Side::Right),
    ("closed", Side::Left),
    ("frozen", Side::Left),
];

fn row(id: &AccountId, account: &Account) -> [String; COLUMNS.len()] {
    let or_dash = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    [
        id.to_string(),
        account.currency.to_string(),
        account.balance().to_string(),
        or_dash(account.available()),
        or_dash(account.credit_limit()),
        account.debits_pending.to_string(),
        account.credits_pending.to_string(),
        account.entry_count.to_string(),
        if account.closed { "closed" } else { "" }.to_owned(),
        match account.frozen {
            Frozen::None => "",
            frozen @ (Frozen::Debits | Frozen::Credits | Frozen::Both) => frozen.as_str(),
        }
        .to_owned(),
    ]
}
