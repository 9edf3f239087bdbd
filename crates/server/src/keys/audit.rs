//! What the holders of keys do with the scope `operate`: a line of the log for each act, with who, what,
//! and how it was before and after.

use std::fmt::Write as _;
use std::sync::Arc;

use events::Steering;
use ledger::{Batch, By, Command, Frozen, Outcome, Record, Unavailable};

use super::commands::scope_of;
use super::key::Key;
use super::ring::Caller;
use super::scope::Scope;

/// The target of these lines: `LASTRO_LOG=warn,audit=info` keeps them.
const TARGET: &str = "audit";

/// The acts of one call, until their outcomes are known.
pub(crate) struct Audit {
    key: Arc<Key>,
    /// Each with its place among the commands of the call.
    acts: Vec<(usize, Act)>,
}

/// The same for an endpoint of webhooks that was steered; `code` is what came of it.
pub(crate) fn report_steering(caller: &Caller, endpoint: &str, steering: Steering, code: &str) {
    let Caller::Key(key) = caller else {
        return;
    };
    let (who, tenant) = (&key.record.name, &key.record.tenant);
    let command = format!("{}_webhook", steering.as_str());
    let asked = match steering {
        Steering::Replay(place) => format!("everything behind {place}"),
        Steering::Retry | Steering::Enable | Steering::Disable => steering.as_str().to_owned(),
    };
    tracing::info!(
        target: TARGET,
        who, tenant, command, target = endpoint, asked, code,
        "key {who}: {command} of {endpoint:?}, asked for {asked}: {code}"
    );
}

/// What was asked for.
struct Act {
    command: &'static str,
    target: String,
    before: String,
    asked: String,
}

impl Audit {
    /// The acts among the commands; nearly always there are none.
    pub(crate) fn of(caller: &Caller, batches: &[Batch]) -> Option<Self> {
        let Caller::Key(key) = caller else {
            return None;
        };
        let commands = batches.iter().flat_map(Batch::commands).enumerate();
        let acts: Vec<_> = commands
            .filter(|(_, command)| scope_of(command) == Scope::Operate)
            .map(|(index, command)| (index, Act::of(command)))
            .collect();
        (!acts.is_empty()).then(|| Self {
            key: Arc::clone(key),
            acts,
        })
    }

    /// Writes a line for each; `outcomes` are those of all the commands.
    pub(crate) fn report<'a>(self, outcomes: impl Iterator<Item = &'a Outcome>) {
        let outcomes: Vec<&Outcome> = outcomes.collect();
        for (index, act) in &self.acts {
            // An engine that left one out is reported where that is noticed.
            let Some(outcome) = outcomes.get(*index) else {
                continue;
            };
            let after = match &outcome.result {
                Ok(record) => after(record),
                Err(_) => "as before".to_owned(),
            };
            self.line(act, outcome.code(), &after);
        }
    }

    /// The same where there was no answer.
    pub(crate) fn report_unavailable(self, why: Unavailable) {
        let after = match why.nothing_done() {
            true => "as before",
            false => "unknown",
        };
        for (_, act) in &self.acts {
            self.line(act, why.code(), after);
        }
    }

    fn line(&self, act: &Act, code: &str, after: &str) {
        let (who, tenant) = (&self.key.record.name, &self.key.record.tenant);
        let Act {
            command,
            target,
            before,
            asked,
        } = act;
        tracing::info!(
            target: TARGET,
            who, tenant, command, target, before, asked, after, code,
            "key {who}: {command} of {target}, asked for {asked}: {code}; before: {before}; after: {after}"
        );
    }
}

/// What was asked for, with what the caller said of who decides it and why.
fn with_by(mut asked: String, by: Option<&By>) -> String {
    if let Some(By { who, why }) = by {
        for (name, note) in [("for", who), ("because", why)] {
            if let Some(note) = note {
                // A text grows: writing to it cannot fail.
                let _ = write!(asked, ", {name} {:?}", note.as_str());
            }
        }
    }
    asked
}

