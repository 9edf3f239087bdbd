//! What can go wrong between a node and the database, and what to do about it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use deadpool::managed::PoolError;
use ledger::{ClockJumped, LedgerId, Unavailable};
use stdx::ErrorChain;
use tokio_postgres::error::SqlState;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The database refused, or the connection ended.
    #[error("the database does not answer")]
    Database(#[from] tokio_postgres::Error),
    /// The host accepted a connection, or not even that, and said nothing more.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The host's name leads nowhere.
    #[error("the name {0} cannot be looked up")]
    Name(String, #[source] io::Error),
    /// Texts would not come back as they went in.
    #[error(
        "the database's encoding is {0}, and Lastro needs UTF8: create it with \
         `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding(String),
    /// What is between drops what a connection has to be like.
    #[error(
        "the connection is not as it has to be: {0}. Something between drops what is set when a \
         connection is made: connect directly, or through a pooler that keeps a session to one \
         server (PgBouncer: pool_mode = session, ignore_startup_parameters = options)"
    )]
    Settings(String),
    /// Every transaction of a connection may be over another one of the server's.
    #[error(
        "a pooler between gives each transaction another session of the database, and what is \
         prepared, locked or set would be elsewhere: connect directly, or use a pooler that keeps a \
         session to one server (PgBouncer: pool_mode = session)"
    )]
    Pooled,
    /// A copy of another ledger is being written into the database, or was not finished.
    #[error(
        "a copy of another ledger into this database is not finished: it can be served when `lastro copy` \
         has ended well"
    )]
    Copied,
    /// The database has been replaced by one with another ledger.
    #[error(
        "the database has ledger {found} now, and this process serves ledger {served}: bring that one back, or \
         start the process again to serve the other"
    )]
    OtherLedger {
        /// The ledger that was found first.
        served: LedgerId,
        /// The one that is there now.
        found: LedgerId,
    },
    /// The server was cut off from the others, which have another primary since.
    #[error(
        "this server still takes writes, but another one has taken over from it (timeline {newest}, and this \
         one is of timeline {found}): stop it, and let it follow the other"
    )]
    Superseded {
        /// The timeline of the server.
        found: u32,
        /// The latest one that was met.
        newest: u32,
    },
    /// Of several hosts none will do.
    #[error("no host of the database can be used: {}", each(.0))]
    Hosts(Vec<(String, ConnectError)>),
}

fn each(failures: &[(String, ConnectError)]) -> String {
    let each = failures
        .iter()
        .map(|(place, failure)| format!("{place}: {}", ErrorChain(failure)));
    each.collect::<Vec<_>>().join("; ")
}

/// Why the engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PostgresOpenError {
    /// The connection string cannot be read.
    #[error("the database's URL is not understood")]
    Url(#[source] tokio_postgres::Error),
    /// Something in it is not, or cannot be honoured.
    #[error("the database's URL: {0}")]
    Parameter(String),
    /// Connections cannot be encrypted as it was asked for.
    #[error("no encrypted connection to the database: {0}")]
    Tls(String),
    /// The pool could not be made.
    #[error("the connection pool could not be made")]
    Pool(#[from] deadpool::managed::BuildError),
    /// The database could not be asked.
    #[error("the database does not answer")]
    Database(#[from] tokio_postgres::Error),
    /// It was asked, and what it answered will not do.
    #[error("the database could not be asked")]
    Asked(#[source] Failure),
    /// No connection could be had.
    #[error("there is no connection to the database")]
    Connection(#[from] ConnectError),
    /// What the URL's user may not do.
    #[error("the database's user {user} lacks rights: {missing}. Give them with `{grant}`")]
    Rights {
        /// Who.
        user: String,
        /// What is missing.
        missing: String,
        /// What an administrator does about it.
        grant: String,
    },
    /// Another version of Lastro has been here.
    #[error(
        "the database is at migration {found}, this version knows {known}: use a newer version"
    )]
    Newer {
        /// The newest migration there.
        found: i32,
        /// The newest migration known.
        known: i32,
    },
    /// What is answered is in a Redis first.
    #[error(
        "a Redis stands in front of this database, and what it has answered may not be here yet: \
         serve it with --engine write-behind, or end that with `lastro migrate --detach`"
    )]
    Behind,
    /// No ledger was begun in it, and none may be now.
    #[error(
        "there is no ledger in this database. Is it the right one? `lastro init --database-url` with \
         its URL begins a new one"
    )]
    NoLedger,
    /// A new ledger was to be begun, and there is one.
    #[error("there is a ledger in this database already{}: nothing was changed", named(*.ledger_id))]
    HasLedger {
        /// Which one; `None` if it is older than the ids of ledgers.
        ledger_id: Option<LedgerId>,
    },
    /// A copy of another ledger into this database was not finished.
    #[error(
        "the database has an unfinished copy of ledger {ledger_id}: run `lastro copy` again, and it goes on"
    )]
    UnfinishedCopy {
        /// Which ledger is copied.
        ledger_id: LedgerId,
    },
    /// A copy is to be written into it, and somebody else uses it.
    #[error("the database is in use by {by}: stop every node that serves it")]
    InUse {
        /// Their connections.
        by: String,
    },
    /// There are migrations to run first.
    #[error("the database is at migration {found} of {known}: run `lastro migrate`")]
    Older {
        /// The newest migration there.
        found: i32,
        /// The newest migration known.
        known: i32,
    },
}

