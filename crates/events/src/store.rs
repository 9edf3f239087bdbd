//! The port of where endpoints are kept, and of who sends to them.

use std::fmt;
use std::time::Duration;

use ledger::BoxFuture;

/// What a call of the store comes to.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Where endpoints are kept. What is written is durable when it is answered.
///
/// Where several nodes share a store, an endpoint is sent to by the node that has its claim, and by no other: a claim
/// that another node has taken over can neither be renewed nor written under.
pub trait EndpointStore: Send + Sync + 'static {
    /// Claims an endpoint for this node.
    fn claim<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Claim>;

    /// Renews the claim that this node has. One that another node has had since is lost, also if that one gave it up.
    fn renew<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Claim>;

    /// Gives the claim up, so that another node need not wait for its end.
    fn release<'a>(&'a self, endpoint: &'a str) -> Stored<'a, ()>;

    /// What was written last; `None` where nothing ever was.
    fn read<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Option<Vec<u8>>>;

    /// Keeps this in the place of what was kept before, under this node's claim.
    fn write<'a>(&'a self, endpoint: &'a str, state: Vec<u8>) -> Stored<'a, Written>;

    /// Puts what cannot be used aside, and returns where it is now; `None` where there was nothing.
    fn put_aside<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Option<String>>;

    /// Where an endpoint is kept, as errors name it.
    fn place(&self, endpoint: &str) -> String;
}

/// Whose an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This node's.
    Held {
        /// For how long from before the call on; `None`: until the process ends.
        lasts: Option<Duration>,
    },
    /// Another node's.
    Elsewhere {
        /// The name of that node.
        by: String,
    },
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Done,
    /// Nothing was written: another node has claimed the endpoint.
    ClaimLost,
}

/// Why the store did not do what was asked for. Whether it was done is not known.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// What has happened.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
