//! A PostgreSQL that may lose a machine: three databases under Patroni and three members of etcd, each on
//! a host of its own.
//!
//! A host is a network namespace ([`Network`]) and a namespace of processes: what runs there ends as a whole
//! when the host is lost, or when the test ends in whatever way. Patroni runs with the file that is shipped,
//! `deploy/ha/patroni.yml`, so that what it promises is what is tested.
//!
//! | what waits | at most |
//! |---|---|
//! | the start, until both standbys follow | [`WHOLE_BOUND`] |
//! | a database or a Patroni that is asked | [`ASK_BOUND`] |

mod ask;
mod faults;
mod host;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::options::Folder;
use super::user::User;
use super::{ServerProcess, program};
use crate::network::Network;

/// How long the whole cluster may take until a primary and both standbys are there.
pub const WHOLE_BOUND: Duration = Duration::from_secs(120);
/// How long one question may take.
pub(super) const ASK_BOUND: Duration = Duration::from_secs(2);
/// The hosts of the databases.
pub const DATABASES: [&str; 3] = ["db1", "db2", "db3"];
/// The hosts of etcd.
pub const ETCDS: [&str; 3] = ["etcd1", "etcd2", "etcd3"];

const PAUSE: Duration = Duration::from_millis(100);
/// What Patroni does, as it is shipped.
const PATRONI_YML: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/ha/patroni.yml");
/// One for all users of the cluster.
const PASSWORD: &str = "secret";
/// Who Lastro connects as.
const USER: &str = "lastro";

/// Three databases and what they elect their primary by. Ended when dropped.
#[derive(Debug)]
pub struct Cluster {
    // In this order: processes go before their folder and their network.
    databases: [Option<ServerProcess>; 3],
    etcds: [Option<ServerProcess>; 3],
    folder: Folder,
    network: Network,
    user: User,
    programs: PathBuf,
}

impl Cluster {
    /// Why no cluster can be started on this machine; `Ok` where it can.
    ///
    /// # Errors
    ///
    /// What is missing, as one line.
    pub fn permitted() -> Result<(), String> {
        Network::permitted()?;
        for name in ["etcd", "patroni", "postgres", "unshare"] {
            program(name)?;
        }
        Ok(())
    }

    /// Starts all of it, with an empty database for Lastro; both standbys follow when it returns.
    ///
    /// # Errors
    ///
    /// What to install, or what was said.
    pub fn start() -> Result<Self, String> {
        let user = User::to_become()?.ok_or("only root can start hosts")?;
        let postgres = program("postgres")?;
        let programs = postgres.parent().ok_or("postgres has no folder")?;
        let hosts = [DATABASES, ETCDS].concat();
        let mut cluster = Self {
            databases: [const { None }; 3],
            etcds: [const { None }; 3],
            folder: Folder::prepare("cluster", None)?,
            network: Network::start(&hosts)?,
            user,
            programs: programs.to_owned(),
        };
        for index in 0..ETCDS.len() {
            cluster.start_etcd(index)?;
        }
        for index in 0..DATABASES.len() {
            cluster.start_database(index)?;
        }
        cluster.wait_until_whole()?;
        let primary = cluster.wait_for_primary(WHOLE_BOUND)?;
        cluster.psql(
            primary,
            &format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"),
        )?;
        cluster.psql(primary, &format!("CREATE DATABASE bank OWNER {USER}"))?;
        Ok(cluster)
    }

    /// The network between the hosts. The test itself is a host of it.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The URL of Lastro's database: every host of it, whichever is the primary.
    #[must_use]
    pub fn url(&self) -> String {
        let address = |host| format!("{}:5432", self.network.address(host));
        let hosts = DATABASES.map(address).join(",");
        format!("postgres://{USER}:{PASSWORD}@{hosts}/bank")
    }

    /// The URL of Lastro's database on one host alone.
    #[must_use]
    pub fn url_of(&self, index: usize) -> String {
        let address = self.network.address(DATABASES[index]);
        format!("postgres://{USER}:{PASSWORD}@{address}:5432/bank")
    }

