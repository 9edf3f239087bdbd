//! A ledger that takes a while to open, with the real binary. The opening is held up by a lease on the
//! file that it reads next, so that nothing here is a race.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use journal::{Durability, FileStorage, LockAttempt, Storage};
use ledger::{
    AccountId, Batch, Command as LedgerCommand, Currency, Engine, MoveMoney, OpenAccount,
    TransferId,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{LastroProcess, RealClock};

use crate::support::{Bank, assert_clean, binary, folder, metrics};

const SEGMENT_BYTES: u64 = 47 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a ledger of two segments.
async fn two_segments() -> TempDir {
    let folder = folder();
    let mut options = EmbeddedOptions::default();
    options.journal.segment_bytes = SEGMENT_BYTES;
    options.journal.durability = Durability::Os;
    let storage = FileStorage::open(folder.path()).unwrap();
    let clock = Arc::new(RealClock::default());
    let (engine, _) = EmbeddedEngine::open(storage, options, clock).unwrap();
    let submit = async |commands| {
        let batch = Batch::independent(commands).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let outcomes = engine.submit(vec![batch], deadline).await.unwrap();
        assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
    };
    let account = AccountId::new("a").unwrap();
    let currency = Currency::new("BRL").unwrap();
    submit(vec![LedgerCommand::OpenAccount(OpenAccount {
        id: account.clone(),
        currency,
        credit_limit: 0,
    })])
    .await;
    let mut number = 0;
    while !segment(folder.path(), 1).exists() {
        let transfers = (0..4_000).map(|_| {
            number += 1;
            LedgerCommand::Transfer(MoveMoney {
                id: TransferId::from_u128(number),
                debit_account_id: AccountId::world(currency),
                credit_account_id: account.clone(),
                amount: 1,
                // As long as it may be: few transfers fill a segment.
                description: "💰".repeat(140).as_str().into(),
                notes: ledger::Notes::NONE,
            })
        });
        submit(transfers.collect()).await;
    }
    drop(engine);
    // As a version without tables left it: the whole journal is read, segment by segment.
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some("table".as_ref()) {
            fs::remove_file(path).unwrap();
        }
    }
    folder
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.segment"))
}

/// While it lives, opening the file waits, for up to 45 s: see `F_SETLEASE` in fcntl(2).
struct Hold {
    holder: Child,
    goes_on_with: Option<ChildStdin>,
}

impl Hold {
    fn of(file: &Path) -> Self {
        const SCRIPT: &str = r#"
            my ($F_SETLEASE, $F_WRLCK) = (1024, 1);
            $SIG{IO} = "IGNORE";
            open(my $file, "+<", $ARGV[0]) or die "open: $!";
            fcntl($file, $F_SETLEASE, $F_WRLCK) or die "lease: $!";
            $| = 1;
            print "held\n";
            <STDIN>;
        "#;
        let mut holder = Command::new("perl")
            .args(["-e", SCRIPT])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(holder.stdout.take().unwrap());
        lines.read_line(&mut said).unwrap();
        assert_eq!(said, "held\n", "no lease on {}", file.display());
        Self {
            goes_on_with: holder.stdin.take(),
            holder,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.goes_on_with.take());
        let _ = self.holder.wait();
    }
}

