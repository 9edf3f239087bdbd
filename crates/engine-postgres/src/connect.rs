//! Making connections: to the first of the URL's hosts that is a database as it has to be.
//!
//! - One attempt at one address of one host, all its handshakes and questions included, has a bound:
//!   a host that accepts connections and stays silent costs that much, and then the next one is tried.
//! - The one that worked last is tried first. Who is given up in the middle begins with the next one
//!   the next time, so that a caller in a hurry gets past silent hosts too.
//! - What the server says of a commit beside its answer is heard: that it did not wait for a standby.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use futures_util::future::{poll_fn, try_join_all};
use ledger::LedgerId;
use stdx::{ErrorChain, Throttle};
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Endpoint};
use crate::copying;
use crate::error::{ConnectError, PostgresOpenError};
use crate::known::Known;
use crate::options::PostgresOptions;
use crate::primary::{Newest, Origin};
use crate::settings::{Read, Settings};

/// How long a connection that is doubted may take to show that its server is there.
const PROOF_BOUND: Duration = Duration::from_millis(500);
/// How often a host that cannot be used is told of.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// A connection, and what is known of it.
pub struct Session {
    client: ClientWrapper,
    notices: Arc<Notices>,
    pub(crate) read: Read,
    /// What was read over it stays as it is while it lives: a database that was rolled back, restored
    /// or replaced has ended all its connections.
    pub(crate) known: Known,
    /// When it was made, and last shown to be alive, as [`Doubt`] counts.
    made: u64,
    proved: u64,
}

impl Session {
    /// Whether all commits since this was last asked have waited for what they had to.
    pub(crate) fn has_waited(&self) -> bool {
        self.notices.unwaited.swap(0, Ordering::Acquire) == 0
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Deref for Session {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        &mut self.client
    }
}

/// What the server has said of its own accord.
#[derive(Debug, Default)]
struct Notices {
    /// How many commits did not wait for a standby.
    unwaited: AtomicU32,
}

impl Notices {
    fn take(&self, notice: &DbError) {
        if is_unwaited(notice) {
            self.unwaited.fetch_add(1, Ordering::Release);
            tracing::warn!(
                message = notice.message(),
                "the database committed without its standby: the outcome counts as unknown"
            );
        } else {
            let (severity, message) = (notice.severity(), notice.message());
            tracing::debug!(severity, message, "the database says");
        }
    }
}

/// Whether this says that a commit's wait for a standby ended early. Its text is in the language of
/// the server; the function that said it has one name everywhere. Where a server does not name it,
/// any plain warning counts: money would rather ask again than guess.
fn is_unwaited(notice: &DbError) -> bool {
    match notice.routine() {
        Some(routine) => routine == "SyncRepWaitForLSN",
        None => {
            notice.parsed_severity() == Some(Severity::Warning)
                && *notice.code() == SqlState::WARNING
        }
    }
}

/// Which connections are not to be trusted, in a count of moments.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    now: AtomicU64,
    /// Older proofs of life do not count.
    doubted: AtomicU64,
    /// Older connections are not used again.
    retired: AtomicU64,
}

impl Doubt {
    fn moment(&self) -> u64 {
        self.now.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Somebody waited in vain: the others are asked before they are used.
    pub(crate) fn doubt(&self) {
        self.doubted.fetch_max(self.moment(), Ordering::Relaxed);
    }

    /// All connections there are now are not used again.
    pub(crate) fn retire(&self) {
        self.retired.fetch_max(self.moment(), Ordering::Relaxed);
    }
}

/// How connections are made.
pub(crate) struct Connector {
    address: Address,
    tls: MakeRustlsConnect,
    settings: Settings,
    /// What is prepared over each connection at once.
    statements: Vec<&'static str>,
    /// Of a node, whose connections keep copies out of the database: the ledger that the first one found.
    served: Option<OnceLock<LedgerId>>,
    /// How long one attempt may take.
    bound: Duration,
    /// Where the next attempt begins.
    first: AtomicUsize,
    /// Likewise, among the addresses of a host's name.
    turn: AtomicUsize,
    /// Where the last one succeeded; one more than its index, 0 before the first.
    last: AtomicUsize,
    pub(crate) doubt: Doubt,
    newest: Newest,
    warnings: Throttle,
}

impl Connector {
    /// For an engine: only a database that takes writes will do.
    pub(crate) fn of_engine(
        url: &str,
        options: &PostgresOptions,
        statements: Vec<&'static str>,
    ) -> Result<Self, PostgresOpenError> {
        let mut address = Address::of(url, options.authority.as_deref())?;
        if address.config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
            let why = "target_session_attrs asks for a standby, and a ledger is written to";
            return Err(PostgresOpenError::Parameter(why.to_owned()));
        }
        let writable = TargetSessionAttrs::ReadWrite;
        address.config.target_session_attrs(writable);
        let settings = Settings::of_engine(options);
        Self::new(address, "lastro", settings, options, statements)
    }

