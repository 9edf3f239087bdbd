//! Batches.

use ledger::{Batch, Command};

use crate::fields::{self, Invalid};
use crate::v1;

impl From<&Batch> for v1::Batch {
    fn from(batch: &Batch) -> Self {
        let atomic_id = batch.atomic_id();
        Self {
            commands: batch.commands().iter().map(Into::into).collect(),
            atomic_id: atomic_id.map_or_else(Vec::new, |id| id.to_bytes().to_vec()),
        }
    }
}

impl TryFrom<v1::Batch> for Batch {
    type Error = Invalid;

    fn try_from(batch: v1::Batch) -> Result<Self, Invalid> {
        let commands: Result<Vec<Command>, _> =
            batch.commands.into_iter().map(Command::try_from).collect();
        assemble(&batch.atomic_id, commands?)
    }
}

/// A batch of these commands, atomic where there is an id.
pub(crate) fn assemble(atomic_id: &[u8], commands: Vec<Command>) -> Result<Batch, Invalid> {
    match fields::atomic_id(atomic_id)? {
        Some(id) => Batch::atomic(id, commands),
        None => Batch::independent(commands),
    }
    .map_err(|_| Invalid::Batch)
}
