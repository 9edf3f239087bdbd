//! A PostgreSQL of its own: durable as PostgreSQL is by default, open to everybody on loopback.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::options::{self, Folder, ServerOptions};
use super::user::User;
use super::{START_BOUND, STOP_BOUND, ServerProcess, StopSignal, ports, program};

/// How long one question whether it is ready may take.
const PROBE_BOUND: Duration = Duration::from_secs(1);
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// How long it may take to drop everything at the end of a test.
const DROP_BOUND: Duration = Duration::from_secs(5);

/// A PostgreSQL with its data in a folder of its own. Started by root, it runs as `postgres` or
/// `nobody`. Ended when dropped.
#[derive(Debug)]
pub struct Postgres {
    // In this order: the processes go before their folder.
    process: Option<ServerProcess>,
    folder: Folder,
    programs: PathBuf,
    /// The words before the server's program.
    launcher: Vec<OsString>,
    port: u16,
}

impl Postgres {
    /// A new cluster on a free port.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&ServerOptions::default())
    }

    /// Likewise, as told. A folder that holds a cluster keeps it.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start_with(options: &ServerOptions) -> Result<Self, String> {
        let programs = program("postgres")?;
        let programs = programs.parent().unwrap_or(Path::new("/")).to_owned();
        let folder = options.folder("postgres")?;
        let user = User::to_become()?;
        let as_user = match &user {
            Some(user) => user.launcher()?,
            None => Vec::new(),
        };
        let as_user: Vec<OsString> = as_user.into_iter().map(OsString::from).collect();
        let data = folder.path().join("data");
        if !data.join("PG_VERSION").exists() {
            make_cluster(&programs, &data, user.as_ref(), &as_user)?;
            let own = own_settings(&options.settings);
            append(&data.join("postgresql.conf"), &own)?;
        }
        let launcher = options.launcher.iter().chain(&as_user).cloned().collect();
        let mut postgres = Self {
            process: None,
            folder,
            programs,
            launcher,
            port: 0,
        };
        ports::start_on(options.port, |port| {
            postgres.port = port;
            postgres.run()
        })?;
        Ok(postgres)
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id; `None` when it does not run.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// The URL of the database that is always there.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database, for one test alone, and returns its URL.
    ///
    /// # Errors
    ///
    /// What PostgreSQL said.
    pub fn create_database(&self, name: &str) -> Result<String, String> {
        self.psql(&format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.url_of(name))
    }

    /// The URL of a database of this name.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The path of a program of the same version, such as `pgbench`.
    ///
    /// # Errors
    ///
    /// What to install.
    pub fn program(&self, name: &str) -> Result<PathBuf, String> {
        let beside = self.programs.join(name);
        if beside.is_file() {
            return Ok(beside);
        }
        program(name)
    }

    /// What statements print, a row a line, fields divided by `|`.
    ///
    /// # Errors
    ///
    /// What PostgreSQL said.
    pub fn psql(&self, statements: &str) -> Result<String, String> {
        self.psql_in("postgres", statements)
    }

    /// Likewise, in the database of this name.
    ///
    /// # Errors
    ///
    /// What PostgreSQL said.
    pub fn psql_in(&self, database: &str, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(self.program("psql")?);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args([
                "--set",
                "ON_ERROR_STOP=1",
                "--dbname",
                &self.url_of(database),
            ])
            .args(["--command", statements]);
        output(psql.env_remove("PGOPTIONS"))
    }

    /// A standby of it with a copy of its data, which follows it. From now on it answers a commit
    /// when the standby has written it, too.
    ///
    /// # Errors
    ///
    /// What PostgreSQL said.
    pub fn start_standby(&self) -> Result<Self, String> {
        let folder = ServerOptions::default().folder("postgres-standby")?;
        let data = folder.path().join("data");
        let launcher = own_folder(&data)?;
        let mut copy = options::command(&launcher, self.program("pg_basebackup")?);
        copy.args(["--host=127.0.0.1", "--username=postgres"])
            .arg(format!("--port={}", self.port))
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"])
            .arg("--write-recovery-conf")
            .arg("-D")
            .arg(&data)
            .current_dir(&data);
        output(&mut copy)?;
        let mut standby = Self {
            process: None,
            folder,
            programs: self.programs.clone(),
            launcher,
            port: 0,
        };
        ports::start_on(None, |port| {
            standby.port = port;
            standby.run()
        })?;
        self.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        self.psql("SELECT pg_reload_conf()")?;
        let deadline = Instant::now() + START_BOUND;
        while self.psql("SELECT sync_state FROM pg_stat_replication")? != "sync" {
            if Instant::now() > deadline {
                return Err("the standby does not follow".to_owned());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(standby)
    }

    /// Writes a file into the folder of its data, for its own user alone: a certificate or its key.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_data(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.folder.path().join("data").join(name);
        let failed = |error| format!("{}: {error}", path.display());
        fs::write(&path, text).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        match User::to_become()? {
            Some(user) => user.own(&path),
            None => Ok(()),
        }
    }

    /// Makes a standby take writes.
    ///
    /// # Errors
    ///
    /// What PostgreSQL said.
    pub fn promote(&self) -> Result<(), String> {
        match self.psql("SELECT pg_promote()")?.as_str() {
            "t" => Ok(()),
            said => Err(format!("it was not promoted: {said}")),
        }
    }

    /// Stops it as an administrator does: open transactions are rolled back, data is written out.
    ///
    /// # Errors
    ///
    /// When it does not stop in time; it is killed then.
    pub fn stop(&mut self) -> Result<(), String> {
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        let status = process.stop(StopSignal::Interrupt, STOP_BOUND)?;
        if status.success() {
            return Ok(());
        }
        Err(format!("PostgreSQL ended with {status}"))
    }

    /// `kill -9` for all of its processes at once.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again with the same data on the same port; stops it before, if it runs.
    ///
    /// # Errors
    ///
    /// What it said.
    pub fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.run()
    }

    /// Its process; `None` when it does not run.
    pub const fn process(&mut self) -> Option<&mut ServerProcess> {
        self.process.as_mut()
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let process = self.process.as_ref();
        process.map_or_else(String::new, ServerProcess::log_tail)
    }

    fn run(&mut self) -> Result<(), String> {
        let data = self.folder.path().join("data");
        let mut command = options::command(&self.launcher, self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(&data)
            .args(["-p", &self.port.to_string()])
            .current_dir(&data)
            .env_remove("PGOPTIONS");
        let mut process = ServerProcess::spawn("PostgreSQL", command, &self.folder.log())?;
        process.wait_until_it_serves(self.port, |port| answers(port).unwrap_or(false))?;
        self.process = Some(process);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed at once it would leave shared memory behind; told to quit it cleans up.
        if let Some(process) = self.process.take() {
            let _ = process.stop(StopSignal::Quit, DROP_BOUND);
        }
    }
}

