//! What `lastro serve` is asked for: its settings by subject, and its two layers, the command line with
//! the environment and the file.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::faults;
use super::payments::PaymentsFile;
use super::traces::TraceSettings;
use super::webhooks::WebhooksFile;
use crate::clock::ClockSettings;
use crate::database::DatabaseSettings;
use crate::log::LogSettings;
use crate::settings::{Settings, check_keys, settings};

settings! {
    /// Which part of a ledger this process is.
    pub(super) struct RoleSettings in "Process" {
        /// What this process does. `all`: everything. `ledger`: it owns the ledger and serves gRPC.
        /// `api`: it serves HTTP, and the ledger is behind a ledger node or in a shared database.
        role: String = "all", env "LASTRO_ROLE", value_name = "all|ledger|api";
        /// How long a start waits for what it needs of others, in seconds: for a database or a Redis that cannot be
        /// reached, and for files of keys and certificates that are not there. What does not mend itself, such as a
        /// wrong password, ends the start at once. 0: does not wait.
        wait_s: u64 = 60, env "LASTRO_WAIT_S", value_name = "SECONDS";
        /// Opens the five accounts of the 2024 challenge. Begins a ledger in a data folder that is
        /// not there or is empty; without it, `lastro init` does.
        demo: bool, env "LASTRO_DEMO";
    }
}

settings! {
    /// Where HTTP and metrics are served.
    pub(super) struct HttpSettings in "HTTP and metrics" {
        /// Address that HTTP is served on: `host:port` or `unix:PATH`.
        listen: String = "127.0.0.1:9999", env "LASTRO_LISTEN", value_name = "ADDR";
        /// Host name that requests may use, such as the public name of the site behind a proxy. May be
        /// repeated. IP addresses, `localhost` and names without a dot are always allowed. `*`: any host.
        host: Vec<String>, env "LASTRO_HOST", value_name = "NAME";
        /// Permissions of the Unix sockets that HTTP, gRPC and metrics are served on, in octal, such as `0660`:
        /// who may write may connect. Without it: what the umask leaves.
        listen_mode: Option<String>, env "LASTRO_LISTEN_MODE", value_name = "MODE";
        /// Group of these Unix sockets, by its name or its number, such as that of the proxy in front. The
        /// server's user has to be in it.
        listen_group: Option<String>, env "LASTRO_LISTEN_GROUP", value_name = "NAME";
        /// Address that metrics and probes are served on: `host:port`, `unix:PATH`, or `none`.
        metrics_listen: String = "127.0.0.1:9990", env "LASTRO_METRICS_LISTEN",
            value_name = "ADDR|none";
        /// PEM file with the certificate chain that HTTP shows: HTTP is then served over TLS, as HTTP/2 or
        /// HTTP/1.1. The files of TLS are read again when they change, and at SIGHUP.
        http_tls_cert: Option<PathBuf>, env "LASTRO_HTTP_TLS_CERT", value_name = "FILE";
        /// PEM file with the private key of `--http-tls-cert`.
        http_tls_key: Option<PathBuf>, env "LASTRO_HTTP_TLS_KEY", value_name = "FILE";
        /// PEM file with certificates of authorities: only HTTP callers with a certificate that one of
        /// them has signed are admitted.
        http_tls_client_ca: Option<PathBuf>, env "LASTRO_HTTP_TLS_CLIENT_CA", value_name = "FILE";
        /// PEM file with the certificate chain that metrics and probes show: they are then served over TLS.
        metrics_tls_cert: Option<PathBuf>, env "LASTRO_METRICS_TLS_CERT", value_name = "FILE";
        /// PEM file with the private key of `--metrics-tls-cert`.
        metrics_tls_key: Option<PathBuf>, env "LASTRO_METRICS_TLS_KEY", value_name = "FILE";
        /// PEM file with certificates of authorities: only callers with a certificate that one of them has
        /// signed get metrics and probes.
        metrics_tls_client_ca: Option<PathBuf>, env "LASTRO_METRICS_TLS_CLIENT_CA",
            value_name = "FILE";
    }
}

