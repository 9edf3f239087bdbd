//! Whether two ledgers have the same events in the same order, and the same accounts.

use engine_postgres::Events;
use ledger::{Account, AccountId, Event, Limit, Totals, evolve};

use super::events_of_journal::EventsOfJournal;
use super::shown::Shown;

/// How many differences are kept; the others are counted.
const DIFFERENCES_MAX: usize = 20;

/// What was found.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) events_count: u64,
    pub(super) accounts_count: u64,
    pub(super) differences_count: u64,
    pub(super) differences: Vec<String>,
    /// Accounts of the place in hand so far.
    compared_count: u64,
    totals: Totals,
}

impl Compared {
    /// Compares event by event, up to the first that differs: behind it nothing stands at its place.
    pub(super) async fn events(
        mut database: Events,
        mut journal: EventsOfJournal,
        shown: &Shown,
    ) -> anyhow::Result<Self> {
        let mut compared = Self::default();
        let mut of_journal = Vec::new().into_iter();
        loop {
            let left: Option<Event> = match of_journal.next() {
                Some(event) => Some(event),
                None => match journal.next_frame().await? {
                    Some(frame) => {
                        of_journal = frame.into_iter();
                        continue;
                    }
                    None => None,
                },
            };
            let right = database.next_event()?;
            match (left, right) {
                (Some(left), Some(right)) if left == right => {
                    // Both sides have applied it: it follows from those before it.
                    evolve(&mut compared.totals, &left);
                    compared.events_count += 1;
                    if compared.events_count.is_multiple_of(1_024) {
                        shown.reach(compared.events_count);
                    }
                }
                (None, None) => return Ok(compared),
                (left, right) => {
                    let [left, right] = [left, right].map(described);
                    let number = compared.events_count + 1;
                    compared.differ(format!(
                        "event {number}: the folder has {left}, the database {right}"
                    ));
                    return Ok(compared);
                }
            }
        }
    }

    /// Compares an account of one of the two with what the events lead to.
    pub(super) fn account(&mut self, place: &str, id: &AccountId, account: &Account) {
        if !is_compared(account) {
            return;
        }
        self.compared_count += 1;
        let expected = self.totals.account(id);
        if expected == Some(account) {
            return;
        }
        let expected = expected.copied();
        self.differ(format!(
            "account {id}: {place} has {account:?}, the events lead to {expected:?}"
        ));
    }

    /// All accounts of one of the two were compared.
    pub(super) fn all_accounts(&mut self, place: &str) {
        let accounts = self.totals.accounts();
        let expected = accounts.filter(|(_, account)| is_compared(account)).count() as u64;
        self.accounts_count = expected;
        let count = std::mem::take(&mut self.compared_count);
        if count != expected {
            self.differ(format!(
                "{place} has {count} accounts, the events lead to {expected}"
            ));
        }
    }

    pub(super) const fn is_equal(&self) -> bool {
        self.differences_count == 0
    }

    fn differ(&mut self, what: String) {
        self.differences_count += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(what);
        }
    }
}

/// A system account that no money has gone through says nothing.
fn is_compared(account: &Account) -> bool {
    account.limit != Limit::Unlimited
        || account.debits_posted | account.credits_posted != 0
        || account.debits_pending | account.credits_pending != 0
}

/// An event by its id and time.
fn described(event: Option<Event>) -> String {
    let Some(event) = event else {
        return "no more events".to_owned();
    };
    let at = event.timestamp();
    let what = match &event {
        Event::Transfer(transfer) => {
            format!("the {} of transfer {}", transfer.kind.as_str(), transfer.id)
        }
        Event::AccountOpened { id, .. } => format!("the opening of account {id}"),
        Event::LimitChanged { id, .. } => format!("a change of the limit of account {id}"),
        Event::AccountClosed { id, .. } => format!("the closing of account {id}"),
        Event::FreezeChanged { id, .. } => format!("a change of what account {id} has frozen"),
        Event::PaymentAccepted(payment)
        | Event::PaymentSent(payment)
        | Event::PaymentReleased(payment)
        | Event::PaymentRefused(payment) => {
            format!(
                "payment {} as {}",
                payment.id,
                payment.state.name().as_str()
            )
        }
        Event::PaymentSettled { payment, .. } => {
            format!("the settlement of payment {}", payment.id)
        }
        Event::PaymentsPurged { .. } => "a purge of payments".to_owned(),
        Event::Refused { command, .. } => format!("a refusal of {command:?}"),
        Event::Batch(batch) => format!("batch {}", batch.id),
        Event::PaymentResolved(resolved) => {
            format!("a resolution of payment {}", resolved.payment.id)
        }
    };
    format!("{what} at {at}")
}
