//! `lastro balances`: what every account held at one moment, of a running server or of a data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lastro_client::{AccountBalance, BalancesQuery, CurrencyTotal};
use ledger::{ACCOUNTS_PAGE_MAX, AccountId, AccountsQuery, Currency, Timestamp};
use serde::Serialize;

use super::money::Money;
use super::output::List;
use super::server::{EXIT_CODES, ServerOptions, ask};
use crate::accounts::{account_id, currency};
use crate::data_folder::read_ledger_at;
use crate::table::Side;

/// How many balances are asked for at once.
const PAGE: u32 = 250;

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct BalancesOptions {
    /// The moment: a time, such as `2027-01-31T12:00:00Z`, or a date, such as `2027-01-31`, which stands for its end. Without it
    /// the newest moment.
    #[arg(long, value_name = "TIME|DATE")]
    at: Option<String>,
    /// The time zone of a date, such as America/Sao_Paulo; UTC without it.
    #[arg(long, value_name = "NAME", requires = "at")]
    tz: Option<String>,
    /// Only accounts whose ids begin with this text.
    #[arg(long, value_name = "TEXT", value_parser = account_id)]
    prefix: Option<AccountId>,
    /// Only accounts of this currency, such as BRL.
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Option<Currency>,
    /// Reads a data folder or a backup instead of asking a server. Nothing in it is locked or changed: a server may have it
    /// open. It takes about a second for each two million events, and has no limit of time.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerOptions,
}

const COLUMNS: [(&str, Side); 3] = [
    ("account", Side::Left),
    ("currency", Side::Left),
    ("balance", Side::Right),
];

fn row(balance: &AccountBalance) -> [String; COLUMNS.len()] {
    let money = Money::of(&balance.currency);
    [
        balance.account_id.to_string(),
        balance.currency.clone(),
        money.number(balance.balance.into()),
    ]
}

const TOTALS: [(&str, Side); 4] = [
    ("currency", Side::Left),
    ("debit balances", Side::Right),
    ("credit balances", Side::Right),
    ("total", Side::Right),
];

fn total_row(total: &CurrencyTotal) -> [String; TOTALS.len()] {
    let money = Money::of(&total.currency);
    [
        total.currency.clone(),
        money.number(total.debit_balances),
        money.number(total.credit_balances),
        money.number(total.balance),
    ]
}

/// The moment and the sums, the last line of JSON.
#[derive(Serialize)]
struct Totals<'a> {
    at: &'a str,
    totals: &'a [CurrencyTotal],
}

/// The balances are printed; the sums come behind an empty line, the moment on standard error.
fn print_totals(
    list: List<{ COLUMNS.len() }>,
    at: &str,
    totals: &[CurrencyTotal],
) -> anyhow::Result<()> {
    let form = list.form();
    list.end()?;
    if form == super::output::Form::Json {
        return Ok(super::output::print_json(&Totals { at, totals })?);
    }
    println!();
    let mut sums = List::new(form, TOTALS);
    for total in totals {
        sums.add(total, || total_row(total))?;
    }
    sums.end()?;
    eprintln!("balances as of {at}");
    Ok(())
}

pub(super) fn run(options: &BalancesOptions) -> anyhow::Result<ExitCode> {
    if let Some(data_dir) = &options.data_dir {
        return of_folder(options, data_dir);
    }
    ask(&options.server, async |session| {
        let query = BalancesQuery {
            at: options.at.clone(),
            tz: options.tz.clone(),
            prefix: options.prefix.as_ref().map(ToString::to_string),
            currency: options.currency.map(|currency| currency.to_string()),
            limit: Some(PAGE),
        };
        let mut list = List::new(session.form, COLUMNS);
        let mut sums = Sums::default();
        let mut cursor = None;
        loop {
            let page = session.client.balances_page(&query, cursor.as_deref());
            let page = page.await?;
            for balance in &page.balances {
                sums.add(&balance.currency, balance.balance);
                list.add(balance, || row(balance))?;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return print_totals(list, &page.at, &sums.totals());
            }
        }
    })
}

/// By currency the sum of the balances below zero, without their sign, and of those above.
#[derive(Default)]
struct Sums(BTreeMap<String, (i128, i128)>);

impl Sums {
    fn add(&mut self, currency: &str, balance: i64) {
        let sums = self.0.entry(currency.to_owned()).or_default();
        if balance < 0 {
            sums.0 -= i128::from(balance);
        } else {
            sums.1 += i128::from(balance);
        }
    }

    fn totals(self) -> Vec<CurrencyTotal> {
        let totals = self.0.into_iter();
        totals
            .map(
                |(currency, (debit_balances, credit_balances))| CurrencyTotal {
                    currency,
                    debit_balances,
                    credit_balances,
                    balance: credit_balances - debit_balances,
                },
            )
            .collect()
    }
}

fn of_folder(options: &BalancesOptions, data_dir: &Path) -> anyhow::Result<ExitCode> {
    let at = match &options.at {
        None => Timestamp::from_nanos(u64::MAX),
        Some(at) => server::moment_at(at, options.tz.as_deref()).map_err(anyhow::Error::msg)?,
    };
    let ledger = read_ledger_at(data_dir, at)?;
    let mut list = List::new(options.server.form(), COLUMNS);
    let mut sums = Sums::default();
    let mut query = AccountsQuery {
        after: None,
        prefix: options.prefix.clone(),
        currency: options.currency,
        closed: None,
        limit: ACCOUNTS_PAGE_MAX,
    };
    loop {
        let page = ledger.accounts(query.clone());
        for (id, account) in &page.accounts {
            let currency = account.currency.to_string();
            sums.add(&currency, account.balance());
            let balance = AccountBalance {
                account_id: id.as_str().parse()?,
                currency,
                balance: account.balance(),
                entry_number: (!id.is_reserved()).then_some(account.entry_count),
            };
            list.add(&balance, || row(&balance))?;
        }
        match page.next_after {
            Some(after) => query.after = Some(after),
            None => break,
        }
    }
    let at = server::time_text(at.min(ledger.newest()));
    print_totals(list, &at, &sums.totals())?;
    Ok(ExitCode::SUCCESS)
}
