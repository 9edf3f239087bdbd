//! The lists of transfers and of payments: which there are, what an event adds to them, and how they are read.
//!
//! A list is in the order of time, and of ids where several have one time. What is in a list stays there, in its place: a
//! walk from page to page leaves out nothing that was there when it began, and shows nothing twice.

use crate::by::By;
use crate::event::Event;
use crate::id::{AccountId, ProcessorName};
use crate::notes::Reference;
use crate::payment::{Payment, PaymentState, RefusedCode};
use crate::time::Timestamp;
use crate::transfer::{PendingEnd, Standing, Transfer, TransferKind};

/// The most transfers or payments of a page of a list.
pub const LIST_PAGE_MAX: usize = 1_000;

/// A list of transfers, by the time at which each was decided. Expiries are in none: they are the end of a transfer that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferList {
    /// All that debit or credit this account, or reserve or release money of it.
    Of(AccountId),
    /// All with this reference.
    With(Reference),
}

/// A list of payments, by the time at which each was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentList {
    /// All that were accepted.
    All,
    /// Those that this account pays.
    Of(AccountId),
    /// Those with this reference.
    With(Reference),
    /// Those that this processor settled.
    SettledBy(ProcessorName),
    /// Those that all processors or an operator refused; not those that a purge ended.
    Refused,
}

/// Which of two comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// The newer.
    Descending,
    /// The older.
    Ascending,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPlace {
    /// The time by which the list is in order.
    pub at: Timestamp,
    /// The transfer's or the payment's id.
    pub id: u128,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPage {
    /// Which comes first.
    pub order: ListOrder,
    /// Only what comes behind this place in that order; from the first on when `None`. There need be nothing at it.
    pub after: Option<ListPlace>,
    /// Nothing that comes behind this time in that order; up to the last when `None`.
    pub until: Option<Timestamp>,
    /// How many at most; engines give no more than [`LIST_PAGE_MAX`].
    pub limit: usize,
}

/// A transfer of a list, and what came after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTransfer {
    /// The transfer as it was decided.
    pub transfer: Transfer,
    /// How it stands.
    pub standing: Standing,
    /// How it ended, if it is a pending one that has; `None` also where its ledger did not keep when.
    pub end: Option<PendingEnd>,
}

/// A credit limit that an account was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    /// The limit from then on, in minor units.
    pub credit_limit: u64,
    /// Who decided, and why; `None` where that is not known, and where the account was opened with it.
    pub by: Option<Box<By>>,
    /// When.
    pub timestamp: Timestamp,
}

