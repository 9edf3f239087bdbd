//! A receiver of webhooks that does as it is told.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::LOCATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::certificates::Certificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::tls_acceptor;

/// What a receiver answers.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Status(StatusCode),
    Redirect(String),
    Never,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) webhook_id: String,
    pub(super) timestamp: String,
    pub(super) signatures: String,
    pub(super) body: Vec<u8>,
    /// What it was answered; 0 for nothing.
    pub(super) status: u16,
}

impl Message {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Manner = Box<dyn Fn(&Message) -> Reply + Send>;

struct State {
    manner: Mutex<Manner>,
    messages: Mutex<Vec<Message>>,
}

/// A receiver on a free port of this machine.
pub(super) struct Receiver {
    pub(super) url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// One that takes everything.
    pub(super) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same over TLS.
    pub(super) async fn start_over_tls(certificate: &Certificate) -> Self {
        Self::start_with(Some(tls_acceptor(certificate, None))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/hook", listener.local_addr().unwrap());
        let state = Arc::new(State {
            manner: Mutex::new(Box::new(|_| Reply::Status(StatusCode::OK))),
            messages: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&serving);
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, state).await,
                        // Who does not trust the certificate ends the handshake.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, state, task }
    }

    pub(super) fn behave(&self, manner: impl Fn(&Message) -> Reply + Send + 'static) {
        *self.state.manner.lock() = Box::new(manner);
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.state.messages.lock().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.state.messages.lock().len()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    // The server is killed now and then.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers[name].to_str().unwrap().to_owned();
    assert_eq!((parts.method.as_str(), parts.uri.path()), ("POST", "/hook"));
    assert_eq!(header("content-type"), "application/json");
    let (webhook_id, timestamp, signatures) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    );
    // A sender that is killed within its message has sent none.
    let Ok(body) = body.collect().await else {
        return std::future::pending().await;
    };
    let mut message = Message {
        webhook_id,
        timestamp,
        signatures,
        body: body.to_bytes().to_vec(),
        status: 0,
    };
    let mut response = Response::new(Empty::new());
    let reply = {
        let manner = state.manner.lock();
        let reply = manner(&message);
        message.status = match &reply {
            Reply::Status(status) => status.as_u16(),
            Reply::Redirect(_) => 307,
            Reply::Never => 0,
        };
        // Under the lock: messages are kept in the order in which they are answered.
        state.messages.lock().push(message);
        reply
    };
    match reply {
        Reply::Status(status) => *response.status_mut() = status,
        Reply::Redirect(to) => {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(LOCATION, to.parse().unwrap());
        }
        Reply::Never => return std::future::pending().await,
    }
    Ok(response)
}
