//! `lastro transfers`: the transfers of an account, or those with a reference; of a running server, or of a data folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use lastro_client::{AccountId, ListOrder, PendingState, Transfer, TransferKind, TransfersQuery};
use ledger::{ListPage, ListPlace, ListedTransfer, TransferList};

use super::money::{Currencies, Money};
use super::output::{List, or_dash};
use super::server::{EXIT_CODES, ServerOptions, ask};
use crate::data_folder::read_lists;
use crate::table::Side;

/// How many transfers are asked for at once.
const PAGE: u32 = 250;

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
#[command(group(clap::ArgGroup::new("of").required(true).multiple(true).args(["account", "reference"])))]
pub(crate) struct TransfersOptions {
    /// Only transfers that debit or credit this account; this or `--reference` is needed.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Only transfers with this reference, whole and as it was written.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Only transfers of this kind.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only pending transfers of which this became.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only transfers at or after this time, such as `2027-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only transfers before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Shows the oldest first.
    #[arg(long)]
    oldest_first: bool,
    /// Ends after so many transfers; without it after the last one.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Reads a data folder or a backup instead of asking a server. Nothing in it is locked or changed: a server may have it
    /// open. `--from` and `--to` are for servers.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["from", "to"])]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Money moved at once.
    Transfer,
    /// Money reserved.
    Pend,
    /// What was reserved, moved in full or in part.
    Post,
    /// What was reserved, released.
    Void,
    /// The money of a payment that was settled.
    Settle,
    /// Money moved back.
    Reverse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// Still reserved, or some of it.
    Pending,
    /// Posted.
    Posted,
    /// Voided.
    Voided,
    /// Expired.
    Expired,
}

impl From<Kind> for TransferKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Transfer => Self::Transfer,
            Kind::Pend => Self::Pend,
            Kind::Post => Self::Post,
            Kind::Void => Self::Void,
            Kind::Settle => Self::Settle,
            Kind::Reverse => Self::Reverse,
        }
    }
}

impl From<State> for PendingState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Posted => Self::Posted,
            State::Voided => Self::Voided,
            State::Expired => Self::Expired,
        }
    }
}

pub(super) fn run(options: &TransfersOptions) -> anyhow::Result<ExitCode> {
    if let Some(data_dir) = &options.data_dir {
        return of_folder(options, data_dir);
    }
    ask(&options.server, async |session| {
        let mut currencies = Currencies::new(&session.client);
        let mut transfers = session.client.transfers(TransfersQuery {
            account: options.account.clone(),
            reference: options.reference.clone(),
            kind: options.kind.map(TransferKind::from),
            state: options.state.map(PendingState::from),
            from: options.from.clone(),
            to: options.to.clone(),
            order: options.oldest_first.then_some(ListOrder::OldestFirst),
            limit: Some(PAGE),
        });
        let mut list = List::new(session.form, COLUMNS);
        let mut left = options.limit;
        while left != Some(0)
            && let Some(transfer) = transfers.next().await?
        {
            left = left.map(|left| left - 1);
            let money = currencies.of(&transfer.debit_account_id).await;
            list.add(&transfer, || row(&transfer, money))?;
        }
        Ok(list.end()?)
    })
}

/// How long a page of a folder's may take: as long as the disk does.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Those of a data folder.
fn of_folder(options: &TransfersOptions, data_dir: &Path) -> anyhow::Result<ExitCode> {
    let list = match (&options.reference, &options.account) {
        (Some(reference), _) => TransferList::With(server::reference_of(reference)?),
        (None, Some(account)) => TransferList::Of(ledger_id(account)?),
        (None, None) => unreachable!("one of them is needed"),
    };
    let ledger = read_lists(data_dir)?;
    let order = match options.oldest_first {
        true => ledger::ListOrder::Ascending,
        false => ledger::ListOrder::Descending,
    };
    let mut page = ListPage::first(order, PAGE as usize);
    let mut list_out = List::new(options.server.form(), COLUMNS);
    let mut left = options.limit.unwrap_or(u64::MAX);
    loop {
        let listed = ledger.transfers(&list, &page, Instant::now() + PATIENCE);
        let listed = listed.with_context(|| format!("cannot read {}", data_dir.display()))?;
        for listed in listed.iter().filter(|listed| options.wants(listed)) {
            if left == 0 {
                break;
            }
            left -= 1;
            let transfer: Transfer = serde_json::from_str(&server::transfer_json(listed))?;
            let account = ledger.account(&listed.transfer.debit_account_id);
            let money = account.map_or(Money::of(""), |account| {
                Money::of(account.currency.as_str())
            });
            list_out.add(&transfer, || row(&transfer, money))?;
        }
        match listed.last() {
            Some(last) if listed.len() == page.limit && left > 0 => {
                page.after = Some(ListPlace::of_transfer(&last.transfer));
            }
            Some(_) | None => break,
        }
    }
    list_out.end()?;
    Ok(ExitCode::SUCCESS)
}

fn ledger_id(account: &AccountId) -> anyhow::Result<ledger::AccountId> {
    let id = ledger::AccountId::new(account.as_str());
    id.map_err(|_| anyhow::anyhow!("{account} is no account's id"))
}

impl TransfersOptions {
    /// Whether a transfer of the list is asked for.
    fn wants(&self, listed: &ListedTransfer) -> bool {
        let transfer = &listed.transfer;
        let is_of = |account: &AccountId| {
            [&transfer.debit_account_id, &transfer.credit_account_id]
                .iter()
                .any(|id| id.as_str() == account.as_str())
        };
        let kind = self.kind.map(TransferKind::from);
        let state = self.state.map(PendingState::from);
        let stands = listed.standing.pending_state();
        self.account.as_ref().is_none_or(is_of)
            && kind.is_none_or(|kind| kind.as_str() == transfer.kind.as_str())
            && state.is_none_or(|state| {
                Some(state.as_str()) == stands.map(ledger::PendingState::as_str)
            })
    }
}

const COLUMNS: [(&str, Side); 8] = [
    ("transfer", Side::Left),
    ("kind", Side::Left),
    ("state", Side::Left),
    ("debit account", Side::Left),
    ("credit account", Side::Left),
    ("amount", Side::Right),
    ("reference", Side::Left),
    ("decided at", Side::Left),
];

fn row(transfer: &Transfer, money: Money) -> [String; COLUMNS.len()] {
    [
        transfer.id.to_string(),
        transfer.kind.to_string(),
        or_dash(transfer.pending_state.as_ref().map(PendingState::as_str)),
        transfer.debit_account_id.to_string(),
        transfer.credit_account_id.to_string(),
        money.text(transfer.amount.into()),
        or_dash(transfer.reference.as_deref()),
        transfer.timestamp.clone(),
    ]
}
