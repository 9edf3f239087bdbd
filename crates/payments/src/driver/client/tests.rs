//! What leaves and what does not, over plain connections and over TLS.

use std::io::Read;
use std::net::TcpListener;

use hyper::Method;
use testkit::certificates::{Authority, Certificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::super::access::ProcessorTls;
use super::*;

fn get() -> Outgoing {
    Outgoing {
        method: Method::GET,
        path: "/".to_owned(),
        headers: HeaderMap::new(),
        body: None,
    }
}

fn post() -> Outgoing {
    Outgoing {
        method: Method::POST,
        path: "/payments".to_owned(),
        body: Some(Bytes::from_static(b"{}")),
        ..get()
    }
}

fn client(listener: &TcpListener, timeout: Duration) -> Client {
    let url = format!("http://{}", listener.local_addr().unwrap());
    Client::new(&ProcessorConfig::new(url.parse().unwrap()), timeout)
}

#[tokio::test]
async fn nothing_leaves_once_it_is_too_late() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&listener, Duration::from_secs(5));
    let late = Instant::now();
    let left = client.exchange(&post(), late).await;
    assert_eq!(left.err().map(|failure| failure.left), Some(Left::TooLate));
    let (mut stream, _) = listener.accept().unwrap();
    let read = stream.read(&mut [0; 16]);
    assert!(!matches!(read, Ok(1..)), "{read:?}");
}

