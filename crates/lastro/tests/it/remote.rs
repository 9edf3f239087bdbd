//! The ledger behind gRPC is the same ledger: the conformance suite over a client, a real gRPC
//! face and the embedded engine, restarts of the ledger node included.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::EmbeddedEngine;
use engine_remote::{RemoteEngine, Tls};
use futures_util::future::join_all;
use journal::{Durability, FileStorage};
use ledger::{
    AcceptPayment, Account, AccountId, Batch, BoxFuture, Command, Currency, Engine, MoveMoney,
    OpenAccount, PaymentId, TransferId, Unavailable,
};
use payments::WithoutPayments;
use server::{
    AlwaysReady, App, GrpcCommands, GrpcLimits, Hosts, Limits, ServerTls, Stopped, TlsFiles,
};
use testkit::ManualClock;
use testkit::conformance::{self, Subject, Time};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A ledger node in this process.
struct Node {
    address: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Stopped>,
}

impl Node {
    /// On its Unix socket.
    async fn start(folder: &Path, clock: &Arc<ManualClock>) -> Self {
        let address = format!("unix:{}", folder.join("grpc.sock").display());
        Self::start_at(embedded(folder, clock), clock, &address, None).await
    }

    async fn start_at(
        engine: Arc<dyn Engine>,
        clock: &Arc<ManualClock>,
        address: &str,
        tls: Option<ServerTls>,
    ) -> Self {
        let app = App {
            ledger_id: None,
            keys: server::Keys::none(),
            operations: None,
            dispatching: None,
            callbacks: None,
            webhooks: None,
            engine,
            clock: clock.clone(),
            health: Arc::new(AlwaysReady),
            limits: Limits::default(),
            hosts: Hosts::any(),
            is_purge_enabled: false,
        };
        let mut listener = server::bind(&address.parse().unwrap()).await.unwrap();
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        let address = listener.address().to_string();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        // The suite gives what the ledger's own dispatcher gives, too.
        let limits = GrpcLimits {
            commands: GrpcCommands::All,
            ..GrpcLimits::default()
        };
        let timeout = Duration::from_secs(10);
        let serving = server::serve_grpc(listener, app, limits, shutdown, timeout);
        Self {
            address,
            stop,
            serving: tokio::spawn(serving),
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        assert_eq!(self.serving.await.unwrap().requests_cut, 0);
    }
}

fn embedded(folder: &Path, clock: &Arc<ManualClock>) -> Arc<dyn Engine> {
    let mut options = engine_embedded::EmbeddedOptions::default();
    options.journal.durability = Durability::Os;
    let storage = FileStorage::open(folder.join("data")).unwrap();
    let opened = EmbeddedEngine::open(storage, options, clock.clone());
    Arc::new(opened.unwrap().0)
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
        let options = engine_remote::RemoteOptions {
            patience: Duration::from_secs(30),
            ..engine_remote::RemoteOptions::default()
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

/// What becomes of a read through an engine with this TLS.
async fn read_over(node: &Node, tls: Option<Tls>) -> Result<Option<Account>, Unavailable> {
    let options = engine_remote::RemoteOptions {
        tls,
        ..engine_remote::RemoteOptions::default()
    };
    let address = node.address.replace("127.0.0.1", "localhost");
    let engine = RemoteEngine::new(address.parse().unwrap(), options);
    let deadline = Instant::now() + Duration::from_secs(10);
    engine
        .account(AccountId::new("nobody").unwrap(), deadline)
        .await
}

#[tokio::test]
async fn only_callers_with_a_known_certificate_are_let_in() {
    let file = |name: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        fixtures.join(name)
    };
    let folder = crate::support::folder();
    let clock = Arc::new(ManualClock::default());
    let known = file("known-ca.pem");
    let files = |key: &str, client_ca: Option<&Path>| TlsFiles {
        certificate: file("server.pem"),
        key: file(key),
        client_ca: client_ca.map(Path::to_owned),
    };
    let tls = ServerTls::of_grpc(files("server.key", Some(&known))).unwrap();
    let engine = embedded(folder.path(), &clock);
    let node = Node::start_at(engine, &clock, "127.0.0.1:0", Some(tls)).await;
    let identity = |name: &str| (file(&format!("{name}.pem")), file(&format!("{name}.key")));
    let shows = |ca: &str, who: &str| {
        let (certificate, key) = identity(who);
        Tls::new(&file(ca), Some((&certificate, &key))).unwrap()
    };
    let nobody = Tls::new(&known, None).unwrap();
    let refused = Err(Unavailable::LedgerUnavailable);
    assert_eq!(
        read_over(&node, Some(shows("known-ca.pem", "client"))).await,
        Ok(None)
    );
    assert_eq!(
        read_over(&node, Some(shows("known-ca.pem", "stranger"))).await,
        refused
    );
    assert_eq!(read_over(&node, Some(nobody)).await, refused);
    assert_eq!(read_over(&node, None).await, refused);
    // And the caller lets itself be told by nobody else.
    assert_eq!(
        read_over(&node, Some(shows("unknown-ca.pem", "client"))).await,
        refused
    );
    assert!(Tls::new(&file("client.key"), None).is_err());
    let swapped = ServerTls::of_grpc(files("client.key", None)).unwrap_err();
    let (certificate, key) = (file("server.pem"), file("client.key"));
    let expected = format!(
        "the private key in {} does not belong to the certificate in {}",
        key.display(),
        certificate.display()
    );
    assert_eq!(swapped.to_string(), expected);
    node.stop().await;
}

#[tokio::test]
async fn a_ledger_that_is_down_is_known_to_be() {
    let folder = crate::support::folder();
    let address = format!("unix:{}", folder.path().join("nobody.sock").display());
    let patience = Duration::from_millis(100);
    let options = engine_remote::RemoteOptions {
        patience,
        ..engine_remote::RemoteOptions::default()
    };
    let engine = RemoteEngine::new(address.parse().unwrap(), options);
    let deadline = Instant::now() + Duration::from_secs(30);
    let id = || AccountId::new("a").unwrap();
    let close = || {
        let command = Command::CloseAccount {
            account_id: id(),
            expected_entry_count: None,
            by: None,
        };
        vec![Batch::one(command)]
    };
    let refused = Err(Unavailable::LedgerUnavailable);
    assert_eq!(engine.submit(close(), deadline).await, refused);
    assert_eq!(
        engine.account(id(), deadline).await.err(),
        refused.clone().err()
    );
    assert!(Instant::now() < deadline - Duration::from_secs(20));
    assert!(!engine.is_answering());
    // From then on without waiting: the very first poll answers.
    let mut asked = engine.submit(close(), deadline);
    let now = futures_util::FutureExt::now_or_never(&mut asked);
    assert_eq!(now, Some(refused));
    let late = engine.submit(close(), Instant::now()).await;
    assert_eq!(late, Err(Unavailable::Overloaded));
}

/// Payments that a ledger does not take are refused by themselves: what others gave at the same
/// time, and what went to the ledger with them, is applied.
#[tokio::test]
async fn a_payment_that_the_ledger_does_not_take_fails_alone() {
    let folder = crate::support::folder();
    let clock = Arc::new(ManualClock::default());
    let engine = Arc::new(WithoutPayments::new(embedded(folder.path(), &clock)));
    let node = Node::start_at(engine, &clock, "127.0.0.1:0", None).await;
    let options = engine_remote::RemoteOptions {
        patience: Duration::from_secs(30),
        ..engine_remote::RemoteOptions::default()
    };
    let engine = RemoteEngine::new(node.address.parse().unwrap(), options);
    let deadline = Instant::now() + Duration::from_secs(30);
    let currency = Currency::new("BRL").unwrap();
    let id = || AccountId::new("a").unwrap();
    let open = Command::OpenAccount(OpenAccount {
        id: id(),
        currency,
        credit_limit: 0,
    });
    let opened = engine.submit(vec![Batch::one(open)], deadline).await;
    assert!(opened.unwrap()[0][0].result.is_ok());
    let deposit = |number| {
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(number),
            debit_account_id: AccountId::world(currency),
            credit_account_id: id(),
            amount: 1,
            description: "deposit".into(),
            notes: ledger::Notes::NONE,
        })
    };
    let payment = |number| {
        Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(number),
            account_id: None,
            currency,
            amount: 1,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        })
    };
    // All of them wait by the time the first call is made.
    let asked = (1..=100).flat_map(|number| [deposit(number), payment(number)]);
    let asked = asked.map(|command| engine.submit(vec![Batch::one(command)], deadline));
    for (place, answer) in join_all(asked).await.into_iter().enumerate() {
        if place % 2 == 0 {
            assert!(answer.unwrap()[0][0].result.is_ok());
        } else {
            assert_eq!(answer, Err(Unavailable::NotSupported));
        }
    }
    let account = engine.account(id(), deadline).await.unwrap().unwrap();
    assert_eq!(account.balance(), 100);
    drop(engine);
    node.stop().await;
}