/// Waits until `/readyz` has this field while the ledger is being opened.
async fn opening_with(bank: &Bank, field: &str) -> Value {
    let bound = Instant::now() + PATIENCE;
    loop {
        let (status, body) = bank.get("/readyz").await;
        assert_eq!((status, &body["code"]), (503, &json!("opening")), "{body}");
        if body[field].as_u64().is_some_and(|figure| figure > 0) {
            return body;
        }
        assert!(Instant::now() < bound, "{body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_is_alive_and_not_ready_while_it_opens_its_ledger() {
    let folder = two_segments().await;
    let hold = Hold::of(&segment(folder.path(), 1));
    let arguments = [
        "--demo",
        "--accept-clock",
        "--metrics-listen",
        "127.0.0.1:0",
    ];
    let mut process = LastroProcess::serve_opening(&binary(), folder.path(), &arguments).unwrap();
    let bank = Bank::of(&process);

    let (status, alive) = bank.get("/healthz").await;
    assert_eq!((status, &alive["status"]), (200, &json!("alive")));
    // The first segment is read; nothing of the second is.
    let opening = opening_with(&bank, "seconds_left").await;
    let bytes = |name: &str| opening[name].as_u64().unwrap();
    assert_eq!(bytes("bytes_total"), 2 * SEGMENT_BYTES);
    assert!(
        (1..=SEGMENT_BYTES).contains(&bytes("bytes_read")),
        "{opening}"
    );
    let exposed = metrics(&mut process).await;
    let total = format!("lastro_opening_bytes {}", 2 * SEGMENT_BYTES);
    assert!(exposed.contains(&total), "{exposed}");
    let read = exposed
        .lines()
        .find_map(|line| line.strip_prefix("lastro_opening_read_bytes "));
    let read: u64 = read.unwrap().parse().unwrap();
    assert!((1..=SEGMENT_BYTES).contains(&read), "{exposed}");

    let transfer = json!({
        "id": "01890a5d-ac96-774b-bcce-b302099a8057", "debit_account_id": "world:BRL",
        "credit_account_id": "a", "amount": 1, "description": "x",
    });
    let (status, _, refused) = bank.transfer(&transfer).await.unwrap();
    assert_eq!((status, &refused["code"]), (503, &json!("opening")));
    assert_eq!(refused["nothing_done"], true);
    let error = LastroProcess::serve(&binary(), folder.path(), &[]);
    let error = error.err().unwrap();
    assert!(
        error.contains(&format!("in use by process {}", process.id())),
        "{error}"
    );
    process
        .wait_for_log("opening the ledger: ", PATIENCE)
        .unwrap();

    drop(hold);
    process
        .wait_for_log("the server is ready", PATIENCE)
        .unwrap();
    assert_eq!(bank.get("/readyz").await.0, 200);
    assert_eq!(bank.transfer(&transfer).await.unwrap().0, 201);
    let exposed = metrics(&mut process).await;
    let read = format!("lastro_opening_read_bytes {}", 2 * SEGMENT_BYTES);
    assert!(exposed.contains(&read), "{exposed}");
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

/// To an API node a ledger node that opens its ledger is one that is down, and the log says why.
#[tokio::test]
async fn an_api_node_waits_for_a_ledger_node_that_opens() {
    let folder = two_segments().await;
    let hold = Hold::of(&segment(folder.path(), 1));
    let sockets = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", sockets.path().join("ledger").display());
    let role = ["--role", "ledger", "--grpc-listen", &address];
    let ledger = LastroProcess::serve_opening(&binary(), folder.path(), &role).unwrap();
    let own = crate::support::folder();
    let role = ["--role", "api", "--ledger", &address];
    let mut api = LastroProcess::serve(&binary(), own.path(), &role).unwrap();
    api.wait_for_log("it is opening its ledger", PATIENCE)
        .unwrap();
    let bank = Bank::of(&api);
    let (status, body) = bank.get("/v1/accounts/a").await;
    assert_eq!((status, &body["code"]), (503, &json!("ledger_unavailable")));
    drop(hold);
    let bound = Instant::now() + PATIENCE;
    while bank.get("/v1/accounts/a").await.0 != 200 {
        assert!(Instant::now() < bound, "the ledger is not reached");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(api.stop().unwrap().success() && ledger.stop().unwrap().success());
}

/// Every file but the lock, which names the process that had it last.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("lock"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_stop_while_the_ledger_is_opened_is_at_once_and_changes_nothing() {
    let folder = two_segments().await;
    let before = files(folder.path());
    let hold = Hold::of(&segment(folder.path(), 1));
    let process = LastroProcess::serve_opening(&binary(), folder.path(), &[]).unwrap();
    opening_with(&Bank::of(&process), "bytes_read").await;
    // The opening cannot go on meanwhile.
    assert!(process.stop().unwrap().success());
    drop(hold);
    assert!(files(folder.path()) == before);
    assert_clean(folder.path());
}

/// A pipe has the name of the first segment: reading it would never end.
fn endless() -> TempDir {
    let folder = folder();
    let made = Command::new("mkfifo")
        .arg(segment(folder.path(), 0))
        .status();
    assert!(made.unwrap().success());
    folder
}

#[test]
fn what_cannot_be_served_is_found_before_anything_is_read() {
    let folder = endless();
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    let refused = |data_dir: &Path, arguments: &[&str]| {
        let started = LastroProcess::serve_opening(&binary(), data_dir, arguments);
        started.expect_err("it is refused")
    };
    for flag in ["--listen", "--metrics-listen", "--grpc-listen"] {
        let error = refused(folder.path(), &[flag, &address]);
        let expected = format!("error: cannot listen on {address}");
        assert!(error.contains(&expected), "{flag}: {error}");
    }
    let error = refused(folder.path(), &["--outbox-bytes-max", "1"]);
    assert!(error.contains("error: --outbox-bytes-max"), "{error}");
    let tls = [
        "--grpc-listen",
        "127.0.0.1:0",
        "--tls-cert",
        "/nowhere",
        "--tls-key",
        "/nowhere",
        "--wait-s",
        "0",
    ];
    let error = refused(folder.path(), &tls);
    assert!(
        error.contains("error: cannot serve gRPC over TLS"),
        "{error}"
    );

    let storage = FileStorage::open(folder.path()).unwrap();
    let LockAttempt::Held(_lock) = storage.try_lock().unwrap() else {
        panic!("nobody else has it");
    };
    let error = refused(folder.path(), &[]);
    let expected = format!("in use by process {}", std::process::id());
    assert!(
        error.contains("error: cannot open the ledger in "),
        "{error}"
    );
    assert!(error.contains(&expected), "{error}");

    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let error = refused(&file, &[]);
    assert!(
        error.contains(&format!("error: cannot open {}", file.display())),
        "{error}"
    );
}

#[test]
fn damage_that_the_opening_meets_stops_the_process() {
    let folder = folder();
    fs::write(segment(folder.path(), 1), [1; 1_000]).unwrap();
    let mut command = Command::new(binary());
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "none",
    ];
    command.args(arguments).arg("--data-dir").arg(folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("error: cannot open the ledger in "),
        "{said}"
    );
    assert!(
        last.contains("0000000000.segment is damaged at byte 0"),
        "{said}"
    );
}