impl Act {
    fn of(command: &Command) -> Self {
        let (target, before, asked) = match command {
            Command::OpenAccount(open) => (
                open.id.as_str().to_owned(),
                "not there".to_owned(),
                format!("credit limit {}", open.credit_limit),
            ),
            Command::ChangeLimit {
                account_id,
                credit_limit,
                expected_credit_limit,
                by,
            } => (
                account_id.as_str().to_owned(),
                expected_credit_limit
                    .map_or_else(not_named, |limit| format!("credit limit {limit}")),
                with_by(format!("credit limit {credit_limit}"), by.as_deref()),
            ),
            Command::CloseAccount {
                account_id,
                expected_entry_count,
                by,
            } => (
                account_id.as_str().to_owned(),
                expected_entry_count
                    .map_or_else(not_named, |count| format!("open, {count} entries")),
                with_by("closing".to_owned(), by.as_deref()),
            ),
            Command::ChangeFreeze {
                account_id,
                frozen,
                expected_frozen,
                by,
            } => (
                account_id.as_str().to_owned(),
                expected_frozen.map_or_else(not_named, |expected| {
                    format!("frozen: {}", expected.as_str())
                }),
                with_by(format!("frozen: {}", frozen.as_str()), by.as_deref()),
            ),
            Command::PurgePayments {
                expected_accepted_at,
            } => (
                "all waiting payments".to_owned(),
                expected_accepted_at.map_or_else(not_named, |at| {
                    format!("newest accepted at {} ns", at.as_nanos())
                }),
                "giving them up".to_owned(),
            ),
            Command::ResolvePayment(resolve) => {
                let mut asked = resolve.kind.as_str().to_owned();
                // A text grows: writing to it cannot fail.
                let _ = write!(asked, " by {} because {}", resolve.who, resolve.why);
                (
                    format!("payment {}", resolve.id),
                    expected(&resolve.expected),
                    asked,
                )
            }
            Command::SendPayment {
                id, expected: at, ..
            }
            | Command::SettlePayment {
                id, expected: at, ..
            }
            | Command::ReleasePayment { id, expected: at }
            | Command::RefusePayment {
                id, expected: at, ..
            } => (
                format!("payment {id}"),
                expected(at),
                command.name().to_owned(),
            ),
            Command::Transfer(_)
            | Command::Pend { .. }
            | Command::Post { .. }
            | Command::PostPart { .. }
            | Command::Void { .. }
            | Command::Expire { .. }
            | Command::Reverse(_)
            | Command::AcceptPayment(_) => (
                command.name().to_owned(),
                not_named(),
                command.name().to_owned(),
            ),
        };
        Self {
            command: command.name(),
            target,
            before,
            asked,
        }
    }
}

/// The command did not say upon which state it may be decided.
fn not_named() -> String {
    "not named".to_owned()
}

fn expected(expected: &ledger::PaymentExpected) -> String {
    format!("{}, attempt {}", expected.state.as_str(), expected.attempt)
}

fn after(record: &Record) -> String {
    match record {
        Record::Account { account, .. } => {
            let limit = account.credit_limit().map_or_else(
                || "without a limit".to_owned(),
                |limit| format!("credit limit {limit}"),
            );
            let state = if account.closed { "closed" } else { "open" };
            let frozen = match account.frozen {
                Frozen::None => String::new(),
                frozen @ (Frozen::Debits | Frozen::Credits | Frozen::Both) => {
                    format!(", frozen: {}", frozen.as_str())
                }
            };
            format!("{state}, {limit}, {} entries{frozen}", account.entry_count)
        }
        Record::Payment(payment) => {
            format!(
                "{}, attempt {}",
                payment.state.name().as_str(),
                payment.attempt
            )
        }
        Record::Purge { payments_count, .. } => format!("{payments_count} given up"),
        Record::Transfer(transfer) => format!("transfer {}", transfer.id),
    }
}
