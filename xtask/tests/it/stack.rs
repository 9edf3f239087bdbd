//! Each deploy profile is started for real, used, and stopped; then nothing of it is left.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use testkit::servers::can_reach;

/// How long a start or a stop may take.
const BOUND: Duration = Duration::from_secs(120);

/// The binary to deploy: what `LASTRO_BIN` names, else the one that cargo has put beside the chore.
pub(super) fn binary() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("lastro");
    let binary = std::env::var_os("LASTRO_BIN").map_or(beside, PathBuf::from);
    assert!(
        binary.is_file(),
        "no server at {}: build it, or run `cargo xtask test`",
        binary.display()
    );
    binary
}

/// How far a test's ports are from the profile's: another distance for each test and, as far as
/// that goes, for each run of the tests. Even, since two ports of a profile are 9 apart.
fn port_offset(test: u16) -> u16 {
    let run = u16::try_from(std::process::id() % 50).unwrap();
    12_000 + run * 200 + test * 2
}

/// A running `cargo xtask stack`.
struct Chore {
    child: Child,
    said: Vec<String>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Chore {
    fn start(profile: &str, port_offset: u16, data_dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["stack", profile, "--port-offset", &port_offset.to_string()])
            .arg("--data-dir")
            .arg(data_dir)
            .env("LASTRO_BIN", binary())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut chore = Self {
            child,
            said: Vec::new(),
            lines,
        };
        chore.read_until("Ctrl-C stops it");
        chore
    }

    fn read_until(&mut self, end: &str) {
        for line in self.lines.by_ref().map(Result::unwrap) {
            let is_end = line.contains(end);
            self.said.push(line);
            if is_end {
                return;
            }
        }
        panic!("it never said {end:?}, but {:#?}", self.said);
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + BOUND;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and the body of a request.
fn ask(port: u16, method: &str, path: &str, body: &str) -> (u16, String) {
    ask_of("test", port, method, path, body)
}

/// Likewise of a host of this name.
fn ask_of(host: &str, port: u16, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// The first requests of the 2024 challenge.
fn check_challenge(port: u16, balance: i64) {
    let path = "/clientes/1/transacoes";
    let debit = r#"{"valor": 1, "tipo": "d", "descricao": "stack"}"#;
    let (status, body) = ask(port, "POST", path, debit);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(&format!("\"saldo\":{balance}")), "{body}");
    let (status, body) = ask(port, "GET", "/clientes/1/extrato", "");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(&format!("\"total\":{balance}")), "{body}");
    assert_eq!(ask(port, "GET", "/clientes/6/extrato", "").0, 404);
    assert_eq!(ask(port, "POST", path, "{\"valor\": 1.2}").0, 422);
}

/// The processes that run somewhere in a folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let works_in = fs::read_link(entry.path().join("cwd")).ok()?;
            let command = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            works_in
                .starts_with(folder)
                .then(|| command.replace('\0', " "))
        });
    processes.collect()
}

fn wait_until_none_is_in(folder: &Path) {
    let deadline = Instant::now() + BOUND;
    loop {
        let left = processes_in(folder);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left running: {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn control_groups_of(id: u32) -> Vec<PathBuf> {
    let name = format!("lastro-stack-{id}");
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
                found.extend((entry.file_name() == name.as_str()).then(|| entry.path()));
            }
        }
    }
    found
}