    /// For who reads everything: a standby will do, too, unless the URL says otherwise.
    pub(crate) fn of_verification(
        url: &str,
        options: &PostgresOptions,
    ) -> Result<Self, PostgresOpenError> {
        let address = Address::of(url, options.authority.as_deref())?;
        let settings = Settings::of_verification();
        Self::new(address, "lastro verify", settings, options, Vec::new())
    }

    fn new(
        mut address: Address,
        name: &str,
        mut settings: Settings,
        options: &PostgresOptions,
        statements: Vec<&'static str>,
    ) -> Result<Self, PostgresOpenError> {
        let name = address.name(name);
        let config = &mut address.config;
        let sent = settings.options(config.get_options());
        config
            .application_name(name)
            .options(sent.map_err(PostgresOpenError::Parameter)?);
        let bound = config.get_connect_timeout().copied();
        let first = match config.get_load_balance_hosts() {
            LoadBalanceHosts::Random => random(address.endpoints.len()),
            _ => 0,
        };
        Ok(Self {
            tls: address.connector()?,
            address,
            settings,
            statements,
            served: None,
            bound: bound.unwrap_or(options.connect_timeout),
            first: AtomicUsize::new(first),
            turn: AtomicUsize::new(0),
            last: AtomicUsize::new(0),
            doubt: Doubt::default(),
            newest: options.newest.clone(),
            warnings: Throttle::new(WARNING_INTERVAL),
        })
    }

    /// The same for connections of a node: the database has the tables, no copy is written into it, and it
    /// has the same ledger as over the first connection.
    pub(crate) fn serving(self) -> Self {
        Self {
            served: Some(OnceLock::new()),
            ..self
        }
    }

    /// How long one attempt may take.
    pub(crate) const fn bound(&self) -> Duration {
        self.bound
    }

    /// How many hosts the URL names.
    pub(crate) const fn hosts_count(&self) -> usize {
        self.address.endpoints.len()
    }

    /// Whether the last connection was made to this host.
    pub(crate) fn is_used(&self, index: usize) -> bool {
        self.last.load(Ordering::Relaxed) == index + 1
    }

