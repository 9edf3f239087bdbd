//! The types of events, as they are called.

use ledger::{Event, Frozen, TransferKind};

macro_rules! kinds {
    ($($kind:ident = $name:literal;)+) => {
        /// The type of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum EventKind {
            $($kind,)+
        }

        impl EventKind {
            pub(super) const ALL: &'static [Self] = &[$(Self::$kind),+];

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    AccountOpened = "account.opened";
    LimitChanged = "account.limit_changed";
    AccountClosed = "account.closed";
    AccountFrozen = "account.frozen";
    AccountUnfrozen = "account.unfrozen";
    TransferPosted = "transfer.posted";
    TransferPending = "transfer.pending";
    TransferVoided = "transfer.voided";
    TransferExpired = "transfer.expired";
    TransferReversed = "transfer.reversed";
    PaymentAccepted = "payment.accepted";
    PaymentSent = "payment.sent";
    PaymentSettled = "payment.settled";
    PaymentReleased = "payment.released";
    PaymentRefused = "payment.refused";
    PaymentResolved = "payment.resolved";
    PaymentsPurged = "payments.purged";
    CommandRefused = "command.refused";
    BatchApplied = "batch.applied";
    BatchFailed = "batch.failed";
}

impl EventKind {
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::AccountOpened { .. } => Self::AccountOpened,
            Event::LimitChanged { .. } => Self::LimitChanged,
            Event::AccountClosed { .. } => Self::AccountClosed,
            Event::FreezeChanged { account, .. } => match account.frozen {
                Frozen::None => Self::AccountUnfrozen,
                Frozen::Debits | Frozen::Credits | Frozen::Both => Self::AccountFrozen,
            },
            Event::Transfer(transfer) => match transfer.kind {
                TransferKind::Transfer
                | TransferKind::Post { .. }
                | TransferKind::PostPart { .. } => Self::TransferPosted,
                TransferKind::Pend { .. } => Self::TransferPending,
                TransferKind::Void { .. } => Self::TransferVoided,
                TransferKind::Expire => Self::TransferExpired,
                TransferKind::Settle { .. } => Self::PaymentSettled,
                TransferKind::Reverse { .. } => Self::TransferReversed,
            },
            Event::PaymentAccepted(_) => Self::PaymentAccepted,
            Event::PaymentSent(_) => Self::PaymentSent,
            Event::PaymentSettled { .. } => Self::PaymentSettled,
            Event::PaymentReleased(_) => Self::PaymentReleased,
            Event::PaymentRefused(_) => Self::PaymentRefused,
            Event::PaymentResolved(_) => Self::PaymentResolved,
            Event::PaymentsPurged { .. } => Self::PaymentsPurged,
            Event::Refused { .. } => Self::CommandRefused,
            Event::Batch(batch) => match batch.failure {
                None => Self::BatchApplied,
                Some(_) => Self::BatchFailed,
            },
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// Some of the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventKinds(u32);

impl EventKinds {
    pub(super) const ALL: Self = Self(u32::MAX);

    /// The types of a list with commas; or its first name that is not a type.
    pub(super) fn listed(list: &str) -> Result<Self, &str> {
        Self::named(list.split(','))
    }

    /// The types of these names; or the first that is not one of a type.
    pub(super) fn named<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut kinds = 0;
        for name in names {
            kinds |= 1 << EventKind::named(name).ok_or(name)? as u32;
        }
        Ok(Self(kinds))
    }

    pub(super) const fn has(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_their_types_and_no_other() {
        let listed = EventKinds::listed("payment.sent,batch.failed,payment.sent").unwrap();
        for kind in EventKind::ALL {
            let is_named = ["payment.sent", "batch.failed"].contains(&kind.name());
            assert_eq!(listed.has(*kind), is_named, "{}", kind.name());
            assert!(EventKinds::ALL.has(*kind));
        }
        for (list, bad) in [
            ("", ""),
            ("payment.sent,", ""),
            ("a", "a"),
            ("Payment.sent", "Payment.sent"),
        ] {
            assert_eq!(EventKinds::listed(list), Err(bad));
        }
    }
}
