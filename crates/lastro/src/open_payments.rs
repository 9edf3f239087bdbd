//! `lastro payments`: the payments of a data folder that are accepted or sent, as a table or as lines of JSON.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use engine_embedded::OfflineLedger;
use ledger::{AccountId, Payment, PaymentState, ProcessorName};

use crate::accounts::account_id;
use crate::data_folder::read_ledger;
use crate::table::{self, Side};

#[derive(clap::Args)]
pub(crate) struct PaymentsOptions {
    /// The data folder, or a backup. Nothing in it is locked or changed: a server may have it open.
    #[arg(long, env = "LASTRO_DATA_DIR", default_value = "lastro-data")]
    data_dir: PathBuf,
    /// Only payments in this state; both without it. Of a payment that was sent and whose outcome is not known,
    /// only its dispatcher says so: `GET /v1/payments?state=unknown`.
    #[arg(long, value_enum)]
    state: Option<OpenState>,
    /// Only payments that were sent to this processor.
    #[arg(long, value_name = "NAME", value_parser = processor)]
    processor: Option<ProcessorName>,
    /// Only payments of this account.
    #[arg(long, value_name = "ID", value_parser = account_id)]
    account: Option<AccountId>,
    /// Prints one JSON object a line, as `GET /v1/payments?state=sent` lists them, instead of a table. Amounts are
    /// in minor units in both: 5000 for 50.00 BRL.
    #[arg(long)]
    json: bool,
}

/// What a payment that is not over waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OpenState {
    /// To be sent.
    Accepted,
    /// For its processor.
    Sent,
}

fn processor(text: &str) -> Result<ProcessorName, String> {
    let wrong = |_| "use 1 to 32 characters of A-Z a-z 0-9 _ -".to_owned();
    ProcessorName::new(text).map_err(wrong)
}

pub(crate) fn run(options: &PaymentsOptions) -> anyhow::Result<ExitCode> {
    let ledger = read_ledger(&options.data_dir)?;
    table::to_stdout(|out| {
        if options.json {
            each(&ledger, options, &mut |payment| {
                writeln!(out, "{}", server::payment_json(payment))
            })
        } else {
            table::print(out, COLUMNS, |take| {
                each(&ledger, options, &mut |payment| take(row(payment)))
            })
        }
    })
}

/// Hands over each payment that is asked for, in the order of their acceptance.
fn each(
    ledger: &OfflineLedger,
    options: &PaymentsOptions,
    visit: &mut dyn FnMut(&Payment) -> io::Result<()>,
) -> io::Result<()> {
    for payment in ledger.payments_open() {
        let sent_to = sent_to(payment);
        let state = match sent_to {
            Some(_) => OpenState::Sent,
            None => OpenState::Accepted,
        };
        let processor = options.processor.as_ref();
        let account = options.account.as_ref();
        if options.state.is_none_or(|wanted| state == wanted)
            && processor.is_none_or(|processor| sent_to == Some(processor))
            && account.is_none_or(|account| payment.account_id.as_ref() == Some(account))
        {
            visit(payment)?;
        }
    }
    Ok(())
}

/// The processor that has it, where it was sent.
const fn sent_to(payment: &Payment) -> Option<&ProcessorName> {
    match &payment.state {
        PaymentState::Sent { processor, .. } => Some(processor),
        PaymentState::Accepted | PaymentState::Settled { .. } | PaymentState::Refused { .. } => {
            None
        }
    }
}

const COLUMNS: [(&str, Side); 8] = [
    ("payment", Side::Left),
    ("state", Side::Left),
    ("account", Side::Left),
    ("currency", Side::Left),
    ("amount", Side::Right),
    ("processor", Side::Left),
    ("attempt", Side::Right),
    ("accepted at", Side::Left),
];

fn row(payment: &Payment) -> [String; COLUMNS.len()] {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    [
        payment.id.to_string(),
        payment.state.name().as_str().to_owned(),
        or_dash(payment.account_id.as_ref().map(AccountId::as_str)),
        payment.currency.to_string(),
        payment.amount.to_string(),
        or_dash(sent_to(payment).map(ProcessorName::as_str)),
        payment.attempt.to_string(),
        server::time_text(payment.accepted_at),
    ]
}