fn named(ledger_id: Option<LedgerId>) -> String {
    ledger_id.map_or_else(String::new, |id| format!(", {id}"))
}

impl From<Failure> for PostgresOpenError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => Self::Database(error),
            other => Self::Asked(other),
        }
    }
}

/// Why an attempt of a call or a read failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database refused, or the connection ended.
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    /// There is no connection.
    #[error(transparent)]
    Pool(#[from] PoolError<ConnectError>),
    /// The attempt took longer than the caller waits.
    #[error("the deadline passed")]
    Late,
    /// The commit was sent and its answer lost.
    #[error("whether the transaction was committed is not known")]
    CommitUnknown,
    /// What is there cannot be understood.
    #[error("{0} in the database is not what this version writes")]
    Damaged(&'static str),
    /// A Redis was put in front of the database while this node ran.
    #[error(
        "a Redis stands in front of this database now, and the tables take no writes from here"
    )]
    Behind,
    /// The database's clock is not believed; nothing was done.
    #[error("the database's clock jumped forward and is not believed")]
    ClockJumped,
    /// Commits wait for a synchronous standby that is away; nothing was done.
    #[error("commits wait for a synchronous standby that is away")]
    StandbyAway,
}

impl From<ClockJumped> for Failure {
    fn from(_: ClockJumped) -> Self {
        Self::ClockJumped
    }
}

impl Failure {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Database(error) => match error.code() {
                Some(code) => is_passing(code) || self.is_of_an_older_plan(),
                // No answer of the server's: the connection is gone.
                None => !self.is_of_content(),
            },
            Self::Late
            | Self::CommitUnknown
            | Self::Damaged(_)
            | Self::Behind
            | Self::ClockJumped
            | Self::StandbyAway => false,
        }
    }

    /// Whether something in what was asked for, or in what is stored of it, is the reason: others
    /// that were asked for with it may be answered. Nothing was done.
    #[must_use]
    pub fn is_of_content(&self) -> bool {
        let error = match self {
            Self::Damaged(_) => return true,
            Self::Database(error) => error,
            _ => return false,
        };
        let Some(code) = error.code() else {
            // Of what has no code, only the connection's end is not about a value.
            let is_of_io = error
                .source()
                .is_some_and(<dyn std::error::Error>::is::<io::Error>);
            return error.source().is_some() && !is_of_io;
        };
        *code != SqlState::UNIQUE_VIOLATION && ["22", "23", "54", "XX"].contains(&class(code))
    }

    /// Whether what was prepared is of before a change of the tables.
    #[must_use]
    pub fn is_of_an_older_plan(&self) -> bool {
        let Self::Database(error) = self else {
            return false;
        };
        let stale = [
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::INVALID_SQL_STATEMENT_NAME,
        ];
        error.code().is_some_and(|code| stale.contains(code))
    }

    /// What the caller is told.
    #[must_use]
    pub fn unavailable(&self) -> Unavailable {
        match self {
            failure if failure.is_of_content() => Unavailable::StorageDamaged,
            Self::Late => Unavailable::Timeout,
            Self::ClockJumped => Unavailable::ClockJumped,
            Self::StandbyAway => Unavailable::StandbyAway,
            Self::Database(error) if error.code() == Some(&SqlState::DISK_FULL) => {
                Unavailable::StorageFull
            }
            _ => Unavailable::LedgerUnavailable,
        }
    }
}

/// Conflicts with other nodes (the loser's whole transaction was rolled back), and a server that
/// stops, starts, stands by or is short of something.
fn is_passing(code: &SqlState) -> bool {
    let conflicts = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    // A role's bound for whole transactions, known from version 17 on.
    let is_too_long = code.code() == "25P04";
    let class = class(code);
    conflicts.contains(code)
        || is_too_long
        || ["08", "57"].contains(&class)
        || (class == "53" && *code != SqlState::DISK_FULL)
}

/// The first two characters of a code, which name its class; nothing of what is no code.
fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}
