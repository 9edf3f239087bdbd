//! Which hosts a face answers for.
//!
//! A page that somebody visits can make the browser send requests to this machine under a name of
//! its own (DNS rebinding), and read the answers. Such a name is one of the public DNS, so it has a
//! dot in it: a page that asks for an address, for `localhost` or for a name of a local network is no
//! such page.
//!
//! A page can also send a form to where it may not read the answer. Browsers say where such a
//! request comes from: nothing is changed for pages of other sites.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderName, HeaderValue, Method};

/// The hosts that requests may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Option<Vec<String>>);

impl Hosts {
    /// Whatever is named: for faces that are open to all who can reach them anyway.
    #[must_use]
    pub const fn any() -> Self {
        Self(None)
    }

    /// Addresses, names without a dot, `localhost` and those below it, and these names.
    #[must_use]
    pub const fn local_and(names: Vec<String>) -> Self {
        Self(Some(names))
    }

    /// Whether the request names none but hosts that are answered for.
    pub(crate) fn admit(&self, request: &Request) -> bool {
        let Some(names) = &self.0 else {
            return true;
        };
        let admits = |host: &[u8]| is_local(host) || is_one_of(names, host);
        let in_target = request.uri().host().map(str::as_bytes);
        let mut in_headers = request.headers().get_all(HOST).iter();
        in_headers.all(|value| admits(without_port(value.as_bytes())))
            && in_target.is_none_or(admits)
    }
}

/// Says where a browser's request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Hosts {
    /// Whether the request changes nothing, or is no browser's on behalf of another site's page.
    pub(crate) fn admit_change(&self, request: &Request) -> bool {
        if matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS
        ) {
            return true;
        }
        let headers = request.headers();
        if let Some(site) = headers.get(SEC_FETCH_SITE) {
            // `none`: somebody at the browser itself.
            return site == "same-origin" || site == "none";
        }
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        let Some(host) = authority_of(origin.as_bytes()) else {
            return false;
        };
        // HTTP/2 has the host in the request's target.
        let in_target = request
            .uri()
            .authority()
            .map(|host| host.as_str().as_bytes());
        let named = headers.get(HOST).map(HeaderValue::as_bytes).or(in_target);
        let names = self.0.as_deref().unwrap_or_default();
        named.is_some_and(|named| named.eq_ignore_ascii_case(host))
            || is_one_of(names, without_port(host))
    }
}

/// What stands behind the scheme of an origin; `null` has none.
fn authority_of(origin: &[u8]) -> Option<&[u8]> {
    let separator = origin.windows(3).position(|three| three == b"://")?;
    Some(&origin[separator + 3..])
}

fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    }
}

fn is_local(host: &[u8]) -> bool {
    if !host.contains(&b'.') {
        return true;
    }
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok() || ends_in_localhost(host),
    }
}

fn ends_in_localhost(host: &str) -> bool {
    let end = host.rsplit('.').next();
    end.is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

fn is_one_of(names: &[String], host: &[u8]) -> bool {
    let is_host = |name: &String| name.as_bytes().eq_ignore_ascii_case(host);
    names.iter().any(is_host)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn admitted(target: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let names = vec!["bank.example".to_owned()];
        Hosts::local_and(names).admit(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn names_of_the_public_dns_have_to_be_listed() {
        for (host, expected) in [
            ("127.0.0.1:9999", true),
            ("127.0.0.1", true),
            ("192.168.1.7:80", true),
            ("[::1]:9999", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost", true),
            ("localhost:9999", true),
            ("bank.localhost:1", true),
            ("api", true),
            ("lastro:9999", true),
            ("", true),
            ("bank.example", true),
            ("Bank.Example:9999", true),
            ("evil.example", false),
            ("evil.example:9999", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("bank.example.evil.example", false),
            ("bank.example.", false),
            ("127.0.0.1:80:evil.example", false),
            ("[::1].evil.example", false),
            ("evil.example:x", false),
            ("evil.example:", false),
        ] {
            assert_eq!(admitted("/", &[host]), expected, "{host}");
        }
        assert!(admitted("/", &[]), "no browser sends none");
        assert!(!admitted("/", &["localhost", "evil.example"]));
        assert!(!admitted("http://evil.example/", &["localhost"]));
        assert!(admitted("http://localhost:9999/", &["localhost"]));
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let admitted = |method: Method, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let names = vec!["bank.example".to_owned()];
            Hosts::local_and(names).admit_change(&request.body(Body::empty()).unwrap())
        };
        let evil = ("Origin", "https://evil.example");
        let host = ("Host", "127.0.0.1:9999");
        assert!(admitted(Method::GET, &[host, evil]), "it changes nothing");
        for (expected, headers) in [
            (true, &[host][..]),
            (false, &[host, evil]),
            (false, &[host, ("Origin", "null")]),
            (false, &[host, ("Origin", "http://127.0.0.1:8000")]),
            (true, &[host, ("Origin", "http://127.0.0.1:9999")]),
            (
                true,
                &[("Host", "node"), ("Origin", "https://bank.example")],
            ),
            (
                true,
                &[("Host", "node"), ("Origin", "https://bank.example:8443")],
            ),
            (false, &[host, ("Sec-Fetch-Site", "cross-site")]),
            (false, &[host, ("Sec-Fetch-Site", "same-site")]),
            (
                true,
                &[
                    host,
                    ("Sec-Fetch-Site", "same-origin"),
                    ("Origin", "https://bank"),
                ],
            ),
            (true, &[host, ("Sec-Fetch-Site", "none")]),
            (false, &[host, ("Sec-Fetch-Site", "")]),
        ] {
            for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
                assert_eq!(admitted(method, headers), expected, "{headers:?}");
            }
        }
    }

    #[test]
    fn over_http_2_the_host_is_in_the_target() {
        for (origin, expected) in [("https://bank", true), ("https://evil.example", false)] {
            let request = Request::builder()
                .method(Method::POST)
                .uri("https://bank/v1/transfers")
                .header(ORIGIN, origin);
            let request = request.body(Body::empty()).unwrap();
            let hosts = Hosts::local_and(Vec::new());
            assert_eq!(hosts.admit_change(&request), expected, "{origin}");
        }
    }

    #[test]
    fn any_host_is_any_host() {
        let request = Request::builder().header(HOST, "evil.example");
        assert!(Hosts::any().admit(&request.body(Body::empty()).unwrap()));
    }
}
