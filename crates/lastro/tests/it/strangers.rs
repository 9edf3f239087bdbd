//! What strangers can do to a bystander: callers that connect and mean harm, or do not know better, beside one that
//! is served as ever.
//!
//! The test asserts that the bystander is served, also over new connections, and that memory stays within its bound.
//! With `LASTRO_LONG=1` and a release binary in `LASTRO_BIN` the strangers come at full scale; `cargo xtask hostile`
//! runs it so and prints the latencies. Strangers have a thread of their own, which gives way to the others: they
//! stand for other machines.

mod bystander;
mod crowd;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use testkit::LastroProcess;
use testkit::certificates::Authority;

use crate::support::{assert_clean, binary, folder, is_long};
use bystander::{Bystander, Figures};
use crowd::{Act, Crowd};

/// How many strangers come, and for how long.
#[derive(Clone, Copy)]
struct Scale {
    /// Connections of callers that are slow.
    slow: usize,
    /// Connections of callers that do nothing.
    idle: usize,
    /// New connections, or requests, in each second of a flood.
    per_s: u32,
    time: Duration,
}

impl Scale {
    fn now() -> Self {
        if is_long() {
            Self {
                slow: 1_000,
                idle: 10_000,
                per_s: 2_000,
                time: Duration::from_secs(20),
            }
        } else {
            Self {
                slow: 100,
                idle: 300,
                per_s: 500,
                time: Duration::from_secs(2),
            }
        }
    }

    fn connections(self, act: Act) -> usize {
        match act {
            Act::Idle | Act::IdleHttp2 => self.idle,
            Act::SlowHead
            | Act::SlowBody
            | Act::SlowReader
            | Act::SlowHandshake
            | Act::SlowHead2
            | Act::SlowBody2 => self.slow,
            Act::Connects | Act::BadKeys | Act::BadKeys2 => 0,
        }
    }
}

/// What a process may take beside what it took when it was quiet: the rooms of bodies and answers, and for each
/// connection a head and the buffers of the sockets' libraries.
fn memory_max(quiet_bytes: u64, connections: usize) -> u64 {
    const ROOMS_BYTES: u64 = 128 << 20;
    const CONNECTION_BYTES: u64 = 48 << 10;
    quiet_bytes + ROOMS_BYTES + CONNECTION_BYTES * connections as u64
}

/// The memory of a process in bytes: now, and the most since it was asked to forget that.
fn memory(process: &LastroProcess) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.unwrap().trim().trim_end_matches(" kB").parse::<u64>();
        kib.unwrap() << 10
    };
    (of("VmRSS:"), of("VmHWM:"))
}

fn forget_most_memory(process: &LastroProcess) {
    std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
}

/// A bystander beside a crowd for each act, at this address of a process.
fn beside(face: &str, process: &LastroProcess, bystander: &Bystander, door: &str, acts: &[Act]) {
    let scale = Scale::now();
    let quiet = bystander.watch(scale.time);
    eprintln!("{face}, quiet: {quiet}");
    for act in acts {
        forget_most_memory(process);
        let (quiet_bytes, _) = memory(process);
        let crowd = Crowd::gather(*act, door, bystander.secret(), scale);
        let beside = bystander.watch(scale.time);
        let came = crowd.disperse();
        let (_, most_bytes) = memory(process);
        report(face, *act, came, &beside, &quiet, most_bytes);
        assert!(came > 0, "{act:?}: no stranger came");
        assert_eq!(beside.failed, 0, "{face}, {act:?}: {beside}");
        assert!(beside.answered > 0 && beside.newcomers > 0, "{beside}");
        let bound = memory_max(quiet_bytes, scale.connections(*act));
        assert!(
            most_bytes <= bound,
            "{face}, {act:?}: {} MiB of memory, at most {} were expected",
            most_bytes >> 20,
            bound >> 20
        );
    }
}

fn report(face: &str, act: Act, came: u64, beside: &Figures, quiet: &Figures, most_bytes: u64) {
    let ratio = beside.p99_us as f64 / quiet.p99_us.max(1) as f64;
    eprintln!(
        "{face}, {act:?} ({came} came): {beside}, {ratio:.2} x the quiet p99, at most {} MiB",
        most_bytes >> 20
    );
}

