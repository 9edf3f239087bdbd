//! A payment processor of a shape that is not the 2025 challenge's, over TLS, with a key and with moods.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

/// What is different about a processor.
pub(super) struct Shape {
    /// The method, the path before the id of a request and whether the id is in it, and the path before the id of a
    /// look-up.
    pub(super) request: (Method, &'static str, bool),
    pub(super) lookup: &'static str,
    /// The id, the minor units and the currency of a request's body, with the path's id.
    pub(super) read: fn(&Value, Option<&str>) -> (Uuid, u64, String),
    /// How it shows a payment.
    pub(super) show: fn(&Kept) -> Value,
    /// What it answers to a good request.
    pub(super) status: fn(&Kept) -> u16,
    /// Whether it answers a repeated id 409.
    pub(super) conflicts: bool,
}

/// How far a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Undecided,
    Paid,
    Declined,
}

/// A payment that it has.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: Uuid,
    pub(super) minor: u64,
    pub(super) currency: String,
    pub(super) made_at: jiff::Timestamp,
    pub(super) progress: Progress,
}

/// What it does instead of taking a payment the first time that it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    /// 429, with seconds.
    BusySeconds,
    /// 429, with a date.
    BusyDate,
    /// 425.
    Early,
    Redirects,
    /// 409, as if another request with the same key were being worked on.
    Conflicts,
    /// It records the payment, and answers 500.
    FailsAfter,
    /// It records the payment, and closes the connection.
    BreaksAfter,
}

const MOODS: [Mood; 8] = [
    Mood::Takes,
    Mood::BusySeconds,
    Mood::BusyDate,
    Mood::Early,
    Mood::Redirects,
    Mood::Conflicts,
    Mood::FailsAfter,
    Mood::BreaksAfter,
];

#[derive(Default)]
struct Books {
    kept: BTreeMap<Uuid, Kept>,
    /// How often each id came.
    tries: HashMap<Uuid, usize>,
    /// When each id was looked up.
    lookups: HashMap<Uuid, Vec<std::time::Instant>>,
    /// What must not happen.
    faults: Vec<String>,
    unauthorized_count: usize,
    has_moods: bool,
    /// How new payments stand.
    progress: Option<Progress>,
    requests: Vec<(Value, HashMap<String, String>)>,
}

struct State {
    shape: Shape,
    key: Mutex<String>,
    books: Mutex<Books>,
}