/// A list by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListName<'a> {
    /// See [`TransferList::Of`].
    TransfersOf(&'a AccountId),
    /// See [`TransferList::With`].
    TransfersWith(&'a Reference),
    /// See [`PaymentList::All`].
    Payments,
    /// See [`PaymentList::Of`].
    PaymentsOf(&'a AccountId),
    /// See [`PaymentList::With`].
    PaymentsWith(&'a Reference),
    /// See [`PaymentList::SettledBy`].
    PaymentsSettledBy(&'a ProcessorName),
    /// See [`PaymentList::Refused`].
    PaymentsRefused,
    /// The changes of an account's credit limit, without the one that it was opened with.
    LimitsOf(&'a AccountId),
}

impl ListName<'_> {
    /// The name as engines keep it: what kind of list it is, and of what; no two lists have the same.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::TransfersOf(account_id) => ("transfers of", account_id.as_str()),
            Self::TransfersWith(reference) => ("transfers with", reference.as_str()),
            Self::Payments => ("payments", ""),
            Self::PaymentsOf(account_id) => ("payments of", account_id.as_str()),
            Self::PaymentsWith(reference) => ("payments with", reference.as_str()),
            Self::PaymentsSettledBy(processor) => ("payments settled by", processor.as_str()),
            Self::PaymentsRefused => ("payments refused", ""),
            Self::LimitsOf(account_id) => ("limits of", account_id.as_str()),
        }
    }
}

impl TransferList {
    /// The list's name.
    #[must_use]
    pub const fn name(&self) -> ListName<'_> {
        match self {
            Self::Of(account_id) => ListName::TransfersOf(account_id),
            Self::With(reference) => ListName::TransfersWith(reference),
        }
    }

    /// Whether the transfer is in the list.
    #[must_use]
    pub fn has(&self, transfer: &Transfer) -> bool {
        transfer.is_listed()
            && match self {
                Self::Of(account_id) => {
                    *account_id == transfer.debit_account_id
                        || *account_id == transfer.credit_account_id
                }
                Self::With(reference) => transfer.notes.reference() == Some(reference),
            }
    }
}

impl PaymentList {
    /// The list's name.
    #[must_use]
    pub const fn name(&self) -> ListName<'_> {
        match self {
            Self::All => ListName::Payments,
            Self::Of(account_id) => ListName::PaymentsOf(account_id),
            Self::With(reference) => ListName::PaymentsWith(reference),
            Self::SettledBy(processor) => ListName::PaymentsSettledBy(processor),
            Self::Refused => ListName::PaymentsRefused,
        }
    }

    /// Whether the payment, as it stands, is in the list.
    #[must_use]
    pub fn has(&self, payment: &Payment) -> bool {
        match (self, &payment.state) {
            (Self::All, _) => true,
            (Self::Of(account_id), _) => payment.account_id.as_ref() == Some(account_id),
            (Self::With(reference), _) => payment.notes.reference() == Some(reference),
            (Self::SettledBy(wanted), PaymentState::Settled { processor, .. }) => {
                wanted == processor
            }
            (Self::Refused, PaymentState::Refused { code }) => *code != RefusedCode::Purged,
            (
                Self::SettledBy(_) | Self::Refused,
                PaymentState::Accepted
                | PaymentState::Sent { .. }
                | PaymentState::Settled { .. }
                | PaymentState::Refused { .. },
            ) => false,
        }
    }
}

impl LimitChange {
    /// What an event set an account's limit to, if it did.
    #[must_use]
    pub fn of(event: &Event) -> Option<(&AccountId, Self)> {
        let (id, account, by) = match event {
            Event::AccountOpened { id, account } => (id, account, None),
            Event::LimitChanged {
                id, account, by, ..
            } => (id, account, by.clone()),
            Event::Transfer(_)
            | Event::AccountClosed { .. }
            | Event::FreezeChanged { .. }
            | Event::PaymentAccepted(_)
            | Event::PaymentSent(_)
            | Event::PaymentReleased(_)
            | Event::PaymentSettled { .. }
            | Event::PaymentRefused(_)
            | Event::PaymentResolved(_)
            | Event::PaymentsPurged { .. }
            | Event::Refused { .. }
            | Event::Batch(_) => return None,
        };
        let change = Self {
            credit_limit: account.credit_limit()?,
            by,
            timestamp: event.timestamp(),
        };
        Some((id, change))
    }
}

impl ListPlace {
    /// The place of a change of an account's limit: an account has no two at one time.
    #[must_use]
    pub const fn of_limit(change: &LimitChange) -> Self {
        Self {
            at: change.timestamp,
            id: 0,
        }
    }

    /// The place of a transfer.
    #[must_use]
    pub const fn of_transfer(transfer: &Transfer) -> Self {
        Self {
            at: transfer.timestamp,
            id: transfer.id.to_u128(),
        }
    }

    /// The place of a payment.
    #[must_use]
    pub const fn of_payment(payment: &Payment) -> Self {
        Self {
            at: payment.accepted_at,
            id: payment.id.to_u128(),
        }
    }
}

impl ListPage {
    /// The first page of a whole list.
    #[must_use]
    pub const fn first(order: ListOrder, limit: usize) -> Self {
        Self {
            order,
            after: None,
            until: None,
            limit,
        }
    }

