//! A planned failover: the node follows the name, and reads nothing from what has become a replica.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use engine_write_behind::{Condition, WriteBehindOptions};
use ledger::{Engine, Unavailable};
use testkit::bank::{accounts, in_seconds, open_accounts};
use testkit::servers::Postgres;
use tokio::net::{TcpListener, TcpStream};

use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for, wait_until_persisted};

/// A name that leads somewhere, and later somewhere else; what was connected before stays.
struct Name {
    address: SocketAddr,
    leads_to: Arc<AtomicU16>,
}

impl Name {
    async fn of(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let leads_to = Arc::new(AtomicU16::new(port));
        let target = Arc::clone(&leads_to);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let port = target.load(Ordering::Relaxed);
                tokio::spawn(async move {
                    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    if let Ok(mut far) = far {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, leads_to }
    }

    fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

#[test]
fn a_planned_failover_is_followed_by_name() {
    let (postgres, first, second) = (Postgres::start().unwrap(), redis(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let name = Name::of(first.port()).await;
        let (engine, _) =
            open_with(&name.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        wait_until_persisted(&engine).await;
        let port = first.port().to_string();
        second.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
        wait_for("the replica to follow", || {
            let info = first.command(&["INFO", "replication"]).unwrap();
            info.contains("state=online")
        })
        .await;
        let port = second.port().to_string();
        let failover = ["FAILOVER", "TO", "127.0.0.1", &port, "TIMEOUT", "20000"];
        first.command(&failover).unwrap();
        wait_for("the roles to change", || {
            first.command(&["ROLE"]).unwrap().starts_with("slave")
                && second.command(&["ROLE"]).unwrap().starts_with("master")
        })
        .await;
        // The name still leads to the first one, which is a replica now.
        wait_for("the node not to be ready", || {
            matches!(engine.condition(), Condition::Refuses { .. })
        })
        .await;
        let id = accounts().remove(0);
        let soon = || std::time::Instant::now() + Duration::from_millis(300);
        let read = engine.account(id.clone(), soon()).await;
        // On a busy machine the deadline may pass before the replica has refused.
        assert!(
            matches!(
                read,
                Err(Unavailable::LedgerUnavailable | Unavailable::Timeout)
            ),
            "{read:?}"
        );
        assert!(try_one(&engine, 2).await.is_err());
        let port = second.port();
        name.leads_to.store(port, Ordering::Relaxed);
        wait_for("the node to be ready", || {
            engine.condition() == Condition::Ready
        })
        .await;
        assert_eq!(try_one(&engine, 2).await, Ok(()));
        let read = engine.account(id, in_seconds(20)).await.unwrap();
        assert!(read.is_some());
        wait_until_persisted(&engine).await;
    });
}
