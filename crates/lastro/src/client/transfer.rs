//! `lastro transfer`, `post`, `void` and `reverse`.

use std::process::ExitCode;

use lastro_client::{
    AccountId, Answered, NewPost, NewReversal, NewTransfer, NewVoid, Transfer, Write,
};
use uuid::Uuid;

use super::fields::{Line, of_transfer, yes_or_no};
use super::given::{Notes, WriteId, amount};
use super::money::Currencies;
use super::output::{Form, print_fields, print_json};
use super::server::{ServerOptions, Session, ask};

#[derive(Debug, clap::Args)]
pub(crate) struct TransferOptions {
    /// The account that the money leaves; `world:BRL` for what comes in from outside.
    #[arg(long, value_name = "ACCOUNT")]
    debit: AccountId,
    /// The account that it goes to.
    #[arg(long, value_name = "ACCOUNT")]
    credit: AccountId,
    /// How much, in minor units: 5000 for 50.00 BRL.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    amount: u64,
    /// The text in the statement, of 1 to 140 characters.
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// Only reserves the money, until it is posted or voided, or until so many seconds have passed; 0: for good.
    #[arg(long, value_name = "SECONDS")]
    pend: Option<u32>,
    #[command(flatten)]
    notes: Notes,
    #[command(flatten)]
    way: Way,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PostOptions {
    /// The id of the pending transfer.
    #[arg(value_name = "PENDING-ID")]
    pending: Uuid,
    /// How much of it, in minor units; without it all that is still reserved.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    amount: Option<u64>,
    /// Keeps the rest reserved for further posts, instead of releasing it.
    #[arg(long, requires = "amount")]
    keep_rest: bool,
    #[command(flatten)]
    way: Way,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VoidOptions {
    /// The id of the pending transfer.
    #[arg(value_name = "PENDING-ID")]
    pending: Uuid,
    #[command(flatten)]
    way: Way,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReverseOptions {
    /// The id of the transfer to be moved back.
    #[arg(value_name = "TRANSFER-ID")]
    transfer: Uuid,
    /// How much of it, in minor units; without it all that was not moved back before.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    amount: Option<u64>,
    /// The text in the statement, of 1 to 140 characters.
    #[arg(long, value_name = "TEXT")]
    description: String,
    #[command(flatten)]
    notes: Notes,
    #[command(flatten)]
    way: Way,
}

/// Under which id a write is made, and whether.
#[derive(Debug, clap::Args)]
struct Way {
    /// Does nothing, and only shows what would be answered.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    id: WriteId,
    #[command(flatten)]
    server: ServerOptions,
}

pub(super) fn transfer(options: TransferOptions) -> anyhow::Result<ExitCode> {
    let (reference, metadata) = options.notes.parts();
    write(&options.way, |id| NewTransfer {
        id,
        timeout_s: options.pend,
        reference,
        metadata,
        ..NewTransfer::new(
            &options.debit,
            &options.credit,
            options.amount,
            options.description,
        )
    })
}

pub(super) fn post(options: &PostOptions) -> anyhow::Result<ExitCode> {
    write(&options.way, |id| NewPost {
        id,
        amount: options.amount,
        is_final: !options.keep_rest,
        ..NewPost::new(options.pending)
    })
}

pub(super) fn void(options: &VoidOptions) -> anyhow::Result<ExitCode> {
    write(&options.way, |id| NewVoid {
        id,
        ..NewVoid::new(options.pending)
    })
}

pub(super) fn reverse(options: ReverseOptions) -> anyhow::Result<ExitCode> {
    let (reference, metadata) = options.notes.parts();
    write(&options.way, |id| NewReversal {
        id,
        amount: options.amount,
        reference,
        metadata,
        ..NewReversal::new(options.transfer, options.description)
    })
}

fn write<W: Write<Record = Transfer>>(
    way: &Way,
    new: impl FnOnce(Uuid) -> W,
) -> anyhow::Result<ExitCode> {
    ask(&way.server, async |session| {
        let new = new(way.id.or_new());
        let answered = match way.dry_run {
            true => session.client.preview(&new).await?,
            false => session.client.submit(&new).await?,
        };
        print(session, &answered, way.dry_run).await
    })
}

async fn print(
    session: &Session,
    answered: &Answered<Transfer>,
    dry_run: bool,
) -> anyhow::Result<()> {
    let Answered { record, replayed } = answered;
    if session.form == Form::Json {
        let replayed = *replayed;
        return Ok(print_json(&Line {
            record,
            replayed,
            dry_run,
        })?);
    }
    let mut currencies = Currencies::new(&session.client);
    let money = currencies.of(&record.debit_account_id).await;
    let mut fields = of_transfer(record, money);
    fields.push(("replayed", yes_or_no(*replayed)));
    if dry_run {
        fields.push(("done", "no: this is what would be answered".to_owned()));
    }
    Ok(print_fields(&fields)?)
}
