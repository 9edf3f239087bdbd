//! A database whose commits wait for a standby that is not there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Postgres;

/// How long a setting may take to be seen by all of a server's processes.
const BOUND: Duration = Duration::from_secs(60);

impl Postgres {
    /// Sets whether commits wait for a standby that is not there, from now on.
    ///
    /// # Errors
    ///
    /// When the server does not do it, or no commit waits within a minute.
    pub fn wait_for_standby(&self, waits: bool) -> Result<(), String> {
        let name = if waits { "absent" } else { "" };
        self.psql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{name}'"
        ))?;
        self.psql("SELECT pg_reload_conf()")?;
        if !waits {
            return Ok(());
        }
        // A commit waits once all processes have seen it; the one that shows it does not wait on.
        let until = Instant::now() + BOUND;
        let mut has_waited = false;
        while !has_waited {
            if Instant::now() >= until {
                return Err("no commit waits for the standby".to_owned());
            }
            has_waited = thread::scope(|scope| {
                let probe = "CREATE TABLE probe (); DROP TABLE probe";
                let probe = scope.spawn(|| self.psql(probe));
                let mut cancelled = 0;
                while !probe.is_finished() {
                    cancelled += self.cancel_waits_once()?;
                    thread::sleep(Duration::from_millis(10));
                }
                Ok::<bool, String>(cancelled > 0)
            })?;
        }
        Ok(())
    }

    /// Ends the waits of all commits; returns how many there were.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn cancel_waits_once(&self) -> Result<u32, String> {
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
            WHERE wait_event = 'SyncRep'";
        let count = self.psql(cancel)?;
        count.trim().parse().map_err(|_| count)
    }

    /// Likewise, over and over, until it is told to stop.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn cancel_waits(&self, stop: &AtomicBool) -> Result<u32, String> {
        let mut cancelled = 0;
        while !stop.load(Ordering::Relaxed) {
            cancelled += self.cancel_waits_once()?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(cancelled)
    }
}
