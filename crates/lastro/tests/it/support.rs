//! Starting the binary, and speaking to it.

mod nodes;
mod small_disk;
mod tls;

use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::LastroProcess;

pub(crate) use nodes::Nodes;
pub(crate) use small_disk::SmallDisk;
pub(crate) use tls::tls_acceptor;

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    LastroProcess::binary(env!("CARGO_BIN_EXE_lastro"))
}

/// A folder on the disk, not in memory: what is not synced there is not safe.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub(crate) fn serve(data_dir: &Path) -> LastroProcess {
    LastroProcess::serve(&binary(), data_dir, &["--demo"]).unwrap()
}

pub(crate) fn verify(data_dir: &Path) -> Output {
    Command::new(binary())
        .arg("verify")
        .arg("--data-dir")
        .arg(data_dir)
        .output()
        .unwrap()
}

/// Fails unless `lastro verify` finds the folder clean.
pub(crate) fn assert_clean(data_dir: &Path) {
    let output = verify(data_dir);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Flips a bit of the newest record with this text, in the first segment of a ledger in this process.
pub(crate) fn damage_newest_record(data_dir: &Path, text: &str) {
    let file = data_dir.join("0000000000.segment");
    let bytes = std::fs::read(&file).unwrap();
    let mut windows = bytes.windows(text.len());
    let found = windows.rposition(|window| window == text.as_bytes());
    let offset = found.expect("a record with the text");
    let open = File::options().write(true).open(file).unwrap();
    let flipped = [bytes[offset] ^ 4];
    open.write_all_at(&flipped, offset as u64).unwrap();
}

/// Whether this is the long run.
pub(crate) fn is_long() -> bool {
    std::env::var_os("LASTRO_LONG").is_some()
}

/// How many times a test that waits for chance is tried: 10, or 100 in the long run.
pub(crate) fn rounds() -> u32 {
    if is_long() { 100 } else { 10 }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Sends a process a signal, such as `-STOP`.
pub(crate) fn signal(process: &LastroProcess, name: &str) {
    let id = process.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
    if name == "-STOP" {
        wait_until_stopped(&id);
    }
}

/// The signal has been sent: the threads that run go on for a moment.
fn wait_until_stopped(id: &str) {
    let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
        // A thread that has ended meanwhile does nothing more. The state comes behind the name in brackets.
        stat.map_or(true, |stat| {
            let (_, behind_name) = stat.rsplit_once(") ").unwrap();
            behind_name.starts_with(['T', 't'])
        })
    };
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let mut tasks = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
        if tasks.all(is_stopped) {
            return;
        }
        assert!(Instant::now() < give_up, "process {id} does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What is served where the process says that its metrics are.
pub(crate) async fn metrics(process: &mut LastroProcess) -> String {
    let address = metrics_address(process).await;
    let answer = reqwest::get(format!("http://{address}/metrics")).await;
    answer.unwrap().text().await.unwrap()
}

/// Where the process says that its metrics are.
pub(crate) async fn metrics_address(process: &mut LastroProcess) -> String {
    let bound = Instant::now() + Duration::from_secs(60);
    loop {
        let named = process.logged().iter();
        let mut addresses = named.filter_map(|line| line.split_once("serving metrics on "));
        if let Some((_, address)) = addresses.next() {
            return address.split(' ').next().unwrap().to_owned();
        }
        assert!(Instant::now() < bound, "no metrics are served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client that keeps its connections.
#[derive(Clone)]
pub(crate) struct Bank {
    pub(crate) http: Client,
    pub(crate) url: String,
}

impl Bank {
    pub(crate) fn of(process: &LastroProcess) -> Self {
        Self {
            http: Client::new(),
            url: process.url().to_owned(),
        }
    }

    /// One transaction of the 2024 challenge.
    pub(crate) async fn transact(&self, client: &str, kind: &str, amount: u64) -> (u16, Value) {
        let body = json!({"valor": amount, "tipo": kind, "descricao": "descricao"});
        let url = format!("{}/clientes/{client}/transacoes", self.url);
        let response = self.http.post(url).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    /// A statement of the 2024 challenge.
    pub(crate) async fn statement(&self, client: &str) -> Value {
        let url = format!("{}/clientes/{client}/extrato", self.url);
        let response = self.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// The status and body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self
            .http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    /// A transfer over `/v1`: status, whether it was replayed, body. `Err` when the connection
    /// broke before the whole answer was there. All requests have the same `X-Request-Id`, so that
    /// a repetition is answered word for word.
    pub(crate) async fn transfer(
        &self,
        body: &Value,
    ) -> Result<(u16, bool, Value), reqwest::Error> {
        let url = format!("{}/v1/transfers", self.url);
        let request = self.http.post(url).header("x-request-id", "bank");
        let response = request.json(body).send().await?;
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotency-replayed");
        Ok((status, replayed, response.json().await?))
    }
}
