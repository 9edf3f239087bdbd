//! The way to Redis: one connection for all, made anew when it is lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledger::Timestamp;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, ServerErrorKind, Value};

use crate::address;
use crate::error::{Trouble, WriteBehindOpenError};
use crate::layout::library_name;
use crate::moment::Moment;

/// How long making a connection may take.
const CONNECT_BOUND: Duration = Duration::from_secs(1);
/// How long the kernel tries to deliver what was sent, whatever became of the process.
const UNSENT_BOUND: Duration = Duration::from_secs(3);

/// The library's functions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    Apply,
    Preview,
    Account,
    Statement,
    BalanceAt,
    Transfer,
    Status,
    Tail,
    Look,
    Halt,
    Probe,
    Resume,
    Forget,
    Trim,
    Rebuild,
    Fill,
    Found,
    Leave,
}

impl Function {
    /// A call of it, without its arguments.
    pub(crate) fn call(self) -> Cmd {
        let name = match self {
            Self::Apply => concat!(library_name!(), "_apply"),
            Self::Preview => concat!(library_name!(), "_preview"),
            Self::Account => concat!(library_name!(), "_account"),
            Self::Statement => concat!(library_name!(), "_statement"),
            Self::BalanceAt => concat!(library_name!(), "_balance_at"),
            Self::Transfer => concat!(library_name!(), "_transfer"),
            Self::Status => concat!(library_name!(), "_status"),
            Self::Tail => concat!(library_name!(), "_tail"),
            Self::Look => concat!(library_name!(), "_look"),
            Self::Probe => concat!(library_name!(), "_probe"),
            Self::Halt => concat!(library_name!(), "_halt"),
            Self::Resume => concat!(library_name!(), "_resume"),
            Self::Forget => concat!(library_name!(), "_forget"),
            Self::Trim => concat!(library_name!(), "_trim"),
            Self::Rebuild => concat!(library_name!(), "_rebuild"),
            Self::Fill => concat!(library_name!(), "_fill"),
            Self::Found => concat!(library_name!(), "_found"),
            Self::Leave => concat!(library_name!(), "_leave"),
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

/// A connection that many share. It is made anew, by the name in the URL, when it is lost and when
/// its Redis turns out to be a replica: after a planned failover the name leads to the new primary.
#[derive(Clone)]
pub(crate) struct Link {
    client: Client,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    current: Mutex<Option<Numbered>>,
    /// Held by the one who makes the next connection.
    making: tokio::sync::Mutex<()>,
    made_count: AtomicU64,
}

#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

impl Link {
    /// The way to the Redis of this URL; it is not gone yet. The authority is a file with the
    /// certificates of those who may vouch for it.
    pub(crate) fn new(url: &str, authority: Option<&Path>) -> Result<Self, WriteBehindOpenError> {
        // What was given up must not arrive later: it is reset, and the kernel gives it up too.
        let settings = TcpSettings::default()
            .set_nodelay(true)
            .set_linger_time(Duration::ZERO)
            .set_user_timeout(UNSENT_BOUND);
        Ok(Self {
            client: address::client(url, authority, settings)?,
            shared: Arc::default(),
        })
    }

    async fn connection(&self) -> Result<Numbered, redis::RedisError> {
        let known = || self.shared.current.lock().clone();
        if let Some(current) = known() {
            return Ok(current);
        }
        let _making = self.shared.making.lock().await;
        if let Some(current) = known() {
            return Ok(current);
        }
        // Every question brings a bound of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_BOUND))
            .set_response_timeout(None);
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = made.await?;
        let role = connection.send_packed_command(&redis::cmd("ROLE")).await?;
        primary(&role.extract_error()?)?;
        let current = Numbered {
            number: self.shared.made_count.fetch_add(1, Ordering::Relaxed),
            connection,
        };
        *self.shared.current.lock() = Some(current.clone());
        Ok(current)
    }

    /// The next question goes another way than this one.
    fn give_up(&self, number: u64) {
        let mut current = self.shared.current.lock();
        if current.as_ref().is_some_and(|it| it.number == number) {
            *current = None;
        }
    }

    /// What Redis answers by the deadline.
    pub(crate) async fn ask(&self, command: &Cmd, deadline: Instant) -> Result<Value, Trouble> {
        let ask = async |mut connection: MultiplexedConnection| {
            let value = connection.send_packed_command(command).await?;
            value.extract_error()
        };
        self.bounded(ask, deadline).await
    }

    /// What Redis answers to each of these, in order.
    pub(crate) async fn ask_all(
        &self,
        commands: &Pipeline,
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Value>, Trouble> {
        let ask = async |mut connection: MultiplexedConnection| {
            let values = connection.send_packed_commands(commands, 0, count).await?;
            values.into_iter().map(Value::extract_error).collect()
        };
        self.bounded(ask, deadline).await
    }

    async fn bounded<T>(
        &self,
        ask: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, redis::RedisError>,
        deadline: Instant,
    ) -> Result<T, Trouble> {
        let mut used = None;
        let asked = async {
            let Numbered { number, connection } = self.connection().await?;
            used = Some(number);
            ask(connection).await
        };
        let trouble = match tokio::time::timeout_at(deadline.into(), asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Trouble::from(error),
            // It may hang for ever.
            Err(_) => Trouble::Late,
        };
        if let (Some(number), true) = (used, trouble.is_of_connection()) {
            self.give_up(number);
        }
        Err(trouble)
    }

    /// What a function that only reads answers by the deadline, and no replica: it may be behind.
    pub(crate) async fn read(&self, command: &Cmd, deadline: Instant) -> Result<Reply, Trouble> {
        let mut both = Pipeline::with_capacity(2);
        both.add_command(command.clone()).cmd("ROLE");
        let ask = async |mut connection: MultiplexedConnection| {
            let values = connection.send_packed_commands(&both, 0, 2).await?;
            let [answer, role] = <[Value; 2]>::try_from(values).map_err(|_| {
                let kind = ErrorKind::UnexpectedReturnType;
                redis::RedisError::from((kind, "Redis gave other answers than were asked for"))
            })?;
            let answer = answer.extract_error()?;
            primary(&role.extract_error()?)?;
            Ok(answer)
        };
        understand(self.bounded(ask, deadline).await?)
    }

    /// What a function of the library answers by the deadline.
    pub(crate) async fn call(&self, command: &Cmd, deadline: Instant) -> Result<Reply, Trouble> {
        understand(self.ask(command, deadline).await?)
    }
}

/// Refuses what a replica says: by what `ROLE` answers.
fn primary(role: &Value) -> Result<(), redis::RedisError> {
    match role {
        Value::Array(parts) if matches!(bytes(parts.first()), Ok(Some(b"master"))) => Ok(()),
        _ => Err(redis::RedisError::from((
            ErrorKind::Server(ServerErrorKind::ReadOnly),
            "this Redis is a replica",
        ))),
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
            b"CLOCK" => Err(Trouble::ClockJumped(at(rest.first())?)),
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

/// A time in an answer, in microseconds.
pub(crate) fn at(value: Option<&Value>) -> Result<Timestamp, crate::error::Damaged> {
    let moment = Moment {
        us: number(value)?,
        ns: 0,
    };
    moment.timestamp()
}

/// Bytes in an answer; `None` where there are none.
pub(crate) fn bytes(value: Option<&Value>) -> Result<Option<&[u8]>, crate::error::Damaged> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
        Some(Value::Nil) | None => Ok(None),
        _ => Err(crate::error::Damaged),
    }
}
