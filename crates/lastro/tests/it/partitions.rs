//! An API node that the network cuts off from its ledger, silently: what its kernel still holds when
//! the network heals changes nothing that was answered meanwhile.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use testkit::LastroProcess;
use testkit::network::Network;

use crate::support::{binary, folder};

/// How long anything may take that should happen by itself: machines are busy.
const BOUND: Duration = Duration::from_secs(60);
/// After this the kernel of the cut node has given its bytes up or delivered them: it sends them
/// again after ever longer pauses, of 7 s at most while the cut lasts no longer than [`LONG`].
const AFTERMATH: Duration = Duration::from_secs(12);
/// A cut that ends before the request's deadline of 5 s, and one that ends after it.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(7);

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Requests,
    Answers,
    Both,
}

/// A ledger on one host and API nodes on two others.
struct World {
    network: Network,
    cut_off: String,
    other: String,
    http: Client,
    _processes: [LastroProcess; 3],
    _folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        let network = Network::start(&["api", "other", "ledger"]).unwrap();
        let folder = folder();
        let address = network.address("ledger");
        let grpc = format!("{address}:9980");
        let ledger = serve(
            &network,
            "ledger",
            &folder,
            &["--role", "ledger", "--grpc-listen", &grpc],
        );
        let api = |host| {
            let process = serve(
                &network,
                host,
                &folder,
                &["--role", "api", "--ledger", &grpc],
            );
            (process.url().to_owned(), process)
        };
        let ((cut_off, api_process), (other, other_process)) = (api("api"), api("other"));
        let http = Client::builder().timeout(BOUND).build().unwrap();
        Self {
            network,
            cut_off,
            other,
            http,
            _processes: [ledger, api_process, other_process],
            _folder: folder,
        }
    }

    fn cut(&self, cut: Cut) {
        if cut != Cut::Answers {
            self.network.cut("api", "ledger").unwrap();
        }
        if cut != Cut::Requests {
            self.network.cut("ledger", "api").unwrap();
        }
    }

    fn heal(&self) {
        self.network.heal("api", "ledger").unwrap();
        self.network.heal("ledger", "api").unwrap();
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, node: &str, path: &str) -> (u16, Value) {
        self.ask(self.http.get(format!("{node}{path}"))).await
    }

    async fn patch(&self, node: &str, account: &str, body: Value) -> (u16, Value) {
        let url = format!("{node}/v1/accounts/{account}");
        self.ask(self.http.patch(url).json(&body)).await
    }

    /// Waits until the cut node reports this of its ledger.
    async fn ledger_is(&self, state: &str) {
        let deadline = Instant::now() + BOUND;
        loop {
            let (status, body) = self.get(&self.cut_off, "/readyz").await;
            assert_eq!(
                status, 200,
                "an API node is ready as long as it can accept operations"
            );
            if body["ledger"] == state {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "it never reports {state}: {body}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn serve(
    network: &Network,
    host: &str,
    folder: &tempfile::TempDir,
    role: &[&str],
) -> LastroProcess {
    let data_dir = folder.path().join(host);
    if role.contains(&"ledger") {
        LastroProcess::init(&binary(), &data_dir).unwrap();
    }
    let launcher = network.launcher(host);
    let mut command = std::process::Command::new(&launcher[0]);
    command.args(&launcher[1..]).arg(binary()).arg("serve");
    command.arg("--data-dir").arg(data_dir);
    command.args([
        "--listen-public",
        "--plaintext",
        "--listen",
        &format!("{}:9999", network.address(host)),
    ]);
    command.args(role);
    LastroProcess::start(command).unwrap()
}

async fn check(cut: Cut, lasts: Duration) {
    let world = World::start();
    let other = world.other.clone();
    let cut_off = world.cut_off.clone();
    world.ledger_is("answering").await;
    for account in ["limited", "open"] {
        let url = format!("{other}/v1/accounts");
        let body = json!({"id": account, "currency": "BRL", "credit_limit": 100});
        let opened = world.ask(world.http.post(url).json(&body)).await;
        assert_eq!(opened.0, 201, "{opened:?}");
    }
    world.cut(cut);
    let began = Instant::now();
    let changes = async {
        tokio::join!(
            world.patch(&cut_off, "limited", json!({"credit_limit": 500})),
            world.patch(&cut_off, "open", json!({"closed": true})),
        )
    };
    let (limited, closed) = if lasts < Duration::from_secs(5) {
        // Healed while both still wait: whatever they are answered, it is true.
        let (http, network) = (&world.http, &world.network);
        let patch = |account: &str, body: Value| {
            let request = http
                .patch(format!("{cut_off}/v1/accounts/{account}"))
                .json(&body);
            async { request.send().await.unwrap().status().as_u16() }
        };
        let heal = async {
            tokio::time::sleep(lasts).await;
            network.heal("api", "ledger").unwrap();
            network.heal("ledger", "api").unwrap();
        };
        let (limited, closed, ()) = tokio::join!(
            patch("limited", json!({"credit_limit": 500})),
            patch("open", json!({"closed": true})),
            heal
        );
        (limited, closed)
    } else {
        let ((limited, _), (closed, _)) = changes.await;
        assert!(limited >= 500 && closed >= 500, "{limited} {closed}");
        world.ledger_is("unavailable").await;
        (limited, closed)
    };
    // An operator looks through another node, and decides.
    let (_, seen) = world.get(&other, "/v1/accounts/limited").await;
    if limited == 200 {
        assert_eq!(seen["credit_limit"], 500);
    }
    let decided = world
        .patch(&other, "limited", json!({"credit_limit": 700}))
        .await;
    assert_eq!((decided.0, &decided.1["credit_limit"]), (200, &json!(700)));
    let (_, looked) = world.get(&other, "/v1/accounts/open").await;
    if closed == 200 {
        assert_eq!(looked["closed"], true);
    }
    tokio::time::sleep(lasts.saturating_sub(began.elapsed())).await;
    world.heal();
    world.ledger_is("answering").await;
    tokio::time::sleep(AFTERMATH).await;
    let (_, limit) = world.get(&other, "/v1/accounts/limited").await;
    assert_eq!(
        limit["credit_limit"], 700,
        "{cut:?} for {lasts:?}: the old limit came late"
    );
    let (_, after) = world.get(&other, "/v1/accounts/open").await;
    assert_eq!(
        after["closed"], looked["closed"],
        "{cut:?} for {lasts:?}: closed after a look"
    );
    // And the node that was cut off is of use again.
    let changed = world
        .patch(&cut_off, "limited", json!({"credit_limit": 900}))
        .await;
    assert_eq!((changed.0, &changed.1["credit_limit"]), (200, &json!(900)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_bytes_change_nothing_that_was_answered() {
    if let Err(why) = Network::permitted() {
        println!("not tested: {why}");
        return;
    }
    for cut in [Cut::Requests, Cut::Answers, Cut::Both] {
        for lasts in [SHORT, LONG] {
            println!("{cut:?} for {lasts:?}");
            check(cut, lasts).await;
        }
    }
}
