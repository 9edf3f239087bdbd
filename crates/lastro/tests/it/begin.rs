//! A ledger is begun where that was asked for, and nowhere else.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;
use testkit::LastroProcess;
use testkit::servers::Postgres;

use crate::support::{Bank, Nodes, assert_clean, binary, folder, metrics, verify};

const PATIENCE: Duration = Duration::from_secs(60);

fn run(arguments: &[&str], data_dir: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--data-dir").arg(data_dir);
    command.args(match arguments[0] {
        "serve" => &["--listen", "127.0.0.1:0", "--metrics-listen", "none"][..],
        _ => &[],
    });
    command.output().unwrap()
}

/// Fails unless it ended with exit code 1 and said this.
#[track_caller]
fn assert_refused(output: &Output, expected: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(expected), "{said}");
}

/// Begins a ledger in the folder; its id.
fn init(data_dir: &Path) -> String {
    let output = run(&["init"], data_dir);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let id = said.strip_prefix("began ledger ").unwrap();
    id.split(' ').next().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn serve_begins_no_ledger_and_writes_nothing_where_there_is_none() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let of_another = folder.path().join("other");
    std::fs::create_dir(&of_another).unwrap();
    std::fs::write(of_another.join("notes.txt"), "mine").unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (data_dir, arguments) in [
        (&missing, &["serve"][..]),
        (&empty, &["serve"]),
        (&of_another, &["serve"]),
        (&of_another, &["serve", "--demo"]),
        (
            &of_another,
            &[
                "serve",
                "--expect-ledger",
                "00000000000000000000000000000000",
            ],
        ),
    ] {
        let place = data_dir.display();
        let expected = format!(
            "error: there is no ledger in {place}. Is the disk mounted? `lastro init --data-dir \
             {place}` begins a new one.\n"
        );
        assert_refused(&run(arguments, data_dir), &expected);
    }
    assert_eq!(names(folder.path()), ["empty", "other"]);
    assert_eq!(names(&empty), Vec::<String>::new());
    assert_eq!(names(&of_another), ["notes.txt"]);
    assert_refused(
        &run(&["init"], &of_another),
        "is not empty (notes.txt is in it)",
    );
    assert_eq!(names(&of_another), ["notes.txt"]);
}

/// A beginning that was cut short is no ledger, and can be done again.
#[test]
fn half_a_beginning_is_no_ledger() {
    let folder = folder();
    std::fs::write(folder.path().join("lock"), "1").unwrap();
    std::fs::write(folder.path().join("0000000000.segment"), vec![0; 1 << 20]).unwrap();
    assert_refused(&run(&["serve"], folder.path()), "there is no ledger in");
    init(folder.path());
    assert!(verify(folder.path()).status.success());
}

