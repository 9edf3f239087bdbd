//! HTTP and metrics over TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Client, ClientBuilder, Identity, Version};
use serde_json::json;
use server::{
    AlwaysReady, Hosts, Keys, Limits, MetricsCallers, ServerTls, TlsFiles, bind, serve_metrics,
};
use tempfile::TempDir;
use testkit::certificates::{Authority, Certificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::support::{Double, Face, Manner, Setup, five_accounts};

/// Nothing in a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// An authority, and the files of what it has signed.
struct House {
    folder: TempDir,
    authority: Authority,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("the house"),
        }
    }

    fn write(&self, certificate: &Certificate) -> TlsFiles {
        let written = certificate.write(self.folder.path(), "face").unwrap();
        TlsFiles {
            certificate: written.certificate,
            key: written.key,
            client_ca: None,
        }
    }

    fn files(&self) -> TlsFiles {
        self.write(&self.authority.certify(&HOSTS))
    }

    /// The same, for callers with a certificate of this house alone.
    fn files_for_known(&self) -> TlsFiles {
        let client_ca = self.folder.path().join("client-ca.pem");
        std::fs::write(&client_ca, self.authority.pem()).unwrap();
        TlsFiles {
            client_ca: Some(client_ca),
            ..self.files()
        }
    }

    fn client(&self) -> ClientBuilder {
        trusting(&[&self.authority])
    }
}

fn trusting(authorities: &[&Authority]) -> ClientBuilder {
    let builder = Client::builder().use_rustls_tls().timeout(PATIENCE);
    authorities.iter().fold(builder, |builder, authority| {
        let pem = authority.pem().as_bytes();
        builder.add_root_certificate(reqwest::Certificate::from_pem(pem).unwrap())
    })
}

fn identity(certificate: &Certificate) -> Identity {
    let pem = format!("{}{}", certificate.pem, certificate.key);
    Identity::from_pem(pem.as_bytes()).unwrap()
}

async fn face(files: TlsFiles, limits: Limits) -> (Face, ServerTls) {
    let tls = ServerTls::of_http(files).unwrap();
    let setup = Setup {
        tls: Some(tls.clone()),
        limits,
        ..Setup::over(five_accounts().await)
    };
    (setup.start().await, tls)
}

fn url(face: &Face, path: &str) -> String {
    format!("https://{}{path}", face.address)
}

#[tokio::test]
async fn the_caller_chooses_http_2_or_http_1() {
    let house = House::new();
    let (face, _) = face(house.files(), Limits::default()).await;
    let both = house.client().build().unwrap();
    let old = house.client().http1_only().build().unwrap();
    for (client, version) in [(both, Version::HTTP_2), (old, Version::HTTP_11)] {
        let body = json!({"valor": 1, "tipo": "c", "descricao": "tls"});
        let request = client.post(url(&face, "/clientes/1/transacoes"));
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let headers = answer.headers();
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let answer = client.get(url(&face, "/v1/accounts/1")).send().await;
        assert_eq!(answer.unwrap().status(), 200, "the connection goes on");
    }
    // Without TLS there is no answer that could be taken for one.
    let plain = Client::new().get(format!("http://{}/healthz", face.address));
    plain.send().await.unwrap_err();
}

#[tokio::test]
async fn http_2_is_held_to_the_same_limits() {
    let house = House::new();
    let limits = Limits {
        header_count_max: 20,
        ..Limits::default()
    };
    let (face, _) = face(house.files(), limits).await;
    let client = house.client().build().unwrap();
    let mut request = client.get(url(&face, "/v1/accounts/1"));
    for number in 0..30 {
        request = request.header(format!("x-{number}"), "1");
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 431);
    assert!(answer.text().await.unwrap().contains("headers_too_large"));
    let too_large = "x".repeat(2 * limits.body_bytes_max);
    let request = client.post(url(&face, "/v1/transfers"));
    let request = request.header("content-type", "application/json");
    let answer = request.body(too_large).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    let port = face.address.to_string();
    let (_, port) = port.rsplit_once(':').unwrap();
    let rebound: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let evil = house
        .client()
        .danger_accept_invalid_certs(true)
        .resolve("evil.example", rebound)
        .build()
        .unwrap();
    let answer = evil.get(format!("https://evil.example:{port}/v1/accounts/1"));
    let answer = answer.send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.version()),
        (reqwest::StatusCode::MISDIRECTED_REQUEST, Version::HTTP_2)
    );
    let cross_site = client.post(url(&face, "/v1/transfers"));
    let cross_site = cross_site.header("origin", "https://evil.example").send();
    assert_eq!(cross_site.await.unwrap().status(), 403);
    let own = client.post(url(&face, "/v1/transfers"));
    let own = own.header("origin", url(&face, "")).json(&json!({})).send();
    assert_eq!(own.await.unwrap().status(), 400, "it is judged by its body");
}

