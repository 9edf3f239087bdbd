//! Events that an earlier version decided and did not keep, made up as far as later ones show them.
//!
//! Before migration 9 the database had the newest limit of an account and the newest state of a payment.
//! What led there is lost, but later events say what they were decided upon: an entry says the limit
//! after it, a settlement which attempt it was. Where that is not what the events before lead to, an
//! event is put in between, with a time right before the one that shows it. Each stands for one or more
//! that there were, so that there is room for its time.
//!
//! | what is seen | what is put before it |
//! |---|---|
//! | another limit in an entry, a closing or a refusal for want of funds | a change to that limit |
//! | a reservation that the limit does not allow | a change to the lowest limit that does |
//! | a later attempt of a payment than the one before | the attempts between |
//! | at the end: another limit, a closed account | that change, one nanosecond after the last event |

use std::collections::{BTreeMap, VecDeque};

use ledger::{
    Account, AccountId, Event, Limit, Payment, PaymentState, ProcessorName, Refusal, Timestamp,
    Totals, evolve,
};

use super::error::EventsError;

/// An account's limit and whether it is closed.
pub(super) type Standing = (Limit, bool);

/// Follows the events of a database that an earlier version has written to.
#[derive(Default)]
pub(super) struct Bridge {
    totals: Totals,
    /// How the limited accounts stand in the database.
    standings: BTreeMap<AccountId, Standing>,
    /// Made up at the end, to be given.
    last: Option<VecDeque<Event>>,
    newest: Timestamp,
    made_up_count: u64,
}

impl Bridge {
    pub(super) fn to(standings: BTreeMap<AccountId, Standing>) -> Self {
        Self {
            standings,
            ..Self::default()
        }
    }

    /// How many events were made up.
    pub(super) const fn made_up_count(&self) -> u64 {
        self.made_up_count
    }

    /// The events that belong before these, each by itself, and these.
    pub(super) fn before(
        &mut self,
        together: Vec<Event>,
    ) -> Result<VecDeque<Vec<Event>>, EventsError> {
        let Some(first) = together.first() else {
            return Ok(VecDeque::new());
        };
        let first_at = first.timestamp();
        let mut all = VecDeque::new();
        for event in &together {
            for made_up in self.missing_before(event, first_at)? {
                self.apply(&made_up)?;
                self.made_up_count += 1;
                all.push_back(vec![made_up]);
            }
            self.apply(event)?;
        }
        all.push_back(together);
        Ok(all)
    }

    /// What is left at the end, one event after the other.
    pub(super) fn at_the_end(&mut self) -> Option<Vec<Event>> {
        if self.last.is_none() {
            let mut last = VecDeque::new();
            for (id, (limit, closed)) in std::mem::take(&mut self.standings) {
                let Some(mut account) = self.totals.account(&id).copied() else {
                    continue;
                };
                if account.limit != limit {
                    account.limit = limit;
                    self.newest = self.newest.next();
                    last.push_back(limit_changed(&id, account, self.newest));
                }
                if account.closed != closed {
                    account.closed = closed;
                    self.newest = self.newest.next();
                    let timestamp = self.newest;
                    last.push_back(Event::AccountClosed {
                        id,
                        account,
                        timestamp,
                    });
                }
            }
            self.made_up_count += last.len() as u64;
            self.last = Some(last);
        }
        self.last.as_mut()?.pop_front().map(|event| vec![event])
    }

    fn apply(&mut self, event: &Event) -> Result<(), EventsError> {
        let is_open = |id: &&AccountId| self.totals.account(id).is_some();
        let can_apply = event.movements().into_iter().all(|(id, movement)| {
            let account = self.totals.account(id);
            account.is_some_and(|account| account.can_apply(movement))
        });
        if !event.accounts_needed().iter().all(is_open) || !can_apply {
            return Err(EventsError::Damaged {
                row: format!(
                    "an event at {} that its accounts cannot take",
                    event.timestamp()
                ),
            });
        }
        evolve(&mut self.totals, event);
        self.newest = self.newest.max(event.timestamp());
        Ok(())
    }

    /// What has to be between the events before and this one; it is part of a group that begins then.
    fn missing_before(
        &self,
        event: &Event,
        first_at: Timestamp,
    ) -> Result<Vec<Event>, EventsError> {
        let mut missing = Vec::new();
        for (id, limit) in self.limits_shown(event) {
            match self.totals.account(id) {
                Some(account) if account.limit != limit && account.limit != Limit::Unlimited => {
                    let account = Account { limit, ..*account };
                    missing.push(limit_changed(id, account, before(first_at, 1)));
                }
                Some(_) | None => {}
            }
        }
        if let Some(payment) = event.payment() {
            self.attempts_before(event, payment, &mut missing)?;
        }
        Ok(missing)
    }

