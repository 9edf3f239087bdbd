//! What happens to the hosts of the database.

use std::time::{Duration, Instant};

use testkit::servers::{Cluster, DATABASES};

use super::{HOST_BOUND, PROCESS_BOUND};

/// How long a host stays away when others have to take over from it: beyond Patroni's `ttl` of 20 s and an election.
const TAKEN_OVER_AFTER: Duration = Duration::from_secs(35);
const SHORT: Duration = Duration::from_secs(8);
/// How long a cluster may take to be ready for what is to happen to it.
const READY_BOUND: Duration = Duration::from_secs(60);

/// Something that happens, and is over some time later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9` of all processes of the primary's PostgreSQL.
    ServerKilled,
    /// Patroni moves the primary to its standby.
    Switchover,
    /// The primary's host is gone, and comes back.
    HostGone,
    /// The primary's host is cut off from everything, both ways.
    HostCut,
    /// The primary's host is cut off from the others of the cluster: nodes still reach it.
    HostCutFromCluster,
    /// The primary's host is cut off from etcd only.
    HostCutFromEtcd,
    /// The primary's PostgreSQL stands still.
    ServerFrozen,
    /// Everything on the primary's host stands still.
    HostFrozen,
    /// The Patroni beside the primary stands still, the primary does not.
    PatroniFrozen,
    /// The synchronous standby is gone.
    StandbyGone,
    /// Both standbys are gone.
    StandbysGone,
    /// A member of etcd is gone.
    EtcdMemberGone,
    /// Two members of etcd are gone.
    EtcdMajorityGone,
    /// Both standbys are cut off, and every commit that waits for them is told to wait no longer.
    WaitsCancelled,
}

impl Fault {
    pub(super) const ALL: [Self; 14] = [
        Self::ServerKilled,
        Self::Switchover,
        Self::HostGone,
        Self::HostCut,
        Self::HostCutFromCluster,
        Self::HostCutFromEtcd,
        Self::ServerFrozen,
        Self::HostFrozen,
        Self::PatroniFrozen,
        Self::StandbyGone,
        Self::StandbysGone,
        Self::EtcdMemberGone,
        Self::EtcdMajorityGone,
        Self::WaitsCancelled,
    ];

    /// Within what time writes are promised to be answered again.
    pub(super) const fn promise(self) -> Option<Duration> {
        match self {
            Self::ServerKilled | Self::Switchover => Some(PROCESS_BOUND),
            Self::HostGone | Self::HostCut => Some(HOST_BOUND),
            _ => None,
        }
    }

    /// Whether nothing may be written while it lasts.
    pub(super) const fn stops_writes(self) -> bool {
        matches!(self, Self::StandbysGone | Self::WaitsCancelled)
    }

    /// How long it lasts.
    pub(super) const fn lasts(self) -> Duration {
        match self {
            Self::ServerKilled | Self::Switchover => Duration::ZERO,
            Self::StandbyGone
            | Self::StandbysGone
            | Self::EtcdMemberGone
            | Self::WaitsCancelled => SHORT,
            Self::HostGone
            | Self::HostCut
            | Self::HostCutFromCluster
            | Self::HostCutFromEtcd
            | Self::ServerFrozen
            | Self::HostFrozen
            | Self::PatroniFrozen
            | Self::EtcdMajorityGone => TAKEN_OVER_AFTER,
        }
    }

    /// Makes it happen, to this primary and the others.
    pub(super) fn strike(self, cluster: &mut Cluster, primary: usize) -> Result<(), String> {
        let others = others(primary);
        match self {
            Self::ServerKilled => cluster.kill_postgres(primary),
            Self::Switchover => {
                in_time(|| {
                    let standby = a_synchronous_one(cluster, &others);
                    cluster.switch_over(standby.ok_or("no standby may take over")?)
                })?;
            }
            Self::HostGone => cluster.lose_host(primary)?,
            Self::HostCut => cluster.cut_host(primary)?,
            Self::HostCutFromCluster => cluster.cut_from_cluster(primary)?,
            Self::HostCutFromEtcd => cluster.cut_from_etcd(primary)?,
            Self::ServerFrozen => cluster.freeze_postgres(primary),
            Self::HostFrozen => cluster.freeze_host(primary),
            Self::PatroniFrozen => cluster.freeze_patroni(primary),
            Self::StandbyGone => {
                let standby = in_time(|| {
                    let standby = a_synchronous_one(cluster, &others);
                    standby.ok_or_else(|| "no standby is synchronous".into())
                });
                cluster.lose_host(standby?)?;
            }
            Self::StandbysGone => {
                for other in others {
                    cluster.lose_host(other)?;
                }
            }
            Self::EtcdMemberGone => cluster.kill_etcd(0),
            Self::EtcdMajorityGone => {
                cluster.kill_etcd(0);
                cluster.kill_etcd(1);
            }
            Self::WaitsCancelled => {
                for other in others {
                    cluster.cut_host(other)?;
                }
            }
        }
        Ok(())
    }

    /// Once in a while as long as it lasts.
    pub(super) fn go_on(self, cluster: &Cluster, primary: usize) {
        if self == Self::WaitsCancelled {
            let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                WHERE wait_event = 'SyncRep'";
            let _ = cluster.psql(primary, cancel);
        }
    }

    /// Ends it: what was gone comes back, what was cut is joined, what stood still goes on.
    pub(super) fn end(self, cluster: &mut Cluster, primary: usize) -> Result<(), String> {
        match self {
            Self::ServerKilled | Self::Switchover => {}
            Self::HostGone => cluster.return_host(primary)?,
            Self::HostCut | Self::HostCutFromCluster | Self::HostCutFromEtcd => {
                cluster.heal_host(primary)?;
            }
            Self::ServerFrozen => cluster.thaw_postgres(primary),
            Self::HostFrozen => cluster.thaw_host(primary),
            Self::PatroniFrozen => cluster.thaw_patroni(primary),
            Self::StandbyGone | Self::StandbysGone => {
                for other in others(primary) {
                    if !cluster.is_running(other) {
                        cluster.return_host(other)?;
                    }
                }
            }
            Self::EtcdMemberGone => cluster.restart_etcd(0)?,
            Self::EtcdMajorityGone => {
                cluster.restart_etcd(0)?;
                cluster.restart_etcd(1)?;
            }
            Self::WaitsCancelled => {
                for other in others(primary) {
                    cluster.heal_host(other)?;
                }
            }
        }
        Ok(())
    }
}

fn a_synchronous_one(cluster: &Cluster, others: &[usize]) -> Option<usize> {
    let mut others = others.iter().copied();
    others.find(|other| cluster.may_take_over(*other))
}

/// What works at the latest after a while: on a busy machine a cluster that is whole may not be so for a moment.
fn in_time<T>(mut what: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let until = Instant::now() + READY_BOUND;
    loop {
        let done = what();
        if done.is_ok() || Instant::now() > until {
            return done;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn others(primary: usize) -> Vec<usize> {
    (0..DATABASES.len())
        .filter(|other| *other != primary)
        .collect()
}
