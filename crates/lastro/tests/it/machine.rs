//! The real binary under load, while something of its machine goes wrong: its disk is full or fails, its clock steps,
//! the process is stopped for a while, or it may open few files. Where a machine does not permit to mount a file
//! system, the tests of disks pass without testing, and print that.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use testkit::LastroProcess;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Bank, SmallDisk, assert_clean, binary, folder, metrics, serve, signal};

const PATIENCE: Duration = Duration::from_secs(60);
const SENDERS: usize = 4;

/// Callers that send one transfer after the other, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    seen: Arc<Mutex<Seen>>,
}

/// What callers were answered.
#[derive(Debug, Default)]
struct Seen {
    /// Transfers that were created.
    created: Vec<Uuid>,
    /// The status and code of each other answer.
    refused: Vec<(u16, Value)>,
    /// Requests without an answer.
    broken: usize,
}

impl Load {
    fn start(process: &LastroProcess) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut tasks = JoinSet::new();
        for _ in 0..SENDERS {
            tasks.spawn(send(
                Bank::of(process),
                Arc::clone(&stop),
                Arc::clone(&seen),
            ));
        }
        Self { stop, tasks, seen }
    }

    fn created(&self) -> usize {
        self.seen.lock().created.len()
    }

    /// Waits until so many more were created, or so many more refused.
    async fn wait_for(&self, is_enough: impl Fn(&Seen) -> bool) {
        let bound = Instant::now() + PATIENCE;
        while !is_enough(&self.seen.lock()) {
            assert!(Instant::now() < bound, "{} were created", self.created());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut self.seen.lock())
    }
}