settings! {
    /// Where gRPC is served.
    pub(super) struct GrpcSettings in "gRPC" {
        /// Address that gRPC is served on: `host:port` or `unix:PATH`. Without it gRPC is not served.
        grpc_listen: Option<String>, env "LASTRO_GRPC_LISTEN", value_name = "ADDR";
        /// PEM file with the certificate chain that gRPC shows: gRPC is then served over TLS.
        grpc_tls_cert: Option<PathBuf>, env "LASTRO_GRPC_TLS_CERT", value_name = "FILE";
        /// PEM file with the private key of `--grpc-tls-cert`.
        grpc_tls_key: Option<PathBuf>, env "LASTRO_GRPC_TLS_KEY", value_name = "FILE";
        /// PEM file with certificates of authorities: only gRPC callers with a certificate that one of
        /// them has signed are admitted.
        grpc_tls_client_ca: Option<PathBuf>, env "LASTRO_GRPC_TLS_CLIENT_CA", value_name = "FILE";
        /// Older name of `--grpc-tls-cert`.
        tls_cert: Option<PathBuf>, env "LASTRO_TLS_CERT", value_name = "FILE";
        /// Older name of `--grpc-tls-key`.
        tls_key: Option<PathBuf>, env "LASTRO_TLS_KEY", value_name = "FILE";
        /// Older name of `--grpc-tls-client-ca`.
        tls_client_ca: Option<PathBuf>, env "LASTRO_TLS_CLIENT_CA", value_name = "FILE";
    }
}

settings! {
    /// Where the ledger is kept.
    pub(super) struct EngineSettings in "Ledger" {
        /// Engine that keeps the ledger: `embedded` (in the data folder), `postgres`, or `write-behind`
        /// (in Redis, and later in PostgreSQL). Without it: `embedded`.
        engine: Option<String>, env "LASTRO_ENGINE", value_name = "embedded|postgres|write-behind";
        /// Folder that the ledger and the outbox are kept in. `lastro init` begins a ledger there.
        data_dir: PathBuf = "lastro-data", env "LASTRO_DATA_DIR", value_name = "DIR";
        /// Refuses to start on any ledger but the one with this id, 32 hexadecimal digits: `lastro init`
        /// prints it, the start logs it, and `/readyz` has it as `ledger_id`. An API node uses no ledger node that
        /// has another one, and is not ready meanwhile.
        expect_ledger: Option<String>, env "LASTRO_EXPECT_LEDGER", value_name = "ID";
        /// What an answer waits for: `disk` (the write survives a power cut) or `os` (it survives
        /// `kill -9`, but not a power cut).
        durability: String = "disk", env "LASTRO_DURABILITY", value_name = "disk|os";
    }
}

settings! {
    /// The ledger node of an API node.
    pub(super) struct LedgerNodeSettings in "Ledger node" {
        /// Ledger node that this API node uses, by the address of its gRPC: `host:port` or `unix:PATH`.
        ledger: Option<String>, env "LASTRO_LEDGER", value_name = "ADDR";
        /// PEM file with the certificates of the authorities that may sign the ledger node's certificate:
        /// the connection to it then uses TLS.
        ledger_tls_ca: Option<PathBuf>, env "LASTRO_LEDGER_TLS_CA", value_name = "FILE";
        /// PEM file with the certificate chain that is shown to the ledger node.
        ledger_tls_cert: Option<PathBuf>, env "LASTRO_LEDGER_TLS_CERT", value_name = "FILE";
        /// PEM file with the private key of `--ledger-tls-cert`.
        ledger_tls_key: Option<PathBuf>, env "LASTRO_LEDGER_TLS_KEY", value_name = "FILE";
        /// File with the secret of the key that is shown to the ledger node, if that has `--keys`. The key
        /// needs the scopes `read` and `write`, and `operate` for what operators do at this node. The file
        /// is read again at SIGHUP and when it changes.
        ledger_key: Option<PathBuf>, env "LASTRO_LEDGER_KEY", value_name = "FILE";
    }
}

