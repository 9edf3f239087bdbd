//! The questions and answers of lists.

use ledger::{
    AccountId, LimitChange, ListOrder, ListPage, ListPlace, ListedTransfer, Payment, PaymentList,
    PendingState, Reference, Timestamp, TransferList,
};

use crate::fields::{self, Invalid, given};
use crate::{by, transfer, v1};

impl From<&ListPage> for v1::ListPage {
    fn from(page: &ListPage) -> Self {
        let order = match page.order {
            ListOrder::Descending => v1::ListOrder::Descending,
            ListOrder::Ascending => v1::ListOrder::Ascending,
        };
        Self {
            order: order.into(),
            after: page.after.map(|place| v1::ListPlace {
                at: place.at.as_nanos(),
                id: place.id.to_be_bytes().to_vec(),
            }),
            until: page.until.map(Timestamp::as_nanos),
            limit: u32::try_from(page.limit).unwrap_or(u32::MAX),
        }
    }
}

/// Which page.
fn page(message: Option<&v1::ListPage>) -> Result<ListPage, Invalid> {
    let message = given(message, "page")?;
    let order = match v1::ListOrder::try_from(message.order) {
        Ok(v1::ListOrder::Descending) => ListOrder::Descending,
        Ok(v1::ListOrder::Ascending) => ListOrder::Ascending,
        Ok(v1::ListOrder::Unspecified) | Err(_) => return Err(Invalid::Unknown("page.order")),
    };
    let place = |place: &v1::ListPlace| {
        Ok(ListPlace {
            at: fields::timestamp(place.at),
            id: fields::place_id(&place.id, "page.after.id")?,
        })
    };
    Ok(ListPage {
        order,
        after: message.after.as_ref().map(place).transpose()?,
        until: message.until.map(fields::timestamp),
        limit: message.limit as usize,
    })
}

impl v1::ListTransfersRequest {
    /// A question for a page of a list.
    #[must_use]
    pub fn of(list: &TransferList, page: &ListPage) -> Self {
        use v1::list_transfers_request::List;
        Self {
            list: Some(match list {
                TransferList::Of(account_id) => List::AccountId(account_id.as_str().to_owned()),
                TransferList::With(reference) => List::ReferenceText(reference.as_str().to_owned()),
            }),
            page: Some(page.into()),
        }
    }

    /// Which list, and which page of it.
    pub fn read(&self) -> Result<(TransferList, ListPage), Invalid> {
        use v1::list_transfers_request::List;
        let list = match given(self.list.as_ref(), "list")? {
            List::AccountId(id) => TransferList::Of(account_id(id)?),
            List::ReferenceText(text) => TransferList::With(reference(text)?),
        };
        Ok((list, page(self.page.as_ref())?))
    }
}

impl v1::ListLimitsRequest {
    /// A question for a page of an account's credit limits.
    #[must_use]
    pub fn of(id: &AccountId, page: &ListPage) -> Self {
        Self {
            account_id: id.as_str().to_owned(),
            page: Some(page.into()),
        }
    }

    /// Whose, and which page of them.
    pub fn read(&self) -> Result<(AccountId, ListPage), Invalid> {
        Ok((account_id(&self.account_id)?, page(self.page.as_ref())?))
    }
}

impl From<&[LimitChange]> for v1::ListLimitsResponse {
    fn from(page: &[LimitChange]) -> Self {
        let limit = |change: &LimitChange| v1::LimitChange {
            credit_limit: change.credit_limit,
            timestamp: change.timestamp.as_nanos(),
            by: by::to_message(change.by.as_deref()),
        };
        Self {
            limits: page.iter().map(limit).collect(),
        }
    }
}

impl v1::ListLimitsResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Vec<LimitChange>, Invalid> {
        let limit = |message: v1::LimitChange| {
            Ok(LimitChange {
                credit_limit: message.credit_limit,
                by: by::of(message.by)?,
                timestamp: fields::timestamp(message.timestamp),
            })
        };
        self.limits.into_iter().map(limit).collect()
    }
}

fn reference(text: &str) -> Result<Reference, Invalid> {
    Reference::new(text).map_err(|_| Invalid::ReferenceText)
}

fn account_id(text: &str) -> Result<AccountId, Invalid> {
    fields::account_id(text, "account_id")
}

impl From<&[ListedTransfer]> for v1::ListTransfersResponse {
    fn from(page: &[ListedTransfer]) -> Self {
        let used = |listed: &ListedTransfer| {
            transfer::used_to_message(&listed.transfer, listed.standing, listed.end)
        };
        Self {
            transfers: page.iter().map(used).collect(),
        }
    }
}

impl v1::ListTransfersResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Vec<ListedTransfer>, Invalid> {
        let listed = |message: v1::UsedByTransfer| {
            let end = message.pending_end.as_ref();
            let end = end.map(transfer::pending_end).transpose()?;
            let (transfer, standing) = transfer::used(message)?;
            let has_ended = standing.pending_state().is_some_and(PendingState::is_ended);
            if end.is_some() && !has_ended {
                return Err(Invalid::Unknown("pending_end"));
            }
            Ok(ListedTransfer {
                transfer,
                standing,
                end,
            })
        };
        self.transfers.into_iter().map(listed).collect()
    }
}

impl v1::ListPaymentsRequest {
    /// A question for a page of a list.
    #[must_use]
    pub fn of(list: &PaymentList, page: &ListPage) -> Self {
        use v1::list_payments_request::List;
        Self {
            list: Some(match list {
                PaymentList::All => List::All(true),
                PaymentList::Of(account_id) => List::AccountId(account_id.as_str().to_owned()),
                PaymentList::With(reference) => List::ReferenceText(reference.as_str().to_owned()),
                PaymentList::SettledBy(processor) => List::SettledBy(processor.as_str().to_owned()),
                PaymentList::Refused => List::Refused(true),
            }),
            page: Some(page.into()),
        }
    }

    /// Which list, and which page of it.
    pub fn read(&self) -> Result<(PaymentList, ListPage), Invalid> {
        use v1::list_payments_request::List;
        let list = match given(self.list.as_ref(), "list")? {
            List::All(true) => PaymentList::All,
            List::AccountId(id) => PaymentList::Of(account_id(id)?),
            List::ReferenceText(text) => PaymentList::With(reference(text)?),
            List::SettledBy(name) => PaymentList::SettledBy(fields::processor(name)?),
            List::Refused(true) => PaymentList::Refused,
            List::All(false) => return Err(Invalid::Unknown("all")),
            List::Refused(false) => return Err(Invalid::Unknown("refused")),
        };
        Ok((list, page(self.page.as_ref())?))
    }
}

impl From<&[Payment]> for v1::ListPaymentsResponse {
    fn from(page: &[Payment]) -> Self {
        Self {
            payments: page.iter().map(Into::into).collect(),
        }
    }
}

impl v1::ListPaymentsResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Vec<Payment>, Invalid> {
        self.payments.into_iter().map(Payment::try_from).collect()
    }
}
