//! `lastro backup` and `lastro restore` beside a served ledger.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use journal::{FileStorage, Hash, scan};
use ledger::{
    AccountId, Batch, Command as LedgerCommand, Currency, Engine, MoveMoney, OpenAccount,
    TransferId,
};
use serde_json::{Value, json};
use testkit::{LastroProcess, RealClock};
use uuid::Uuid;

use crate::support::{Bank, assert_clean, binary, folder, is_long, metrics, serve};

fn lastro(arguments: &[&str], folders: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments);
    for (flag, folder) in folders {
        command.arg(flag).arg(folder);
    }
    command.output().unwrap()
}

fn back_up(from: &Path, to: &Path) -> Output {
    lastro(&["backup"], &[("--data-dir", from), ("--to", to)])
}

fn restore(from: &Path, to: &Path, until: &[&str]) -> Output {
    let arguments = [&["restore"], until].concat();
    lastro(&arguments, &[("--from", from), ("--to", to)])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it printed, if it succeeded.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The head that was printed.
fn head(printed: &str) -> (u64, String) {
    let mut lines = printed.lines();
    let head = lines.find_map(|line| line.strip_prefix("head ")).unwrap();
    let (sequence, hash) = head.trim().split_once(':').unwrap();
    (sequence.parse().unwrap(), hash.to_owned())
}

/// The time and hash of each frame of a journal.
fn frames(data_dir: &Path) -> Vec<(u64, Hash)> {
    let storage = FileStorage::open_existing(data_dir).unwrap();
    let mut frames = Vec::new();
    scan(&storage, |visited| {
        if visited.last_in_frame {
            frames.push((visited.frame.time_ns, visited.frame.hash));
        }
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap();
    frames
}

fn flip(file: &Path, at: u64) {
    let open = fs::File::options()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, at).unwrap();
    open.write_all_at(&[byte[0] ^ 16], at).unwrap();
}

#[tokio::test]
async fn a_served_folder_is_backed_up_and_restored() {
    let folder = folder();
    let [data, backup, restored] =
        ["data", "backup", "restored"].map(|name| folder.path().join(name));
    let process = serve(&data);
    let bank = Bank::of(&process);
    let mut totals = Vec::new();
    for round in 1..=3 {
        assert_eq!(bank.transact("1", "c", 100).await.0, 200);
        totals.push(bank.statement("1").await["saldo"]["total"].clone());
        let printed = printed(&back_up(&data, &backup));
        assert!(printed.contains("copied  1 segments\n"), "{printed}");
        assert!(printed.contains("outbox head"), "{printed}");
        let (sequence, hash) = head(&printed);
        let text = fs::read_to_string(backup.join("backup.json")).unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest["format_version"], 1);
        assert_eq!(manifest["lastro_version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(manifest["ledger"]["head"]["sequence"], sequence, "{round}");
        assert_eq!(manifest["ledger"]["head"]["hash"], json!(hash));
    }
    // It goes on, and the backup does not.
    assert_eq!(bank.transact("1", "c", 100).await.0, 200);
    let ledger_id = bank.get("/readyz").await.1["ledger_id"].clone();
    process.kill();
    fs::remove_dir_all(&data).unwrap();
    let printed = printed(&restore(&backup, &restored, &[]));
    let sequence = head(&printed).0;
    assert_clean(&restored);
    // Its operations are still that ledger's.
    let mark = fs::read_to_string(restored.join("outbox/ledger")).unwrap();
    assert_eq!(mark.trim_end(), ledger_id);
    let process = serve(&restored);
    let total = Bank::of(&process).statement("1").await["saldo"]["total"].clone();
    assert_eq!(Some(&total), totals.last());
    assert!(process.stop().unwrap().success());
    // The head that the backup printed is on its chain, and no other is.
    let expect = |head: String| {
        let verified = lastro(
            &["verify", "--expect-head", &head],
            &[("--data-dir", &restored)],
        );
        let said = String::from_utf8(verified.stdout).unwrap();
        (verified.status.success(), said)
    };
    let (_, hash) = head(&printed);
    let (is_met, said_of_it) = expect(format!("{sequence}:{hash}"));
    assert!(
        is_met && said_of_it.contains("the chain goes through"),
        "{said_of_it}"
    );
    let (is_met, said_of_it) = expect(format!("{}:{hash}", sequence - 1));
    assert!(
        !is_met && said_of_it.contains("NOT THE SAME LEDGER"),
        "{said_of_it}"
    );
    let (is_met, said_of_it) = expect(format!("{}:{hash}", sequence + 50));
    assert!(
        !is_met && said_of_it.contains("FRAMES ARE MISSING"),
        "{said_of_it}"
    );
    // A backup is verified as it is, without a change.
    assert_clean(&backup);
    // To the frame before: without the last transaction.
    let earlier = folder.path().join("earlier");
    let frame = (sequence - 1).to_string();
    assert!(
        restore(&backup, &earlier, &["--at-frame", &frame])
            .status
            .success()
    );
    let process = serve(&earlier);
    let total = Bank::of(&process).statement("1").await["saldo"]["total"].clone();
    assert_eq!(Some(&total), totals.get(1));
    assert!(process.stop().unwrap().success());
    // What went on from there is no continuation of the backup.
    assert!(
        restore(
            &backup,
            &folder.path().join("again"),
            &["--at-frame", &frame]
        )
        .status
        .success()
    );
    let refused = back_up(&folder.path().join("again"), &backup);
    assert!(
        said(&refused).contains("and that frame is not in this ledger"),
        "{}",
        said(&refused)
    );
    assert!(
        restore(&backup, &folder.path().join("still"), &[])
            .status
            .success()
    );
}

#[tokio::test]
async fn a_backup_is_restored_to_exactly_what_was_durable_at_a_time() {
    let folder = folder();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let process = serve(&data);
    let bank = Bank::of(&process);
    for _ in 0..20 {
        assert_eq!(bank.transact("2", "c", 1).await.0, 200);
    }
    assert!(process.stop().unwrap().success());
    printed(&back_up(&data, &backup));
    let all = frames(&data);
    for (index, (time_ns, _)) in all.iter().enumerate().step_by(5) {
        for (at_ns, count) in [(*time_ns, index + 1), (time_ns - 1, index)] {
            let time = jiff::Timestamp::from_nanosecond(i128::from(at_ns)).unwrap();
            let to = folder.path().join(format!("at-{at_ns}"));
            let output = restore(&backup, &to, &["--at-time", &time.to_string()]);
            if count == 0 {
                assert!(
                    said(&output).contains("no frame as early as that"),
                    "{}",
                    said(&output)
                );
                continue;
            }
            printed(&output);
            assert_eq!(frames(&to), all[..count]);
            assert_clean(&to);
        }
    }
    let output = restore(
        &backup,
        &folder.path().join("future"),
        &["--at-time", "2200-01-01T00:00:00Z"],
    );
    assert!(
        said(&output).contains("does not have what was recorded later"),
        "{}",
        said(&output)
    );
}

#[tokio::test]
async fn what_cannot_be_backed_up_or_restored_is_refused() {
    let folder = folder();
    let [data, other, backup] = ["data", "other", "backup"].map(|name| folder.path().join(name));
    for place in [&data, &other] {
        let process = serve(place);
        assert_eq!(Bank::of(&process).transact("1", "c", 1).await.0, 200);
        assert!(process.stop().unwrap().success());
    }
    let refused = |output: Output, expected: &str| {
        assert!(!output.status.success(), "{expected}");
        assert!(
            said(&output).contains(expected),
            "{expected}: {}",
            said(&output)
        );
    };
    let nothing = folder.path().join("nothing");
    refused(back_up(&nothing, &backup), "there is no ledger in");
    refused(back_up(&data, &data.join("backup")), "is inside of");
    refused(back_up(&data, &data), "is the folder that is copied");
    refused(back_up(&data, folder.path()), "is inside of");
    refused(back_up(&data, &other), "is not empty and has no backup");
    assert!(!backup.exists());
    printed(&back_up(&data, &backup));
    refused(back_up(&other, &backup), "has a backup of another journal");
    refused(back_up(&backup, &nothing), "is a backup, not a data folder");
    refused(restore(&data, &nothing, &[]), "there is no backup in");
    refused(restore(&backup, &other, &[]), "is not empty");
    refused(restore(&backup, &backup.join("new"), &[]), "is inside of");
    refused(
        restore(&backup, &nothing, &["--at-frame", "1000"]),
        "it has no frame 1000",
    );
    // What failed leaves no ledger that could be served, and can be tried again.
    let served = LastroProcess::serve(&binary(), &nothing, &["--demo"]);
    let error = served.err().unwrap();
    assert!(
        error.contains("a restore into this folder was not finished"),
        "{error}"
    );
    printed(&restore(&backup, &nothing, &["--at-frame", "1"]));
    let error = LastroProcess::serve(&binary(), &backup, &["--demo"])
        .err()
        .unwrap();
    assert!(
        error.contains("is a backup, and serving it would change it"),
        "{error}"
    );
    // Damage is found, and named.
    flip(&backup.join("0000000000.segment"), 300);
    refused(
        restore(&backup, &folder.path().join("damaged"), &[]),
        "0000000000.segment is damaged",
    );
    // As many bytes as there may be, of a process that may write few: as on a full disk.
    let limited = format!(
        "ulimit -f 2048; exec '{}' backup --data-dir '{}' --to '{}'",
        binary().display(),
        other.display(),
        folder.path().join("small").display()
    );
    let output = Command::new("bash")
        .args(["-c", &limited])
        .output()
        .unwrap();
    assert!(!output.status.success());
}

const CHILD: &str = "LASTRO_TEST_FULL_LOAD_IN";

/// After so many batches of each submitter, some 200 MB, the load goes on at some 7 MB a second: every
/// backup of it is restored and verified as a whole, and a long test takes a hundred of them.
const ROUNDS_AT_FULL_SPEED: u64 = 1_000;
const PAUSE_AFTER_A_BATCH: Duration = Duration::from_millis(25);

/// Not a test of its own: the ledger under load that is backed up.
#[tokio::test(flavor = "multi_thread")]
async fn load_until_killed() {
    let Some(place) = std::env::var_os(CHILD) else {
        return;
    };
    let engine = Arc::new(open_small(Path::new(&place)));
    let deadline = || Instant::now() + Duration::from_secs(60);
    let currency = Currency::new("BRL").unwrap();
    let open = |number: u64| {
        LedgerCommand::OpenAccount(OpenAccount {
            id: account(number),
            currency,
            credit_limit: 1_000_000,
        })
    };
    let accounts = Batch::independent((0..100).map(open).collect()).unwrap();
    engine.submit(vec![accounts], deadline()).await.unwrap();
    println!("ready");
    let submitters = (0..4_u64).map(|submitter| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            for round in 0.. {
                let transfer = |index: u64| {
                    LedgerCommand::Transfer(MoveMoney {
                        id: TransferId::from_u128(Uuid::new_v4().as_u128()),
                        debit_account_id: account((round + index * submitter) % 100),
                        credit_account_id: account(
                            (round + index * submitter + 1 + index % 50) % 100,
                        ),
                        amount: 1 + index,
                        description: "load".into(),
                        notes: ledger::Notes::NONE,
                    })
                };
                let batch = Batch::independent((0..500).map(transfer).collect()).unwrap();
                engine.submit(vec![batch], deadline()).await.unwrap();
                if round >= ROUNDS_AT_FULL_SPEED {
                    tokio::time::sleep(PAUSE_AFTER_A_BATCH).await;
                }
            }
        })
    });
    futures_util::future::join_all(submitters).await;
}