settings! {
    /// Where the database is.
    pub(super) struct DatabaseUrlSettings in "PostgreSQL" {
        /// Database of the engines `postgres` and `write-behind`:
        /// `postgres://user:password@host:port/name`.
        database_url: Option<String>, env "LASTRO_DATABASE_URL", value_name = "URL",
            hide_env_values = true;
        /// File with the value of `--database-url` as its only line: for a URL with a password, which other
        /// users of the machine could read on the command line.
        database_url_file: Option<PathBuf>, env "LASTRO_DATABASE_URL_FILE", value_name = "FILE";
        /// Does not change the tables of the database: `lastro migrate` was run before.
        no_migrate: bool, env "LASTRO_NO_MIGRATE";
    }
}

settings! {
    /// Where Redis is.
    pub(super) struct RedisSettings in "Redis" {
        /// Redis of the engine `write-behind`: `redis://:password@host:port/number`, or `rediss://` for
        /// TLS.
        redis_url: Option<String>, env "LASTRO_REDIS_URL", value_name = "URL",
            hide_env_values = true;
        /// File with the value of `--redis-url` as its only line.
        redis_url_file: Option<PathBuf>, env "LASTRO_REDIS_URL_FILE", value_name = "FILE";
        /// File with the certificates of the authorities that may sign the certificate of Redis. Without
        /// it: the authorities that this machine trusts.
        redis_ca: Option<PathBuf>, env "LASTRO_REDIS_CA", value_name = "FILE";
    }
}

settings! {
    /// What operations may take that wait to be applied.
    pub(super) struct OutboxSettings in "Operations" {
        /// Maximum disk space of the operations that wait to be applied, in bytes; 0: no operations are
        /// accepted. Without it: 1 GiB, but 0 for a ledger node, and 0 for `--role all` over a database.
        outbox_bytes_max: Option<u64>, env "LASTRO_OUTBOX_BYTES_MAX", value_name = "BYTES";
    }
}

settings! {
    /// What callers may do to all payments.
    pub(super) struct PurgeSettings in "Payments" {
        /// Enables `POST /purge-payments`, which gives up all waiting payments: for tests.
        enable_purge: bool, env "LASTRO_ENABLE_PURGE";
    }
}

settings! {
    /// What is allowed beyond this machine.
    pub(super) struct SecuritySettings in "Security" {
        /// File with the keys that callers need, which `lastro key create` makes; it is read again at
        /// SIGHUP and when it changes. `database`: the keys are in the database of the ledger. Every request
        /// then needs one, but those that ask whether the server lives.
        keys: Option<String>, env "LASTRO_KEYS", value_name = "FILE|database";
        /// Needs no key on the routes of the 2024 and 2025 challenges, although `--keys` is given: for tests. A
        /// payment out of an account of the ledger needs one all the same.
        open_challenge: bool, env "LASTRO_OPEN_CHALLENGE";
        /// Serves HTTP and gRPC beyond loopback to callers that are not identified: everybody who can
        /// reach the address can move money.
        listen_public: bool, env "LASTRO_LISTEN_PUBLIC";
        /// Serves metrics and probes beyond loopback to callers that are not identified.
        metrics_public: bool, env "LASTRO_METRICS_PUBLIC";
        /// Allows unencrypted connections to other machines: to the ledger node, the database, Redis and
        /// the processors and the receivers of webhooks.
        plaintext: bool, env "LASTRO_PLAINTEXT";
        /// Refused: `--listen-public`, `--metrics-public`, `--host '*'` and `--plaintext` have taken its place.
        insecure: bool, env "LASTRO_INSECURE", hide = true;
    }
}