    /// Waits until a Patroni says that its database is the primary and holds the leader key.
    ///
    /// # Errors
    ///
    /// When none does within the bound.
    pub fn wait_for_primary(&self, bound: Duration) -> Result<usize, String> {
        let until = Instant::now() + bound;
        loop {
            if let Some(index) = self.primary() {
                return Ok(index);
            }
            if Instant::now() > until {
                let said = self.logs();
                return Err(format!(
                    "there is no primary after {bound:?}; they said:\n{said}"
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until a primary is there, both standbys stream from it, and one of them may take over.
    ///
    /// # Errors
    ///
    /// When they do not within [`WHOLE_BOUND`].
    pub fn wait_until_whole(&self) -> Result<(), String> {
        let until = Instant::now() + WHOLE_BOUND;
        while !self.is_whole() {
            if Instant::now() > until {
                let said = self.logs();
                return Err(format!(
                    "no two standbys follow after {WHOLE_BOUND:?}; they said:\n{said}"
                ));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        let Some(primary) = self.primary() else {
            return false;
        };
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'
            AND application_name LIKE 'db%'";
        let may_take_over = (0..DATABASES.len()).filter(|index| self.may_take_over(*index));
        may_take_over.count() == 1
            && self
                .psql(primary, streaming)
                .is_ok_and(|streaming| streaming == "2")
    }

    fn start_etcd(&mut self, index: usize) -> Result<(), String> {
        let address = |host| self.network.address(host);
        let peers = ETCDS.map(|host| format!("{host}=http://{}:2380", address(host)));
        let (name, own) = (ETCDS[index], address(ETCDS[index]));
        let folder = self.folder.path().join(name);
        let failed = |error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        let (peer, client) = (format!("http://{own}:2380"), format!("http://{own}:2379"));
        let arguments = [
            ("--name", name),
            ("--data-dir", &folder.join("data").display().to_string()),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--initial-cluster", &peers.join(",")),
            ("--initial-cluster-state", "new"),
            // So short because all of this is one machine, which is busy.
            ("--heartbeat-interval", "100"),
            ("--election-timeout", "1000"),
            ("--logger", "zap"),
            ("--log-level", "warn"),
        ];
        let mut command = self.on_host(name, &[], &program("etcd")?);
        for (flag, value) in arguments {
            command.args([flag, value]);
        }
        let process = ServerProcess::spawn("etcd", command, &folder.join("log"))?;
        self.etcds[index] = Some(process);
        Ok(())
    }

    fn start_database(&mut self, index: usize) -> Result<(), String> {
        let (name, own) = (DATABASES[index], self.network.address(DATABASES[index]));
        let folder = self.folder.path().join(name);
        let failed = |error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        self.user.own(&folder)?;
        let etcds = ETCDS.map(|host| format!("'{}:2379'", self.network.address(host)));
        let as_user: Vec<OsString> = self.user.launcher()?.into_iter().map(Into::into).collect();
        let mut command = self.on_host(name, &as_user, &program("patroni")?);
        command.arg(PATRONI_YML).current_dir(&folder);
        let (data, pgpass) = (folder.join("data"), folder.join("pgpass"));
        for (key, value) in [
            ("NAME", name.to_owned()),
            ("ETCD3_HOSTS", etcds.join(",")),
            ("RESTAPI_LISTEN", format!("{own}:8008")),
            ("RESTAPI_CONNECT_ADDRESS", format!("{own}:8008")),
            ("POSTGRESQL_LISTEN", format!("{own}:5432")),
            ("POSTGRESQL_CONNECT_ADDRESS", format!("{own}:5432")),
            ("POSTGRESQL_DATA_DIR", data.display().to_string()),
            ("POSTGRESQL_BIN_DIR", self.programs.display().to_string()),
            ("POSTGRESQL_PGPASS", pgpass.display().to_string()),
            ("SUPERUSER_USERNAME", "postgres".to_owned()),
            ("SUPERUSER_PASSWORD", PASSWORD.to_owned()),
            ("REPLICATION_USERNAME", "replicator".to_owned()),
            ("REPLICATION_PASSWORD", PASSWORD.to_owned()),
        ] {
            command.env(format!("PATRONI_{key}"), value);
        }
        let process = ServerProcess::spawn("Patroni", command, &folder.join("log"))?;
        self.databases[index] = Some(process);
        Ok(())
    }

    /// The ends of all logs.
    fn logs(&self) -> String {
        let processes = self.databases.iter().chain(&self.etcds).flatten();
        let tails = processes.map(|process| format!("{}:\n{}", process.name(), process.log_tail()));
        tails.collect::<Vec<_>>().join("\n")
    }
}
