//! `lastro balance`: a balance as it was.

use std::process::ExitCode;

use lastro_client::{AccountId, BalanceWhen};
use uuid::Uuid;

use super::money::Currencies;
use super::output::{Form, or_dash, print_fields, print_json};
use super::server::{ServerOptions, ask};

#[derive(Debug, clap::Args)]
pub(crate) struct BalanceOptions {
    /// The account's id.
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct When {
    /// The time, with its nanoseconds, such as `2027-01-31T12:00:00.000000001Z`.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The id of the transfer right after which the balance is shown.
    #[arg(long, value_name = "TRANSFER-ID")]
    after: Option<Uuid>,
}

pub(super) fn run(options: &BalanceOptions) -> anyhow::Result<ExitCode> {
    let when = match (&options.when.at, options.when.after) {
        (Some(time), None) => BalanceWhen::At(time.clone()),
        (None, Some(transfer)) => BalanceWhen::After(transfer),
        (None, None) | (Some(_), Some(_)) => unreachable!("clap asks for one of the two"),
    };
    ask(&options.server, async |session| {
        let balance = session.client.balance(&options.account, &when).await?;
        if session.form == Form::Json {
            return Ok(print_json(&balance)?);
        }
        let money = Currencies::new(&session.client).of(&options.account).await;
        let entry = balance.entry_number.map(|number| number.to_string());
        Ok(print_fields(&[
            ("account", balance.account_id.to_string()),
            ("balance", money.text(balance.balance.into())),
            ("newest entry", or_dash(entry.as_deref())),
            ("at", balance.at),
        ])?)
    })
}
