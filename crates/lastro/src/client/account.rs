//! `lastro account`: opens, shows, lists and changes accounts of a running server.

use std::process::ExitCode;

use lastro_client::{
    Account, AccountId, AccountsQuery, Answered, Change, Frozen, LimitsQuery, NewAccount,
};

use super::fields::{Line, of_account, yes_or_no};
use super::given::{WriteId, limit};
use super::money::Money;
use super::output::{Form, List, print_fields, print_json};
use super::server::{EXIT_CODES, ServerOptions, Session, ask};
use crate::table::Side;

#[derive(Debug, clap::Args)]
pub(crate) struct AccountOptions {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AccountCommand {
    /// Opens an account. The same account again is answered as it was opened.
    #[command(after_help = EXIT_CODES)]
    Open(OpenOptions),
    /// Shows an account and its totals.
    #[command(after_help = EXIT_CODES)]
    Show(ShowOptions),
    /// Lists accounts in the order of their ids.
    #[command(after_help = EXIT_CODES)]
    List(ListOptions),
    /// Sets the credit limit of an account.
    #[command(after_help = EXIT_CODES)]
    SetLimit(LimitOptions),
    /// Stops new debits of an account, new credits, or both.
    #[command(after_help = EXIT_CODES)]
    Freeze(FreezeOptions),
    /// Ends a freeze.
    #[command(after_help = EXIT_CODES)]
    Unfreeze(ChangeOptions),
    /// Lists the credit limits that an account was given: who decided each, when and why.
    #[command(after_help = EXIT_CODES)]
    Limits(ShowOptions),
    /// Closes an account for good: its balance has to be 0, and nothing may be pending.
    #[command(after_help = EXIT_CODES)]
    Close(CloseOptions),
}

#[derive(Debug, clap::Args)]
struct OpenOptions {
    /// The account's id: 1 to 64 characters of A-Z a-z 0-9 _ . : -
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    /// Its currency, for good: a code of ISO 4217, such as BRL.
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// How far its balance may go below zero, in minor units.
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = limit)]
    credit_limit: u64,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