#[test]
fn a_time_to_ask_again_has_two_forms() {
    let now = "2026-11-28T10:00:00Z".parse().unwrap();
    for (text, expected) in [
        ("7", Some(7)),
        ("Sat, 28 Nov 2026 10:00:30 GMT", Some(30)),
        ("Sat, 28 Nov 2026 09:59:00 GMT", None),
        ("soon", None),
        ("-1", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        let whole = Whole {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers,
            body: Bytes::new(),
        };
        assert_eq!(
            whole.retry_after(now),
            expected.map(Duration::from_secs),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_given_up_is_reset_and_kept_by_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_millis(1_234);
    let address = listener.local_addr().unwrap();
    let socket = socket(address, timeout).unwrap();
    assert_eq!(
        rustix::net::sockopt::tcp_user_timeout(&socket).unwrap(),
        1_234
    );
    let linger = rustix::net::sockopt::socket_linger(&socket).unwrap();
    assert_eq!(linger, Some(Duration::ZERO));
    let client = client(&listener, Duration::from_millis(50));
    let leave_by = Instant::now() + Duration::from_secs(60);
    let left = client.exchange(&get(), leave_by).await;
    assert_eq!(left.err().map(|failure| failure.left), Some(Left::Yes));
    let (mut stream, _) = listener.accept().unwrap();
    let ended = loop {
        match stream.read(&mut [0; 1_024]) {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(ended, Some(io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn what_left_and_was_not_answered_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&listener, Duration::from_millis(50));
    let leave_by = Instant::now() + Duration::from_secs(60);
    let left = client.exchange(&get(), leave_by).await;
    assert_eq!(left.err().map(|failure| failure.left), Some(Left::Yes));
    drop(listener);
    let left = client.exchange(&get(), leave_by).await;
    assert_eq!(left.err().map(|failure| failure.left), Some(Left::No));
}

/// A processor over TLS that takes one connection after a while.
struct Encrypted {
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
    folder: tempfile::TempDir,
}

impl Encrypted {
    async fn start(authority: &Authority, certificate: &Certificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self {
            listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            folder,
        }
    }

    /// Who trusts the authority, and knows the processor by this name.
    fn client(&self, host: &str, timeout: Duration) -> Client {
        let port = self.listener.local_addr().unwrap().port();
        let url = format!("https://{host}:{port}");
        let ca = self.folder.path().join("ca.pem");
        let tls = ProcessorTls::new(Some(&ca), None).unwrap();
        let config = ProcessorConfig {
            access: ProcessorAccess::new(HeaderMap::new(), Some(tls)),
            ..ProcessorConfig::new(url.parse().unwrap())
        };
        Client::new(&config, timeout)
    }

    async fn accept_after(self, pause: Duration) -> io::Result<TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        tokio::time::sleep(pause).await;
        self.acceptor.accept(stream).await
    }
}

fn of_loopback() -> (Authority, Certificate) {
    let authority = Authority::new("known");
    let certificate = authority.certify(&["127.0.0.1"]);
    (authority, certificate)
}

/// The lease ends while TLS is agreed upon: no byte of the request follows.
#[tokio::test]
async fn nothing_leaves_over_tls_once_it_is_too_late() {
    let (authority, certificate) = of_loopback();
    let processor = Encrypted::start(&authority, &certificate).await;
    let client = processor.client("127.0.0.1", Duration::from_secs(10));
    let read = tokio::spawn(async move {
        let mut stream = processor.accept_after(Duration::from_millis(300)).await?;
        stream.read(&mut [0; 16]).await
    });
    let leave_by = Instant::now() + Duration::from_millis(100);
    let left = client.exchange(&post(), leave_by).await;
    assert_eq!(left.err().map(|failure| failure.left), Some(Left::TooLate));
    // The reset may come before the handshake's end was read.
    let read = read.await.unwrap();
    assert!(!matches!(read, Ok(1..)), "{read:?}");
}

#[tokio::test]
async fn a_request_that_is_given_up_is_reset_over_tls_too() {
    let (authority, certificate) = of_loopback();
    let processor = Encrypted::start(&authority, &certificate).await;
    let client = processor.client("127.0.0.1", Duration::from_millis(400));
    let ended = tokio::spawn(async move {
        let mut stream = processor.accept_after(Duration::ZERO).await.unwrap();
        let mut read_count = 0;
        loop {
            match stream.read(&mut [0; 1_024]).await {
                Ok(0) => break (read_count, None),
                Ok(count) => read_count += count,
                Err(error) => break (read_count, Some(error.kind())),
            }
        }
    });
    let leave_by = Instant::now() + Duration::from_secs(60);
    let left = client.exchange(&get(), leave_by).await;
    assert_eq!(left.err().map(|failure| failure.left), Some(Left::Yes));
    let (read_count, ended) = ended.await.unwrap();
    assert!(read_count > 0);
    assert_eq!(ended, Some(io::ErrorKind::ConnectionReset));
}

/// Nothing leaves for a server that is not the processor, and the reason can be read.
#[tokio::test]
async fn nothing_leaves_for_somebody_else() {
    let (authority, certificate) = of_loopback();
    for (trusted, host, expected) in [
        (&Authority::new("other"), "127.0.0.1", "UnknownIssuer"),
        (&authority, "localhost", "not valid for name"),
    ] {
        let processor = Encrypted::start(trusted, &certificate).await;
        let client = processor.client(host, Duration::from_secs(10));
        let accepted = tokio::spawn(processor.accept_after(Duration::ZERO));
        let leave_by = Instant::now() + Duration::from_secs(60);
        let failure = client.exchange(&get(), leave_by).await;
        let failure = failure.err().unwrap();
        assert_eq!(failure.left, Left::No);
        assert!(failure.why.contains(expected), "{}", failure.why);
        assert!(accepted.await.unwrap().is_err());
    }
}

/// A connection is used again, but not once it is too old.
#[tokio::test]
async fn a_connection_grows_only_so_old() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = ProcessorConfig {
        connection_age_max: Duration::from_millis(400),
        ..ProcessorConfig::new(url.parse().unwrap())
    };
    let client = Client::new(&config, Duration::from_secs(10));
    let accepted_count = Arc::new(Mutex::new(0));
    let counting = Arc::clone(&accepted_count);
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            *counting.lock() += 1;
            tokio::spawn(async move {
                while stream
                    .read(&mut [0; 1_024])
                    .await
                    .is_ok_and(|count| count > 0)
                {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let ask = async || {
        let leave_by = Instant::now() + Duration::from_secs(60);
        let whole = client.exchange(&get(), leave_by).await;
        assert_eq!(whole.map(|whole| whole.status), Ok(StatusCode::OK));
        *accepted_count.lock()
    };
    assert_eq!((ask().await, ask().await), (1, 1));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(ask().await, 2);
    serving.abort();
}