#[tokio::test]
async fn callers_without_a_known_certificate_are_refused() {
    let (house, elsewhere) = (House::new(), Authority::new("elsewhere"));
    let (face, _) = face(house.files_for_known(), Limits::default()).await;
    let known = identity(&house.authority.certify(&["caller"]));
    let known = house.client().identity(known).build().unwrap();
    let answer = known.get(url(&face, "/v1/accounts/1")).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    let unknown = identity(&elsewhere.certify(&["caller"]));
    for client in [house.client(), house.client().identity(unknown)] {
        let client = client.build().unwrap();
        let answer = client.get(url(&face, "/v1/accounts/1")).send().await;
        answer.unwrap_err();
    }
    // And callers refuse a face whose authority they do not know.
    let distrustful = trusting(&[&elsewhere]).build().unwrap();
    let answer = distrustful.get(url(&face, "/healthz")).send().await;
    answer.unwrap_err();
}

/// Metrics over TLS; where they are served.
async fn metrics_face(files: TlsFiles, handshakes_max: usize) -> String {
    let tls = ServerTls::of_http(files).unwrap();
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(serve_metrics(
        listener.with_tls(tls),
        PrometheusBuilder::new().build_recorder().handle(),
        Arc::new(AlwaysReady),
        MetricsCallers {
            hosts: Hosts::local_and(Vec::new()),
            keys: Keys::none(),
            handshakes_max,
        },
        std::future::pending(),
        PATIENCE,
    ));
    address
}

/// There is room for more handshakes than for connections: these do not go by the same bound.
#[tokio::test]
async fn stalled_handshakes_keep_nobody_from_the_metrics() {
    const STALLED: usize = 200;
    let house = House::new();
    let address = metrics_face(house.files(), STALLED + 1).await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(TcpStream::connect(&address).await.unwrap());
    }
    let client = house.client().build().unwrap();
    let asked = client.get(format!("https://{address}/metrics")).send();
    assert_eq!(asked.await.unwrap().status(), 200);
}

#[tokio::test]
async fn metrics_are_for_callers_with_a_certificate_where_that_is_asked_for() {
    let house = House::new();
    let address = metrics_face(house.files_for_known(), 64).await;
    let stranger = house.client().build().unwrap();
    let known = identity(&house.authority.certify(&["prometheus"]));
    let known = house.client().identity(known).build().unwrap();
    for path in ["metrics", "readyz"] {
        let url = format!("https://{address}/{path}");
        let answer = known.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        stranger.get(&url).send().await.unwrap_err();
    }
}