    /// A connection to one host, whatever it is, only to ask it what it is.
    pub(crate) async fn connect_to_look(&self, index: usize) -> Result<Client, ConnectError> {
        let mut config = self.address.config_of(&self.address.endpoints[index], None);
        config.target_session_attrs(TargetSessionAttrs::Any);
        let (client, connection) = config.connect(self.tls.clone()).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A host takes writes: if it has taken over, all that follows goes there.
    pub(crate) fn found(&self, index: usize, origin: Origin) {
        match self.newest.meet(origin) {
            Ok(true) => self.first.store(index, Ordering::Relaxed),
            // The same as the one in use, which has two names, or one that was told of already.
            Ok(false) => {}
            Err(superseded) => {
                let place = self.address.endpoints[index].place();
                if let Some(held_back) = self.warnings.pass() {
                    let error = superseded.to_string();
                    tracing::error!(place, error, held_back, "TWO PRIMARIES of the database");
                }
            }
        }
    }

    /// A connection to the first host that will do.
    pub(crate) async fn connect(&self) -> Result<Session, ConnectError> {
        let (endpoints, mut failures) = (&self.address.endpoints, Vec::new());
        let first = self.first.load(Ordering::Relaxed);
        for offset in 0..endpoints.len() {
            let index = (first + offset) % endpoints.len();
            self.first.store(index + 1, Ordering::Relaxed);
            match self.connect_to(&endpoints[index]).await {
                Ok(session) => {
                    self.first.store(index, Ordering::Relaxed);
                    let before = self.last.swap(index + 1, Ordering::Relaxed);
                    if before != 0 && before != index + 1 {
                        let place = endpoints[index].place();
                        tracing::info!(place, "the database is at another host now");
                    }
                    return Ok(session);
                }
                Err(failure) => {
                    let place = endpoints[index].place();
                    if let Some(held_back) = self.warnings.pass() {
                        let error = ErrorChain(&failure).to_string();
                        tracing::warn!(place, error, held_back, "no connection to the database");
                    }
                    failures.push((place, failure));
                }
            }
        }
        match failures.len() {
            1 => Err(failures.remove(0).1),
            _ => Err(ConnectError::Hosts(failures)),
        }
    }

    async fn connect_to(&self, endpoint: &Endpoint) -> Result<Session, ConnectError> {
        let addresses = match (&endpoint.host, endpoint.address) {
            (Some(Host::Tcp(name)), None) => self.look_up(name, endpoint.port).await?,
            _ => vec![None],
        };
        let first = self.turn.load(Ordering::Relaxed);
        let mut failed = ConnectError::Silent(self.bound);
        for offset in 0..addresses.len() {
            let turn = (first + offset) % addresses.len();
            self.turn.store(turn + 1, Ordering::Relaxed);
            // It is large, and seldom needed where it is.
            let attempt = Box::pin(self.attempt(endpoint, addresses[turn]));
            match tokio::time::timeout(self.bound, attempt).await {
                Ok(Ok(session)) => {
                    self.turn.store(turn, Ordering::Relaxed);
                    return Ok(session);
                }
                Ok(Err(failure)) => failed = failure,
                Err(_) => failed = ConnectError::Silent(self.bound),
            }
        }
        Err(failed)
    }

    async fn look_up(&self, name: &str, port: u16) -> Result<Vec<Option<IpAddr>>, ConnectError> {
        let found = tokio::time::timeout(self.bound, tokio::net::lookup_host((name, port))).await;
        let found = found.map_err(|_| ConnectError::Silent(self.bound))?;
        let found = found.map_err(|error| ConnectError::Name(name.to_owned(), error))?;
        let mut addresses: Vec<_> = found.map(|found| Some(found.ip())).collect();
        addresses.dedup();
        if addresses.is_empty() {
            let none = std::io::Error::other("it has no address");
            return Err(ConnectError::Name(name.to_owned(), none));
        }
        Ok(addresses)
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
    ) -> Result<Session, ConnectError> {
        let made = self.doubt.moment();
        let config = self.address.config_of(endpoint, address);
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let notices = Arc::<Notices>::default();
        let driver = tokio::spawn(drive(connection, Arc::clone(&notices)));
        let client = ClientWrapper::new(client, driver);
        let read = self.settings.check(&client).await?;
        if let Some(origin) = read.origin {
            self.newest.meet(origin)?;
        }
        if let Some(served) = &self.served {
            copying::serve(&client, served).await?;
        }
        let statements = self.statements.iter();
        try_join_all(statements.map(|statement| client.prepare_cached(statement))).await?;
        Ok(Session {
            client,
            notices,
            read,
            known: Known::default(),
            made,
            proved: made,
        })
    }
}

/// Moves what goes over a connection until it ends, and hears what the server says beside. A notice is
/// taken before the answer that it came before is handed on.
async fn drive(
    mut connection: Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>,
    notices: Arc<Notices>,
) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => notices.take(&notice),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection ended");
                return;
            }
            None => return,
        }
    }
}

impl managed::Manager for Connector {
    type Type = Session;
    type Error = ConnectError;

    async fn create(&self) -> Result<Session, ConnectError> {
        self.connect().await
    }

    async fn recycle(
        &self,
        session: &mut Session,
        _metrics: &Metrics,
    ) -> RecycleResult<ConnectError> {
        if session.is_closed() {
            return Err(RecycleError::message("it is closed"));
        }
        let doubt = &self.doubt;
        if !self.newest.is_it(session.read.origin) {
            return Err(RecycleError::message("another server has taken over"));
        }
        if session.made < doubt.retired.load(Ordering::Relaxed) {
            return Err(RecycleError::message("it is of before a change"));
        }
        if session.proved < doubt.doubted.load(Ordering::Relaxed) {
            let proved = doubt.moment();
            let asked = session.client.simple_query("");
            if !matches!(tokio::time::timeout(PROOF_BOUND, asked).await, Ok(Ok(_))) {
                // The others that are as old lead to the same server: not each is waited for.
                doubt.retire();
                return Err(RecycleError::message("its server does not answer"));
            }
            session.proved = proved;
        }
        Ok(())
    }
}

/// Any number below the count.
fn random(count: usize) -> usize {
    let number = RandomState::new().hash_one(0) % count as u64;
    usize::try_from(number).expect("it is less than a usize")
}
