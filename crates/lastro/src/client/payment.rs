//! `lastro payment`: makes payments, shows one, and lists them.

use std::process::ExitCode;

use lastro_client::{
    AccountId, Answered, NewPayment, PaymentRecord, PaymentState, PaymentsQuery, UnsettledPayment,
    UnsettledPaymentsQuery,
};
use uuid::Uuid;

use super::fields::{Line, of_payment, yes_or_no};
use super::given::{Notes, WriteId, amount};
use super::money::Money;
use super::output::{Form, List, or_dash, print_fields, print_json};
use super::server::{EXIT_CODES, ServerOptions, Session, ask, usage};
use crate::table::Side;

#[derive(Debug, clap::Args)]
pub(crate) struct PaymentOptions {
    #[command(subcommand)]
    command: PaymentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PaymentCommand {
    /// Accepts a payment, which is paid exactly once through a processor, or refused later.
    #[command(after_help = EXIT_CODES)]
    Create(CreateOptions),
    /// Shows a payment.
    #[command(after_help = EXIT_CODES)]
    Show(ShowOptions),
    /// Lists payments by the time of their acceptance, the newest first; those that are not over the oldest first.
    #[command(after_help = EXIT_CODES)]
    List(ListOptions),
}

#[derive(Debug, clap::Args)]
struct CreateOptions {
    /// How much, in minor units: 1990 for 19.90 BRL.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    amount: u64,
    /// The currency, a code of ISO 4217: that of the account that pays.
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// The text in the statement of the account that pays, of 1 to 140 characters.
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// The account that pays: the amount is reserved at once. Without it the money comes from outside the ledger.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    #[command(flatten)]
    notes: Notes,
    /// Does nothing, and only shows what would be answered.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    id: WriteId,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
struct ShowOptions {
    /// The payment's id.
    #[arg(value_name = "PAYMENT-ID")]
    payment: Uuid,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
struct ListOptions {
    /// Only payments in this state; without it all.
    #[arg(long, value_enum)]
    state: Option<ListedState>,
    /// Only payments that are at this processor, or that it settled.
    #[arg(long, value_name = "NAME")]
    processor: Option<String>,
    /// Only payments of this account; not of those that are unknown or in conflict.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Only payments with this reference; likewise.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Only payments that were accepted at or after this time, such as `2027-01-31T12:00:00Z`; likewise.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only payments that were accepted before this time; likewise.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only payments that were accepted so many seconds ago or earlier.
    #[arg(long, value_name = "SECONDS")]
    older_than_s: Option<u64>,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListedState {
    /// They wait to be sent.
    Accepted,
    /// They were sent, and are not settled.
    Sent,
    /// A processor has recorded them: their money has moved.
    Settled,
    /// All processors or an operator refused them.
    Refused,
    /// They were sent, and nobody knows what became of them.
    Unknown,
    /// Their processor and the ledger disagree.
    Conflict,
}

pub(super) fn run(options: PaymentOptions) -> anyhow::Result<ExitCode> {
    match options.command {
        PaymentCommand::Create(options) => create(options),
        PaymentCommand::Show(options) => ask(&options.server, async |session| {
            let payment = session.client.payment(options.payment).await?;
            match session.form {
                Form::Table => print_fields(&of_payment(&payment))?,
                Form::Json => print_json(&payment)?,
            }
            Ok(())
        }),
        PaymentCommand::List(options) => list(&options),
    }
}

fn list(options: &ListOptions) -> anyhow::Result<ExitCode> {
    let of_ledger = options.account.is_some()
        || options.reference.is_some()
        || options.from.is_some()
        || options.to.is_some();
    let in_state = match options.state {
        None => Listed::Kept(None),
        Some(ListedState::Accepted) => Listed::Kept(Some(PaymentState::Accepted)),
        Some(ListedState::Sent) => Listed::Kept(Some(PaymentState::Sent)),
        Some(ListedState::Settled) => Listed::Kept(Some(PaymentState::Settled)),
        Some(ListedState::Refused) => Listed::Kept(Some(PaymentState::Refused)),
        Some(ListedState::Unknown | ListedState::Conflict) if of_ledger => usage(
            "--account, --reference, --from and --to are not for payments that are unknown or in conflict",
        ),
        Some(ListedState::Unknown) => Listed::ByDispatcher {
            conflicts_only: false,
        },
        Some(ListedState::Conflict) => Listed::ByDispatcher {
            conflicts_only: true,
        },
    };
    ask(&options.server, async |session| {
        let mut list = List::new(session.form, COLUMNS);
        match in_state {
            Listed::Kept(state) => kept(session, options, state, &mut list).await?,
            Listed::ByDispatcher { conflicts_only } => {
                unsettled(session, options, conflicts_only, &mut list).await?;
            }
        }
        Ok(list.end()?)
    })
}

fn create(options: CreateOptions) -> anyhow::Result<ExitCode> {
    let (reference, metadata) = options.notes.parts();
    let new = NewPayment {
        account_id: options.account,
        reference,
        metadata,
        ..NewPayment::new(options.amount, options.currency, options.description)
    };
    ask(&options.server, async |session| {
        let new = NewPayment {
            id: options.id.or_new(),
            ..new
        };
        let answered = match options.dry_run {
            true => session.client.preview(&new).await?,
            false => session.client.pay(&new).await?,
        };
        let Answered { record, replayed } = &answered;
        let dry_run = options.dry_run;
        if session.form == Form::Json {
            let replayed = *replayed;
            return Ok(print_json(&Line {
                record,
                replayed,
                dry_run,
            })?);
        }
        let mut fields = of_payment(record);
        fields.push(("replayed", yes_or_no(*replayed)));
        if dry_run {
            fields.push(("done", "no: this is what would be answered".to_owned()));
        }
        Ok(print_fields(&fields)?)
    })
}

/// Who knows the payments that are asked for.
enum Listed {
    /// The ledger: those of a state, or all.
    Kept(Option<PaymentState>),
    /// The node that dispatches them.
    ByDispatcher { conflicts_only: bool },
}

type Payments = List<{ COLUMNS.len() }>;

async fn kept(
    session: &Session,
    options: &ListOptions,
    state: Option<PaymentState>,
    list: &mut Payments,
) -> anyhow::Result<()> {
    let mut payments = session.client.payments(PaymentsQuery {
        state,
        processor: options.processor.clone(),
        account: options.account.clone(),
        reference: options.reference.clone(),
        from: options.from.clone(),
        to: options.to.clone(),
        older_than_s: options.older_than_s,
        ..PaymentsQuery::default()
    });
    while let Some(payment) = payments.next().await? {
        list.add(&payment, || row(&payment))?;
    }
    Ok(())
}

async fn unsettled(
    session: &Session,
    options: &ListOptions,
    conflicts_only: bool,
    list: &mut Payments,
) -> anyhow::Result<()> {
    let mut payments = session.client.unsettled_payments(UnsettledPaymentsQuery {
        conflicts_only,
        processor: options.processor.clone(),
        older_than_s: options.older_than_s,
        limit: None,
    });
    while let Some(payment) = payments.next().await? {
        list.add(&payment, || unsettled_row(&payment))?;
    }
    Ok(())
}

const COLUMNS: [(&str, Side); 7] = [
    ("payment", Side::Left),
    ("state", Side::Left),
    ("account", Side::Left),
    ("amount", Side::Right),
    ("processor", Side::Left),
    ("attempt", Side::Right),
    ("accepted at", Side::Left),
];

fn row(payment: &PaymentRecord) -> [String; COLUMNS.len()] {
    [
        payment.id.to_string(),
        payment.state.to_string(),
        or_dash(payment.account_id.as_ref().map(AccountId::as_str)),
        Money::of(&payment.currency).text(payment.amount.into()),
        or_dash(payment.processor.as_deref()),
        payment.attempt.to_string(),
        payment.accepted_at.clone(),
    ]
}

fn unsettled_row(payment: &UnsettledPayment) -> [String; COLUMNS.len()] {
    let UnsettledPayment {
        id,
        accepted_at,
        dispatch,
    } = payment;
    [
        id.to_string(),
        dispatch.state.clone(),
        or_dash(None),
        or_dash(None),
        or_dash(dispatch.processor.as_deref()),
        dispatch.attempt.to_string(),
        or_dash(accepted_at.as_deref()),
    ]
}

#[cfg(test)]
mod tests {
    use lastro_client::Dispatch;