settings! {
    /// All settings that a flag, a variable or the file can give.
    pub(super) struct ServeSettings of {
        role: RoleSettings,
        http: HttpSettings,
        grpc: GrpcSettings,
        engine: EngineSettings,
        ledger_node: LedgerNodeSettings,
        database_url: DatabaseUrlSettings,
        database: DatabaseSettings,
        redis: RedisSettings,
        clock: ClockSettings,
        outbox: OutboxSettings,
        purge: PurgeSettings,
        log: LogSettings,
        traces: TraceSettings,
        security: SecuritySettings,
    }
}

/// What `--help` of the command says at its end.
pub(crate) const PRECEDENCE: &str = "A setting is taken from its flag, else from its variable, else from the file of --config, \
     else from its default. A switch is on if any of them turns it on. A variable that begins with \
     LASTRO_ and is not listed here is refused. `lastro config example` prints a file with every setting, \
     `lastro config check` checks one.";

/// The layer of the command line and the environment.
#[derive(Default, clap::Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(super) settings: ServeSettings,
    /// Accepts the clock at this start, however long after the newest record it is.
    #[arg(long, help_heading = "Clock")]
    pub(super) accept_clock: bool,
    /// Goes on at this start of the engine `write-behind` without answered writes that Redis and
    /// PostgreSQL have lost: the log names them.
    #[arg(long, help_heading = "Redis")]
    pub(super) accept_data_loss: bool,
    /// Payment processor; repeat it in the order of preference. Its other settings are in the file, under
    /// `[[processors]]`.
    #[arg(
        long,
        env = "LASTRO_PROCESSOR",
        value_name = "NAME=URL",
        value_delimiter = ','
    )]
    #[arg(help_heading = "Payments")]
    pub(super) processor: Vec<String>,
    /// TOML file with the same settings; a key is the name of a flag with `_` in the place of `-`.
    #[arg(
        long,
        env = "LASTRO_CONFIG",
        value_name = "FILE",
        help_heading = "Process"
    )]
    pub(super) config: Option<PathBuf>,
}

/// The layer of the file.
#[derive(Default)]
pub(super) struct FileSettings {
    pub(super) settings: ServeSettings,
    pub(super) payments: PaymentsFile,
    pub(super) webhooks: WebhooksFile,
}

impl FileSettings {
    /// Reads a file. No error quotes it, since it can have passwords in it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let place = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
        Self::read(&text).map_err(|error| {
            let fault = faults::describe(&text, &error);
            anyhow::anyhow!("{place} is not a valid configuration: {fault}")
        })
    }

    pub(super) fn read(text: &str) -> Result<Self, toml::de::Error> {
        let file_only = [PaymentsFile::KEYS, WebhooksFile::KEYS].concat();
        check_keys::<ServeSettings>(text, &file_only)?;
        Ok(Self {
            settings: ServeSettings::read(text)?,
            payments: toml::from_str(text)?,
            webhooks: toml::from_str(text)?,
        })
    }
}

/// Each setting that the file can give, in the order of the tables, with its default.
pub(crate) fn setting_defaults() -> Vec<(&'static str, Option<&'static str>)> {
    ServeSettings::defaults()
}

/// Reads a file as `lastro serve` does, for tests.
#[cfg(test)]
pub(crate) fn check_file(text: &str) -> Result<(), toml::de::Error> {
    FileSettings::read(text).map(drop)
}

/// What is reported of a file that is not valid, for tests.
#[cfg(test)]
pub(crate) fn file_fault(text: &str) -> Result<(), String> {
    let read = FileSettings::read(text).map(drop);
    read.map_err(|error| faults::describe(text, &error))
}

/// Every key that only the file has, for tests.
#[cfg(test)]
pub(crate) fn file_only_keys() -> Vec<String> {
    [PaymentsFile::inner_keys(), WebhooksFile::inner_keys()].concat()
}
