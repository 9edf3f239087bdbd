//! A PgBouncer of its own before a PostgreSQL.

use std::fmt::Write;
use std::net::{Ipv4Addr, TcpStream};

use super::options::{self, Folder, ServerOptions};
use super::user::User;
use super::{Postgres, ServerProcess, ports, program};

/// A pooler before every database of one PostgreSQL, for its user `postgres`. Started by root, it
/// runs as another user. Killed when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    // In this order: the process goes before its folder.
    _process: ServerProcess,
    _folder: Folder,
    port: u16,
}

impl PgBouncer {
    /// One on a free port with these settings, such as `pool_mode`.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start(postgres: &Postgres, settings: &[(&str, &str)]) -> Result<Self, String> {
        let pgbouncer = program("pgbouncer")?;
        let launcher = match User::to_become()? {
            Some(user) => user.launcher()?,
            None => Vec::new(),
        };
        ports::start_on(None, |port| {
            let folder = ServerOptions::default().folder("pgbouncer")?;
            let config = folder.path().join("pgbouncer.ini");
            std::fs::write(&config, text(postgres.port(), port, settings))
                .map_err(|error| format!("{}: {error}", config.display()))?;
            let mut command = options::command(&launcher, &pgbouncer);
            command.arg(&config).current_dir(folder.path());
            let mut process = ServerProcess::spawn("PgBouncer", command, &folder.log())?;
            let answers = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            process.wait_until_it_serves(port, answers)?;
            Ok(Self {
                _process: process,
                _folder: folder,
                port,
            })
        })
    }

    /// The URL of a database of this name, through it.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

fn text(database_port: u16, port: u16, settings: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[databases]\n* = host=127.0.0.1 port={database_port} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = any\n"
    );
    for (name, value) in settings {
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}
