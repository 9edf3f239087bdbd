//! Probes and metrics, with the real binary: a thread of their own answers them, so that nothing that
//! requests do delays them.

use std::collections::HashMap;
use std::path::Path;

use reqwest::{Client, StatusCode};
use testkit::LastroProcess;

use crate::support::{binary, folder, metrics_address};

const PROBES_COUNT: u64 = 500;

/// How often the threads of a process have waited for something, by the threads' names.
fn waits(process: &LastroProcess) -> HashMap<String, u64> {
    let mut waits = HashMap::new();
    for thread in std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap() {
        let thread = thread.unwrap().path();
        // A thread may have ended meanwhile.
        if let Some((name, count)) = waits_of(&thread) {
            *waits.entry(name).or_default() += count;
        }
    }
    waits
}

fn waits_of(thread: &Path) -> Option<(String, u64)> {
    let name = std::fs::read_to_string(thread.join("comm")).ok()?;
    let status = std::fs::read_to_string(thread.join("status")).ok()?;
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    Some((name.trim().to_owned(), count.trim().parse().ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_of_their_own_answers_probes_beside_the_metrics() {
    let folder = folder();
    let arguments = ["--demo", "--metrics-listen", "127.0.0.1:0"];
    let mut process = LastroProcess::serve(&binary(), folder.path(), &arguments).unwrap();
    let address = metrics_address(&mut process).await;
    let client = Client::new();
    let before = waits(&process);
    for number in 0..PROBES_COUNT {
        let path = ["healthz", "readyz"][usize::try_from(number % 2).unwrap()];
        let answer = client.get(format!("http://{address}/{path}")).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK, "{path}");
    }
    let after = waits(&process);
    let waited = |name: &str| after.get(name).unwrap() - before.get(name).unwrap();
    // One thread waits for each probe; those that serve HTTP have only their own timers.
    let (own, of_http) = (waited("lastro-metrics"), waited("lastro-http"));
    assert!(
        own >= PROBES_COUNT / 2 && of_http < PROBES_COUNT / 2,
        "{own} and {of_http}"
    );
    assert!(process.stop().unwrap().success());
}
