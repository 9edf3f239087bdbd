//! Keys, from the command line to a request that is admitted by them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::LastroProcess;
use testkit::servers::Postgres;

use crate::support::{Nodes, binary, folder, signal, write_private};

const PATIENCE: Duration = Duration::from_secs(60);
const EVERYTHING: [&str; 2] = ["--scopes", "read,write,operate,metrics"];

/// Keys in a file of a folder, or in a database.
struct Keyring {
    folder: TempDir,
    database_url: Option<String>,
}

impl Keyring {
    fn new() -> Self {
        Self {
            folder: folder(),
            database_url: None,
        }
    }

    fn in_database(url: &str) -> Self {
        Self {
            database_url: Some(url.to_owned()),
            ..Self::new()
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn run(&self, act: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(["key", act]).args(arguments);
        match &self.database_url {
            None => command.arg("--keys").arg(self.file()),
            Some(url) => command.args(["--keys", "database", "--database-url", url]),
        };
        command.output().unwrap()
    }

    /// Makes a key; its secret.
    fn create(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.run("create", &[&[name], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    fn revoke(&self, name: &str) {
        assert!(self.run("revoke", &[name]).status.success());
    }

    fn list(&self) -> String {
        String::from_utf8(self.run("list", &[]).stdout).unwrap()
    }

    /// Writes a secret into a file of its own, for an API node.
    fn secret_file(&self, secret: &str) -> PathBuf {
        let path = self.folder.path().join("secret");
        write_private(&path, secret);
        path
    }
}

async fn ask(
    process: &LastroProcess,
    method: Method,
    path: &str,
    secret: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let request = Client::new().request(method, format!("{}{path}", process.url()));
    let request = request.bearer_auth(secret);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// Asks again until the account is answered so: files are read again some time after they change.
async fn wait_for_status(process: &LastroProcess, secret: &str, expected: u16) {
    let bound = Instant::now() + PATIENCE;
    loop {
        let (status, body) = ask(process, Method::GET, "/v1/accounts/1", secret, None).await;
        if status == expected {
            return;
        }
        assert!(Instant::now() < bound, "{status}, not {expected}: {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let keyring = Keyring::new();
    let secret = keyring.create("ops", &EVERYTHING);
    assert!(
        secret.starts_with("lastro_") && secret.len() == 7 + 64,
        "{secret}"
    );
    let narrow = [
        "--scopes",
        "write,read,read",
        "--accounts",
        "users:*,world:BRL",
        "--tenant",
        "bank",
        "--expires",
        "2999-01-01",
        "--requests-per-s",
        "10",
    ];
    keyring.create("shop", &narrow);
    let listed = keyring.list();
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines[0], "ops  valid  scopes read,write,operate,metrics");
    assert_eq!(
        lines[1],
        "shop  valid until 2999-01-01T00:00:00Z  scopes read,write  accounts users:*,world:BRL  \
         tenant bank  10 requests/s"
    );
    keyring.revoke("ops");
    assert!(
        keyring.list().starts_with("ops  revoked 2"),
        "{}",
        keyring.list()
    );
    let file = std::fs::read_to_string(keyring.file()).unwrap();
    assert!(!file.contains(&secret[7..]), "the secret is in the file");
    let mode = std::fs::metadata(keyring.file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    for (act, arguments, expected) in [
        (
            "create",
            &["ops", "--scopes", "read"][..],
            "there is a key ops already, or there was one",
        ),
        ("create", &["a b", "--scopes", "read"], "`a b` is no name"),
        (
            "create",
            &["new", "--scopes", "rule"],
            "unknown scope `rule`",
        ),
        (
            "create",
            &["new", "--scopes", "read", "--accounts", "a*b"],
            "`a*b` is no pattern of accounts",
        ),
        (
            "create",
            &["new", "--scopes", "read", "--expires", "2020-01-01"],
            "is in the past",
        ),
        ("create", &["new"], "--scopes"),
        ("revoke", &["ops"], "was revoked at"),
        ("revoke", &["nobody"], "there is no key nobody"),
    ] {
        let output = keyring.run(act, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(expected),
            "{act} {arguments:?}: {said}"
        );
    }
    assert_eq!(std::fs::read_to_string(keyring.file()).unwrap(), file);
}

#[test]
fn a_file_of_keys_that_cannot_be_used_stops_the_start() {
    let keyring = Keyring::new();
    let path = keyring.file();
    let refused = |expected: &str| {
        let path = path.to_str().unwrap();
        let data_dir = keyring.folder.path().join("data");
        let arguments = ["--demo", "--wait-s", "0", "--keys", path];
        let error = LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!data_dir.exists());
    };
    refused("cannot open the file of keys");
    write_private(&path, "{\"version\": 1, \"keys\": [{\"name\": \"half\"");
    refused("is no file of keys");
    std::fs::remove_file(&path).unwrap();
    keyring.create("ops", &EVERYTHING);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    refused("can be read or written by other users of this machine (mode 644): `chmod 600 ");
}

/// Keys that are made and revoked while the server runs, a file that breaks, and what is in the log.
#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go_while_the_server_runs() {
    let keyring = Keyring::new();
    let ops = keyring.create("ops", &EVERYTHING);
    let data_dir = keyring.folder.path().join("data");
    let file = keyring.file();
    let arguments = ["--demo", "--keys", file.to_str().unwrap()];
    let mut process = LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap();
    for (path, expected) in [("/healthz", 200), ("/readyz", 200), ("/v1/accounts/1", 401)] {
        let response = reqwest::get(format!("{}{path}", process.url()))
            .await
            .unwrap();
        assert_eq!(response.status(), expected, "{path}");
    }
    wait_for_status(&process, &ops, 200).await;
    let limit = json!({"credit_limit": 90_000});
    let changed = ask(
        &process,
        Method::PATCH,
        "/v1/accounts/1",
        &ops,
        Some(&limit),
    )
    .await;
    assert_eq!(changed.0, 200, "{changed:?}");
    process
        .wait_for_log(
            "key ops: change_limit of 1, asked for credit limit 90000: created; before: credit limit \
             100000; after: open, credit limit 90000, 0 entries",
            PATIENCE,
        )
        .unwrap();
    let freeze = json!({"frozen": "debits"});
    let path = "/v1/accounts/2";
    let frozen = ask(&process, Method::PATCH, path, &ops, Some(&freeze)).await;
    assert_eq!(frozen.0, 200, "{frozen:?}");
    process
        .wait_for_log(
            "key ops: change_freeze of 2, asked for frozen: debits: created; before: frozen: none; \
             after: open, credit limit 80000, 0 entries, frozen: debits",
            PATIENCE,
        )
        .unwrap();

    let shop = keyring.create("shop", &["--scopes", "read"]);
    wait_for_status(&process, &shop, 200).await;
    let (status, body) = ask(
        &process,
        Method::PATCH,
        "/v1/accounts/1",
        &shop,
        Some(&limit),
    )
    .await;
    assert_eq!((status, &body["scope"]), (403, &json!("operate")));
    keyring.revoke("shop");
    wait_for_status(&process, &shop, 401).await;
    process
        .wait_for_log("changed or revoked: [\"shop\"]", PATIENCE)
        .unwrap();

    let whole = std::fs::read_to_string(&file).unwrap();
    write_private(&file, &whole[..whole.len() / 2]);
    process
        .wait_for_log("CANNOT RELOAD the keys in ", PATIENCE)
        .unwrap();
    assert_eq!(
        ask(&process, Method::GET, "/v1/accounts/1", &ops, None)
            .await
            .0,
        200
    );
    assert_eq!(
        ask(&process, Method::GET, "/v1/accounts/1", &shop, None)
            .await
            .0,
        401
    );
    write_private(&file, &whole);
    keyring.revoke("ops");
    // At SIGHUP they are read at once; a revoked key is out also if the signal comes first.
    signal(&process, "-HUP");
    wait_for_status(&process, &ops, 401).await;

    let log = process.logged().join("\n");
    for secret in [&ops, &shop] {
        assert!(!log.contains(&secret[7..]), "a secret is in the log");
    }
    assert!(process.stop().unwrap().success());
}

/// An API node shows its ledger node a key of its own, and another one once that is in its file.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_shows_its_own_key() {
    let keyring = Keyring::new();
    let file = keyring.file();
    let early = keyring.create("early", &EVERYTHING);
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&["--demo", "--keys", file.to_str().unwrap()]);
    let start = |secret: Option<&Path>| {
        let mut command = nodes.api_command("api");
        if let Some(path) = secret {
            command.arg("--ledger-key").arg(path);
        }
        LastroProcess::start(command).unwrap()
    };
    let mut without = start(None);
    without
        .wait_for_log(
            "it asks for a key: make one with `lastro key create`",
            PATIENCE,
        )
        .unwrap();
    drop(without);

    let secret = keyring.secret_file(&early);
    let mut api = start(Some(&secret));
    // This API node asks its own callers for no key.
    wait_for_status(&api, "", 200).await;
    let limit = json!({"credit_limit": 90_000});
    let changed = ask(&api, Method::PATCH, "/v1/accounts/1", "", Some(&limit)).await;
    assert_eq!(changed.0, 200, "{changed:?}");

    keyring.revoke("early");
    wait_for_status(&api, "", 503).await;
    api.wait_for_log("the ledger node refused a call of this node", PATIENCE)
        .unwrap();
    keyring.secret_file(&keyring.create("late", &EVERYTHING));
    wait_for_status(&api, "", 200).await;
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

/// What an API node's own key may not do at its ledger node fails by itself: not for those whose requests went
/// there in the same call.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_nodes_key_may_not_do_fails_alone() {
    let keyring = Keyring::new();
    let file = keyring.file();
    let writer = keyring.create("writer", &["--scopes", "read,write"]);
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&["--demo", "--keys", file.to_str().unwrap()]);
    let mut command = nodes.api_command("api");
    command
        .arg("--ledger-key")
        .arg(keyring.secret_file(&writer));
    let mut api = LastroProcess::start(command).unwrap();
    wait_for_status(&api, "", 200).await;

    let limit = json!({"credit_limit": 90_000});
    let deposit = |number: u128| {
        json!({
            "id": format!("01890a5d-ac96-774b-bcce-{number:012x}"), "debit_account_id": "world:BRL",
            "credit_account_id": "1", "amount": 1, "description": "x",
        })
    };
    let deposits: Vec<_> = (0..200).map(deposit).collect();
    let asked = deposits.iter().enumerate().map(|(index, deposit)| {
        let (api, limit) = (&api, &limit);
        async move {
            if index % 10 == 3 {
                let denied = ask(api, Method::PATCH, "/v1/accounts/1", "", Some(limit)).await;
                assert_eq!(denied.0, 503, "{denied:?}");
                assert_eq!(denied.1["code"], "node_not_allowed", "{denied:?}");
                assert_eq!(denied.1["nothing_done"], true, "{denied:?}");
            }
            let made = ask(api, Method::POST, "/v1/transfers", "", Some(deposit)).await;
            assert_eq!(made.0, 201, "{made:?}");
        }
    });
    futures_util::future::join_all(asked).await;
    api.wait_for_log("the ledger node refused a call of this node", PATIENCE)
        .unwrap();
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

/// Keys in the ledger's database are those of all its nodes, and none is needed to look whether it lives.
#[tokio::test(flavor = "multi_thread")]
async fn keys_in_a_database_are_those_of_all_its_nodes() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let keyring = Keyring::in_database(&url);
    let output = keyring.run("create", &[&["early"][..], &EVERYTHING].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("database"),
        "{said}"
    );
    let data_dir = keyring.folder.path().join("unused");
    let arguments = [
        "--demo",
        "--engine",
        "postgres",
        "--database-url",
        &url,
        "--keys",
        "database",
    ];
    let start = || LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap();
    let (mut one, other) = (start(), start());
    let response = reqwest::get(format!("{}/readyz", one.url())).await.unwrap();
    assert_eq!(response.status(), 200);
    let ops = keyring.create("ops", &EVERYTHING);
    assert!(
        keyring.list().starts_with("ops  valid  scopes read,"),
        "{}",
        keyring.list()
    );
    for node in [&one, &other] {
        wait_for_status(node, &ops, 200).await;
    }
    let again = keyring.run("create", &["ops", "--scopes", "read"]);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(
        !again.status.success() && said.contains("there is a key ops already"),
        "{said}"
    );
    // A record that somebody has spoiled lets nobody in, and is in no other key's way.
    let spoiled = keyring.create("spoiled", &EVERYTHING);
    wait_for_status(&one, &spoiled, 200).await;
    let psql = |statement: &str| postgres.psql(statement).unwrap();
    psql("UPDATE lastro.caller_keys SET record = '{}' WHERE name = 'spoiled'");
    one.wait_for_log("A KEY CANNOT BE USED: the record of spoiled", PATIENCE)
        .unwrap();
    wait_for_status(&one, &spoiled, 401).await;
    wait_for_status(&one, &ops, 200).await;
    let listed = keyring.list();
    assert!(
        listed.contains("spoiled  not usable: it is not"),
        "{listed}"
    );
    // One that was written otherwise, by hand, is revoked like any other.
    psql("UPDATE lastro.caller_keys SET record = jsonb_pretty(record::jsonb) WHERE name = 'ops'");
    for name in ["ops", "spoiled"] {
        keyring.revoke(name);
        assert!(!keyring.run("revoke", &[name]).status.success());
        assert!(keyring.list().contains(&format!("{name}  revoked ")));
    }
    for node in [&one, &other] {
        wait_for_status(node, &ops, 401).await;
    }
    // At SIGHUP at once; else every two seconds.
    one.signal("HUP").unwrap();
    let reread = "the keys in the database: read again, and in force from now on";
    one.wait_for_log(reread, PATIENCE).unwrap();
    // A database that does not answer leaves the keys before in force.
    let late = keyring.create("late", &EVERYTHING);
    wait_for_status(&one, &late, 200).await;
    psql("ALTER TABLE lastro.caller_keys RENAME TO elsewhere");
    one.wait_for_log("CANNOT RELOAD the keys in the database", PATIENCE)
        .unwrap();
    wait_for_status(&one, &late, 200).await;
    let start = LastroProcess::serve(&binary(), &data_dir, &["--demo", "--keys", "database"]);
    let error = start.unwrap_err();
    assert!(
        error.contains("--keys database needs --engine postgres"),
        "{error}"
    );
}