    /// How many it has at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.min(LIST_PAGE_MAX)
    }

    /// Whether what is at this place belongs to what is left of the list, wherever the page ends.
    #[must_use]
    pub fn asks_for(&self, place: ListPlace) -> bool {
        let is_behind = |after| match self.order {
            ListOrder::Descending => place < after,
            ListOrder::Ascending => place > after,
        };
        let is_until = |until| match self.order {
            ListOrder::Descending => place.at >= until,
            ListOrder::Ascending => place.at <= until,
        };
        self.after.is_none_or(is_behind) && self.until.is_none_or(is_until)
    }

    /// From the oldest place to the newest that it may have, both included; `None` if there is no place between.
    #[must_use]
    pub fn bounds(&self) -> Option<(ListPlace, ListPlace)> {
        let (mut oldest, mut newest) = (FIRST, LAST);
        match self.order {
            ListOrder::Descending => {
                if let Some(after) = self.after {
                    newest = before(after)?;
                }
                if let Some(until) = self.until {
                    oldest.at = until;
                }
            }
            ListOrder::Ascending => {
                if let Some(after) = self.after {
                    oldest = behind(after)?;
                }
                if let Some(until) = self.until {
                    newest.at = until;
                }
            }
        }
        (oldest <= newest).then_some((oldest, newest))
    }

    /// The page of these, which are in any order: those that it asks for, in its own.
    pub fn of<T>(&self, mut all: Vec<T>, place: impl Fn(&T) -> ListPlace) -> Vec<T> {
        all.retain(|one| self.asks_for(place(one)));
        all.sort_by_key(&place);
        if self.order == ListOrder::Descending {
            all.reverse();
        }
        all.truncate(self.limit());
        all
    }
}

const FIRST: ListPlace = ListPlace {
    at: Timestamp::from_nanos(0),
    id: 0,
};
const LAST: ListPlace = ListPlace {
    at: Timestamp::from_nanos(u64::MAX),
    id: u128::MAX,
};

/// The place right before this one; `None` of the first there is.
fn before(place: ListPlace) -> Option<ListPlace> {
    Some(match place.id.checked_sub(1) {
        Some(id) => ListPlace { id, ..place },
        None => ListPlace {
            at: Timestamp::from_nanos(place.at.as_nanos().checked_sub(1)?),
            id: u128::MAX,
        },
    })
}

/// The place right behind this one; `None` of the last there is.
fn behind(place: ListPlace) -> Option<ListPlace> {
    Some(match place.id.checked_add(1) {
        Some(id) => ListPlace { id, ..place },
        None => ListPlace {
            at: Timestamp::from_nanos(place.at.as_nanos().checked_add(1)?),
            id: 0,
        },
    })
}

impl Transfer {
    /// Whether lists have it: an expiry has the id of the transfer that it ends, which they have already.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        match self.kind {
            TransferKind::Expire => false,
            TransferKind::Transfer
            | TransferKind::Pend { .. }
            | TransferKind::Post { .. }
            | TransferKind::PostPart { .. }
            | TransferKind::Void { .. }
            | TransferKind::Settle { .. }
            | TransferKind::Reverse { .. } => true,
        }
    }

    /// Hands over each list that has the transfer; but not that of a limited account in whose statement it made an
    /// entry: what the statement leads to is in the list without being kept a second time.
    pub fn lists<'a>(&'a self, mut list: impl FnMut(ListName<'a>)) {
        if !self.is_listed() {
            return;
        }
        if self.debit.is_none() {
            list(ListName::TransfersOf(&self.debit_account_id));
        }
        if self.credit.is_none() {
            list(ListName::TransfersOf(&self.credit_account_id));
        }
        if let Some(reference) = self.notes.reference() {
            list(ListName::TransfersWith(reference));
        }
    }
}

impl Payment {
    /// Hands over each list that has the payment as it stands.
    pub fn lists<'a>(&'a self, mut list: impl FnMut(ListName<'a>)) {
        self.lists_of_accepted(&mut list);
        if let Some(name) = self.list_of_ended() {
            list(name);
        }
    }

    /// Those that have it from its acceptance on.
    fn lists_of_accepted<'a>(&'a self, mut list: impl FnMut(ListName<'a>)) {
        list(ListName::Payments);
        if let Some(account_id) = &self.account_id {
            list(ListName::PaymentsOf(account_id));
        }
        if let Some(reference) = self.notes.reference() {
            list(ListName::PaymentsWith(reference));
        }
    }

