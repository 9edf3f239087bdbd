//! Transfers, at once and queued.

use uuid::Uuid;

use crate::call::{Call, Query};
use crate::client::{Answered, Client};
use crate::error::Error;
use crate::records::{Batch, QueuedTransfer, Transfer, TransfersPage};
use crate::requests::{
    NewPost, NewReversal, NewSplit, NewSplitPost, NewTransfer, NewVoid, TransfersQuery,
};
use crate::walk::Walk;
use crate::writes::Write;

impl Client {
    /// Moves an amount; with `timeout_s` only reserves it.
    ///
    /// Keep the transfer's id before, where this process may end before it has the answer: the same transfer, later,
    /// happens once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `insufficient_funds` with its figures.
    pub async fn transfer(&self, new: &NewTransfer) -> Result<Answered<Transfer>, Error> {
        self.submit(new).await
    }

    /// Moves shares to several accounts, all of them or none.
    ///
    /// # Errors
    ///
    /// [`Error::BatchRefused`] if one of them was refused: then nothing was moved.
    pub async fn split(&self, new: &NewSplit) -> Result<Answered<Batch>, Error> {
        self.submit(new).await
    }

    /// Posts a pending transfer and moves shares of what was posted on, all of this or nothing.
    ///
    /// # Errors
    ///
    /// [`Error::BatchRefused`] if a part of it was refused: then nothing was moved. [`Error::Refused`] with
    /// `pending_not_found` if there is no such pending transfer.
    pub async fn split_post(&self, new: &NewSplitPost) -> Result<Answered<Batch>, Error> {
        self.submit(new).await
    }

    /// A transfer.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `transfer_not_found` if there is no such transfer; its member `refusal` has the problem
    /// if a refused command has this id.
    pub async fn transfer_by_id(&self, id: Uuid) -> Result<Transfer, Error> {
        self.read(&Call::get(
            &["v1", "transfers", &id.to_string()],
            Query::new(),
        ))
        .await
    }

    /// One page of the transfers of an account, of a reference or of both, newest first unless another order is asked
    /// for. It may be short, or empty, and still have a `next_cursor`: give the same query with it.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn transfers_page(
        &self,
        query: &TransfersQuery,
        cursor: Option<&str>,
    ) -> Result<TransfersPage, Error> {
        self.read(&Call::get(&["v1", "transfers"], query.query(cursor)))
            .await
    }

    /// Every transfer of an account, of a reference or of both, page by page. With the newest first, transfers that are
    /// made meanwhile are not part of it; with the oldest first and no end they can be, but over PostgreSQL not each is: who
    /// follows a ledger reads its events.
    #[must_use]
    pub fn transfers(&self, query: TransfersQuery) -> Walk<'_, TransfersQuery> {
        Walk::new(self, query)
    }

    /// Posts a pending transfer, in full or in part.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `amount_exceeds_pending`.
    pub async fn post(&self, new: &NewPost) -> Result<Answered<Transfer>, Error> {
        self.submit(new).await
    }

    /// Releases what a pending transfer reserves.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `pending_already_posted`.
    pub async fn void(&self, new: &NewVoid) -> Result<Answered<Transfer>, Error> {
        self.submit(new).await
    }

    /// Moves back what a transfer has moved, in full or in part.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `amount_exceeds_reversible`.
    pub async fn reverse(&self, new: &NewReversal) -> Result<Answered<Transfer>, Error> {
        self.submit(new).await
    }

    /// Makes the write, whichever it is.
    ///
    /// # Errors
    ///
    /// Those of the call for it, such as [`Client::transfer`].
    pub async fn submit<W: Write>(&self, write: &W) -> Result<Answered<W::Record>, Error> {
        self.write(&write.call().0).await
    }

    /// What the write would be answered now, without doing it: a refusal too. Others may move money in between. `replayed`
    /// says that its id was used already, for the same.
    ///
    /// # Errors
    ///
    /// Those of the write, but never [`Error::OutcomeUnknown`].
    pub async fn preview<W: Write>(&self, write: &W) -> Result<Answered<W::Record>, Error> {
        self.write(&write.call().0.into_dry_run()).await
    }

    /// Gives a transfer that is accepted now and applied later, also while the ledger is down. Only the node that
    /// accepted it knows it before it is applied.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `operations_not_served` if the server accepts none.
    pub async fn operate(&self, new: &NewTransfer) -> Result<Answered<QueuedTransfer>, Error> {
        let about = format!("operation {}", new.id);
        let call = Call::post(&["v1", "operations"], about, new);
        self.write(&call.under(Some(new.id))).await
    }

    /// What became of a queued transfer.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `operation_not_found` if neither this node nor the ledger knows it.
    pub async fn operation(&self, id: Uuid) -> Result<QueuedTransfer, Error> {
        self.read(&Call::get(
            &["v1", "operations", &id.to_string()],
            Query::new(),
        ))
        .await
    }
}
