//! What a request costs: this crate's client and hyper's in the same closed loop against the bare
//! handler, in requests per second and in processor time of the client's thread.
//!
//! `cargo run --release -p load --example clients`

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use load::capacity::Bare;
use load::{Client, Connections, Target};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

const CONNECTIONS: usize = 32;
const REQUESTS_OF_EACH: u32 = 15_000;
const PATH: &str = "/clientes/1/transacoes";
const BODY: &str = r#"{"valor": 1000, "tipo": "c", "descricao": "descricao1"}"#;

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    // Twice: the first round warms the machine up.
    for _ in 0..2 {
        measure("hyper's client", hyper)?;
        measure("this crate's  ", own)?;
    }
    Ok(())
}

fn measure<User>(name: &str, user: impl Fn(SocketAddr) -> User) -> Result<(), Failed>
where
    User: Future<Output = Result<(), Failed>> + 'static,
{
    let bare = Bare::start(([127, 0, 0, 1], 0).into())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (began, cpu) = (Instant::now(), cpu_us());
    LocalSet::new().block_on(&runtime, async {
        let mut users = JoinSet::new();
        for _ in 0..CONNECTIONS {
            users.spawn_local(user(bare.address()));
        }
        while let Some(ended) = users.join_next().await {
            ended??;
        }
        Ok::<(), Failed>(())
    })?;
    let requests = f64::from(REQUESTS_OF_EACH) * CONNECTIONS as f64;
    println!(
        "{name}  {:>8.0} requests/s  {:>5.2} us of processor time each",
        requests / began.elapsed().as_secs_f64(),
        (cpu_us() - cpu) / requests
    );
    Ok(())
}

async fn hyper(address: SocketAddr) -> Result<(), Failed> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    for _ in 0..REQUESTS_OF_EACH {
        let request = Request::post(PATH)
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(BODY.as_bytes())))?;
        let answer = sender.send_request(request).await?;
        answer.into_body().collect().await?;
    }
    Ok(())
}

async fn own(address: SocketAddr) -> Result<(), Failed> {
    let timeout = Duration::from_secs(5);
    let client = Client::new(Target::at(address)?, Connections::KeptAlive, 1, timeout);
    for _ in 0..REQUESTS_OF_EACH {
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let body = |answer: load::Answer<'_>| answer.body.len();
        client.exchange(request.as_bytes(), body).await?;
    }
    Ok(())
}

fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
