//! Questions to the databases of a cluster and to their Patronis.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{ASK_BOUND, Cluster, DATABASES, PASSWORD};
use crate::servers::program;

/// How long Patroni may take to move the primary.
const SWITCHOVER_BOUND: Duration = Duration::from_secs(60);

impl Cluster {
    /// Which database is the primary, by its Patroni, which holds the leader key.
    #[must_use]
    pub fn primary(&self) -> Option<usize> {
        (0..DATABASES.len()).find(|index| self.is(*index, "/primary"))
    }

    /// Whether this one may become the primary: it is a synchronous standby.
    #[must_use]
    pub fn may_take_over(&self, index: usize) -> bool {
        self.is(index, "/synchronous")
    }

    /// Whether its host is there.
    #[must_use]
    pub const fn is_running(&self, index: usize) -> bool {
        self.databases[index].is_some()
    }

    fn is(&self, index: usize, what: &str) -> bool {
        let asked = self.ask(index, "GET", what, "", ASK_BOUND);
        asked.is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"))
    }

    /// Makes another database the primary, as an operator does before work on the first.
    ///
    /// # Errors
    ///
    /// What Patroni said.
    pub fn switch_over(&self, to: usize) -> Result<(), String> {
        let from = self.primary().ok_or("there is no primary")?;
        let (leader, candidate) = (DATABASES[from], DATABASES[to]);
        let body = format!(r#"{{"leader": "{leader}", "candidate": "{candidate}"}}"#);
        let answer = self.ask(from, "POST", "/switchover", &body, SWITCHOVER_BOUND)?;
        match answer.starts_with("HTTP/1.0 200") {
            true => Ok(()),
            false => Err(format!("no switchover to {candidate}: {answer}")),
        }
    }

    /// One request to a Patroni; the whole answer.
    fn ask(
        &self,
        index: usize,
        method: &str,
        path: &str,
        body: &str,
        bound: Duration,
    ) -> Result<String, String> {
        let address = SocketAddr::from((self.network.address(DATABASES[index]), 8008));
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let asked = || {
            let mut stream = TcpStream::connect_timeout(&address, ASK_BOUND)?;
            stream.set_read_timeout(Some(bound))?;
            stream.set_write_timeout(Some(ASK_BOUND))?;
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        asked().map_err(|error| format!("Patroni at {address}: {error}"))
    }

    /// What statements print on one of the databases, a row a line, fields divided by `|`. They are the
    /// administrator's, and wait for no standby unless they say so.
    ///
    /// # Errors
    ///
    /// What PostgreSQL said.
    pub fn psql(&self, index: usize, statements: &str) -> Result<String, String> {
        let address = self.network.address(DATABASES[index]).to_string();
        let mut psql = Command::new(program("psql")?);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set", "ON_ERROR_STOP=1", "--host", &address])
            .args(["--username", "postgres", "--dbname", "postgres"])
            .args(["--command", statements])
            .env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", ASK_BOUND.as_secs().to_string())
            .env("PGOPTIONS", "-c synchronous_commit=local");
        let output = psql.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("psql: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