    use super::*;

    #[test]
    fn payments_of_both_lists_fill_the_same_columns() {
        let id = Uuid::from_u128(7);
        let at = "2026-11-30T16:36:35.576746600Z".to_owned();
        let payment = PaymentRecord {
            id,
            state: PaymentState::Sent,
            attempt: 2,
            account_id: AccountId::new("users:42").ok(),
            currency: "BRL".to_owned(),
            amount: 1_990,
            reference: None,
            metadata: None,
            processor: Some("default".to_owned()),
            requested_at: None,
            code: None,
            accepted_at: at.clone(),
            timestamp: at.clone(),
            resolutions: Vec::new(),
            dispatch: None,
        };
        let (id, at) = (id.to_string(), at.as_str());
        let expected = [&id, "sent", "users:42", "19.90 BRL", "default", "2", at];
        assert_eq!(row(&payment), expected);
        let dispatch = Dispatch {
            state: "unknown".to_owned(),
            attempt: 2,
            processor: payment.processor,
            unknown_since: None,
            next_question_at: None,
            conflict: None,
            last_answer: None,
        };
        let unsettled = UnsettledPayment {
            id: payment.id,
            accepted_at: None,
            dispatch,
        };
        let expected = [&id, "unknown", "-", "-", "default", "2", "-"];
        assert_eq!(unsettled_row(&unsettled), expected);
    }
}
