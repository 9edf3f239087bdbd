//! Traces of the real binary, as a collector gets them.

mod collector;

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::LastroProcess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::support::{Bank, Nodes, assert_clean, binary, folder, metrics};
use collector::{Behaviour, Collector, Seen};

/// Spans come some time after the answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A caller's trace, and what it sends of it.
struct Caller {
    trace_id: String,
    span_id: &'static str,
}

impl Caller {
    fn new() -> Self {
        Self {
            trace_id: Uuid::new_v4().simple().to_string(),
            span_id: "00f067aa0ba902b7",
        }
    }

    fn traceparent(&self, is_sampled: bool) -> String {
        let flags = u8::from(is_sampled);
        format!("00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

/// A transfer with this `traceparent`, which has to be created.
async fn transfer(bank: &Bank, traceparent: Option<&str>) {
    let body = json!({
        "id": Uuid::new_v4(), "debit_account_id": "world:BRL", "credit_account_id": "1", "amount": 1,
        "description": "traced",
    });
    let mut request = bank.http.post(format!("{}/v1/transfers", bank.url));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
}

/// What is counted is counted a moment after it was done.
async fn wait_for_metric(process: &mut LastroProcess, line: &str) {
    let bound = Instant::now() + PATIENCE;
    loop {
        let served = metrics(process).await;
        if served.lines().any(|served| served == line) {
            return;
        }
        assert!(Instant::now() < bound, "{line} is not in {served}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Checks that these are the spans of a transfer through an API node and its ledger node.
#[track_caller]
fn assert_whole(caller: &Caller, spans: &[&Seen]) {
    let of = |role: &str, name: &str| {
        let mut found = spans
            .iter()
            .filter(|span| span.role == role && span.name == name);
        let span = *found
            .next()
            .unwrap_or_else(|| panic!("no span {name} of {role}: {spans:#?}"));
        assert!(found.next().is_none(), "{name} of {role} is there twice");
        span
    };
    let request = of("api", "POST /v1/transfers");
    let call = of("api", "lastro.v1.Ledger/Submit");
    let answer = of("ledger", "lastro.v1.Ledger/Submit");
    let (queue, frame, sync) = (
        of("ledger", "queue"),
        of("ledger", "frame"),
        of("ledger", "sync"),
    );
    assert_eq!(spans.len(), 6, "{spans:#?}");
    assert_eq!(request.parent_id, caller.span_id);
    for (child, parent) in [
        (call, request),
        (answer, call),
        (queue, answer),
        (frame, answer),
        (sync, frame),
    ] {
        assert_eq!(
            child.parent_id, parent.span_id,
            "{} under {}",
            child.name, parent.name
        );
        assert!(!child.is_failed);
        let is_within = child.start_ns >= parent.start_ns && child.end_ns <= parent.end_ns;
        // Two processes read the clock of one machine.
        let is_of_one = child.role == parent.role;
        assert!(
            is_within || !is_of_one,
            "{} is not within {}",
            child.name,
            parent.name
        );
    }
    assert_eq!(
        (request.kind, call.kind, answer.kind, sync.kind),
        (2, 3, 2, 1)
    );
    assert_eq!(request.attribute("http.route"), "/v1/transfers");
    assert_eq!(request.attribute("http.response.status_code"), "201");
    assert_eq!(answer.attribute("rpc.grpc.status_code"), "0");
    let number = |key: &str| frame.attribute(key).parse::<u64>().unwrap();
    assert!(number("lastro.frame.sequence") > 0);
    assert!(number("lastro.frame.records") >= 1 && number("lastro.frame.requests") >= 1);
    assert!(number("lastro.frame.bytes") > 100);
}

#[tokio::test]
async fn a_request_through_an_api_node_to_the_sync_is_one_trace() {
    let collector = Collector::start(Behaviour::Takes);
    let nodes = Nodes::new();
    let traced = ["--otlp-endpoint", &collector.url, "--trace-ratio", "0"];
    let ledger = nodes.ledger(&[&["--demo"], &traced[..]].concat());
    let mut api = nodes.api_command("api");
    api.args(traced);
    let api = LastroProcess::start(api).unwrap();
    let bank = Bank::of(&api);

    let caller = Caller::new();
    transfer(&bank, Some(&caller.traceparent(true))).await;
    let reader = Caller::new();
    let read = bank.http.get(format!("{}/v1/accounts/1", bank.url));
    let read = read.header("traceparent", reader.traceparent(true));
    assert_eq!(read.send().await.unwrap().status(), 200);
    // Neither of these is traced, at neither node.
    let silent = Caller::new();
    transfer(&bank, Some(&silent.traceparent(false))).await;
    transfer(&bank, None).await;
    transfer(&bank, Some("nonsense")).await;

    // Many at once: calls are for several requests, each with a trace of its own.
    let callers: Vec<_> = (0..40).map(|_| Caller::new()).collect();
    let traceparents: Vec<_> = callers
        .iter()
        .map(|caller| caller.traceparent(true))
        .collect();
    let transfers = traceparents.iter().map(|text| transfer(&bank, Some(text)));
    futures_util::future::join_all(transfers).await;

    // The stop sends what still waits.
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
    let spans = collector.seen();
    let mut traces = HashMap::<&str, Vec<&Seen>>::new();
    for span in &spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    assert_whole(&caller, &traces[&*caller.trace_id]);
    for caller in &callers {
        assert_whole(caller, &traces[&*caller.trace_id]);
    }
    let read = &traces[&*reader.trace_id];
    let names: Vec<_> = read.iter().map(|span| (&*span.role, &*span.name)).collect();
    assert_eq!(read.len(), 3, "{names:?}");
    assert!(
        names.contains(&("ledger", "lastro.v1.Ledger/GetAccount")),
        "{names:?}"
    );
    assert_eq!(traces.len(), 42, "only what callers asked for is traced");
    let shared = spans
        .iter()
        .filter(|span| span.name == "lastro.v1.Ledger/Submit" && span.kind == 3);
    let requests_max = shared.map(|span| span.attribute("lastro.requests")).max();
    eprintln!("most requests in a call: {requests_max:?}");
}

#[tokio::test]
async fn every_request_begins_a_trace_where_the_share_is_1() {
    let collector = Collector::start(Behaviour::Takes);
    let folder = folder();
    let mut process = LastroProcess::serve(
        &binary(),
        folder.path(),
        &[
            "--demo",
            "--metrics-listen",
            "127.0.0.1:0",
            "--otlp-endpoint",
            &collector.url,
            "--trace-ratio",
            "1",
        ],
    )
    .unwrap();
    let bank = Bank::of(&process);
    transfer(&bank, None).await;
    // What is not there is answered and traced, what asks whether the server lives is not.
    assert_eq!(bank.get("/v1/accounts/nobody").await.0, 404);
    bank.http
        .get(format!("{}/healthz", bank.url))
        .send()
        .await
        .unwrap();
    collector.wait_for(PATIENCE, |spans| {
        spans
            .iter()
            .any(|span| span.name == "GET /v1/accounts/{id}")
    });
    wait_for_metric(&mut process, "lastro_trace_spans_exported_total 5").await;
    assert!(process.stop().unwrap().success());
    let spans = collector.seen();
    let mut names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "GET /v1/accounts/{id}",
            "POST /v1/transfers",
            "frame",
            "queue",
            "sync"
        ]
    );
    let roots: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_id.is_empty())
        .collect();
    assert_eq!(roots.len(), 2);
    let lost = spans
        .iter()
        .find(|span| span.name.starts_with("GET"))
        .unwrap();
    assert_eq!(lost.attribute("lastro.code"), "account_not_found");
    assert!(
        !lost.is_failed,
        "the caller's fault is no failure of the server"
    );
}

#[tokio::test]
async fn a_collector_that_is_away_changes_nothing_but_a_line_of_the_log() {
    let folder = folder();
    // Nothing listens there: the port was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}");
    let mut process = LastroProcess::serve(
        &binary(),
        folder.path(),
        &[
            "--demo",
            "--metrics-listen",
            "127.0.0.1:0",
            "--otlp-endpoint",
            &url,
            "--trace-ratio",
            "1",
        ],
    )
    .unwrap();
    let bank = Bank::of(&process);
    for _ in 0..20 {
        transfer(&bank, None).await;
    }
    let line = format!("the collector of traces at {url} does not take spans: ");
    process.wait_for_log(&line, PATIENCE).unwrap();
    // It comes, and gets what waited.
    let collector = Collector::start_at(address, Behaviour::Takes);
    collector.wait_for(PATIENCE, |spans| spans.len() == 80);
    let line = format!("the collector of traces at {url} takes spans again");
    process.wait_for_log(&line, PATIENCE).unwrap();
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

#[tokio::test]
async fn a_collector_that_hangs_costs_spans_and_neither_requests_nor_the_stop() {
    /// More than wait in the queue and go in a message.
    const READS: usize = 17_500;
    let collector = Collector::start(Behaviour::Hangs);
    let folder = folder();
    let mut process = LastroProcess::serve(
        &binary(),
        folder.path(),
        &[
            "--demo",
            "--metrics-listen",
            "127.0.0.1:0",
            "--otlp-endpoint",
            &collector.url,
            "--trace-ratio",
            "1",
        ],
    )
    .unwrap();
    let address = process.url().trim_start_matches("http://").to_owned();
    let (mut answers, mut requests) = TcpStream::connect(&address).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        let one = "GET /v1/accounts/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for _ in 0..READS / 100 {
            requests
                .write_all(one.repeat(100).as_bytes())
                .await
                .unwrap();
        }
        requests
    });
    let (mut answered, mut rest, mut buffer) = (0, Vec::new(), vec![0; 64 << 10]);
    while answered < READS {
        let read = answers.read(&mut buffer).await.unwrap();
        assert!(
            read > 0,
            "the connection was closed after {answered} answers"
        );
        rest.extend_from_slice(&buffer[..read]);
        let head = b"HTTP/1.1 200 OK\r\n";
        answered += rest
            .windows(head.len())
            .filter(|window| window == head)
            .count();
        // The end may be the beginning of a head.
        rest.drain(..rest.len().saturating_sub(head.len() - 1));
    }
    drop(writing.await.unwrap());
    let served = metrics(&mut process).await;
    let name = "lastro_trace_spans_dropped_total{reason=\"queue_full\"} ";
    let dropped = served.lines().find_map(|line| line.strip_prefix(name));
    let dropped: u64 = dropped.expect("spans were dropped").parse().unwrap();
    // Those in hand and those that wait are not among them.
    assert!((1..=READS as u64 - 16_384).contains(&dropped), "{dropped}");
    transfer(&Bank::of(&process), None).await;
    let stopping = Instant::now();
    process.signal("TERM").unwrap();
    process
        .wait_for_log("spans of traces are lost", PATIENCE)
        .unwrap();
    assert!(process.stop().unwrap().success());
    // Three seconds are for the spans; the test's machine may be busy.
    assert!(stopping.elapsed() < PATIENCE);
    assert_clean(folder.path());
}

fn write_header(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

#[tokio::test]
async fn a_collector_over_tls_is_shown_the_header_that_its_file_has_now() {
    let authority = testkit::certificates::Authority::new("collectors");
    let certificate = authority.certify(&["127.0.0.1"]);
    let behaviour = Behaviour::Asks("Bearer right");
    let collector = Collector::start_encrypted(&certificate, behaviour);
    let folder = folder();
    let (ca, header) = (folder.path().join("ca.pem"), folder.path().join("header"));
    std::fs::write(&ca, authority.pem()).unwrap();
    write_header(&header, "authorization: Bearer wrong\n");
    let (ca, path) = (ca.to_str().unwrap(), header.to_str().unwrap());
    let mut process = LastroProcess::serve(
        &binary(),
        &folder.path().join("data"),
        &[
            "--demo",
            "--metrics-listen",
            "127.0.0.1:0",
            "--trace-ratio",
            "1",
            "--otlp-endpoint",
            &collector.url,
            "--otlp-ca",
            ca,
            "--otlp-header-file",
            path,
        ],
    )
    .unwrap();
    let bank = Bank::of(&process);
    transfer(&bank, None).await;
    let line = "spans, which are lost: it answered Unauthenticated";
    process.wait_for_log(line, PATIENCE).unwrap();
    wait_for_metric(
        &mut process,
        "lastro_trace_spans_dropped_total{reason=\"refused\"} 4",
    )
    .await;
    assert_eq!(collector.seen().len(), 0);
    write_header(&header, "authorization: Bearer right\n");
    let bound = Instant::now() + PATIENCE;
    while collector.seen().is_empty() {
        assert!(Instant::now() < bound, "the new header is not shown");
        transfer(&bank, None).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let logged = process.logged();
    assert!(
        !logged.iter().any(|line| line.contains("Bearer")),
        "{logged:#?}"
    );
}
