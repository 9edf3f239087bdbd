//! No answer leaves before its frame's sync returned: seen from outside, in the system calls of
//! the binary.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use serde_json::json;
use testkit::LastroProcess;
use uuid::Uuid;

use crate::support::{Bank, binary, folder};

/// One system call, with the times between which it ran, in nanoseconds.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    begun: u128,
    ended: u128,
}

impl Call {
    /// The number of the file it is about: its first argument.
    fn file(&self) -> &str {
        self.text
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_before_its_frame_is_synced() {
    let folder = folder();
    let trace = folder.path().join("trace");
    let data_dir = folder.path().join("ledger");
    // Not under strace: a new segment is many small synced writes.
    LastroProcess::init(&binary(), &data_dir).unwrap();
    let mut command = Command::new("strace");
    command
        .args(["-f", "--quiet=all", "-s", "1000000"])
        .args([
            "--absolute-timestamps=format:unix,precision:ns",
            "--syscall-times=ns",
        ])
        .args([
            "-e",
            "trace=pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync",
            "-o",
        ])
        .arg(&trace)
        .arg(binary())
        .args(["serve", "--demo", "--data-dir"])
        .arg(data_dir);
    let process = LastroProcess::start(command).unwrap();
    let bank = Bank::of(&process);
    let markers = transfers(&bank).await;
    let server = only_child(process.id());
    assert!(
        Command::new("kill")
            .args(["-TERM", &server])
            .status()
            .unwrap()
            .success()
    );
    assert!(process.stop().unwrap().success());
    let calls = parse(&std::fs::read_to_string(&trace).unwrap());
    for marker in &markers {
        check(&calls, marker);
    }
}

/// Sends transfers, many at once, and answers with the descriptions that mark them.
async fn transfers(bank: &Bank) -> Vec<String> {
    let mut markers = Vec::new();
    for round in 0..12 {
        let round_markers: Vec<String> = (0..8)
            .map(|at| format!("marker-{round:02}-{at:02}-{}", Uuid::new_v4().simple()))
            .collect();
        let sent = round_markers.iter().map(|marker| {
            let body = json!({
                "id": Uuid::new_v4(),
                "debit_account_id": "world:BRL",
                "credit_account_id": "1",
                "amount": 1,
                "description": marker,
            });
            async move { bank.transfer(&body).await.unwrap().0 }
        });
        let statuses = join_all(sent).await;
        assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
        markers.extend(round_markers);
    }
    markers
}

/// The frame with this transfer was written, then synced, then the answer was sent.
fn check(calls: &[Call], marker: &str) {
    let having = |call: &&Call| call.text.contains(marker);
    let written: Vec<&Call> = calls
        .iter()
        .filter(|call| call.name == "pwrite64")
        .filter(having)
        .collect();
    let [written] = written[..] else {
        panic!("{marker} was written {} times", written.len())
    };
    let sent = |call: &&Call| ["sendto", "sendmsg", "write", "writev"].contains(&&*call.name);
    let sent: Vec<&Call> = calls.iter().filter(sent).filter(having).collect();
    let [sent] = sent[..] else {
        panic!("{marker} was answered {} times", sent.len())
    };
    let synced = calls
        .iter()
        .filter(|call| call.name == "fdatasync" && call.file() == written.file())
        .find(|call| call.begun >= written.ended)
        .unwrap_or_else(|| panic!("{marker} was never synced"));
    assert!(
        synced.ended <= sent.begun,
        "{marker} was answered at {} but synced at {}",
        sent.begun,
        synced.ended
    );
}

/// Reads strace's lines: `PID TIME name(text) = result <DURATION>`, which another thread's line
/// may split into `… <unfinished ...>` and `<... name resumed>…`.
fn parse(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, Call> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((time, rest)) = rest.trim_start().split_once(' ') else {
            continue;
        };
        let Some(begun) = nanos(time) else { continue };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            if let Some(mut call) = unfinished.remove(thread) {
                call.ended = call.begun + duration(resumed);
                calls.push(call);
            }
        } else if let Some((name, text)) = rest.split_once('(') {
            let (name, text) = (name.to_owned(), text.to_owned());
            if text.ends_with("<unfinished ...>") {
                unfinished.insert(
                    thread,
                    Call {
                        name,
                        text,
                        begun,
                        ended: 0,
                    },
                );
            } else {
                let ended = begun + duration(&text);
                calls.push(Call {
                    name,
                    text,
                    begun,
                    ended,
                });
            }
        }
    }
    assert!(
        calls.len() > 100,
        "strace saw {} calls:\n{trace}",
        calls.len()
    );
    calls
}

/// `1700000000.123456789` in nanoseconds.
fn nanos(time: &str) -> Option<u128> {
    let (seconds, fraction) = time.split_once('.')?;
    Some(seconds.parse::<u128>().ok()? * 1_000_000_000 + fraction.parse::<u128>().ok()?)
}

/// The `<0.000123456>` at a line's end, in nanoseconds.
fn duration(line: &str) -> u128 {
    let last = line
        .rsplit_once('<')
        .and_then(|(_, last)| nanos(last.trim_end_matches('>')));
    last.unwrap_or_else(|| panic!("no duration in {line}"))
}

fn only_child(of: u32) -> String {
    let path = format!("/proc/{of}/task/{of}/children");
    let children = std::fs::read_to_string(Path::new(&path)).unwrap();
    children.split_whitespace().next().unwrap().to_owned()
}
