//! Whether two answers are the same, timestamps apart where the clocks are two.

use std::collections::HashMap;

use ledger::{
    Account, AccountsPage, BalanceAt, Entry, Event, LimitChange, ListedTransfer, Outcome, Payment,
    PendingEnd, ProcessorSummary, Record, Refusal, Resolution, Statement, Timestamp, Transfer,
    UsedPayment, UsedTransfer,
};

/// What the engine calls the reference's timestamps.
#[derive(Debug)]
pub(super) struct Times {
    are_equal: bool,
    known: HashMap<Timestamp, Timestamp>,
}

impl Times {
    pub(super) fn new(are_equal: bool) -> Self {
        Self {
            are_equal,
            known: HashMap::new(),
        }
    }

    /// The engine's word for a timestamp of the reference, if it has been seen.
    pub(super) fn known(&self, reference: Timestamp) -> Option<Timestamp> {
        if self.are_equal {
            Some(reference)
        } else {
            self.known.get(&reference).copied()
        }
    }

    /// Whether the answers are the same; timestamps have to be equal where the clocks are one, and
    /// else to be the same as whenever this moment was told before.
    pub(super) fn are_same<T: Stamped + Clone + PartialEq>(
        &mut self,
        expected: &T,
        got: &T,
    ) -> bool {
        if self.are_equal {
            return expected == got;
        }
        let (expected, reference) = unstamped(expected);
        let (got, engine) = unstamped(got);
        expected == got
            && reference
                .into_iter()
                .zip(engine)
                .all(|(reference, engine)| *self.known.entry(reference).or_insert(engine) == engine)
    }
}

/// The answer without its timestamps, and these.
pub(super) fn unstamped<T: Stamped + Clone>(answer: &T) -> (T, Vec<Timestamp>) {
    let mut answer = answer.clone();
    let mut timestamps = Vec::new();
    answer.each_timestamp(&mut |timestamp| timestamps.push(std::mem::take(timestamp)));
    (answer, timestamps)
}

/// Something with timestamps.
pub(super) trait Stamped {
    /// Hands over each timestamp, always in the same order.
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp));
}

impl<T: Stamped> Stamped for Option<T> {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        if let Some(item) = self {
            item.each_timestamp(f);
        }
    }
}

impl<T: Stamped> Stamped for Vec<T> {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        for item in self {
            item.each_timestamp(f);
        }
    }
}

impl Stamped for Account {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.timestamp);
    }
}

impl Stamped for Transfer {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.timestamp);
    }
}

impl Stamped for Entry {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.timestamp);
    }
}

impl Stamped for Payment {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.accepted_at);
        f(&mut self.timestamp);
    }
}

impl Stamped for LimitChange {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.timestamp);
    }
}

impl Stamped for Outcome {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        match &mut self.result {
            Ok(Record::Account { account, .. }) => account.each_timestamp(f),
            Ok(Record::Transfer(transfer)) => transfer.each_timestamp(f),
            Ok(Record::Payment(payment)) => payment.each_timestamp(f),
            Ok(Record::Purge { timestamp, .. }) => f(timestamp),
            Err(Refusal::PaymentsInOtherState { accepted_at }) => f(accepted_at),
            Err(_) => {}
        }
    }
}

impl Stamped for Event {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        match self {
            Self::Transfer(transfer) => transfer.each_timestamp(f),
            Self::AccountOpened { account, .. } => account.each_timestamp(f),
            Self::LimitChanged {
                account, timestamp, ..
            }
            | Self::AccountClosed {
                account, timestamp, ..
            }
            | Self::FreezeChanged {
                account, timestamp, ..
            } => {
                account.each_timestamp(f);
                f(timestamp);
            }
            Self::PaymentAccepted(payment)
            | Self::PaymentSent(payment)
            | Self::PaymentReleased(payment)
            | Self::PaymentRefused(payment) => payment.each_timestamp(f),
            Self::PaymentSettled { payment, transfer } => {
                payment.each_timestamp(f);
                transfer.each_timestamp(f);
            }
            Self::PaymentsPurged { timestamp, .. } | Self::Refused { timestamp, .. } => {
                f(timestamp);
            }
            Self::Batch(batch) => {
                if let Some(failure) = &mut batch.failure {
                    failure.outcome.each_timestamp(f);
                }
                f(&mut batch.timestamp);
            }
            Self::PaymentResolved(resolved) => {
                resolved.payment.each_timestamp(f);
                resolved.transfer.each_timestamp(f);
                resolved.resolution.each_timestamp(f);
            }
        }
    }
}

impl Stamped for Statement {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        self.account.each_timestamp(f);
        self.entries.each_timestamp(f);
    }
}

impl Stamped for AccountsPage {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        for (_, account) in &mut self.accounts {
            account.each_timestamp(f);
        }
    }
}

impl Stamped for UsedTransfer {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        if let Self::Created(transfer, _) = self {
            transfer.each_timestamp(f);
        }
    }
}

impl Stamped for ListedTransfer {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        self.transfer.each_timestamp(f);
        self.end.each_timestamp(f);
    }
}

impl Stamped for PendingEnd {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.at);
    }
}

impl Stamped for UsedPayment {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        if let Self::Accepted(payment) = self {
            payment.each_timestamp(f);
        }
    }
}

impl Stamped for Resolution {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(&mut self.timestamp);
    }
}

impl Stamped for Timestamp {
    fn each_timestamp(&mut self, f: &mut dyn FnMut(&mut Timestamp)) {
        f(self);
    }
}

impl Stamped for BalanceAt {
    fn each_timestamp(&mut self, _: &mut dyn FnMut(&mut Timestamp)) {}
}

impl Stamped for ProcessorSummary {
    fn each_timestamp(&mut self, _: &mut dyn FnMut(&mut Timestamp)) {}
}
