//! The way to the ledger: connected, or being connected again with back-off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use ledger::Unavailable;
use proto::{Failure, GrpcCode};
use tokio::sync::watch;

use crate::address::LedgerAddress;
use crate::call::{self, CallError};
use crate::connect::{Connection, Sender, connect};
use crate::metrics::Metrics;
use crate::tls::Tls;

/// How long a connection may take to be made and to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long after a failed attempt the next one follows: at first, and at the most.
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_millis(500);
/// A connection that was lost sooner than this counts as a failed attempt.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// What a lost call waits before it is made again: where only the call was lost and not the
/// connection, nothing else would slow its repetitions down.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(2);

#[derive(Clone)]
enum State {
    /// Not connected since then.
    Down(Instant),
    Up(Sender),
    /// The engine is gone.
    Closed,
}

/// The way to the ledger, as calls use it.
#[derive(Clone)]
pub(crate) struct Link {
    state: watch::Receiver<State>,
    /// How long being down is taken for a moment that can be waited out.
    patience: Duration,
}

/// Keeps a [`Link`] connected until it is dropped.
pub(crate) struct Keeper {
    state: watch::Sender<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
        self.state.send_replace(State::Closed);
    }
}

/// A link to this ledger, being connected.
pub(crate) fn link(
    address: LedgerAddress,
    tls: Option<Tls>,
    patience: Duration,
    metrics: Arc<Metrics>,
) -> (Link, Keeper) {
    let (sender, receiver) = watch::channel(State::Down(Instant::now()));
    let keeping = keep(address, tls, sender.clone(), metrics);
    let link = Link {
        state: receiver,
        patience,
    };
    let keeper = Keeper {
        state: sender,
        task: tokio::spawn(keeping),
    };
    (link, keeper)
}

async fn keep(
    address: LedgerAddress,
    tls: Option<Tls>,
    state: watch::Sender<State>,
    metrics: Arc<Metrics>,
) {
    let mut back_off = BACK_OFF_MIN;
    let mut told = false;
    loop {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, answering(&address, tls.as_ref()));
        match attempt.await.unwrap_or_else(|late| Err(late.to_string())) {
            Ok(connection) => {
                let since = Instant::now();
                tracing::info!(ledger = %address, "connected to the ledger at {address}");
                told = false;
                metrics.up(true);
                state.send_replace(State::Up(connection.sender));
                let _ = connection.ends.await;
                metrics.up(false);
                state.send_replace(State::Down(Instant::now()));
                tracing::warn!(ledger = %address, "the connection to the ledger was lost");
                if since.elapsed() >= STABLE_AFTER {
                    back_off = BACK_OFF_MIN;
                    continue;
                }
            }
            Err(error) if !told => {
                told = true;
                tracing::warn!(ledger = %address, error, "the ledger at {address} does not answer; trying again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(back_off).await;
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

/// A connection over which the ledger has answered: that one can be made says little of a process
/// that hangs.
async fn answering(address: &LedgerAddress, tls: Option<&Tls>) -> Result<Connection, String> {
    let connection = connect(address, tls).await;
    let mut connection = connection.map_err(|error| error.to_string())?;
    let question = call::finish(call::begin());
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let path = "/grpc.health.v1.Health/Check";
    match call::call(&mut connection.sender, path, question, deadline).await {
        // Whatever it says: it is there.
        Ok(_) | Err(CallError::Failed(Failure::Status(_))) => Ok(connection),
        Err(error) => {
            connection.ends.abort();
            Err(format!("it does not speak gRPC: {error:?}"))
        }
    }
}

impl Link {
    /// Whether the ledger is connected and answered last.
    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// Whether the ledger has been gone for so long that nobody waits for it.
    pub(crate) fn is_known_down(&self) -> bool {
        match &*self.state.borrow() {
            State::Down(since) => since.elapsed() >= self.patience,
            State::Up(_) => false,
            State::Closed => true,
        }
    }

    /// The connection; waits for one that was lost a moment ago.
    pub(crate) async fn sender(&self) -> Result<Sender, Unavailable> {
        let mut state = self.state.clone();
        loop {
            let until = match &*state.borrow_and_update() {
                State::Up(sender) if !sender.is_closed() => return Ok(sender.clone()),
                // Its end is about to be noticed.
                State::Up(_) => Instant::now() + self.patience,
                State::Down(since) => *since + self.patience,
                State::Closed => return Err(Unavailable::LedgerUnavailable),
            };
            match tokio::time::timeout_at(until.into(), state.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(Unavailable::LedgerUnavailable),
            }
        }
    }

    /// Makes a call that may be made twice: again over the next connection where one is lost.
    pub(crate) async fn ask(
        &self,
        path: &'static str,
        message: Bytes,
        deadline: Instant,
        metrics: &Metrics,
    ) -> Result<Bytes, Unavailable> {
        let asking = async {
            loop {
                let mut sender = self.sender().await?;
                match call::call(&mut sender, path, message.clone(), deadline).await {
                    Ok(answer) => return Ok(answer),
                    Err(CallError::NotSent | CallError::Lost) => {
                        metrics.retried(1);
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                    Err(CallError::Failed(failure)) => return Err(told(failure, path)),
                }
            }
        };
        let answer = tokio::time::timeout_at(deadline.into(), asking).await;
        answer.unwrap_or(Err(Unavailable::Timeout))
    }
}

/// What the caller is told of a failure.
pub(crate) fn told(failure: Failure, path: &'static str) -> Unavailable {
    if failure == Failure::Status(GrpcCode::InvalidArgument as u16) {
        tracing::error!(
            path,
            "the ledger does not understand this node: other versions?"
        );
    }
    failure.unavailable()
}
