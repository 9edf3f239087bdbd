//! Stopping with requests in progress, and what is left of a listener.

use std::time::{Duration, Instant};

use server::{ListenAddress, Stopped, bind};
use tokio::net::TcpStream;

use crate::support::{Double, Manner, Setup, five, five_accounts};

const TRANSACTION: &str = "POST /clientes/1/transacoes HTTP/1.1\r\nHost: x\r\n\
    Content-Type: application/json\r\nContent-Length: 38\r\n\r\n\
    {\"valor\":1,\"tipo\":\"c\",\"descricao\":\"x\"}";

#[tokio::test]
async fn requests_in_progress_are_finished_and_idle_connections_closed() {
    let late = Manner::Late(Duration::from_millis(500));
    let double = Double::new(five_accounts().await, late);
    let mut face = Setup::over(double).start().await;
    let (mut idle, mut busy, mut used) = (face.raw().await, face.raw().await, face.raw().await);
    used.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(used.answer().await.unwrap().status, 200);
    busy.send(TRANSACTION).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let started = Instant::now();
    face.stop();
    assert!(idle.closed().await && used.closed().await);
    assert!(
        started.elapsed() < Duration::from_millis(300),
        "idle ones are closed at once"
    );
    let address = face.address.to_string();
    assert!(
        TcpStream::connect(&address).await.is_err(),
        "nothing more is accepted"
    );

    let answer = busy.answer().await.unwrap();
    assert_eq!(
        (answer.status, &answer.json()["saldo"]),
        (200, &serde_json::json!(1))
    );
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert_eq!(face.stopped().await, Stopped { requests_cut: 0 });
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let double = Double::new(five_accounts().await, Manner::Never);
    let mut setup = Setup::over(double);
    setup.stop_timeout = Duration::from_millis(200);
    let mut face = setup.start().await;
    let (mut busy, mut half) = (face.raw().await, face.raw().await);
    busy.send(TRANSACTION).await;
    half.send("GET / HT").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    face.stop();
    assert_eq!(face.stopped().await, Stopped { requests_cut: 1 });
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(busy.closed().await && half.closed().await);
}

#[tokio::test]
async fn a_unix_socket_serves_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lastro.sock");
    let mut setup = Setup::over(five_accounts().await);
    setup.listen = ListenAddress::Unix(path.clone());
    let mut face = setup.start().await;
    let mut raw = face.raw().await;
    raw.send(TRANSACTION).await;
    assert_eq!(raw.answer().await.unwrap().json()["saldo"], 1);
    face.stop();
    face.stopped().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_processes_socket_is_replaced_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lastro.sock");
    let address = ListenAddress::Unix(path.clone());
    // A listener of std leaves its file behind, as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = bind(&address).await.unwrap();

    let error = bind(&address).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(path.exists(), "a socket in use is left alone");
    drop(listener);
    assert!(!path.exists());

    std::fs::write(&path, "a file of someone's").unwrap();
    assert!(bind(&address).await.is_err());
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "a file of someone's"
    );
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (face, _) = five().await;
    let error = bind(&face.address).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}", face.address)
    );
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("in use"), "{source}");
}
