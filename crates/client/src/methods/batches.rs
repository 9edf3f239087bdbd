//! Batches.

use uuid::Uuid;

use crate::call::{Call, Query};
use crate::client::{Answered, Client};
use crate::error::Error;
use crate::records::Batch;
use crate::requests::NewBatch;

impl Client {
    /// Gives up to 8,190 commands at once. Of an independent batch each outcome says what became of its command.
    ///
    /// # Errors
    ///
    /// [`Error::BatchRefused`] if a command of an atomic batch was refused: then none was applied.
    pub async fn batch(&self, new: &NewBatch) -> Result<Answered<Batch>, Error> {
        self.submit(new).await
    }

    /// What was decided of an atomic batch.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `batch_not_found` if there is no such batch.
    pub async fn batch_by_id(&self, id: Uuid) -> Result<Batch, Error> {
        self.read(&Call::get(
            &["v1", "batches", &id.to_string()],
            Query::new(),
        ))
        .await
    }
}