/// The kernel keeps a group busy for a moment after the last process in it has ended.
fn remove_control_group(group: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = fs::remove_dir(group) {
        let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        assert!(
            Instant::now() < deadline,
            "{}: {error}; processes in it: {processes:?}",
            group.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A folder on the disk that PostgreSQL's user can reach.
fn place() -> &'static Path {
    let places = [
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        Path::new("/var/tmp"),
    ];
    let reached = places.iter().find(|place| can_reach(place));
    reached.expect("PostgreSQL's user can reach neither the target folder nor /var/tmp")
}

/// Starts a profile twice over the same data: the second one is stopped as a terminal does it.
fn check_profile(profile: &str, port_offset: u16, process_count_min: usize) {
    let folder = tempfile::tempdir_in(place()).unwrap();
    // A database started by root is another user's.
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let port = 9_999 + port_offset;
    for (signal, balance) in [("-TERM", -1), ("-INT", -2)] {
        let mut chore = Chore::start(profile, port_offset, &folder);
        let url = format!("http://127.0.0.1:{port}");
        assert!(chore.said[0].contains(&url), "{:#?}", chore.said);
        let count = processes_in(&folder).len();
        assert!(count >= process_count_min, "{:#?}", processes_in(&folder));
        check_challenge(port, balance);
        // A page that made a name of its own lead here reads nothing.
        let (status, body) = ask_of("evil.example", port, "GET", "/clientes/1/extrato", "");
        assert_eq!(status, 421, "{body}");
        chore.signal(signal);
        assert!(chore.wait().success());
        chore.read_until("is stopped");
        assert_eq!(processes_in(&folder), Vec::<String>::new());
        assert_eq!(control_groups_of(chore.child.id()), Vec::<PathBuf>::new());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn single() {
    check_profile("single", port_offset(0), 1);
}

#[test]
fn rinha_2024_nginx() {
    check_profile("rinha-2024-nginx", port_offset(1), 5);
}

#[test]
fn rinha_2024_haproxy() {
    check_profile("rinha-2024-haproxy", port_offset(5), 4);
}

#[test]
fn rinha_2024_haproxy_l7() {
    check_profile("rinha-2024-haproxy-l7", port_offset(6), 4);
}

/// A payment goes through proxy, API node and ledger node to the processor that is not below the
/// limits, and comes back in the summary.
#[test]
fn rinha_2025_haproxy() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let offset = port_offset(40);
    let mut chore = Chore::start("rinha-2025-haproxy", offset, &folder);
    let limits = chore.said.iter().find(|line| line.contains("limits"));
    let but_for = "but for processor-default, processor-fallback";
    assert!(
        limits.is_some_and(|line| line.contains(but_for)),
        "{:#?}",
        chore.said
    );
    assert!(
        processes_in(&folder).len() >= 6,
        "{:#?}",
        processes_in(&folder)
    );
    let id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
    let payment = format!(r#"{{"correlationId": "{id}", "amount": 19.90}}"#);
    let (status, body) = ask(9_999 + offset, "POST", "/payments", &payment);
    assert_eq!(status, 202, "{body}");
    let deadline = Instant::now() + BOUND;
    let paid = loop {
        let (status, body) = ask(8_001 + offset, "GET", &format!("/payments/{id}"), "");
        if status == 200 {
            break body;
        }
        assert!(Instant::now() < deadline, "it is not paid: {status}");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(paid.contains("\"amount\":19.9,"), "{paid}");
    loop {
        let (status, body) = ask(9_999 + offset, "GET", "/payments-summary", "");
        assert_eq!(status, 200, "{body}");
        let summary: String = body.split_whitespace().collect();
        if summary.contains(r#""default":{"totalRequests":1,"totalAmount":19.9"#) {
            break;
        }
        assert!(Instant::now() < deadline, "{body}");
        std::thread::sleep(Duration::from_millis(10));
    }
    chore.signal("-TERM");
    assert!(chore.wait().success());
    assert_eq!(processes_in(&folder), Vec::<String>::new());
}

#[test]
fn rinha_2024_postgres_nginx() {
    check_profile("rinha-2024-postgres-nginx", port_offset(4), 5);
}

#[test]
fn rinha_2024_write_behind_envoy() {
    check_profile("rinha-2024-write-behind-envoy", port_offset(7), 5);
}

#[test]
fn a_part_that_dies_ends_the_stack_with_its_log_shown() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let mut chore = Chore::start("rinha-2024-nginx", port_offset(2), &folder);
    let line = chore.said.iter().find(|line| line.starts_with("  api1"));
    let id = line.and_then(|line| line.rsplit(' ').next()).unwrap();
    assert!(
        Command::new("kill")
            .args(["-KILL", id])
            .status()
            .unwrap()
            .success()
    );
    assert!(!chore.wait().success());
    assert_eq!(processes_in(&folder), Vec::<String>::new());
}

/// What was killed itself cannot stop anything: guardians do.
#[test]
fn a_killed_stack_leaves_no_process() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let mut chore = Chore::start("rinha-2024-nginx", port_offset(3), &folder);
    chore.signal("-KILL");
    assert!(!chore.wait().success());
    wait_until_none_is_in(&folder);
    for group in control_groups_of(chore.child.id()) {
        remove_control_group(&group);
    }
}

#[test]
fn profiles_are_listed_and_unknown_ones_refused() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = command.arg("stack").args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (success, text) = run(&["--list"]);
    assert!(
        success && text.contains("single") && text.contains("rinha-2024-nginx"),
        "{text}"
    );
    let (success, text) = run(&["no-such-profile"]);
    assert!(!success && text.contains("--list"), "{text}");
}