    /// The limits that the event was decided upon, as far as it shows them.
    fn limits_shown<'a>(&self, event: &'a Event) -> Vec<(&'a AccountId, Limit)> {
        let mut shown = Vec::new();
        match event {
            Event::AccountClosed { id, account, .. } => shown.push((id, account.limit)),
            Event::Refused {
                refusal:
                    Refusal::InsufficientFunds {
                        account_id,
                        credit_limit,
                        ..
                    },
                ..
            } if event.timestamp() > Timestamp::default() => {
                shown.push((account_id, Limit::Credit(*credit_limit)));
            }
            Event::Transfer(_)
            | Event::PaymentSettled { .. }
            | Event::PaymentResolved(_)
            | Event::PaymentAccepted(_) => {
                if let Some(transfer) = event.transfer() {
                    for (id, after) in [
                        (&transfer.debit_account_id, transfer.debit),
                        (&transfer.credit_account_id, transfer.credit),
                    ] {
                        shown.extend(after.map(|after| (id, Limit::Credit(after.credit_limit))));
                    }
                }
                for (id, movement) in event.movements() {
                    if let ledger::Movement::ReserveDebit(amount) = movement {
                        shown.extend(self.limit_allowing(id, amount).map(|limit| (id, limit)));
                    }
                }
            }
            Event::AccountOpened { .. }
            | Event::LimitChanged { .. }
            | Event::PaymentSent(_)
            | Event::PaymentReleased(_)
            | Event::PaymentRefused(_)
            | Event::PaymentsPurged { .. }
            | Event::Refused { .. }
            | Event::Batch(_) => {}
        }
        shown
    }

    /// The lowest limit that allows to reserve so much, where the account's own does not.
    fn limit_allowing(&self, id: &AccountId, amount: u64) -> Option<Limit> {
        let account = self.totals.account(id)?;
        let (available, limit) = (account.available()?, account.credit_limit()?);
        let lacking = amount
            .checked_sub(available)
            .filter(|lacking| *lacking > 0)?;
        Some(Limit::Credit(limit.saturating_add(lacking)))
    }

    /// Attempts of a payment between the one known and the one that the event is about.
    fn attempts_before(
        &self,
        event: &Event,
        payment: &Payment,
        missing: &mut Vec<Event>,
    ) -> Result<(), EventsError> {
        let Some(known) = self.totals.open_payment(payment.id) else {
            return Ok(());
        };
        let is_sending = matches!(event, Event::PaymentSent(_));
        let last = payment.attempt - u32::from(is_sending);
        let (Some(count), true) = (last.checked_sub(known.attempt), last > known.attempt) else {
            return Ok(());
        };
        let state = match (&known.state, &payment.state) {
            // It stays where it is until it is released.
            (PaymentState::Sent { .. }, _) => known.state.clone(),
            (_, PaymentState::Sent { .. }) => payment.state.clone(),
            (
                _,
                PaymentState::Settled {
                    processor,
                    requested_at,
                },
            ) => PaymentState::Sent {
                processor: processor.clone(),
                requested_at: *requested_at,
            },
            (_, PaymentState::Accepted | PaymentState::Refused { .. }) => PaymentState::Sent {
                processor: match event.resolution().and_then(|it| it.processor.clone()) {
                    Some(processor) => processor,
                    None => not_kept()?,
                },
                requested_at: ledger::Millis(known.timestamp.as_nanos() / 1_000_000),
            },
        };
        // An operator who refuses a payment that waited says so.
        let waited = event.resolution().is_some_and(|it| it.processor.is_none());
        let count = count + u32::from(waited);
        for (attempt, behind) in (known.attempt + 1..=last).zip((1..=u64::from(count)).rev()) {
            missing.push(Event::PaymentSent(Payment {
                state: state.clone(),
                attempt,
                timestamp: before(payment.timestamp, behind),
                ..known.clone()
            }));
        }
        if waited {
            missing.push(Event::PaymentReleased(Payment {
                state: PaymentState::Accepted,
                attempt: last,
                timestamp: before(payment.timestamp, 1),
                ..known.clone()
            }));
        }
        Ok(())
    }
}

/// The processor of an attempt of which nothing says where it went.
const NOT_KEPT: &str = "not-kept";

fn not_kept() -> Result<ProcessorName, EventsError> {
    ProcessorName::new(NOT_KEPT).map_err(|_| EventsError::Damaged {
        row: NOT_KEPT.to_owned(),
    })
}

fn before(at: Timestamp, nanos: u64) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos().saturating_sub(nanos))
}

fn limit_changed(id: &AccountId, account: Account, timestamp: Timestamp) -> Event {
    Event::LimitChanged {
        id: id.clone(),
        account,
        timestamp,
    }
}
