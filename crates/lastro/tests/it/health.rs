//! `lastro health` against the real binary: over TCP, a Unix socket and TLS, ready or not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use testkit::LastroProcess;
use testkit::certificates::Authority;

use crate::support::{binary, folder, metrics_address};

fn health(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("health").args(arguments).output().unwrap()
}

/// Fails unless the check says that the server can be used.
fn assert_healthy(arguments: &[&str]) {
    let output = health(arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    assert!(said.contains("\"status\":"), "{arguments:?}: {said}");
}

/// What the check says of a server that cannot be used.
fn complaint(arguments: &[&str]) -> String {
    let output = health(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn address(process: &LastroProcess) -> String {
    process.url().replace("http://", "")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn health_asks_where_the_server_listens() {
    let folder = folder();
    let metrics = ["--metrics-listen", "127.0.0.1:0", "--demo"];
    let data_dir = folder.path().join("data");
    let mut process = LastroProcess::serve(&binary(), &data_dir, &metrics).unwrap();
    let listen = address(&process);
    assert_healthy(&["--listen", &listen]);
    assert_healthy(&["--alive", "--listen", &listen]);
    let of_metrics = metrics_address(&mut process).await;
    // The face of HTTP is not asked: nobody listens on port 1.
    assert_healthy(&[
        "--metrics",
        "--metrics-listen",
        &of_metrics,
        "--listen",
        "127.0.0.1:1",
    ]);

    // Every address of the machine is reached on loopback.
    let everywhere = listen.replace("127.0.0.1", "0.0.0.0");
    assert_healthy(&["--listen", &everywhere]);

    // The variables and the file of `serve` lead there too.
    let file = folder.path().join("lastro.toml");
    std::fs::write(
        &file,
        format!("listen = \"{listen}\"\nkeys = \"nowhere.json\"\n"),
    )
    .unwrap();
    assert_healthy(&["--config", text(&file)]);
    let mut by_variable = Command::new(binary());
    by_variable.arg("health").env("LASTRO_LISTEN", &listen);
    assert!(by_variable.output().unwrap().status.success());

    assert!(process.stop().unwrap().success());
    let said = complaint(&["--listen", &listen]);
    assert!(said.contains(&format!("cannot ask {listen}")), "{said}");
}

#[test]
fn health_asks_over_a_unix_socket() {
    let (folder, sockets) = (folder(), tempfile::tempdir_in("/tmp").unwrap());
    let socket = sockets.path().join("http.sock");
    let listen = format!("unix:{}", socket.display());
    let arguments = ["--demo", "--listen", &listen];
    let process = LastroProcess::serve(&binary(), folder.path(), &arguments).unwrap();
    assert_healthy(&["--listen", &listen]);
    // From its folder, as in a container that works there.
    let mut relative = Command::new(binary());
    relative.args(["health", "--listen", "unix:http.sock"]);
    relative.current_dir(sockets.path());
    assert!(relative.output().unwrap().status.success());
    assert!(process.stop().unwrap().success());
    assert!(complaint(&["--listen", &listen]).contains("cannot connect"));
}

#[tokio::test]
async fn health_asks_over_tls_and_says_whom_it_cannot_ask() {
    let folder = folder();
    let authority = Authority::new("a house");
    // Made for the public name alone: the check asks at another address.
    let files = authority
        .certify(&["bank.example"])
        .write(folder.path(), "http")
        .unwrap();
    let client_ca = folder.path().join("authority.pem");
    std::fs::write(&client_ca, authority.pem()).unwrap();
    let tls = |face: &str| {
        let flag = |name: &str| format!("--{face}-tls-{name}");
        let file = |path: &Path| path.to_str().unwrap().to_owned();
        [
            flag("cert"),
            file(&files.certificate),
            flag("key"),
            file(&files.key),
        ]
    };
    let (http, metrics) = (tls("http"), tls("metrics"));
    let callers = ["--http-tls-client-ca", text(&client_ca)];
    let mut arguments = vec!["--demo", "--metrics-listen", "127.0.0.1:0"];
    arguments.extend(http.iter().chain(&metrics).map(String::as_str));
    let open = LastroProcess::serve(&binary(), &folder.path().join("open"), &arguments).unwrap();
    let listen = address(&open);
    let http: Vec<&str> = http.iter().map(String::as_str).collect();
    assert_healthy(&[&["--listen", &listen][..], &http].concat());
    // Without TLS the handshake is not even begun.
    assert!(complaint(&["--listen", &listen]).contains("cannot ask"));

    arguments.extend(callers);
    let mut closed =
        LastroProcess::serve(&binary(), &folder.path().join("closed"), &arguments).unwrap();
    let listen = address(&closed);
    let said = complaint(&[&["--listen", &listen][..], &http, &callers].concat());
    assert!(said.contains("ask the other face"), "{said}");
    let of_metrics = metrics_address(&mut closed).await;
    let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
    assert_healthy(
        &[
            &["--metrics", "--metrics-listen", &of_metrics][..],
            &metrics,
        ]
        .concat(),
    );
}

#[test]
fn a_server_that_is_not_ready_is_alive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap();
            let (status, body) = match request[..read].starts_with(b"GET /healthz ") {
                true => ("200 OK", "{\"status\":\"alive\"}"),
                false => ("503 Service Unavailable", "{\"status\":\"opening\"}"),
            };
            let length = body.len();
            let head = "content-type: application/json\r\nconnection: close";
            let answer =
                format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    assert_healthy(&["--alive", "--listen", &listen]);
    let said = complaint(&["--listen", &listen]);
    assert!(said.contains("answers /readyz with 503"), "{said}");
    assert!(said.contains("opening"), "{said}");
    serving.join().unwrap();
}

#[test]
fn a_server_that_does_not_answer_is_not_healthy() {
    // Connections are made, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = silent.local_addr().unwrap().to_string();
    let said = complaint(&["--listen", &listen]);
    assert!(
        said.contains(&format!("no answer from {listen} within 5 s")),
        "{said}"
    );
    assert!(complaint(&["--listen", "127.0.0.1:0"]).contains("name the one it is"));
}
