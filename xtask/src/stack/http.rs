//! Asking a URL of loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take.
const BOUND: Duration = Duration::from_secs(2);

/// Whether a GET of `http://127.0.0.1:PORT/…` is answered with 200.
pub(super) fn is_ok(url: &str) -> bool {
    get(url).is_some_and(|(status, _)| status == 200)
}

/// The status and the body that a GET is answered with.
pub(crate) fn get(url: &str) -> Option<(u16, String)> {
    let (host, path) = parts(url)?;
    let address: SocketAddr = host.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, BOUND).ok()?;
    stream.set_read_timeout(Some(BOUND)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

/// `http://host:port/path` is `host:port` and `/path`.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    Some(rest.find('/').map_or((rest, "/"), |at| rest.split_at(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let expected = Some(("127.0.0.1:9999", "/readyz"));
        assert_eq!(parts("http://127.0.0.1:9999/readyz"), expected);
        assert_eq!(
            parts("http://127.0.0.1:9999"),
            Some(("127.0.0.1:9999", "/"))
        );
        assert_eq!(parts("127.0.0.1:9999"), None);
    }

    #[test]
    fn only_200_is_ok() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let answers = std::thread::spawn(move || {
            for answer in ["HTTP/1.1 200 OK\r\n\r\n{}", "HTTP/1.1 503 No\r\n\r\n", ""] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1_000];
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let seen = [is_ok(&url), is_ok(&url), is_ok(&url)];
        assert_eq!(seen, [true, false, false]);
        answers.join().unwrap();
        assert!(!is_ok(&url), "nobody listens any more");
    }
}