    /// The one that has it from its end on.
    fn list_of_ended(&self) -> Option<ListName<'_>> {
        match &self.state {
            PaymentState::Settled { processor, .. } => Some(ListName::PaymentsSettledBy(processor)),
            PaymentState::Refused { code } if *code != RefusedCode::Purged => {
                Some(ListName::PaymentsRefused)
            }
            PaymentState::Accepted | PaymentState::Sent { .. } | PaymentState::Refused { .. } => {
                None
            }
        }
    }
}

impl Event {
    /// Hands over each list that it adds its transfer or its payment to, and the place there; but see
    /// [`Transfer::lists`].
    pub fn lists<'a>(&'a self, mut list: impl FnMut(ListName<'a>, ListPlace)) {
        if let Some(transfer) = self.transfer() {
            let place = ListPlace::of_transfer(transfer);
            transfer.lists(|name| list(name, place));
        }
        let Some(payment) = self.payment() else {
            return;
        };
        let place = ListPlace::of_payment(payment);
        if let Self::PaymentAccepted(_) = self {
            payment.lists_of_accepted(|name| list(name, place));
        } else if let Some(name) = payment.list_of_ended() {
            list(name, place);
        }
    }

    /// The list of changes of limits that it adds to, and the place there: not an account's opening, which has no place
    /// in a list.
    #[must_use]
    pub const fn limit_list(&self) -> Option<(ListName<'_>, ListPlace)> {
        if let Self::LimitChanged { id, timestamp, .. } = self {
            let place = ListPlace {
                at: *timestamp,
                id: 0,
            };
            Some((ListName::LimitsOf(id), place))
        } else {
            None
        }
    }

    /// The place that it has in the lists of this name that it adds to; `None` if it adds nothing to it.
    #[must_use]
    pub fn place_in(&self, wanted: ListName<'_>) -> Option<ListPlace> {
        let mut found = None;
        self.lists(|name, place| {
            if name == wanted {
                found = Some(place);
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn place(at: u64, id: u128) -> ListPlace {
        ListPlace {
            at: Timestamp::from_nanos(at),
            id,
        }
    }

    #[test]
    fn a_page_asks_for_what_is_between_its_bounds() {
        let orders = [ListOrder::Descending, ListOrder::Ascending];
        let places: Vec<_> = [0, 1, 2, 3, u64::MAX]
            .into_iter()
            .flat_map(|at| [0, 1, 7, u128::MAX].map(|id| place(at, id)))
            .collect();
        for order in orders {
            for after in places.iter().copied().map(Some).chain([None]) {
                for until in [None, Some(0), Some(1), Some(2), Some(u64::MAX)] {
                    let page = ListPage {
                        order,
                        after,
                        until: until.map(Timestamp::from_nanos),
                        limit: 100,
                    };
                    let bounds = page.bounds();
                    for place in &places {
                        let is_between = bounds
                            .is_some_and(|(oldest, newest)| oldest <= *place && *place <= newest);
                        assert_eq!(page.asks_for(*place), is_between, "{page:?} {place:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_page_is_in_its_order_and_no_longer_than_its_limit() {
        let all = vec![place(2, 1), place(1, 9), place(3, 0), place(2, 0)];
        let page = |order, limit| ListPage::first(order, limit).of(all.clone(), |place| *place);
        assert_eq!(page(ListOrder::Descending, 2), [place(3, 0), place(2, 1)]);
        assert_eq!(
            page(ListOrder::Ascending, 3),
            [place(1, 9), place(2, 0), place(2, 1)]
        );
        assert_eq!(page(ListOrder::Ascending, 0), []);
        let many = (0..2_000).map(|at| place(at, 0)).collect::<Vec<_>>();
        let page = ListPage::first(ListOrder::Ascending, usize::MAX);
        assert_eq!(page.of(many, |place| *place).len(), LIST_PAGE_MAX);
    }
}
