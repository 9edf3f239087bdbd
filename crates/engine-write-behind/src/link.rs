//! The way to Redis: one connection for all, made anew when it is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, Value};

use crate::error::{OpenError, Trouble};

/// How long making a connection may take.
const CONNECT_BOUND: Duration = Duration::from_secs(1);

/// The library's functions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    Apply,
    Account,
    Statement,
    BalanceAt,
    Transfer,
    Status,
    Tail,
    Look,
    Halt,
    Resume,
    Forget,
    Trim,
    Rebuild,
    Fill,
    Found,
}

impl Function {
    /// A call of it, without its arguments.
    pub(crate) fn call(self) -> Cmd {
        let name = match self {
            Self::Apply => "lastro_2_apply",
            Self::Account => "lastro_2_account",
            Self::Statement => "lastro_2_statement",
            Self::BalanceAt => "lastro_2_balance_at",
            Self::Transfer => "lastro_2_transfer",
            Self::Status => "lastro_2_status",
            Self::Tail => "lastro_2_tail",
            Self::Look => "lastro_2_look",
            Self::Halt => "lastro_2_halt",
            Self::Resume => "lastro_2_resume",
            Self::Forget => "lastro_2_forget",
            Self::Trim => "lastro_2_trim",
            Self::Rebuild => "lastro_2_rebuild",
            Self::Fill => "lastro_2_fill",
            Self::Found => "lastro_2_found",
        };
        let mut command = redis::cmd("FCALL");
        command.arg(name).arg(0);
        command
    }
}

/// What a function answers, its status aside.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    /// What was asked for.
    Done(Vec<Value>),
    /// Nothing was done: the database has to be asked for these first.
    Check(Vec<Value>),
    /// Only what was due has expired, and more may be.
    Again,
}

/// Where the Redis of this URL is, without a password: what a start may print.
///
/// # Errors
///
/// When it is no URL of a Redis.
pub fn place(url: &str) -> Result<String, OpenError> {
    let info = url.into_connection_info()?;
    let number = info.redis_settings().db();
    Ok(format!("{}/{number}", info.addr()))
}

/// A connection that many share.
#[derive(Clone)]
pub(crate) struct Link {
    client: Client,
    current: Arc<Mutex<Option<MultiplexedConnection>>>,
}

impl Link {
    /// The way to the Redis of this URL; it is not gone yet.
    pub(crate) fn new(url: &str) -> Result<Self, redis::RedisError> {
        Ok(Self {
            client: Client::open(url)?,
            current: Arc::default(),
        })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        if let Some(connection) = &*self.current.lock() {
            return Ok(connection.clone());
        }
        // Every question brings a bound of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_BOUND))
            .set_response_timeout(None);
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let made = made.await?;
        *self.current.lock() = Some(made.clone());
        Ok(made)
    }

    /// What Redis answers by the deadline.
    pub(crate) async fn ask(&self, command: &Cmd, deadline: Instant) -> Result<Value, Trouble> {
        let asked = async {
            let mut connection = self.connection().await?;
            let value = connection.send_packed_command(command).await?;
            value.extract_error()
        };
        self.bounded(asked, deadline).await
    }

    /// What Redis answers to each of these, in order.
    pub(crate) async fn ask_all(
        &self,
        commands: &Pipeline,
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Value>, Trouble> {
        let asked = async {
            let mut connection = self.connection().await?;
            let values = connection.send_packed_commands(commands, 0, count).await?;
            values.into_iter().map(Value::extract_error).collect()
        };
        self.bounded(asked, deadline).await
    }

    async fn bounded<T>(
        &self,
        asked: impl Future<Output = Result<T, redis::RedisError>>,
        deadline: Instant,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout_at(deadline.into(), asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.code().is_none() {
                    *self.current.lock() = None;
                }
                Err(error.into())
            }
            Err(_) => {
                // It may hang for ever: the next question goes another way.
                *self.current.lock() = None;
                Err(Trouble::Late)
            }
        }
    }

    /// What a function of the library answers by the deadline.
    pub(crate) async fn call(&self, command: &Cmd, deadline: Instant) -> Result<Reply, Trouble> {
        understand(self.ask(command, deadline).await?)
    }
}

/// Tells the status of a function's answer from what was asked for.
pub(crate) fn understand(value: Value) -> Result<Reply, Trouble> {
    let Value::Array(mut values) = value else {
        return Err(crate::error::Damaged.into());
    };
    let rest = values.split_off(values.len().min(1));
    match values.first() {
        Some(Value::BulkString(status)) => match status.as_slice() {
            b"OK" => Ok(Reply::Done(rest)),
            b"CHECK" => Ok(Reply::Check(rest)),
            b"AGAIN" => Ok(Reply::Again),
            b"EMPTY" | b"EPOCH" | b"RESTARTED" | b"BEHIND" => Err(Trouble::Stale),
            b"UNPERSISTED" => Err(Trouble::Unpersisted),
            _ => Err(crate::error::Damaged.into()),
        },
        _ => Err(crate::error::Damaged.into()),
    }
}

/// What was done; nothing of it may be left to check or to repeat.
pub(crate) fn done(reply: Reply) -> Result<Vec<Value>, Trouble> {
    match reply {
        Reply::Done(values) => Ok(values),
        Reply::Check(_) | Reply::Again => Err(crate::error::Damaged.into()),
    }
}

/// A number in an answer.
pub(crate) fn number(value: Option<&Value>) -> Result<u64, crate::error::Damaged> {
    match value {
        Some(Value::Int(number)) => u64::try_from(*number).map_err(|_| crate::error::Damaged),
        Some(Value::BulkString(text)) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(crate::error::Damaged),
        _ => Err(crate::error::Damaged),
    }
}

/// Bytes in an answer; `None` where there are none.
pub(crate) fn bytes(value: Option<&Value>) -> Result<Option<&[u8]>, crate::error::Damaged> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
        Some(Value::Nil) | None => Ok(None),
        _ => Err(crate::error::Damaged),
    }
}