/// Requests without an end, each over a connection of its own or all over one, until they are told to
/// stop. Returns how many there were.
async fn requests(client: Client, url: String, stop: Arc<AtomicBool>, sent: Arc<AtomicUsize>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_swapped_under_load_without_a_failed_request() {
    const SWAPS: usize = 20;
    let (house, other) = (House::new(), Authority::new("the other house"));
    let (face, tls) = face(house.files(), Limits::default()).await;
    let both = || trusting(&[&house.authority, &other]);
    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients = [
        both().build().unwrap(),
        both().http1_only().build().unwrap(),
        both().pool_max_idle_per_host(0).build().unwrap(),
        both()
            .http1_only()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap(),
    ];
    let load = clients.map(|client| {
        let url = url(&face, "/v1/accounts/1");
        tokio::spawn(requests(client, url, Arc::clone(&stop), Arc::clone(&sent)))
    });
    for swap in 0..SWAPS {
        let (signer, former) = match swap % 2 {
            0 => (&other, &house.authority),
            _ => (&house.authority, &other),
        };
        house.write(&signer.certify(&HOSTS));
        tls.reload().unwrap();
        let new = trusting(&[signer]).build().unwrap();
        assert_eq!(
            new.get(url(&face, "/healthz"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
        let old = trusting(&[former]).build().unwrap();
        old.get(url(&face, "/healthz")).send().await.unwrap_err();
        // Some of the load before the next one.
        let before = sent.load(Ordering::Relaxed);
        while sent.load(Ordering::Relaxed) < before + 8 {
            assert!(
                load.iter().all(|task| !task.is_finished()),
                "a request failed"
            );
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for task in join_all(load).await {
        task.unwrap();
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing() {
    let house = House::new();
    let (face, tls) = face(house.files(), Limits::default()).await;
    let files = tls.files().clone();
    let right = std::fs::read(&files.key).unwrap();
    let wrong = house.authority.certify(&HOSTS);
    let path = |path: &Path| path.display().to_string();
    let (certificate, key) = (path(&files.certificate), path(&files.key));
    for (text, expected) in [
        (
            wrong.key.as_str(),
            format!("the private key in {key} does not belong to the certificate in {certificate}"),
        ),
        ("", format!("{key} does not contain a private key")),
    ] {
        std::fs::write(&files.key, text).unwrap();
        let error = tls.reload().unwrap_err();
        assert_eq!(error.to_string(), expected);
        let client = house.client().build().unwrap();
        let answer = client.get(url(&face, "/healthz")).send().await;
        assert_eq!(answer.unwrap().status(), 200, "what was in force stays");
    }
    std::fs::write(&files.key, right).unwrap();
    tls.reload().unwrap();
    let nowhere = TlsFiles {
        client_ca: Some(PathBuf::from("/nowhere/ca.pem")),
        ..files
    };
    let error = ServerTls::of_http(nowhere).unwrap_err();
    let expected = "/nowhere/ca.pem does not contain a certificate";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_expired_certificate_is_shown_all_the_same() {
    let house = House::new();
    let expired_at = SystemTime::now() - Duration::from_secs(3600);
    let expired = house.authority.certify_until(&HOSTS, expired_at);
    let (face, tls) = face(house.write(&expired), Limits::default()).await;
    let off = expired_at.duration_since(tls.expires_at()).unwrap();
    assert!(
        off < Duration::from_secs(1),
        "certificates know no parts of a second"
    );
    let careful = house.client().build().unwrap();
    careful
        .get(url(&face, "/healthz"))
        .send()
        .await
        .unwrap_err();
    let careless = house.client().danger_accept_invalid_certs(true);
    let answer = careless.build().unwrap().get(url(&face, "/healthz")).send();
    assert_eq!(answer.await.unwrap().status(), 200);
}

/// Reads to the end of what a server sends, and that it ends.
async fn is_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
    let mut received = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut received)).await;
    // A reset is an end, too.
    read.is_ok()
}

#[tokio::test]
async fn a_stalled_handshake_ends_and_keeps_nobody_out() {
    let house = House::new();
    let limits = Limits {
        connections_max: 2,
        handshakes_max: 2,
        handshake_timeout: PATIENCE,
        ..Limits::default()
    };
    let (face, _) = face(house.files(), limits).await;
    let connect = || TcpStream::connect(face.address.to_string());
    let mut stalled = Vec::new();
    for _ in 0..2 {
        stalled.push(connect().await.unwrap());
    }
    // They hold all handshakes; for a moment nobody else has a place, and then the oldest gives way.
    let client = house.client().build().unwrap();
    let served = async {
        while client.get(url(&face, "/healthz")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, served).await.unwrap();
    assert!(is_closed(&mut stalled[0]).await);

    // Without anybody who needs its place, time ends it.
    let limits = Limits {
        handshake_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let (face, _) = self::face(house.files(), limits).await;
    let mut stalled = TcpStream::connect(face.address.to_string()).await.unwrap();
    stalled.write_all(&[0x16, 3, 1]).await.unwrap();
    assert!(is_closed(&mut stalled).await);
}

#[tokio::test]
async fn an_http_2_connection_without_a_request_is_closed() {
    let house = House::new();
    let limits = Limits {
        idle_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let (face, _) = face(house.files(), limits).await;
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(house.authority.pem().as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(face.address.to_string()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let host = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(host, stream).await.unwrap();
    // The preface, and settings that are empty.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn a_stop_lets_requests_over_http_2_finish() {
    let house = House::new();
    let double = Double::new(five_accounts().await, Manner::Never);
    let tls = ServerTls::of_http(house.files()).unwrap();
    let setup = Setup {
        tls: Some(tls),
        ..Setup::over(Arc::clone(&double) as Arc<dyn ledger::Engine>)
    };
    let mut face = setup.start().await;
    let client = house.client().build().unwrap();
    let answer = client.get(url(&face, "/healthz")).send().await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    let asked = tokio::spawn(client.get(url(&face, "/v1/accounts/1")).send());
    let waiting = async {
        while double.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
    face.stop();
    // The engine never answers: the request ends with its own deadline, and not with the stop.
    assert_eq!(asked.await.unwrap().unwrap().status(), 504);
    assert_eq!(face.stopped().await.requests_cut, 0);
}
