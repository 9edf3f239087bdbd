//! What a call may fail with.

use std::fmt;

use uuid::Uuid;

use crate::code::Code;
use crate::problem::Problem;
use crate::records::Batch;

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server decided against the call. The same call again gets the same answer.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// An atomic batch was refused: nothing of it was applied.
    #[error("{}", .0.problem)]
    BatchRefused(Box<BatchRefused>),
    /// There was no decision in time, and an attempt may have changed something. Ask again with the same id.
    #[error("{0}")]
    OutcomeUnknown(Box<OutcomeUnknown>),
    /// There was no decision in time, and nothing was done.
    #[error("{0}")]
    Unavailable(Box<Unavailable>),
    /// An answer that Lastro does not give. If the call was a write, it may have been done.
    #[error("{0}: is this a server of Lastro, and of this version?")]
    Unreadable(String),
}

impl Error {
    /// The code of the problem, if the server answered one.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.problem().map(|problem| &problem.code)
    }

    /// The problem, if the server answered one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::BatchRefused(refused) => Some(&refused.problem),
            Self::OutcomeUnknown(unknown) => unknown.problem.as_ref(),
            Self::Unavailable(unavailable) => unavailable.problem.as_ref(),
            Self::Unreadable(_) => None,
        }
    }
}

/// An atomic batch that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRefused {
    /// Why.
    pub problem: Problem,
    /// The outcome of each command; [`Batch::index`] is the one that failed the batch.
    pub batch: Batch,
}

/// A call whose outcome nobody knows yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeUnknown {
    /// The id to ask with: the same request with it, later, happens once and has the first outcome. `None` where the
    /// call has no id: an account is named by its own, and what operators do names the state that it expects.
    pub id: Option<Uuid>,
    /// What the call is about, such as `transfer 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b`.
    pub about: String,
    /// What the last attempt ended with.
    pub cause: String,
    /// The last problem, if the server answered one.
    pub problem: Option<Problem>,
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { about, cause, .. } = self;
        write!(f, "the outcome of {about} is unknown: {cause}")
    }
}

/// A call that changed nothing, since the server did not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What the call is about.
    pub about: String,
    /// What the last attempt ended with.
    pub cause: String,
    /// The last problem, if the server answered one.
    pub problem: Option<Problem>,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { about, cause, .. } = self;
        write!(f, "no answer about {about}, and nothing was done: {cause}")
    }
}
