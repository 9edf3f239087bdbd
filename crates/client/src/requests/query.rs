//! What lists are asked for.
//!
//! `limit` is how many a page has at most; without it the server decides. Whole lists are walked page by page, without
//! skipping or repeating what was there when the walk began.

use crate::account_id::AccountId;
use crate::call::Query;
use crate::words::{DeliveryState, ListOrder, PaymentState, PendingState, TransferKind};

/// Which accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountsQuery {
    /// Only accounts whose ids begin with this text.
    pub prefix: Option<String>,
    /// Only accounts of this currency.
    pub currency: Option<String>,
    /// Only closed accounts, or only those that are not.
    pub closed: Option<bool>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl AccountsQuery {
    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        Query::new()
            .with("prefix", self.prefix.as_ref())
            .with("currency", self.currency.as_ref())
            .with("closed", self.closed.as_ref())
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which of an account's credit limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsQuery {
    /// Whose.
    pub account_id: AccountId,
    /// Only limits that were given at or after this time (RFC 3339).
    pub from: Option<String>,
    /// Only limits that were given before this time.
    pub to: Option<String>,
    /// The newest first without it.
    pub order: Option<ListOrder>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl LimitsQuery {
    /// All limits of an account, the newest first.
    #[must_use]
    pub fn of(account_id: &AccountId) -> Self {
        Self {
            account_id: account_id.clone(),
            from: None,
            to: None,
            order: None,
            limit: None,
        }
    }

    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        Query::new()
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("order", self.order.as_ref())
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which balances, and of which moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BalancesQuery {
    /// A time (RFC 3339), or a date: then the end of that day. The newest moment without it.
    pub at: Option<String>,
    /// The time zone of a date, by its name in the tz database; UTC without it.
    pub tz: Option<String>,
    /// Only accounts whose ids begin with this text.
    pub prefix: Option<String>,
    /// Only accounts of this currency.
    pub currency: Option<String>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl BalancesQuery {
    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        Query::new()
            .with("at", self.at.as_ref())
            .with("tz", self.tz.as_ref())
            .with("prefix", self.prefix.as_ref())
            .with("currency", self.currency.as_ref())
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which entries of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementQuery {
    /// The account.
    pub account_id: AccountId,
    /// Only entries at or after this time (RFC 3339).
    pub from: Option<String>,
    /// Only entries before this time.
    pub to: Option<String>,
    /// The newest first without it.
    pub order: Option<ListOrder>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl StatementQuery {
    /// All entries of an account, the newest first.
    #[must_use]
    pub fn new(account_id: &AccountId) -> Self {
        Self {
            account_id: account_id.clone(),
            from: None,
            to: None,
            order: None,
            limit: None,
        }
    }

    pub(crate) fn window(&self) -> Query {
        Query::new()
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("order", self.order.as_ref())
    }

    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        self.window()
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which transfers: those of an account, of a reference or of both. The server refuses a query with neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransfersQuery {
    /// Only transfers of this account.
    pub account: Option<AccountId>,
    /// Only transfers with this reference.
    pub reference: Option<String>,
    /// Only transfers of this kind.
    pub kind: Option<TransferKind>,
    /// Only pending transfers of which this became.
    pub state: Option<PendingState>,
    /// Only transfers at or after this time (RFC 3339).
    pub from: Option<String>,
    /// Only transfers before this time.
    pub to: Option<String>,
    /// The newest first without it.
    pub order: Option<ListOrder>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl TransfersQuery {
    /// All transfers of an account, the newest first.
    #[must_use]
    pub fn of_account(account: &AccountId) -> Self {
        Self {
            account: Some(account.clone()),
            ..Self::default()
        }
    }

    /// All transfers with this reference, the newest first.
    #[must_use]
    pub fn of_reference(reference: impl Into<String>) -> Self {
        Self {
            reference: Some(reference.into()),
            ..Self::default()
        }
    }

    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        Query::new()
            .with("account", self.account.as_ref())
            .with("reference", self.reference.as_ref())
            .with("kind", self.kind.as_ref())
            .with("state", self.state.as_ref())
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("order", self.order.as_ref())
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which payments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentsQuery {
    /// Only payments in this state.
    pub state: Option<PaymentState>,
    /// Only payments that were sent to this processor.
    pub processor: Option<String>,
    /// Only payments of this account.
    pub account: Option<AccountId>,
    /// Only payments with this reference.
    pub reference: Option<String>,
    /// Only payments that were accepted so many seconds ago or earlier.
    pub older_than_s: Option<u64>,
    /// Only payments that were accepted at or after this time (RFC 3339).
    pub from: Option<String>,
    /// Only payments that were accepted before this time.
    pub to: Option<String>,
    /// Without it the newest first; but the oldest first if `accepted` or `sent` ones are asked for.
    pub order: Option<ListOrder>,
    /// How many a page has, at most; up to 100.
    pub limit: Option<u32>,
}

impl PaymentsQuery {
    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        Query::new()
            .with("state", self.state.as_ref())
            .with("processor", self.processor.as_ref())
            .with("account", self.account.as_ref())
            .with("reference", self.reference.as_ref())
            .with("older_than_s", self.older_than_s.as_ref())
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("order", self.order.as_ref())
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which payments, of those whose outcome nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnsettledPaymentsQuery {
    /// Only those about which the ledger and a processor disagree.
    pub conflicts_only: bool,
    /// Only payments that were sent to this processor.
    pub processor: Option<String>,
    /// Only payments that were accepted so many seconds ago or earlier.
    pub older_than_s: Option<u64>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl UnsettledPaymentsQuery {
    pub(crate) fn query(&self, cursor: Option<&str>) -> Query {
        let state = match self.conflicts_only {
            true => "conflict",
            false => "unknown",
        };
        Query::new()
            .with("state", Some(state))
            .with("processor", self.processor.as_ref())
            .with("older_than_s", self.older_than_s.as_ref())
            .with("limit", self.limit.as_ref())
            .with("cursor", cursor)
    }
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// The position behind which they begin: an event's `position`, a page's `next`, or `latest`; without it the
    /// ledger's first event.
    pub after: Option<String>,
    /// Only these types; all of them if there are none.
    pub types: Vec<String>,
    /// Only events of this account.
    pub account: Option<AccountId>,
    /// How many a page has, at most.
    pub limit: Option<u32>,
}

impl EventsQuery {
    pub(crate) fn query(&self, wait_s: u32) -> Query {
        let types = Some(self.types.join(",")).filter(|types| !types.is_empty());
        Query::new()
            .with("after", self.after.as_ref())
            .with("types", types.as_ref())
            .with("account", self.account.as_ref())
            .with("limit", self.limit.as_ref())
            .with("wait_s", Some(wait_s).filter(|wait_s| *wait_s > 0).as_ref())
    }
}

/// Which deliveries of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveriesQuery {
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// How many, at most; from 1 to 1,000.
    pub limit: Option<u32>,
}

impl DeliveriesQuery {
    pub(crate) fn query(&self) -> Query {
        Query::new()
            .with("state", self.state.as_ref())
            .with("limit", self.limit.as_ref())
    }
}