async fn send(bank: Bank, stop: Arc<AtomicBool>, seen: Arc<Mutex<Seen>>) {
    while !stop.load(Ordering::Relaxed) {
        let id = Uuid::new_v4();
        let answer = bank.transfer(&transfer(id)).await;
        let is_created = {
            let mut seen = seen.lock();
            match answer {
                Ok((201, ..)) => seen.created.push(id),
                Ok((status, _, body)) => seen.refused.push((status, body["code"].clone())),
                Err(_) => seen.broken += 1,
            }
            seen.created.last() == Some(&id)
        };
        if !is_created {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn transfer(id: Uuid) -> Value {
    json!({
        "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1", "amount": 1,
        "description": "under load",
    })
}

/// Each transfer that was answered is there.
async fn assert_there(process: &LastroProcess, created: &[Uuid]) {
    let bank = Bank::of(process);
    for id in created {
        let (status, body) = bank.get(&format!("/v1/transfers/{id}")).await;
        assert_eq!(status, 200, "{id}: {body}");
    }
}

async fn wait_until_ready(bank: &Bank) {
    let bound = Instant::now() + PATIENCE;
    while bank.get("/readyz").await.0 != 200 {
        assert!(Instant::now() < bound, "it is not ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn serve_on(disk: &SmallDisk) -> LastroProcess {
    let mut command = disk.command(binary());
    command.args(["serve", "--demo", "--outbox-bytes-max", "0", "--data-dir"]);
    command.arg(disk.path().join("data"));
    LastroProcess::start(command).unwrap()
}

fn assert_clean_on(disk: &SmallDisk) {
    let mut verify = disk.command(binary());
    verify
        .args(["verify", "--data-dir"])
        .arg(disk.path().join("data"));
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

/// Fills the disk with batches that become smaller, until there is no room for a single transfer.
async fn fill(bank: &Bank) {
    let description = "\u{1d11e}".repeat(140);
    let bound = Instant::now() + 2 * PATIENCE;
    for size in [3_000, 100, 1] {
        loop {
            let commands: Vec<_> = (0..size)
                .map(|_| {
                    json!({
                        "kind": "transfer", "id": Uuid::new_v4(), "debit_account_id": "world:BRL",
                        "credit_account_id": "1", "amount": 1, "description": description,
                    })
                })
                .collect();
            let batch = json!({"atomic": false, "commands": commands});
            let sent = bank.http.post(format!("{}/v1/batches", bank.url));
            let answer = sent.json(&batch).send().await.unwrap();
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.unwrap();
            if status != 200 {
                assert_eq!(
                    (status, &body["code"]),
                    (503, &json!("storage_full")),
                    "{body}"
                );
                break;
            }
            assert!(Instant::now() < bound, "the disk is never full");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_under_load_until_there_is_room() {
    // Room for a segment of 64 MiB and its tables, and then for another one.
    let Some(disk) = SmallDisk::permitted(260) else {
        return;
    };
    disk.shell(r#"head -c 150M /dev/zero > "$0/ballast""#);
    let process = serve_on(&disk);
    let bank = Bank::of(&process);
    let load = Load::start(&process);
    load.wait_for(|seen| seen.created.len() >= 20).await;
    fill(&bank).await;
    load.wait_for(|seen| seen.refused.len() >= 20).await;
    let (status, readiness) = bank.get("/readyz").await;
    assert_eq!(
        (status, &readiness["code"]),
        (503, &json!("storage_full")),
        "{readiness}"
    );
    assert_eq!(bank.get("/v1/accounts/1").await.0, 200, "reads go on");
    disk.shell(r#"rm "$0/ballast""#);
    wait_until_ready(&bank).await;
    let before = load.created();
    load.wait_for(|seen| seen.created.len() >= before + 20)
        .await;
    let seen = load.end().await;
    assert_eq!(seen.broken, 0);
    for refused in &seen.refused {
        assert_eq!(refused, &(503, json!("storage_full")));
    }
    assert_there(&process, &seen.created).await;
    assert!(process.stop().unwrap().success());
    assert_clean_on(&disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_under_load_ends_writes_and_loses_no_answer() {
    let Some(disk) = SmallDisk::permitted(400) else {
        return;
    };
    let process = serve_on(&disk);
    let bank = Bank::of(&process);
    let load = Load::start(&process);
    load.wait_for(|seen| seen.created.len() >= 100).await;
    disk.fail();
    load.wait_for(|seen| seen.refused.len() >= 20).await;
    let (status, readiness) = bank.get("/readyz").await;
    assert_eq!(
        (status, &readiness["code"]),
        (503, &json!("storage_failed")),
        "{readiness}"
    );
    assert_eq!(bank.get("/v1/accounts/1").await.0, 200, "reads go on");
    let seen = load.end().await;
    for refused in &seen.refused {
        assert_eq!(refused, &(503, json!("storage_failed")));
    }
    // It cannot say goodbye to its disk; it ends all the same.
    process.stop().unwrap();
    disk.repair();
    let process = serve_on(&disk);
    assert_there(&process, &seen.created).await;
    assert!(process.stop().unwrap().success());
    assert_clean_on(&disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_for_a_while_goes_on() {
    let folder = folder();
    let process = serve(folder.path());
    let load = Load::start(&process);
    for _ in 0..3 {
        let before = load.created();
        load.wait_for(|seen| seen.created.len() >= before + 50)
            .await;
        signal(&process, "-STOP");
        // Longer than the engine's deadline: what waited meanwhile is late.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        signal(&process, "-CONT");
    }
    let before = load.created();
    load.wait_for(|seen| seen.created.len() >= before + 50)
        .await;
    let seen = load.end().await;
    assert_eq!(seen.broken, 0);
    for (status, code) in &seen.refused {
        let is_late = [
            (408, json!("request_timeout")),
            (503, json!("overloaded")),
            (504, json!("timeout")),
        ];
        assert!(
            is_late.contains(&(*status, code.clone())),
            "{status} {code}"
        );
    }
    assert_there(&process, &seen.created).await;
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

/// `lastro serve` that may open so many files.
fn with_files(files: u32, data_dir: &std::path::Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {files} && exec \"$0\" \"$@\""))
        .arg(binary())
        .args(["serve", "--demo", "--data-dir"])
        .arg(data_dir);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_are_refused_and_the_fewest_are_enough() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let refused = with_files(64, &data_dir).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    let needs = said
        .split_once("may open 64 files, and needs at least ")
        .unwrap()
        .1;
    let fewest: u32 = needs.split(':').next().unwrap().parse().unwrap();
    assert!(
        needs.contains("raise the limit (ulimit -n, LimitNOFILE= of systemd)"),
        "{said}"
    );
    assert!(!data_dir.exists(), "nothing is written");

    let process = LastroProcess::start(with_files(fewest, &data_dir)).unwrap();
    let load = Load::start(&process);
    load.wait_for(|seen| seen.created.len() >= 200).await;
    let seen = load.end().await;
    assert_eq!(
        (seen.refused.len(), seen.broken),
        (0, 0),
        "{:?}",
        seen.refused
    );
    assert_there(&process, &seen.created).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&data_dir);
}

/// Where Debian has the library that makes a process believe another time.
fn library_of_time() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let mut libraries = folders.map(|folder| {
        let folder = folder.unwrap().path();
        folder.join("faketime/libfaketimeMT.so.1")
    });
    let library = libraries.find(|library| library.exists());
    library.expect("the package faketime is not installed: `cargo xtask tools`")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_under_load_is_refused_or_held() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    // What the process adds to the machine's time, in seconds.
    let offset = folder.path().join("offset");
    let step_to = |seconds: &str| {
        let new = offset.with_extension("new");
        std::fs::write(&new, seconds).unwrap();
        std::fs::rename(&new, &offset).unwrap();
    };
    step_to("+0");
    let mut command = Command::new(binary());
    command
        .args([
            "serve",
            "--demo",
            "--metrics-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(&data_dir)
        .env("LD_PRELOAD", library_of_time())
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut process = LastroProcess::start(command).unwrap();
    let bank = Bank::of(&process);
    let load = Load::start(&process);
    load.wait_for(|seen| seen.created.len() >= 50).await;

    // Two hours ahead: nobody believes it, and it passes by itself.
    step_to("+7200");
    load.wait_for(|seen| seen.refused.len() >= 20).await;
    let (status, readiness) = bank.get("/readyz").await;
    assert_eq!(
        (status, &readiness["code"]),
        (503, &json!("clock_jumped")),
        "{readiness}"
    );
    let ahead_s = readiness["clock_ahead_s"].as_u64().unwrap();
    assert!((7_000..=7_200).contains(&ahead_s), "{ahead_s}");
    let served = metrics(&mut process).await;
    assert!(
        served.contains("\nlastro_clock_ahead_seconds 7"),
        "{served}"
    );
    assert_eq!(bank.get("/v1/accounts/1").await.0, 200, "reads go on");
    process
        .wait_for_log("s ahead of what was expected: writes are refused", PATIENCE)
        .unwrap();
    step_to("+0");
    wait_until_ready(&bank).await;
    let refused_count = load.seen.lock().refused.len();

    // Back, and a little ahead: writes go on, and times still run forward.
    for seconds in ["-7200", "+600"] {
        step_to(seconds);
        let before = load.created();
        load.wait_for(|seen| seen.created.len() >= before + 50)
            .await;
    }
    let seen = load.end().await;
    assert_eq!((seen.refused.len(), seen.broken), (refused_count, 0));
    for refused in &seen.refused {
        assert_eq!(refused, &(503, json!("clock_jumped")));
    }
    assert_there(&process, &seen.created).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&data_dir);
}
