//! What a key may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of thing that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Scope {
    /// Looks at accounts, transfers and payments.
    Read,
    /// Opens accounts without credit, moves money, accepts payments.
    Write,
    /// Grants credit, closes accounts, resolves and purges payments.
    Operate,
    /// Reads the metrics.
    Metrics,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Operate, Self::Metrics];

    /// Its name in commands, files and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Operate => "operate",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`: use read, write, operate or metrics")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |scope: &Self| scope.as_str() == text;
        let found = Self::ALL.into_iter().find(named);
        found.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

impl TryFrom<String> for Scope {
    type Error = UnknownScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scope> for &'static str {
    fn from(scope: Scope) -> Self {
        scope.as_str()
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scopes(u8);

impl Scopes {
    pub(crate) fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |set, scope| set | bit(*scope)))
    }

    pub(crate) const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

const fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Read => 1,
        Scope::Write => 2,
        Scope::Operate => 4,
        Scope::Metrics => 8,
    }
}

/// What a route or a method asks of its caller, where keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing. Whether a process lives is asked by those who could not keep a secret: balancers,
    /// supervisors.
    Open,
    /// Any key that is valid.
    AnyKey,
    /// A key with this scope.
    Scope(Scope),
    /// A key with the scope of each of the commands that the request has.
    Commands,
}