#[tokio::test]
async fn a_ledger_is_known_by_its_id() {
    let folder = folder();
    let (data_dir, other_dir) = (folder.path().join("one"), folder.path().join("other"));
    std::fs::create_dir_all(data_dir.join("lost+found")).unwrap();
    let id = init(&data_dir);
    assert_refused(&run(&["init"], &data_dir), "there is a ledger in");
    let other_id = init(&other_dir);
    assert_ne!(id, other_id);

    let expected = ["--expect-ledger", &*id, "--metrics-listen", "127.0.0.1:0"];
    let mut process = LastroProcess::serve(&binary(), &data_dir, &expected).unwrap();
    process
        .wait_for_log(&format!("the ledger {id} is open"), PATIENCE)
        .unwrap();
    assert_eq!(Bank::of(&process).get("/readyz").await.1["ledger_id"], *id);
    let exposed = metrics(&mut process).await;
    assert!(
        exposed.contains(&format!("ledger_id=\"{id}\"")),
        "{exposed}"
    );
    assert!(process.stop().unwrap().success());

    let before = names(&other_dir);
    let refused = run(&["serve", "--expect-ledger", &id], &other_dir);
    assert_refused(
        &refused,
        &format!("this is ledger {other_id}, and --expect-ledger expects {id}"),
    );
    assert_eq!(names(&other_dir), before);
    let refused = run(&["serve", "--expect-ledger", "x"], &other_dir);
    assert_refused(
        &refused,
        "--expect-ledger: the id of a ledger has 32 hexadecimal digits",
    );

    // The outbox of one ledger is not the other's, and an older one is the first's that it meets.
    let (outbox, other_outbox) = (data_dir.join("outbox"), other_dir.join("outbox"));
    assert_eq!(
        std::fs::read_to_string(outbox.join("ledger"))
            .unwrap()
            .trim(),
        id
    );
    assert!(!other_outbox.exists());
    std::fs::rename(&outbox, &other_outbox).unwrap();
    assert_refused(
        &run(&["serve"], &other_dir),
        &format!("has operations of ledger {id}"),
    );
    std::fs::remove_file(other_outbox.join("ledger")).unwrap();
    let process = LastroProcess::serve(&binary(), &other_dir, &[]).unwrap();
    assert!(process.stop().unwrap().success());
    assert_eq!(
        std::fs::read_to_string(other_outbox.join("ledger"))
            .unwrap()
            .trim(),
        other_id
    );
}

/// What an API node has accepted for one ledger is applied to no other one that it finds at the
/// address, and is still applied to its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_gives_its_operations_to_their_own_ledger() {
    let nodes = Nodes::new();
    let own = nodes.ledger(&["--demo"]);
    let mut api = nodes.api("api");
    api.wait_for_log("connected to the ledger node", PATIENCE)
        .unwrap();
    let bank = Bank::of(&api);
    operate(&bank, "01890a5d-ac96-774b-bcce-b302099a8051").await;
    wait_for(&bank, "01890a5d-ac96-774b-bcce-b302099a8051", "applied").await;
    assert!(own.stop().unwrap().success());

    // Another ledger at the same address.
    let aside = nodes.data().with_extension("own");
    std::fs::rename(nodes.data(), &aside).unwrap();
    let other = nodes.ledger(&["--demo"]);
    operate(&bank, "01890a5d-ac96-774b-bcce-b302099a8052").await;
    api.wait_for_log("queued operations are not applied: the outbox in", PATIENCE)
        .unwrap();
    let (status, body) = bank.get("/readyz").await;
    assert_eq!((status, &body["code"]), (503, &json!("other_ledger")));
    let state = bank
        .get("/v1/operations/01890a5d-ac96-774b-bcce-b302099a8052")
        .await;
    assert_eq!(state.1["state"], "queued");
    nodes.assert_clean(other);

    std::fs::rename(nodes.data(), aside.with_extension("other")).unwrap();
    std::fs::rename(&aside, nodes.data()).unwrap();
    let own = nodes.ledger(&[]);
    wait_for(&bank, "01890a5d-ac96-774b-bcce-b302099a8052", "applied").await;
    let (_, account) = bank.get("/v1/accounts/1").await;
    assert_eq!(account["balance"], 2);
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(own);
}

