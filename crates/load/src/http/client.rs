//! Connections, kept or new ones.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Answer, Connection, HttpFailure};
use crate::target::Target;

/// How requests come by their connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Connections {
    /// Each request on a connection of its own, closed after the answer.
    New,
    /// From a pool of open ones, as a proxy does.
    KeptAlive,
}

impl Connections {
    /// What the mode is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new connections",
            Self::KeptAlive => "keep-alive",
        }
    }
}

/// A client of one server, for one thread.
///
/// It has a bounded number of connections: a request beyond waits for one. Its latency counts from
/// its planned arrival, so the wait is seen.
#[derive(Debug)]
pub struct Client {
    target: Target,
    connections: Connections,
    timeout: Duration,
    idle: RefCell<Vec<Connection>>,
    permits: Semaphore,
}

impl Client {
    /// A client with at most `connections_max` connections, whose requests take at most `timeout`.
    #[must_use]
    pub fn new(
        target: Target,
        connections: Connections,
        connections_max: usize,
        timeout: Duration,
    ) -> Self {
        Self {
            target,
            connections,
            timeout,
            idle: RefCell::new(Vec::new()),
            permits: Semaphore::new(connections_max),
        }
    }

    /// Sends a request and hands the answer to `judge`, which sees it where it lies.
    pub async fn exchange<T>(
        &self,
        request: &[u8],
        judge: impl FnOnce(Answer<'_>) -> T,
    ) -> Result<T, HttpFailure> {
        tokio::time::timeout(self.timeout, self.exchange_in_time(request, judge))
            .await
            .map_err(|_| HttpFailure::TimedOut)?
    }

    async fn exchange_in_time<T>(
        &self,
        request: &[u8],
        judge: impl FnOnce(Answer<'_>) -> T,
    ) -> Result<T, HttpFailure> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let idle = self.take_idle();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.target.address()).await?,
        };
        let judged = judge(connection.exchange(request).await?);
        if self.connections == Connections::KeptAlive && connection.is_usable() {
            self.idle.borrow_mut().push(connection);
        }
        Ok(judged)
    }

    /// The connection used last that is still open.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let connection = idle.pop()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }
}
