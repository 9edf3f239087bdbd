//! `lastro events`: what the ledger decided.

use std::io::{self, Write};
use std::process::ExitCode;

use lastro_client::{AccountId, Event, EventsQuery, Transfer};

use super::money::{Currencies, Money};
use super::output::{Form, print_json};
use super::server::{ServerOptions, Session, ask};

#[derive(Debug, clap::Args)]
pub(crate) struct EventsOptions {
    /// The position behind which to begin: an event's `position`, or `latest`; without it the ledger's first event.
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// Only these types, such as `transfer.posted`; several with commas.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Only events of this account.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Goes on with what is decided from now on, until it is interrupted.
    #[arg(long)]
    follow: bool,
    /// Ends after so many events.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerOptions,
}

pub(super) fn run(options: &EventsOptions) -> anyhow::Result<ExitCode> {
    ask(&options.server, async |session| {
        let query = EventsQuery {
            after: options.after.clone(),
            types: options.types.clone(),
            account: options.account.clone(),
            limit: None,
        };
        let mut lines = Lines {
            session,
            currencies: Currencies::new(&session.client),
            left: options.limit,
        };
        match options.follow {
            true => follow(session, query, &mut lines).await,
            false => so_far(session, query, &mut lines).await,
        }
    })
}

/// What is decided from the position on, without an end.
async fn follow(
    session: &Session,
    query: EventsQuery,
    lines: &mut Lines<'_>,
) -> anyhow::Result<()> {
    let mut events = session.client.follow(query);
    while !lines.is_full() {
        let event = events.next().await?;
        lines.print(&event).await?;
    }
    Ok(())
}

/// What was decided up to now.
async fn so_far(
    session: &Session,
    mut query: EventsQuery,
    lines: &mut Lines<'_>,
) -> anyhow::Result<()> {
    while !lines.is_full() {
        let page = session.client.events_page(&query, 0).await?;
        for event in &page.events {
            if !lines.is_full() {
                lines.print(event).await?;
            }
        }
        // A page may be empty although there are more events: its `next` is then another one.
        if page.events.is_empty() && query.after.as_ref() == Some(&page.next) {
            break;
        }
        query.after = Some(page.next);
    }
    Ok(())
}

/// Events on their way to standard output, each as soon as it is there.
struct Lines<'a> {
    session: &'a Session,
    currencies: Currencies<'a>,
    left: Option<u64>,
}

impl Lines<'_> {
    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    async fn print(&mut self, event: &Event) -> anyhow::Result<()> {
        self.left = self.left.map(|left| left - 1);
        if self.session.form == Form::Json {
            return Ok(print_json(event)?);
        }
        let what = self.what(event).await;
        let Event {
            timestamp,
            event_type,
            ..
        } = event;
        // The widest type has 21 letters; a list that goes on knows no widths of its own.
        let line = format!("{timestamp}  {event_type:<21}  {what}");
        writeln!(io::stdout().lock(), "{}", line.trim_end())?;
        Ok(())
    }

    /// What an event is about.
    async fn what(&mut self, event: &Event) -> String {
        if let Some(account) = &event.account {
            let money = Money::of(&account.currency);
            return format!(
                "{}  balance {}",
                account.id,
                money.text(account.balance.into())
            );
        }
        if let Some(payment) = &event.payment {
            let money = Money::of(&payment.currency);
            let payer = payment
                .account_id
                .as_ref()
                .map_or("world", AccountId::as_str);
            return format!(
                "{}  {payer}  {}",
                payment.id,
                money.text(payment.amount.into())
            );
        }
        if let Some(transfer) = &event.transfer {
            let money = self.currencies.of(&transfer.debit_account_id).await;
            return of_transfer(transfer, money);
        }
        if let Some(refused) = &event.refused {
            return format!("{}: {}", refused.command, refused.problem);
        }
        if let Some(batch) = &event.batch {
            return format!("{}  {} commands", batch.id, batch.commands_count);
        }
        match event.payments_count {
            Some(count) => format!("{count} payments"),
            None => event.position.clone(),
        }
    }
}

fn of_transfer(transfer: &Transfer, money: Money) -> String {
    format!(
        "{}  {} -> {}  {}",
        transfer.id,
        transfer.debit_account_id,
        transfer.credit_account_id,
        money.text(transfer.amount.into())
    )
}
