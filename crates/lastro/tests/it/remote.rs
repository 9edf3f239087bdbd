//! The ledger behind gRPC is the same ledger: the conformance suite over a client, a real gRPC
//! face and the embedded engine, restarts of the ledger node included.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine_embedded::EmbeddedEngine;
use engine_remote::RemoteEngine;
use journal::{Durability, FileStorage};
use ledger::{BoxFuture, Engine};
use server::{AlwaysReady, App, GrpcLimits, Hosts, Limits, Stopped};
use testkit::ManualClock;
use testkit::conformance::{self, Subject, Time};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A ledger node in this process.
struct Node {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Stopped>,
}

impl Node {
    async fn start(folder: &Path, clock: &Arc<ManualClock>) -> Self {
        let mut options = engine_embedded::Options::default();
        options.journal.durability = Durability::Os;
        let storage = FileStorage::open(folder.join("data")).unwrap();
        let opened = EmbeddedEngine::open(storage, options, clock.clone());
        let app = App {
            engine: Arc::new(opened.unwrap().0),
            clock: clock.clone(),
            health: Arc::new(AlwaysReady),
            limits: Limits::default(),
            hosts: Hosts::any(),
        };
        let address = format!("unix:{}", folder.join("grpc.sock").display());
        let listener = server::bind(&address.parse().unwrap()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let limits = GrpcLimits::default();
        let timeout = Duration::from_secs(10);
        let serving = server::serve_grpc(listener, app, limits, None, shutdown, timeout);
        Self {
            stop,
            serving: tokio::spawn(serving),
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        assert_eq!(self.serving.await.unwrap().requests_cut, 0);
    }
}

struct RemoteSubject {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    node: Option<Node>,
    engine: Arc<RemoteEngine>,
}

impl RemoteSubject {
    async fn open() -> Self {
        let folder = crate::support::folder();
        let clock = Arc::new(ManualClock::default());
        let node = Node::start(folder.path(), &clock).await;
        let address = format!("unix:{}", folder.path().join("grpc.sock").display());
        let options = engine_remote::Options {
            patience: Duration::from_secs(30),
            ..engine_remote::Options::default()
        };
        let engine = RemoteEngine::new(address.parse().unwrap(), options);
        Self {
            folder,
            clock,
            node: Some(node),
            engine: Arc::new(engine),
        }
    }
}

impl Subject for RemoteSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn time(&self) -> Time {
        Time::Manual(self.clock.clone())
    }

    fn restart(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.node.take().unwrap().stop().await;
            self.node = Some(Node::start(self.folder.path(), &self.clock).await);
            true
        })
    }
}

#[test]
fn the_remote_engine_conforms() {
    let options = conformance::Options {
        audit_every: 10,
        ..conformance::Options::default()
    };
    conformance::check(&options, 1, async |_| RemoteSubject::open().await);
}
