//! The capacity of handlers whose wall is known.

use std::sync::Arc;
use std::time::Duration;

use load::Connections;
use load::capacity::{BareOptions, CapacityOptions, Curve, Held, run};

use crate::double::{Double, Reply, Request};
use crate::ledger_double::{Flaw, LedgerDouble};

fn options() -> CapacityOptions {
    CapacityOptions {
        target: None,
        bare: None,
        connections: vec![Connections::KeptAlive],
        p99_max: Duration::from_millis(100),
        step: Duration::from_secs(1),
        rate_first: 200,
        rate_max: 800,
        connections_max: 16,
        seed: 1,
        timeout: Duration::from_secs(5),
    }
}

#[test]
fn the_bare_handler_is_driven_in_both_modes() {
    let mut options = options();
    options.connections = vec![Connections::KeptAlive, Connections::New];
    // Nothing about this machine's speed: whatever is answered in time is capacity.
    options.p99_max = options.timeout;
    options.bare = Some(BareOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        target: None,
    });
    let report = run(&options).unwrap();
    assert!(report.passed());
    let names: Vec<String> = report.curves.iter().map(Curve::name).collect();
    assert_eq!(names, ["bare, keep-alive", "bare, new connections"]);
    for curve in &report.curves {
        assert_eq!(curve.capacity_per_s, Some(800), "{curve:?}");
        let step = &curve.steps[0];
        assert_eq!((step.rate, step.requests_count), (200, 200));
    }
}

#[test]
fn a_slow_server_hides_no_queue() {
    // 16 connections at 50 ms: 320 requests/s and no more. A client that waits for answers would
    // report 50 ms at any rate.
    let ledger = LedgerDouble::new(Flaw::None);
    let handler = move |request: &Request<'_>| {
        use crate::double::Handler;
        match ledger.reply(request) {
            Reply::Now(status, body) => Reply::After(Duration::from_millis(50), status, body),
            other => other,
        }
    };
    let double = Double::start(Arc::new(handler));
    let mut options = options();
    options.target = Some(double.target());
    // However busy the machine is, it only adds to the queue.
    options.rate_first = 800;
    let report = run(&options).unwrap();
    let curve = &report.curves[0];
    let step = &curve.steps[0];
    assert_eq!(step.rate, 800);
    assert!(
        curve.capacity_per_s.is_none_or(|rate| rate <= 400),
        "{curve:?}"
    );
    assert_ne!(step.held, Held::Held, "{curve:?}");
    assert!(step.latency.p99_ms > 100.0, "{curve:?}");
}

#[test]
fn errors_are_no_capacity() {
    let double = Double::start(Arc::new(LedgerDouble::new(Flaw::StatusTenth)));
    let mut options = options();
    options.target = Some(double.target());
    let report = run(&options).unwrap();
    assert!(!report.passed());
    let step = &report.curves[0].steps[0];
    assert_eq!(step.held, Held::Failures);
    assert!(step.fault.as_deref().unwrap().starts_with("status_500"));
}