/// Makes an empty folder that PostgreSQL takes for its data; gives the words that start a program
/// as the one who owns it.
fn own_folder(data: &Path) -> Result<Vec<OsString>, String> {
    let failed = |error| format!("{}: {error}", data.display());
    fs::create_dir_all(data).map_err(failed)?;
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    let Some(user) = User::to_become()? else {
        return Ok(Vec::new());
    };
    user.own(data)?;
    Ok(user.launcher()?.into_iter().map(OsString::from).collect())
}

fn make_cluster(
    programs: &Path,
    data: &Path,
    user: Option<&User>,
    as_user: &[OsString],
) -> Result<(), String> {
    fs::create_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
    if let Some(user) = user {
        user.own(data)?;
        if !super::can_reach(data) {
            let place = data.display();
            return Err(format!(
                "PostgreSQL runs as {}, who cannot reach {place}: a folder on the way is closed; \
                 choose another place",
                user.name
            ));
        }
    }
    let mut initdb = options::command(as_user, programs.join("initdb"));
    initdb
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
        .args(["--no-locale", "--no-sync", "--no-instructions"])
        .arg("-D")
        .arg(data)
        .current_dir(data);
    output(&mut initdb).map(drop)
}

/// What the start decides, then what was asked for: of two the later one counts.
fn own_settings(asked: &[(String, String)]) -> String {
    let own = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ];
    let asked = asked.iter().map(|(name, value)| (&**name, &**value));
    let line = |(name, value): (&str, &str)| format!("{name} = '{}'\n", value.replace('\'', "''"));
    own.into_iter().chain(asked).map(line).collect()
}

fn append(path: &Path, text: &str) -> Result<(), String> {
    let file = fs::File::options().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether it lets us in: its answer to the protocol's first message says so.
fn answers(port: u16) -> std::io::Result<bool> {
    // Version 3.0, then names and values, each ended by a zero, and one more.
    const START: &[u8] = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PROBE_BOUND))?;
    let length = u32::try_from(START.len() + 4).unwrap_or(u32::MAX);
    stream.write_all(&[&length.to_be_bytes(), START].concat())?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok(kind == *b"R")
}

/// What a command prints; an error shows its complaints.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {}", output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
