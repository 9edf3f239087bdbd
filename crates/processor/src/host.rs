//! Serving a processor over HTTP, and refusing to.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Service;

use crate::Processor;
use crate::api::{Cut, router};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// How often the address is tried again after connections were refused, a millisecond apart.
const BIND_TRIES: u32 = 1_000;

/// An address that a processor is served on.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    listener: TcpListener,
}

impl Host {
    /// Listens on an address; port 0 is any free one. Within a runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = bound(address)?.listen(BACKLOG)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
        })
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop; requests in progress then end without an answer.
    pub async fn serve(
        self,
        processor: Processor,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        tokio::select! {
            () = stop => Ok(()),
            ended = self.serve_for_ever(&processor) => ended,
        }
    }

    async fn serve_for_ever(self, processor: &Processor) -> io::Result<()> {
        let router = router(processor.clone());
        let mut refuses = processor.refuses_until();
        let mut listener = self.listener;
        loop {
            while refuses_for(*refuses.borrow_and_update()).is_none() {
                tokio::select! {
                    accepted = listener.accept() => accept(accepted, &router, &refuses).await,
                    _ = refuses.changed() => {}
                }
            }
            // The address is kept, but nobody listens there: who connects is refused.
            drop(listener);
            let socket = bound_again(self.address).await?;
            loop {
                let until = *refuses.borrow_and_update();
                let Some(left) = refuses_for(until) else {
                    break;
                };
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = refuses.changed() => {}
                }
            }
            listener = socket.listen(BACKLOG)?;
        }
    }
}

/// How long connections are still refused.
fn refuses_for(until: Option<Instant>) -> Option<Duration> {
    let left = until?.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Somebody's connection may have been given the port for an instant.
async fn bound_again(address: SocketAddr) -> io::Result<TcpSocket> {
    let mut tries = 0;
    loop {
        match bound(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < BIND_TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            bound => return bound,
        }
    }
}

async fn accept(
    accepted: io::Result<(TcpStream, SocketAddr)>,
    router: &Router,
    refuses: &watch::Receiver<Option<Instant>>,
) {
    match accepted {
        Ok((stream, _)) => {
            // Answers are written whole: waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            tokio::spawn(connection(stream, router.clone(), refuses.clone()));
        }
        // A caller that is gone already, or no file for the connection: the next may do.
        Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
    }
}

/// Serves a connection until its end, or until connections are refused.
async fn connection(
    stream: TcpStream,
    router: Router,
    mut refuses: watch::Receiver<Option<Instant>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let response = router.call(request).await;
            uncut(response.unwrap_or_else(|never: Infallible| match never {}))
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        // What ends it, the caller knows.
        _ = served.as_mut() => return,
        _ = refuses.wait_for(|until| refuses_for(*until).is_some()) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

/// Lets an answer out. Where there is none, the error ends the connection.
fn uncut<B>(response: Response<B>) -> io::Result<Response<B>> {
    if response.extensions().get::<Cut>().is_some() {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(response)
}
