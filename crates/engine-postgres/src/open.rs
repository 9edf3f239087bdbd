//! Opening the ledger in a database: what cannot be served is found here, and named.

use std::time::{Duration, Instant};

use tokio_postgres::SimpleQueryMessage;

use crate::behind;
use crate::call::Store;
use crate::clock::JudgedClock;
use crate::connect::{Connector, Session};
use crate::copying;
use crate::error::{ConnectError, Failure, PostgresOpenError};
use crate::lease::Lease;
use crate::migrate;
use crate::opened_for::OpenedFor;
use crate::options::PostgresOptions;
use crate::pool::pool;
use crate::rights;

/// How long the first connection of the pool is waited for.
const FIRST_BOUND: Duration = Duration::from_secs(30);

impl Store {
    /// Connects to the database of this URL, migrates it where that is asked for, and looks whether
    /// it can be served.
    pub(crate) async fn open(
        url: &str,
        options: &PostgresOptions,
        opened_for: OpenedFor,
    ) -> Result<Self, PostgresOpenError> {
        let connector = Connector::of_engine(url, options, Vec::new())?;
        let mut session = connector.connect().await?;
        let other = connector.connect().await?;
        let asked = check_sessions(&session, &other);
        let asked = tokio::time::timeout(connector.bound(), asked).await;
        // Who waits for another's session has none of its own.
        asked.map_err(|_| ConnectError::Pooled)??;
        drop(other);
        match opened_for {
            OpenedFor::Engine | OpenedFor::Copy => behind::refuse(&session).await?,
            OpenedFor::Behind => {}
        }
        rights::check(&session).await?;
        if options.migrate {
            migrate::run(&mut session, options.beginning).await?;
        } else {
            migrate::check(&session).await?;
        }
        rights::check(&session).await?;
        if opened_for != OpenedFor::Copy
            && let Some((ledger_id, _)) = copying::under_way(&session).await?
        {
            return Err(PostgresOpenError::UnfinishedCopy { ledger_id });
        }
        let pool = pool(url, options, opened_for)?;
        // From now on a copy finds the node, which keeps this connection.
        Lease::take(&pool, Instant::now() + FIRST_BOUND)
            .await?
            .done();
        let clock = JudgedClock::of_database(&session, options.clock).await?;
        if opened_for == OpenedFor::Engine {
            // A start is not refused for it: reads are served, and the first `/readyz` says it.
            match clock.look(&session).await {
                Ok(()) | Err(Failure::ClockJumped) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let ledger_id = migrate::ledger_id(&**session).await?;
        Ok(Self::new(pool, ledger_id, session.read.durability, clock))
    }
}

/// Whether two connections keep their sessions while transactions of both begin and end in turns. A
/// pooler that gives out sessions by the transaction gives the one that came back last, or the one
/// that came back first: either shows in one of the two turns.
async fn check_sessions(one: &Session, other: &Session) -> Result<(), ConnectError> {
    for [first, second] in [[other, one], [one, other]] {
        for session in [one, other] {
            check_process(session).await?;
        }
        first.batch_execute("COMMIT").await?;
        second.batch_execute("COMMIT").await?;
    }
    for session in [one, other] {
        check_process(session).await?;
    }
    one.batch_execute("COMMIT").await?;
    other.batch_execute("COMMIT").await?;
    Ok(())
}

/// Begins a transaction: it is in the session that the connection was made to.
async fn check_process(session: &Session) -> Result<(), ConnectError> {
    let said = session
        .simple_query("BEGIN; SELECT pg_backend_pid()")
        .await?;
    let process = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i64>().ok(),
        _ => None,
    });
    match process == Some(session.read.process) {
        true => Ok(()),
        false => Err(ConnectError::Pooled),
    }
}
