//! What a request costs the generator: this crate's client and hyper's, one after the other against
//! the bare handler, in processor time of the client's thread.
//!
//! `cargo run --release -p load --example clients`

use std::error::Error;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use load::Connections;
use load::capacity::{Bare, BareOptions, Options, run};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

const CONNECTIONS: usize = 32;
const REQUESTS_OF_EACH: u32 = 10_000;
const BODY: &str = r#"{"valor": 1000, "tipo": "c", "descricao": "descricao1"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let hyper = hyper_us_per_request()?;
    println!("hyper, keep-alive, bare loop: {hyper:.1} us of processor time per request");
    let report = run(&Options {
        target: None,
        bare: Some(BareOptions {
            listen: "127.0.0.1:0".parse()?,
            target: None,
        }),
        connections: vec![Connections::KeptAlive],
        p99_max: Duration::from_secs(1),
        step: Duration::from_secs(5),
        rate_first: 50_000,
        rate_max: 50_000,
        connections_max: CONNECTIONS,
        seed: 1,
        timeout: Duration::from_secs(5),
    })?;
    for step in report.curves.iter().flat_map(|curve| &curve.steps) {
        println!(
            "this crate's, keep-alive, with plan, checks and record: {:.1} us at {}/s",
            step.generator_cpu_us_per_request, step.rate
        );
    }
    Ok(())
}

/// Only requests and answers: no plan, no check, no record.
fn hyper_us_per_request() -> Result<f64, Box<dyn Error>> {
    let bare = Bare::start("127.0.0.1:0".parse()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let address = bare.address();
    let began = Instant::now();
    let cpu = cpu_us();
    LocalSet::new()
        .block_on(&runtime, async {
            let mut users = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                users.spawn_local(async move {
                    let stream = TcpStream::connect(address).await?;
                    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                    tokio::task::spawn_local(connection);
                    for _ in 0..REQUESTS_OF_EACH {
                        let request = Request::post("/clientes/1/transacoes")
                            .header("host", "127.0.0.1")
                            .header("content-type", "application/json")
                            .body(Full::new(Bytes::from_static(BODY.as_bytes())))?;
                        let answer = sender.send_request(request).await?;
                        answer.into_body().collect().await?;
                    }
                    Ok::<(), Box<dyn Error + Send + Sync>>(())
                });
            }
            while let Some(ended) = users.join_next().await {
                ended??;
            }
            Ok::<(), Box<dyn Error + Send + Sync>>(())
        })
        .map_err(|error| error.to_string())?;
    let requests = f64::from(REQUESTS_OF_EACH) * CONNECTIONS as f64;
    println!("hyper: {:.0}/s", requests / began.elapsed().as_secs_f64());
    Ok((cpu_us() - cpu) / requests)
}

fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
