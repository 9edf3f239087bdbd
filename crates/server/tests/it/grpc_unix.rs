//! gRPC over a Unix socket, as clients speak it whose authority is the socket's path.

use std::sync::Arc;
use std::time::Duration;

use server::{AlwaysReady, App, GrpcLimits, Hosts, Limits, bind, serve_grpc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::grpc::reference;
use crate::support::SystemClock;

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

/// A call with this `:authority`, its name written out as grpcio does, or by its number.
fn head(authority: &str, is_written_out: bool) -> Vec<u8> {
    let name = if is_written_out {
        [&[0x40][..], &text(":authority")].concat()
    } else {
        vec![0x41]
    };
    [
        &[0x83, 0x86, 0x44][..],
        &text("/grpc.health.v1.Health/Check"),
        &name,
        &text(authority),
        &[0x5f],
        &text("application/grpc"),
        &[0x40],
        &text("te"),
        &text("trailers"),
    ]
    .concat()
}

/// The next frame: its kind and stream.
async fn next(stream: &mut UnixStream) -> Option<(u8, u8)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[8]))
}

#[tokio::test]
async fn a_path_as_authority_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grpc.sock");
    let address = format!("unix:{}", path.display()).parse().unwrap();
    let app = App {
        ledger_id: None,
        keys: server::Keys::none(),
        operations: None,
        dispatching: None,
        callbacks: None,
        webhooks: None,
        engine: reference(),
        clock: Arc::new(SystemClock),
        health: Arc::new(AlwaysReady),
        limits: Limits::default(),
        hosts: Hosts::any(),
        is_purge_enabled: false,
    };
    let serving = serve_grpc(
        bind(&address).await.unwrap(),
        app,
        GrpcLimits::default(),
        std::future::pending(),
        Duration::from_secs(10),
    );
    tokio::spawn(serving);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let opening = [preface, frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&opening).await.unwrap();
    let authorities = [
        ("localhost", false),
        ("/run/lastro/grpc.sock", false),
        ("%2Frun%2Flastro%2Fgrpc.sock", false),
        ("/run/lastro/grpc.sock", true),
        ("%2Frun%2Flastro%2Fgrpc.sock", true),
        ("unix:/run/lastro/grpc.sock", true),
    ];
    for (index, (authority, is_written_out)) in authorities.into_iter().enumerate() {
        let id = u8::try_from(2 * index + 1).unwrap();
        let head = frame(HEADERS, END_HEADERS, id, &head(authority, is_written_out));
        let message = frame(0, END_STREAM, id, &[0; 5]);
        stream.write_all(&[head, message].concat()).await.unwrap();
        let answered = async {
            loop {
                match next(&mut stream).await {
                    Some((HEADERS, stream)) if stream == id => return true,
                    None | Some((RESET | GO_AWAY, _)) => return false,
                    Some(_) => {}
                }
            }
        };
        let answered = timeout(Duration::from_secs(20), answered).await;
        assert_eq!(answered, Ok(true), "{authority}");
    }
}