/// A processor on a free port of this machine.
pub(super) struct Acquirer {
    pub(super) url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for Acquirer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Acquirer {
    pub(super) async fn start(shape: Shape, key: &str, tls: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/api", listener.local_addr().unwrap());
        let state = Arc::new(State {
            shape,
            key: Mutex::new(key.to_owned()),
            books: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (Arc::clone(&serving), tls.clone());
                tokio::spawn(async move {
                    // Who does not trust the certificate ends the handshake.
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    // Callers leave when they like.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, state, task }
    }

    /// From now on every second thought is another one.
    pub(super) fn has_moods(&self) {
        self.state.books.lock().has_moods = true;
    }

    /// How payments stand that come from now on.
    pub(super) fn begins_with(&self, progress: Progress) {
        self.state.books.lock().progress = Some(progress);
    }

    /// It decides a payment.
    pub(super) fn decide(&self, id: Uuid, progress: Progress) {
        let mut books = self.state.books.lock();
        books.kept.get_mut(&id).unwrap().progress = progress;
    }

    pub(super) fn change_key(&self, key: &str) {
        *self.state.key.lock() = key.to_owned();
    }

    pub(super) fn unauthorized_count(&self) -> usize {
        self.state.books.lock().unauthorized_count
    }

    pub(super) fn kept(&self) -> Vec<Kept> {
        self.state.books.lock().kept.values().cloned().collect()
    }

    pub(super) fn lookups(&self, id: Uuid) -> Vec<std::time::Instant> {
        let books = self.state.books.lock();
        books.lookups.get(&id).cloned().unwrap_or_default()
    }

    /// What it was asked for, with the headers.
    pub(super) fn requests(&self) -> Vec<(Value, HashMap<String, String>)> {
        self.state.books.lock().requests.clone()
    }

    /// Fails if something happened that must not.
    pub(super) fn assert_no_faults(&self) {
        let books = self.state.books.lock();
        assert!(books.faults.is_empty(), "{:?}", books.faults);
    }
}

type Answer = io::Result<Response<Full<Bytes>>>;

fn respond(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status.try_into().unwrap();
    response
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return std::future::pending().await;
    };
    let body = body.to_bytes();
    let shown = parts.headers.get(AUTHORIZATION);
    let shown = shown.map(|value| value.to_str().unwrap().to_owned());
    if shown != Some(format!("Bearer {}", state.key.lock())) {
        state.books.lock().unauthorized_count += 1;
        // As careless as a processor can be.
        return Ok(respond(401, &json!({"error": "bad key", "shown": shown})));
    }
    let path = parts.uri.path().strip_prefix("/api").unwrap().to_owned();
    let (method, prefix, _) = &state.shape.request;
    if parts.method == Method::GET
        && let Some(id) = path.strip_prefix(state.shape.lookup)
    {
        return Ok(look_up(&state, id.parse().unwrap()));
    }
    if parts.method == *method
        && let Some(rest) = path.strip_prefix(prefix)
    {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let headers = parts.headers.iter();
        let headers = headers.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let headers = headers.collect();
        state.books.lock().requests.push((body.clone(), headers));
        return take(&state, &body, rest).await;
    }
    let mut books = state.books.lock();
    books.faults.push(format!("{} {path}", parts.method));
    Ok(respond(404, &json!({})))
}

fn look_up(state: &State, id: Uuid) -> Response<Full<Bytes>> {
    let mut books = state.books.lock();
    let now = std::time::Instant::now();
    books.lookups.entry(id).or_default().push(now);
    match books.kept.get(&id) {
        Some(kept) => respond(200, &(state.shape.show)(kept)),
        None => respond(404, &json!({"error": "not found"})),
    }
}

async fn take(state: &State, body: &Value, rest: &str) -> Answer {
    let (_, _, has_id) = state.shape.request;
    let in_path = has_id.then_some(rest);
    let (id, minor, currency) = (state.shape.read)(body, in_path);
    let mood = {
        let mut books = state.books.lock();
        let tries = books.tries.entry(id).or_default();
        *tries += 1;
        let is_first = *tries == 1;
        match is_first && books.has_moods {
            true => MOODS[usize::from(id.as_bytes()[15]) % MOODS.len()],
            false => Mood::Takes,
        }
    };
    let busy = |value: String| {
        let mut response = respond(429, &json!({"error": "busy"}));
        response
            .headers_mut()
            .insert(RETRY_AFTER, value.parse().unwrap());
        Ok(response)
    };
    match mood {
        Mood::BusySeconds => return busy("1".to_owned()),
        Mood::BusyDate => {
            let at = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(2)).unwrap();
            let at = at.to_zoned(jiff::tz::TimeZone::UTC);
            return busy(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        Mood::Early => {
            let mut response = respond(425, &json!({}));
            response
                .headers_mut()
                .insert(RETRY_AFTER, "1".parse().unwrap());
            return Ok(response);
        }
        Mood::Redirects => {
            let mut response = respond(307, &json!({}));
            response
                .headers_mut()
                .insert(LOCATION, "/api/elsewhere".parse().unwrap());
            return Ok(response);
        }
        // It is not there, and a processor of this shape says so to who asks.
        Mood::Conflicts if !state.shape.conflicts => {
            return Ok(respond(409, &json!({"error": "in progress"})));
        }
        Mood::Takes | Mood::Conflicts | Mood::FailsAfter | Mood::BreaksAfter => {}
    }
    let kept = {
        let mut books = state.books.lock();
        let progress = books.progress.unwrap_or(Progress::Paid);
        let new = Kept {
            id,
            minor,
            currency,
            made_at: jiff::Timestamp::now(),
            progress,
        };
        let is_known = books.kept.contains_key(&id);
        let kept = books.kept.entry(id).or_insert(new).clone();
        if (kept.minor, &kept.currency) != (minor, &kept.currency) {
            books.faults.push(format!("{id} came with another amount"));
        }
        if is_known && state.shape.conflicts {
            return Ok(respond(409, &json!({"error": "exists"})));
        }
        kept
    };
    match mood {
        Mood::FailsAfter => Ok(respond(500, &json!({"error": "oops"}))),
        // The connection ends without an answer.
        Mood::BreaksAfter => Err(io::Error::other("this connection breaks")),
        Mood::Takes
        | Mood::BusySeconds
        | Mood::BusyDate
        | Mood::Early
        | Mood::Redirects
        | Mood::Conflicts => {
            let status = (state.shape.status)(&kept);
            Ok(respond(status, &(state.shape.show)(&kept)))
        }
    }
}
