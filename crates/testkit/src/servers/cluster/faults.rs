//! What happens to the hosts of a cluster.

use rustix::process::Signal;

use super::host::{is_postgres, processes, signal};
use super::{Cluster, DATABASES, ETCDS};
use crate::network::TEST;

impl Cluster {
    /// `kill -9` of a PostgreSQL and all its children; its Patroni goes on.
    pub fn kill_postgres(&self, index: usize) {
        self.signal_postgres(index, Signal::KILL);
    }

    /// Stops a PostgreSQL and all its children where they are; its Patroni goes on.
    pub fn freeze_postgres(&self, index: usize) {
        self.signal_postgres(index, Signal::STOP);
    }

    /// Lets them go on.
    pub fn thaw_postgres(&self, index: usize) {
        self.signal_postgres(index, Signal::CONT);
    }

    fn signal_postgres(&self, index: usize, sent: Signal) {
        if let Some(host) = &self.databases[index] {
            signal(&processes(host, is_postgres), sent);
        }
    }

    /// Stops a Patroni where it is; its PostgreSQL goes on, and nobody ends it.
    pub fn freeze_patroni(&self, index: usize) {
        self.signal_patroni(index, Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw_patroni(&self, index: usize) {
        self.signal_patroni(index, Signal::CONT);
    }

    fn signal_patroni(&self, index: usize, sent: Signal) {
        if let Some(host) = &self.databases[index] {
            let is_patroni = |line: &str| line.contains("patroni.yml") && line.contains("python");
            signal(&processes(host, is_patroni), sent);
        }
    }

    /// Stops everything on a host of a database where it is, as a machine that hangs does.
    pub fn freeze_host(&self, index: usize) {
        self.signal_host(index, Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw_host(&self, index: usize) {
        self.signal_host(index, Signal::CONT);
    }

    fn signal_host(&self, index: usize, sent: Signal) {
        if let Some(host) = &self.databases[index] {
            signal(&processes(host, |_| true), sent);
        }
    }

    /// A host of a database is gone, with everything on it but its disk: nothing answers there, not even
    /// that nobody listens.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn lose_host(&mut self, index: usize) -> Result<(), String> {
        self.cut_host(index)?;
        self.databases[index] = None;
        Ok(())
    }

    /// It is back, with its disk as it was.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn return_host(&mut self, index: usize) -> Result<(), String> {
        self.heal_host(index)?;
        // Its number is somebody else's on a host that was started again: the server would take that for itself.
        let pid_file = self
            .folder
            .path()
            .join(DATABASES[index])
            .join("data/postmaster.pid");
        let _ = std::fs::remove_file(pid_file);
        self.start_database(index)
    }

    /// Cuts a host of a database off from all others, and from the test, both ways.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn cut_host(&self, index: usize) -> Result<(), String> {
        self.cut_from(index, &[&DATABASES[..], &ETCDS, &[TEST]].concat())
    }

    /// Cuts a host of a database off from etcd only.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn cut_from_etcd(&self, index: usize) -> Result<(), String> {
        self.cut_from(index, &ETCDS)
    }

    /// Cuts a host of a database off from the others of the cluster, not from the test.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn cut_from_cluster(&self, index: usize) -> Result<(), String> {
        self.cut_from(index, &[DATABASES, ETCDS].concat())
    }

    fn cut_from(&self, index: usize, others: &[&str]) -> Result<(), String> {
        let own = DATABASES[index];
        for other in others.iter().filter(|other| **other != own) {
            self.network.cut(own, other)?;
            self.network.cut(other, own)?;
        }
        Ok(())
    }

    /// Ends every cut of a host.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn heal_host(&self, index: usize) -> Result<(), String> {
        let own = DATABASES[index];
        let others = [&DATABASES[..], &ETCDS, &[TEST]].concat();
        for other in others.into_iter().filter(|other| *other != own) {
            self.network.heal(own, other)?;
            self.network.heal(other, own)?;
        }
        Ok(())
    }

    /// `kill -9` of a member of etcd.
    pub fn kill_etcd(&mut self, index: usize) {
        self.etcds[index] = None;
    }

    /// Starts a member of etcd again, with its data.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn restart_etcd(&mut self, index: usize) -> Result<(), String> {
        self.start_etcd(index)
    }
}
