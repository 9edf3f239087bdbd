//! The faces over TLS, with the real binary and real proxies in front.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use reqwest::{Client, ClientBuilder, Identity, StatusCode, Version};
use testkit::LastroProcess;
use testkit::certificates::{Authority, Certificate, CertificateFiles};
use testkit::servers::{Proxy, ProxyKind, ServerOptions};

use crate::support::{binary, folder, metrics_address};

/// Nothing in a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

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

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A server whose HTTP shows this certificate.
fn serve(data_dir: &Path, files: &CertificateFiles, more: &[&str]) -> LastroProcess {
    let (certificate, key) = (text(&files.certificate), text(&files.key));
    let tls = [
        "--demo",
        "--http-tls-cert",
        &certificate,
        "--http-tls-key",
        &key,
    ];
    LastroProcess::serve(&binary(), data_dir, &[&tls[..], more].concat()).unwrap()
}

fn url(process: &LastroProcess, path: &str) -> String {
    format!("{}{path}", process.url().replace("http://", "https://"))
}

async fn status(client: &Client, url: &str) -> StatusCode {
    client.get(url).send().await.unwrap().status()
}

/// Waits until new connections show a certificate of this authority.
async fn wait_until_shown(authority: &Authority, url: &str) {
    let deadline = Instant::now() + PATIENCE;
    while trusting(&[authority])
        .build()
        .unwrap()
        .get(url)
        .send()
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "it is never shown");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_swapped_under_load_without_a_failed_request() {
    const SWAPS: usize = 20;
    /// The last ones without a signal: these take a second or two each.
    const BY_FILE: usize = 2;
    let folder = folder();
    let houses = [
        Authority::new("one house"),
        Authority::new("the other house"),
    ];
    let write = |house: &Authority| house.certify(&HOSTS).write(folder.path(), "http").unwrap();
    let data_dir = folder.path().join("data");
    let process = serve(&data_dir, &write(&houses[0]), &[]);
    let path = url(&process, "/v1/accounts/1");
    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let both = || trusting(&[&houses[0], &houses[1]]);
    let clients = [
        both().build().unwrap(),
        both().http1_only().build().unwrap(),
        both().pool_max_idle_per_host(0).build().unwrap(),
    ];
    let load = clients.map(|client| {
        let (path, stop, sent) = (path.clone(), Arc::clone(&stop), Arc::clone(&sent));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(status(&client, &path).await, StatusCode::OK);
                sent.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for swap in 1..=SWAPS {
        let house = &houses[swap % 2];
        write(house);
        if swap <= SWAPS - BY_FILE {
            process.signal("HUP").unwrap();
        }
        wait_until_shown(house, &path).await;
        assert!(
            load.iter().all(|task| !task.is_finished()),
            "a request failed"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for task in join_all(load).await {
        task.unwrap();
    }
    assert!(sent.load(Ordering::Relaxed) > SWAPS);
    assert!(process.stop().unwrap().success());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_changes_nothing() {
    let folder = folder();
    let house = Authority::new("the house");
    let files = house.certify(&HOSTS).write(folder.path(), "http").unwrap();
    let mut process = serve(&folder.path().join("data"), &files, &[]);
    let right = std::fs::read(&files.key).unwrap();
    std::fs::write(&files.key, house.certify(&HOSTS).key).unwrap();
    let alarm = format!(
        "CANNOT RELOAD the certificate of HTTP: the private key in {} does not belong to the certificate in {}",
        files.key.display(),
        files.certificate.display()
    );
    process.wait_for_log(&alarm, PATIENCE).unwrap();
    let client = trusting(&[&house]).build().unwrap();
    assert_eq!(
        status(&client, &url(&process, "/readyz")).await,
        StatusCode::OK
    );
    std::fs::write(&files.key, right).unwrap();
    let read_again = "the certificate of HTTP: read again, and in force from now on";
    process.wait_for_log(read_again, PATIENCE).unwrap();
    assert_eq!(
        status(&client, &url(&process, "/readyz")).await,
        StatusCode::OK
    );
}

#[test]
fn a_key_of_another_certificate_stops_the_start() {
    let folder = folder();
    let house = Authority::new("the house");
    let [one, other] =
        ["one", "other"].map(|name| house.certify(&HOSTS).write(folder.path(), name).unwrap());
    let (certificate, key) = (text(&one.certificate), text(&other.key));
    let data_dir = folder.path().join("data");
    for (face, name) in [("http", "HTTP"), ("grpc", "gRPC"), ("metrics", "metrics")] {
        let [cert_flag, key_flag] = ["cert", "key"].map(|end| format!("--{face}-tls-{end}"));
        let output = Command::new(binary())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
            ])
            .args([
                "--grpc-listen",
                "127.0.0.1:0",
                "--data-dir",
                &text(&data_dir),
            ])
            .args([&cert_flag, &certificate, &key_flag, &key])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!(
            "error: cannot serve {name} over TLS: the private key in {key} does not belong to the certificate in \
             {certificate}"
        );
        assert!(said.contains(&expected), "{said}");
        assert_eq!(output.status.code(), Some(1));
        assert!(!data_dir.exists(), "nothing is written");
    }
}

#[tokio::test]
async fn an_expired_certificate_stays_in_use_with_an_alarm() {
    let folder = folder();
    let house = Authority::new("the house");
    let day = Duration::from_secs(24 * 3600);
    let expired = house.certify_until(&HOSTS, SystemTime::now() - day);
    let files = expired.write(folder.path(), "http").unwrap();
    let soon = house.certify_until(&HOSTS, SystemTime::now() + 3 * day);
    let soon = soon.write(folder.path(), "metrics").unwrap();
    let client_ca = folder.path().join("callers.pem");
    std::fs::write(&client_ca, house.pem()).unwrap();
    let (certificate, key, client_ca) =
        (text(&soon.certificate), text(&soon.key), text(&client_ca));
    let metrics = [
        "--metrics-listen",
        "127.0.0.1:0",
        "--metrics-tls-cert",
        &certificate,
        "--metrics-tls-key",
        &key,
        "--metrics-tls-client-ca",
        &client_ca,
    ];
    // It is served all the same, with a warning.
    std::fs::set_permissions(&files.key, PermissionsExt::from_mode(0o644)).unwrap();
    let mut process = serve(&folder.path().join("data"), &files, &metrics);
    let warned = format!("{} has a private key in it", files.key.display());
    process.wait_for_log(&warned, PATIENCE).unwrap();
    let expired = format!(
        "CERTIFICATE EXPIRED: that of HTTP in {}",
        files.certificate.display()
    );
    process.wait_for_log(&expired, PATIENCE).unwrap();
    let warned = format!("a certificate expires soon: that of metrics in {certificate}");
    process.wait_for_log(&warned, PATIENCE).unwrap();
    let careless = Client::builder()
        .use_rustls_tls()
        .danger_accept_invalid_certs(true);
    let careless = careless.build().unwrap();
    assert_eq!(
        status(&careless, &url(&process, "/readyz")).await,
        StatusCode::OK
    );

    let address = metrics_address(&mut process).await;
    let scraped = format!("https://{address}/metrics");
    let stranger = trusting(&[&house]).build().unwrap();
    stranger.get(&scraped).send().await.unwrap_err();
    let prometheus = identity(&house.certify(&["prometheus"]));
    let prometheus = trusting(&[&house]).identity(prometheus).build().unwrap();
    let page = prometheus
        .get(&scraped)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let left_s = |face: &str| -> f64 {
        let name = format!("lastro_certificate_expiry_seconds{{face=\"{face}\"}} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&name));
        value
            .unwrap_or_else(|| panic!("{name}is not in\n{page}"))
            .parse()
            .unwrap()
    };
    let day_s = day.as_secs_f64();
    assert!(left_s("http") <= -day_s && left_s("http") > -2.0 * day_s);
    assert!(left_s("metrics") <= 3.0 * day_s && left_s("metrics") > 2.0 * day_s);

    // Replaced, it is taken by everybody.
    house.certify(&HOSTS).write(folder.path(), "http").unwrap();
    wait_until_shown(&house, &url(&process, "/readyz")).await;
}

/// A proxy's configuration before one node, without what is said of the node.
fn front(kind: ProxyKind, port: u16, user: Option<&str>) -> String {
    match kind {
        ProxyKind::Nginx => {
            let user = user.map_or_else(String::new, |user| format!("user {user};\n"));
            format!(
                "{user}worker_processes 1; pid nginx.pid; error_log stderr; events {{}}\n\
                 http {{ access_log off; client_body_temp_path b; proxy_temp_path p;\n\
                 fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
                 server {{ listen 127.0.0.1:{port}; location / {{\n\
                 proxy_http_version 1.1; proxy_set_header Connection \"\";\n"
            )
        }
        ProxyKind::Haproxy => {
            let user = user.map_or_else(String::new, |user| {
                format!("    user {user}\n    group {user}\n")
            });
            format!(
                "global\n    maxconn 100\n{user}defaults\n    mode http\n    timeout connect 5s\n    \
                 timeout client 30s\n    timeout server 30s\nfrontend front\n    bind 127.0.0.1:{port}\n    \
                 default_backend node\nbackend node\n    server node "
            )
        }
        ProxyKind::Envoy => format!(
            "static_resources:\n  listeners:\n  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: \
             {port} }} }}\n    filter_chains:\n    - filters:\n      - name: \
             envoy.filters.network.http_connection_manager\n        typed_config:\n          '@type': \
             type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n\
             \x20         stat_prefix: front\n          http_filters:\n          - name: envoy.filters.http.router\n\
             \x20           typed_config:\n              '@type': \
             type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n          route_config:\n            \
             virtual_hosts:\n            - name: node\n              domains: ['*']\n              routes:\n              \
             - match: {{ prefix: / }}\n                route: {{ cluster: node }}\n  clusters:\n  - name: node\n    \
             connect_timeout: 5s\n    load_assignment:\n      cluster_name: node\n      endpoints:\n      - \
             lb_endpoints:\n        - endpoint:\n            "
        ),
    }
}

/// What each proxy is told of a node over TLS that wants to see its certificate.
fn node_over_tls(kind: ProxyKind, address: &str, files: &ProxyFiles) -> String {
    let ProxyFiles {
        ca,
        certificate,
        key,
        both,
    } = files;
    match kind {
        ProxyKind::Nginx => format!(
            "proxy_pass https://{address}; proxy_ssl_verify on; proxy_ssl_name localhost;\n\
             proxy_ssl_trusted_certificate {ca}; proxy_ssl_certificate {certificate};\n\
             proxy_ssl_certificate_key {key}; }} }} }}\n"
        ),
        ProxyKind::Haproxy => format!(
            "{address} ssl verify required verifyhost localhost ca-file {ca} crt {both} alpn h2,http/1.1\n"
        ),
        ProxyKind::Envoy => {
            let (host, port) = address.rsplit_once(':').unwrap();
            format!(
                "address: {{ socket_address: {{ address: {host}, port_value: {port} }} }}\n    \
                 typed_extension_protocol_options:\n      \
                 envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n        '@type': \
                 type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n        \
                 auto_config: {{ http2_protocol_options: {{}} }}\n    transport_socket:\n      name: \
                 envoy.transport_sockets.tls\n      typed_config:\n        '@type': \
                 type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n        \
                 sni: localhost\n        common_tls_context:\n          tls_certificates:\n          - \
                 certificate_chain: {{ filename: {certificate} }}\n            private_key: {{ filename: {key} }}\n          \
                 validation_context: {{ trusted_ca: {{ filename: {ca} }} }}\n"
            )
        }
    }
}

/// The files of a proxy that shows a certificate; HAProxy wants both in one.
struct ProxyFiles {
    ca: String,
    certificate: String,
    key: String,
    both: String,
}

#[tokio::test]
async fn proxies_reach_a_node_over_tls() {
    let folder = folder();
    let house = Authority::new("the house");
    let files = house.certify(&HOSTS).write(folder.path(), "http").unwrap();
    let proxys = house.certify(&["proxy"]);
    let written = proxys.write(folder.path(), "proxy").unwrap();
    let [ca, both] = ["ca.pem", "proxy-both.pem"].map(|name| folder.path().join(name));
    std::fs::write(&ca, house.pem()).unwrap();
    std::fs::write(&both, format!("{}{}", proxys.pem, proxys.key)).unwrap();
    let proxy_files = ProxyFiles {
        ca: text(&ca),
        certificate: text(&written.certificate),
        key: text(&written.key),
        both: text(&both),
    };
    let client_ca = ["--http-tls-client-ca", &proxy_files.ca];
    let process = serve(&folder.path().join("data"), &files, &client_ca);
    let address = process.url().strip_prefix("http://").unwrap();
    let stranger = trusting(&[&house]).build().unwrap();
    stranger
        .get(url(&process, "/readyz"))
        .send()
        .await
        .unwrap_err();
    for kind in ProxyKind::ALL {
        let config = |port| front(kind, port, None) + &node_over_tls(kind, address, &proxy_files);
        let proxy = Proxy::start_with(kind, &ServerOptions::default(), config).unwrap();
        let path = format!("{}/v1/accounts/1", proxy.url());
        for _ in 0..3 {
            let answer = reqwest::get(&path).await.unwrap();
            assert_eq!(
                answer.status(),
                StatusCode::OK,
                "{kind:?}: {}",
                proxy.log_tail()
            );
        }
    }
    let known = trusting(&[&house])
        .identity(identity(&proxys))
        .build()
        .unwrap();
    let answer = known.get(url(&process, "/readyz")).send().await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
}

/// Proxies that become a user of their own, which has a group of the same name.
const OF_OTHER_USERS: [(ProxyKind, &str); 2] = [
    (ProxyKind::Nginx, "www-data"),
    (ProxyKind::Haproxy, "haproxy"),
];

fn node_on_socket(kind: ProxyKind, socket: &str) -> String {
    match kind {
        ProxyKind::Nginx => format!("proxy_pass http://unix:{socket}; }} }} }}\n"),
        ProxyKind::Haproxy => format!("unix@{socket}\n"),
        ProxyKind::Envoy => format!("address: {{ pipe: {{ path: {socket} }} }}\n"),
    }
}

#[tokio::test]
async fn proxies_of_other_users_reach_a_node_over_a_unix_socket() {
    if !rustix::process::geteuid().is_root() {
        println!("not tested: only root can start proxies of other users");
        return;
    }
    let data = folder();
    // Each user can enter it, as with a folder below /run.
    let sockets = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(sockets.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for (kind, user) in OF_OTHER_USERS {
        let socket = text(&sockets.path().join(kind.program()));
        let listen = format!("unix:{socket}");
        let asked = ["--demo", "--listen", &listen];
        let admitted = ["--listen-mode", "0660", "--listen-group", user];
        let config = |port| front(kind, port, Some(user)) + &node_on_socket(kind, &socket);
        let front = Proxy::start_with(kind, &ServerOptions::default(), config).unwrap();
        let path = format!("{}/v1/accounts/1", front.url());
        // As the umask leaves it, the socket is its owner's; for the proxy's group it is open.
        for (more, expected) in [(&[][..], false), (&admitted[..], true)] {
            let data_dir = data.path().join(kind.program());
            let process = LastroProcess::serve(&binary(), &data_dir, &[&asked[..], more].concat());
            let process = process.unwrap();
            let answer = reqwest::get(&path).await.unwrap();
            let is_ok = answer.status() == StatusCode::OK;
            assert_eq!(is_ok, expected, "{kind:?} {answer:?}: {}", front.log_tail());
            assert!(process.stop().unwrap().success());
        }
    }
}

#[tokio::test]
async fn envoy_reaches_a_node_over_a_unix_socket() {
    let folder = folder();
    let sockets = tempfile::tempdir_in("/tmp").unwrap();
    let socket = text(&sockets.path().join("http.sock"));
    let listen = format!("unix:{socket}");
    let arguments = ["--demo", "--listen", &listen, "--listen-mode", "0600"];
    let _process = LastroProcess::serve(&binary(), folder.path(), &arguments).unwrap();
    let kind = ProxyKind::Envoy;
    let config = |port| front(kind, port, None) + &node_on_socket(kind, &socket);
    let front = Proxy::start_with(kind, &ServerOptions::default(), config).unwrap();
    let answer = reqwest::get(format!("{}/v1/accounts/1", front.url()))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", front.log_tail());
}

#[test]
fn passwords_do_not_show() {
    const URL: &str = "postgres://me:s3cret@127.0.0.1:1/bank";
    let folder = folder();
    let file = folder.path().join("url");
    std::fs::write(&file, URL).unwrap();
    let serve = |arguments: &[&str], mode: u32| {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let mut command = Command::new(binary());
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "none",
                "--wait-s",
                "0",
            ])
            .args(["--engine", "postgres", "--database-ca", "/nowhere/ca.pem"])
            .args(arguments);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(
            !output.status.success() && !said.contains("s3cret"),
            "{said}"
        );
        said
    };
    let of_file = text(&file);
    let said = serve(&["--database-url", URL], 0o600);
    assert!(
        said.contains("--database-url has a password in it"),
        "{said}"
    );
    let said = serve(&["--database-url-file", &of_file], 0o644);
    assert!(said.contains(&format!("chmod 600 {of_file}")), "{said}");
    let said = serve(&["--database-url-file", &of_file], 0o600);
    assert!(!said.contains("password in it"), "{said}");
}
