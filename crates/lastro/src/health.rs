//! `lastro health`: asks the process beside it whether it can be used, for containers without a shell.
//!
//! It takes the flags and variables of `lastro serve`, so that it finds the face where that serves it: over TCP,
//! a Unix socket, with TLS or without. It answers with its exit code: 0 for a status of 200, else 1.

mod tls;

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use server::ListenAddress;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::serve::{Probed, ServeOptions, probed};

/// How long the whole check may take.
const BOUND: Duration = Duration::from_secs(5);

/// What its own flags are listed under.
pub(crate) const HEADING: &str = "Health";

#[derive(clap::Args)]
pub(crate) struct HealthOptions {
    /// Only asks whether the process lives (`/healthz`), and not whether it can be used (`/readyz`).
    #[arg(long, help_heading = HEADING)]
    alive: bool,
    /// Asks the face of metrics (`--metrics-listen`) instead of the face of HTTP (`--listen`).
    #[arg(long, help_heading = HEADING)]
    metrics: bool,
    #[command(flatten)]
    serve: ServeOptions,
}

/// Prints what is answered.
pub(crate) fn run(options: HealthOptions) -> anyhow::Result<ExitCode> {
    let path = if options.alive { "/healthz" } else { "/readyz" };
    let face = probed(options.serve, options.metrics)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let asked = runtime.block_on(async { tokio::time::timeout(BOUND, ask(&face, path)).await });
    let address = &face.address;
    let (status, body) = asked
        .with_context(|| format!("no answer from {address} within {} s", BOUND.as_secs()))?
        .with_context(|| format!("cannot ask {address}"))?;
    ensure!(
        status == StatusCode::OK,
        "{address} answers {path} with {status}: {body}"
    );
    println!("{body}");
    Ok(ExitCode::SUCCESS)
}

/// The status and the body that the path is answered with.
async fn ask(face: &Probed, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let is_tls = match &face.tls {
        Some(files) if files.client_ca.is_some() => bail!(
            "it admits only callers with a certificate, and this check has none: ask the other face (with or \
             without --metrics)"
        ),
        tls => tls.is_some(),
    };
    match &face.address {
        ListenAddress::Unix(socket) => {
            let stream = UnixStream::connect(socket).await;
            ask_over(stream.context("cannot connect")?, is_tls, path).await
        }
        ListenAddress::Tcp { port: 0, .. } => bail!("port 0 is any free port: name the one it is"),
        ListenAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((reached_at(host), *port)).await;
            ask_over(stream.context("cannot connect")?, is_tls, path).await
        }
    }
}

/// The host at which what listens on this one is reached from here.
fn reached_at(host: &str) -> &str {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1",
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "::1",
        Ok(_) | Err(_) => host,
    }
}

async fn ask_over<S>(stream: S, is_tls: bool, path: &str) -> anyhow::Result<(StatusCode, String)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match is_tls {
        true => get(tls::over(stream).await?, path).await,
        false => get(stream, path).await,
    }
}

async fn get<S>(stream: S, path: &str) -> anyhow::Result<(StatusCode, String)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::reached_at;

    #[test]
    fn what_listens_on_every_address_is_reached_on_loopback() {
        assert_eq!(reached_at("0.0.0.0"), "127.0.0.1");
        assert_eq!(reached_at("::"), "::1");
        assert_eq!(reached_at("10.1.2.3"), "10.1.2.3");
        assert_eq!(reached_at("localhost"), "localhost");
    }
}