/// The process with the ledger under load; killed when dropped.
struct Load(Child);

impl Load {
    /// Starts it, and waits until a first backup of its ledger is taken.
    fn start(data: &Path, backup: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backups::load_until_killed", "--nocapture"])
            .env(CHILD, data)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let load = Self(child);
        let bound = Instant::now() + Duration::from_secs(60);
        while !back_up(data, backup).status.success() {
            assert!(Instant::now() < bound, "no ledger appears");
            std::thread::sleep(Duration::from_millis(50));
        }
        load
    }

    fn is_going_on(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its segments are smaller than a server's: only read they can be, by `verify`.
fn assert_clean_as_read(data_dir: &Path) {
    let output = lastro(&["verify", "--read-only"], &[("--data-dir", data_dir)]);
    assert!(printed(&output).contains("clean: the chain is whole"));
}

fn account(number: u64) -> AccountId {
    AccountId::new(&format!("account-{number}")).unwrap()
}

/// Segments and snapshots so small that they roll, and that tables are merged, all the time.
fn open_small(place: &Path) -> EmbeddedEngine {
    let storage = FileStorage::open(place).unwrap();
    let mut options = EmbeddedOptions::default();
    options.journal.segment_bytes = 1 << 20;
    options.journal.frame_bytes_max = 512 << 10;
    EmbeddedEngine::open(storage, options, Arc::new(RealClock::default()))
        .unwrap()
        .0
}

/// Each backup restores to a state that the ledger was in: clean, and with its head on the chain.
#[test]
fn backups_under_full_load_are_states_that_the_ledger_was_in() {
    let folder = folder();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let backups = if is_long() { 100 } else { 6 };
    let mut load = Load::start(&data, &backup);
    let mut heads = HashMap::new();
    for number in 0..backups {
        let printed = printed(&back_up(&data, &backup));
        let (sequence, hash) = head(&printed);
        heads.insert(sequence, hash.clone());
        let to = folder.path().join("restored");
        assert_eq!(
            head(&self::printed(&restore(&backup, &to, &[]))),
            (sequence, hash)
        );
        assert_clean_as_read(&to);
        fs::remove_dir_all(&to).unwrap();
        assert!(
            load.is_going_on(),
            "the load has ended before backup {number}"
        );
    }
    drop(load);
    assert_eq!(heads.len(), backups, "the ledger went on between backups");
    let all = frames(&data);
    for (sequence, hash) in heads {
        let index = usize::try_from(sequence).unwrap() - 1;
        assert_eq!(all[index].1.to_string(), hash, "frame {sequence}");
    }
    assert!(all.len() > backups);
}

/// Whenever a backup is killed, the one before is there, and the next one goes on.
#[test]
fn a_killed_backup_is_gone_on_from() {
    let folder = folder();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let mut load = Load::start(&data, &backup);
    let rounds = if is_long() { 60 } else { 8 };
    for round in 0..rounds {
        let mut killed = Command::new(binary())
            .args(["backup", "--data-dir"])
            .arg(&data)
            .arg("--to")
            .arg(&backup)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 + 7 * (round % 8)));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let to = folder.path().join("restored");
        printed(&restore(&backup, &to, &[]));
        assert_clean_as_read(&to);
        fs::remove_dir_all(&to).unwrap();
        assert!(load.is_going_on());
        if round % 3 == 2 {
            printed(&back_up(&data, &backup));
        }
    }
    drop(load);
}

/// Both are other processes: the server learns of them by what they leave in the folder.
#[tokio::test]
async fn the_metrics_show_when_a_folder_was_backed_up_and_verified() {
    let folder = folder();
    let [data, backup] = ["data", "backup"].map(|name| folder.path().join(name));
    let arguments = ["--demo", "--metrics-listen", "127.0.0.1:0"];
    let mut process = LastroProcess::serve(&binary(), &data, &arguments).unwrap();
    let exposed = metrics(&mut process).await;
    assert!(!exposed.contains("lastro_backup_age_seconds"), "{exposed}");
    assert!(back_up(&data, &backup).status.success());
    let verify = lastro(&["verify", "--read-only"], &[("--data-dir", &data)]);
    assert!(verify.status.success());
    let bound = Instant::now() + Duration::from_secs(60);
    loop {
        let exposed = metrics(&mut process).await;
        let shows = |name: &str| exposed.lines().any(|line| line.starts_with(name));
        if shows("lastro_backup_age_seconds ") && shows("lastro_verify_age_seconds ") {
            break;
        }
        assert!(Instant::now() < bound, "{exposed}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(process.stop().unwrap().success());
}
