//! Payments.

use uuid::Uuid;

use crate::call::{Call, Effect, Query};
use crate::client::{Answered, Client};
use crate::error::Error;
use crate::records::{PaymentRecord, PaymentsPage, UnsettledPaymentsPage};
use crate::requests::{NewPayment, PaymentsQuery, Resolve, UnsettledPaymentsQuery};
use crate::walk::Walk;

impl Client {
    /// Accepts a payment, which is paid exactly once through a processor, or refused later.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `insufficient_funds` of the account that pays.
    pub async fn pay(&self, new: &NewPayment) -> Result<Answered<PaymentRecord>, Error> {
        self.submit(new).await
    }

    /// A payment, with what is known where it is dispatched, and what operators decided about it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `payment_not_found` if there is no such payment.
    pub async fn payment(&self, id: Uuid) -> Result<PaymentRecord, Error> {
        self.read(&Call::get(
            &["v1", "payments", &id.to_string()],
            Query::new(),
        ))
        .await
    }

    /// One page of the payments, by when they were accepted. It may be short, or empty, and still have a `next_cursor`:
    /// give the same query with it.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn payments_page(
        &self,
        query: &PaymentsQuery,
        cursor: Option<&str>,
    ) -> Result<PaymentsPage, Error> {
        self.read(&Call::get(&["v1", "payments"], query.query(cursor)))
            .await
    }

    /// Every payment, by when they were accepted, page by page.
    #[must_use]
    pub fn payments(&self, query: PaymentsQuery) -> Walk<'_, PaymentsQuery> {
        Walk::new(self, query)
    }

    /// One page of the payments whose outcome nobody knows, as the node that dispatches them has them.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn unsettled_payments_page(
        &self,
        query: &UnsettledPaymentsQuery,
        cursor: Option<&str>,
    ) -> Result<UnsettledPaymentsPage, Error> {
        self.read(&Call::get(&["v1", "payments"], query.query(cursor)))
            .await
    }

    /// Every payment whose outcome nobody knows, page by page.
    #[must_use]
    pub fn unsettled_payments(
        &self,
        query: UnsettledPaymentsQuery,
    ) -> Walk<'_, UnsettledPaymentsQuery> {
        Walk::new(self, query)
    }

    /// Decides about a payment, as an operator. It has no id and names the attempt that it is about, so it is sent again
    /// only after attempts that changed nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `payment_in_other_state` if the payment has another attempt by now.
    pub async fn resolve(&self, id: Uuid, resolve: &Resolve) -> Result<PaymentRecord, Error> {
        let path = ["v1", "payments", &id.to_string(), "resolve"];
        let about = format!("the resolution of payment {id}");
        let call = Call {
            effect: Effect::EachTime,
            ..Call::post(&path, about, resolve)
        };
        let answered: Answered<PaymentRecord> = self.write(&call).await?;
        Ok(answered.record)
    }
}
