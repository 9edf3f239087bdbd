//! Probes beside the metrics, in a runtime of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::Engine;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Client;
use serde_json::Value;
use server::{AlwaysReady, Hosts, MetricsCallers, bind, serve_metrics};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Double, Manner, Setup, five_accounts};

/// More would not make it harder: a runtime may leave its sockets to a thread that is held up.
const THREADS: usize = 1;
const BOUND: Duration = Duration::from_secs(60);

fn runtime(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

/// Every thread that serves HTTP is held up by a read; whether the process lives, whether it is ready
/// and what it measures is answered all the same.
#[test]
fn probes_and_metrics_are_answered_while_every_thread_of_http_is_held_up() {
    let (http, probes) = (runtime(THREADS), runtime(1));
    let double = http.block_on(async { Double::new(five_accounts().await, Manner::Well) });
    let engine = Arc::clone(&double) as Arc<dyn Engine>;
    let face = http.block_on(async { http.spawn(Setup::over(engine).start()).await.unwrap() });
    let beside = probes.block_on(async {
        let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address().to_string();
        let recorder = PrometheusBuilder::new().build_recorder().handle();
        tokio::spawn(serve_metrics(
            listener,
            recorder,
            Arc::new(AlwaysReady),
            MetricsCallers {
                hosts: Hosts::local_and(Vec::new()),
                keys: server::Keys::none(),
                handshakes_max: 1,
            },
            std::future::pending(),
            BOUND,
        ));
        address
    });
    double.behave(Manner::HoldsThread);
    // The callers are other machines: they have threads of their own.
    let callers = runtime(1);
    let url = format!("http://{}/v1/accounts/1", face.address);
    let reads: Vec<_> = (0..4 * THREADS)
        .map(|_| callers.spawn(Client::new().get(&url).send()))
        .collect();
    let deadline = Instant::now() + BOUND;
    while (double.held() as usize) < THREADS {
        if Instant::now() >= deadline {
            double.behave(Manner::Well);
            panic!("the threads are not held up");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let ask = |path: &str| {
        let request = Client::new().get(format!("http://{beside}{path}"));
        callers.block_on(async {
            let answer = request.timeout(BOUND).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    };
    for (path, word) in [("/healthz", "alive"), ("/readyz", "ready")] {
        let (status, text) = ask(path);
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &body["status"]), (200, &word.into()), "{path}");
    }
    assert_eq!(ask("/metrics").0, 200);
    assert!(reads.iter().all(|read| !read.is_finished()));
    double.behave(Manner::Well);
    for read in reads {
        let answer = callers.block_on(read).unwrap().unwrap();
        assert_eq!(answer.status(), 200);
    }
}
