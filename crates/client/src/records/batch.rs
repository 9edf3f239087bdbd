//! What became of a batch.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Account, Transfer};
use crate::problem::Problem;

/// The outcomes of a batch, in the order of its commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Whether all was applied or nothing.
    pub atomic: bool,
    /// An atomic batch's id.
    pub id: Option<Uuid>,
    /// One for each command.
    pub outcomes: Vec<Outcome>,
    /// Of a batch that was read by its id and of which nothing was applied: which command failed it, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The HTTP status that the command alone would have got.
    pub status: u16,
    /// `created`, `exists`, or the code of the refusal.
    pub code: String,
    /// Whether this was answered before under the command's id.
    pub replayed: bool,
    /// The transfer, if it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// The account, if it opened or changed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