struct ShowOptions {
    /// The account's id.
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
struct ListOptions {
    /// Only accounts whose ids begin with this text.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Only accounts of this currency, such as BRL.
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// `true`: only closed accounts; `false`: only accounts that are not closed.
    #[arg(long, value_name = "true|false")]
    closed: Option<bool>,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
struct ChangeOptions {
    /// The account's id.
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    /// Why; the ledger keeps it with the change.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Who decides it. Without it the ledger keeps the name of the key.
    #[arg(long, value_name = "TEXT")]
    who: Option<String>,
    #[command(flatten)]
    id: WriteId,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
struct LimitOptions {
    /// The new limit, in minor units: how far the balance may go below zero.
    #[arg(long, value_name = "AMOUNT", value_parser = limit)]
    credit_limit: u64,
    /// The limit that it replaces; with another one nothing is changed.
    #[arg(long, value_name = "AMOUNT", value_parser = limit)]
    expected: Option<u64>,
    #[command(flatten)]
    change: ChangeOptions,
}

#[derive(Debug, clap::Args)]
struct FreezeOptions {
    /// What is stopped.
    #[arg(long, value_enum)]
    side: FrozenSide,
    #[command(flatten)]
    change: ChangeOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FrozenSide {
    /// New debits.
    Debits,
    /// New credits.
    Credits,
    /// Both.
    Both,
}

#[derive(Debug, clap::Args)]
struct CloseOptions {
    /// How many entries its statement is expected to have; with another number nothing is changed.
    #[arg(long, value_name = "COUNT")]
    expected_entries: Option<u64>,
    #[command(flatten)]
    change: ChangeOptions,
}

pub(super) fn run(options: &AccountOptions) -> anyhow::Result<ExitCode> {
    match &options.command {
        AccountCommand::Open(options) => open(options),
        AccountCommand::Show(options) => ask(&options.server, async |session| {
            let account = session.client.account(&options.account).await?;
            match session.form {
                Form::Table => print_fields(&of_account(&account))?,
                Form::Json => print_json(&account)?,
            }
            Ok(())
        }),
        AccountCommand::List(options) => list(options),
        AccountCommand::Limits(options) => limits(options),
        AccountCommand::SetLimit(options) => {
            let expected_credit_limit = options.expected;
            let limit = Change::limit(options.credit_limit);
            change(
                &options.change,
                Change {
                    expected_credit_limit,
                    ..limit
                },
            )
        }
        AccountCommand::Freeze(options) => {
            let frozen = match options.side {
                FrozenSide::Debits => Frozen::Debits,
                FrozenSide::Credits => Frozen::Credits,
                FrozenSide::Both => Frozen::Both,
            };
            change(&options.change, Change::freeze(frozen))
        }
        AccountCommand::Unfreeze(options) => change(options, Change::freeze(Frozen::None)),
        AccountCommand::Close(options) => {
            let expected_entry_count = options.expected_entries;
            change(
                &options.change,
                Change {
                    expected_entry_count,
                    ..Change::close()
                },
            )
        }
    }
}

fn open(options: &OpenOptions) -> anyhow::Result<ExitCode> {
    ask(&options.server, async |session| {
        let new = NewAccount {
            credit_limit: options.credit_limit,
            ..NewAccount::new(&options.account, &options.currency)
        };
        print(session, &session.client.open_account(&new).await?)
    })
}

fn change(options: &ChangeOptions, change: Change) -> anyhow::Result<ExitCode> {
    ask(&options.server, async |session| {
        let change = Change {
            id: options.id.or_new(),
            who: options.who.clone(),
            why: options.why.clone(),
            ..change
        };
        let answered = session
            .client
            .change_account(&options.account, &change)
            .await?;
        print(session, &answered)
    })
}

fn print(session: &Session, answered: &Answered<Account>) -> anyhow::Result<()> {
    let Answered { record, replayed } = answered;
    match session.form {
        Form::Json => print_json(&Line {
            record,
            replayed: *replayed,
            dry_run: false,
        })?,
        Form::Table => {
            let mut fields = of_account(record);
            fields.push(("replayed", yes_or_no(*replayed)));
            print_fields(&fields)?;
        }
    }
    Ok(())
}

const COLUMNS: [(&str, Side); 8] = [
    ("account", Side::Left),
    ("currency", Side::Left),
    ("balance", Side::Right),
    ("available", Side::Right),
    ("credit limit", Side::Right),
    ("entries", Side::Right),
    ("closed", Side::Left),
    ("frozen", Side::Left),
];

fn row(account: &Account) -> [String; COLUMNS.len()] {
    let money = Money::of(&account.currency);
    [
        account.id.to_string(),
        account.currency.clone(),
        money.number(account.balance.into()),
        money.or_dash(account.available),
        money.or_dash(account.credit_limit),
        account.entry_count.to_string(),
        yes_or_no(account.closed),
        account.frozen.to_string(),
    ]
}

const LIMIT_COLUMNS: [(&str, Side); 4] = [
    ("credit limit", Side::Right),
    ("who", Side::Left),
    ("why", Side::Left),
    ("decided at", Side::Left),
];

fn limits(options: &ShowOptions) -> anyhow::Result<ExitCode> {
    ask(&options.server, async |session| {
        let account = session.client.account(&options.account).await?;
        let money = Money::of(&account.currency);
        let mut limits = session.client.limits(LimitsQuery::of(&options.account));
        let mut list = List::new(session.form, LIMIT_COLUMNS);
        while let Some(limit) = limits.next().await? {
            let dash = || "-".to_owned();
            list.add(&limit, || {
                [
                    money.number(limit.credit_limit.into()),
                    limit.who.clone().unwrap_or_else(dash),
                    limit.why.clone().unwrap_or_else(dash),
                    limit.timestamp.clone(),
                ]
            })?;
        }
        Ok(list.end()?)
    })
}

fn list(options: &ListOptions) -> anyhow::Result<ExitCode> {
    ask(&options.server, async |session| {
        let mut accounts = session.client.accounts(AccountsQuery {
            prefix: options.prefix.clone(),
            currency: options.currency.clone(),
            closed: options.closed,
            limit: None,
        });
        let mut list = List::new(session.form, COLUMNS);
        while let Some(account) = accounts.next().await? {
            list.add(&account, || row(&account))?;
        }
        Ok(list.end()?)
    })
}