/// A server that asks for keys, and the secret of one.
struct Served {
    folder: TempDir,
    secret: String,
}

impl Served {
    fn new() -> Self {
        let folder = folder();
        let keys = folder.path().join("keys.json");
        let output = Command::new(binary())
            .args([
                "key",
                "create",
                "bystander",
                "--scopes",
                "read,write",
                "--keys",
            ])
            .arg(&keys)
            .output()
            .unwrap();
        assert!(output.status.success());
        let secret = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { folder, secret }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn serve(&self, name: &str, arguments: &[&str]) -> LastroProcess {
        let keys = self.path("keys.json");
        let arguments = [&["--demo", "--keys", &keys], arguments].concat();
        LastroProcess::serve(&binary(), Path::new(&self.path(name)), &arguments).unwrap()
    }
}

fn address(process: &LastroProcess) -> String {
    process.url().trim_start_matches("http://").to_owned()
}

#[test]
fn strangers_over_http_keep_nobody_from_being_served() {
    let served = Served::new();
    let process = served.serve("data", &[]);
    let door = address(&process);
    let bystander = Bystander::new(process.url(), &served.secret, None);
    bystander.fill();
    let acts = [
        Act::SlowHead,
        Act::SlowBody,
        Act::SlowReader,
        Act::Idle,
        Act::Connects,
        Act::BadKeys,
    ];
    beside("HTTP", &process, &bystander, &door, &acts);
    assert!(process.stop().unwrap().success());
    assert_clean(Path::new(&served.path("data")));
}

#[test]
fn strangers_over_tls_keep_nobody_from_being_served() {
    let served = Served::new();
    let authority = Authority::new("strangers");
    let files = authority
        .certify(&["127.0.0.1"])
        .write(served.folder.path(), "http")
        .unwrap();
    let (certificate, key) = (
        files.certificate.to_str().unwrap(),
        files.key.to_str().unwrap(),
    );
    let tls = ["--http-tls-cert", certificate, "--http-tls-key", key];
    let process = served.serve("data", &tls);
    let url = process.url().replace("http://", "https://");
    let bystander = Bystander::new(&url, &served.secret, Some(&authority));
    bystander.fill();
    let acts = [Act::SlowHandshake, Act::Idle, Act::Connects];
    beside("TLS", &process, &bystander, &address(&process), &acts);
    assert!(process.stop().unwrap().success());
    assert_clean(Path::new(&served.path("data")));
}

/// The bystander is an API node, and who asks it.
#[test]
fn strangers_over_grpc_keep_no_node_from_being_served() {
    let served = Served::new();
    let role = ["--role", "ledger", "--grpc-listen", "127.0.0.1:0"];
    let mut ledger = served.serve("data", &role);
    ledger
        .wait_for_log("listening for gRPC on ", Duration::from_secs(60))
        .unwrap();
    let named = ledger.logged().iter();
    let mut named = named.filter_map(|line| line.split_once("listening for gRPC on "));
    let door = named
        .next_back()
        .unwrap()
        .1
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let secret = served.path("secret");
    crate::support::write_private(Path::new(&secret), &served.secret);
    let mut api = Command::new(binary());
    api.args([
        "serve",
        "--role",
        "api",
        "--ledger",
        &door,
        "--ledger-key",
        &secret,
    ]);
    api.args(["--data-dir", &served.path("api")]);
    let api = LastroProcess::start(api).unwrap();
    let bystander = Bystander::new(api.url(), &served.secret, None);
    bystander.fill();
    let acts = [
        Act::Idle,
        Act::IdleHttp2,
        Act::SlowHead2,
        Act::SlowBody2,
        Act::Connects,
        Act::BadKeys2,
    ];
    beside("gRPC", &ledger, &bystander, &door, &acts);
    assert!(api.stop().unwrap().success());
    assert!(ledger.stop().unwrap().success());
    assert_clean(Path::new(&served.path("data")));
}
