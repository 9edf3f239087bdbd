//! nginx, HAProxy and Envoy before small servers.

use std::collections::BTreeSet;

use testkit::servers::{Proxy, ProxyKind, ServerOptions};

use crate::http::{backend, get};

fn check_proxying(kind: ProxyKind) {
    let backends = [backend("one"), backend("other")];
    let proxy = Proxy::start(kind, &backends).unwrap();
    let alone = Proxy::start(kind, &backends[..1]).unwrap();
    assert_ne!(proxy.port(), alone.port());
    let said = |port| {
        let answers = (0..8).map(|_| get(port, "/path?and=query").unwrap());
        let answers: BTreeSet<_> = answers
            .inspect(|(status, _)| assert_eq!(*status, 200))
            .collect();
        answers
            .into_iter()
            .map(|(_, body)| body)
            .collect::<Vec<_>>()
    };
    assert_eq!(said(alone.port()), ["one /path?and=query"]);
    assert_eq!(
        said(proxy.port()),
        ["one /path?and=query", "other /path?and=query"]
    );
    let port = proxy.port();
    proxy.stop().unwrap();
    assert!(get(port, "/").is_err(), "it is down");
    let port = alone.port();
    alone.kill();
    assert!(get(port, "/").is_err(), "it is down");
}

#[test]
fn nginx_spreads_requests_and_stops() {
    check_proxying(ProxyKind::Nginx);
}

#[test]
fn haproxy_spreads_requests_and_stops() {
    check_proxying(ProxyKind::Haproxy);
}

#[test]
fn envoy_spreads_requests_and_stops() {
    check_proxying(ProxyKind::Envoy);
}

#[test]
fn a_configuration_may_be_given() {
    let config = |port| {
        format!(
            "events {{}} error_log stderr; pid nginx.pid; \
             http {{ access_log off; client_body_temp_path b; proxy_temp_path p; \
             fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; \
             server {{ listen 127.0.0.1:{port}; return 418; }} }}"
        )
    };
    let proxy = Proxy::start_with(ProxyKind::Nginx, &ServerOptions::default(), config).unwrap();
    assert_eq!(get(proxy.port(), "/").unwrap().0, 418);
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_the_proxys_own_words() {
    for kind in ProxyKind::ALL {
        let wrong = |_| "no-such-directive: 1;\n".to_owned();
        let error = Proxy::start_with(kind, &ServerOptions::default(), wrong).unwrap_err();
        assert!(error.contains("no-such-directive"), "{error}");
    }
}