/// An API node that expects a certain ledger uses no other one at the address, whenever it comes there.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_uses_no_ledger_but_the_expected_one() {
    let nodes = Nodes::new();
    let id = init(&nodes.data());
    let own = nodes.ledger(&["--demo"]);
    let mut command = nodes.api_command("api");
    command.args(["--expect-ledger", &id]);
    let mut api = LastroProcess::start(command).unwrap();
    let bank = Bank::of(&api);
    api.wait_for_log("connected to the ledger node", PATIENCE)
        .unwrap();
    assert_eq!(bank.transact("1", "c", 100).await.0, 200);
    assert_eq!(bank.get("/readyz").await.0, 200);
    assert!(own.stop().unwrap().success());

    let aside = nodes.data().with_extension("own");
    std::fs::rename(nodes.data(), &aside).unwrap();
    let other = nodes.ledger(&["--demo"]);
    let refused = format!("and --expect-ledger expects {id}. Nothing is sent to it");
    api.wait_for_log(&refused, PATIENCE).unwrap();
    let (status, body) = bank.get("/readyz").await;
    assert_eq!((status, &body["code"]), (503, &json!("other_ledger")));
    let (status, body) = bank.get("/v1/accounts/1").await;
    assert_eq!((status, &body["code"]), (503, &json!("ledger_unavailable")));
    assert_eq!(bank.transact("1", "c", 1).await.0, 503);
    let other_dir = nodes.data();
    nodes.assert_clean(other);

    std::fs::rename(&other_dir, aside.with_extension("other")).unwrap();
    std::fs::rename(&aside, &other_dir).unwrap();
    let own = nodes.ledger(&[]);
    let bound = std::time::Instant::now() + PATIENCE;
    while bank.get("/readyz").await.1["ledger"] != "answering" {
        assert!(std::time::Instant::now() < bound, "its ledger is not used");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bank.get("/readyz").await.0, 200);
    assert_eq!(bank.transact("1", "c", 100).await.1["saldo"], 200);
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(own);
}

async fn operate(bank: &Bank, id: &str) {
    let body = json!({
        "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1", "amount": 1,
        "description": "x",
    });
    let url = format!("{}/v1/operations", bank.url);
    let response = bank.http.post(url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 202);
}

async fn wait_for(bank: &Bank, id: &str, state: &str) {
    let bound = std::time::Instant::now() + PATIENCE;
    while bank.get(&format!("/v1/operations/{id}")).await.1["state"] != state {
        assert!(std::time::Instant::now() < bound, "{id} is not {state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// In a database too; `--demo` is the one exception in both.
#[tokio::test]
async fn a_database_without_a_ledger_is_refused() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let folder = folder();
    let of_database = ["--database-url", &*url];
    let serve = [&["serve", "--engine", "postgres"][..], &of_database].concat();
    let refused = "there is no ledger in this database. Is it the right one?";
    assert_refused(&run(&serve, folder.path()), refused);
    assert_refused(
        &run(&[&serve[..], &["--no-migrate"]].concat(), folder.path()),
        refused,
    );
    // To update tables is not to begin a ledger.
    let migrate = [&["migrate"][..], &of_database].concat();
    let migrate = Command::new(binary()).args(migrate).output().unwrap();
    assert_refused(&migrate, refused);
    assert_eq!(
        postgres
            .psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'lastro'")
            .unwrap()
            .trim(),
        "0"
    );

    let init = [&["init"][..], &of_database].concat();
    let output = run(&init, folder.path());
    let said = String::from_utf8(output.stdout).unwrap();
    let id = said
        .strip_prefix("began ledger ")
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert_refused(&run(&init, folder.path()), &format!("already, {id}"));

    let arguments = [&serve[1..], &["--expect-ledger", id]].concat();
    let process = LastroProcess::serve(&binary(), folder.path(), &arguments).unwrap();
    assert_eq!(Bank::of(&process).get("/readyz").await.1["ledger_id"], *id);
    assert!(process.stop().unwrap().success());
    let other = "00000000000000000000000000000000";
    let refused = run(
        &[&serve[..], &["--expect-ledger", other]].concat(),
        folder.path(),
    );
    assert_refused(
        &refused,
        &format!("this is ledger {id}, and --expect-ledger expects {other}"),
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_demo_begins_its_ledger() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let process = LastroProcess::serve(&binary(), &data_dir, &["--demo"]).unwrap();
    assert!(process.stop().unwrap().success());
    assert_clean(&data_dir);
    // And goes on with it.
    let process = LastroProcess::serve(&binary(), &data_dir, &["--demo"]).unwrap();
    assert!(process.stop().unwrap().success());
}
