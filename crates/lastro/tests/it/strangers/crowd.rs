//! The strangers: raw bytes over sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::Scale;

/// What strangers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Sends the head of a request byte by byte.
    SlowHead,
    /// Announces a large body and sends little of it.
    SlowBody,
    /// Has a key, asks for large answers, and takes none.
    SlowReader,
    /// Connects, and says nothing.
    Idle,
    /// Connects, asks for nothing much, and goes; again and again.
    Connects,
    /// Shows a key that is not valid; again and again.
    BadKeys,
    /// Begins a handshake of TLS, and dribbles.
    SlowHandshake,
    /// Begins a connection of HTTP/2, and asks nothing.
    IdleHttp2,
    /// Begins a call of gRPC, and dribbles its head.
    SlowHead2,
    /// Begins a message of gRPC, and dribbles it.
    SlowBody2,
    /// Makes calls of gRPC with a key that is not valid.
    BadKeys2,
}

/// Between two bytes of a caller that dribbles.
const DRIBBLE: Duration = Duration::from_millis(500);
/// Connections that flood with bad keys.
const FLOODERS: u32 = 16;
/// How often each second a flood surges.
const SURGES_PER_S: u32 = 100;

/// Strangers at work, until they are dispersed.
pub(super) struct Crowd {
    stop: Arc<AtomicBool>,
    came: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Crowd {
    /// Sends them to this address. Some acts need a key.
    pub(super) fn gather(act: Act, door: &str, secret: &str, scale: Scale) -> Self {
        let (stop, came) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let stranger = Stranger {
            act,
            door: door.parse().unwrap(),
            secret: secret.to_owned(),
            stop: Arc::clone(&stop),
            came: Arc::clone(&came),
        };
        let thread = std::thread::spawn(move || {
            // The thread's own: threads have priorities of their own here.
            let _ = rustix::process::nice(19);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(stranger.act_at(scale));
        });
        Self { stop, came, thread }
    }

    /// Sends them home; how many connected or asked.
    pub(super) fn disperse(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.came.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Stranger {
    act: Act,
    door: std::net::SocketAddr,
    secret: String,
    stop: Arc<AtomicBool>,
    came: Arc<AtomicU64>,
}

impl Stranger {
    async fn act_at(self, scale: Scale) {
        match self.act {
            Act::Connects => self.flood(scale.per_s).await,
            Act::BadKeys | Act::BadKeys2 => {
                let per_s = scale.per_s / FLOODERS;
                let flooders = (0..FLOODERS).map(|_| tokio::spawn(self.clone().show_keys(per_s)));
                for flooder in flooders.collect::<Vec<_>>() {
                    flooder.await.unwrap();
                }
            }
            act => {
                let crowd =
                    (0..scale.connections(act)).map(|_| tokio::spawn(self.clone().linger()));
                for stranger in crowd.collect::<Vec<_>>() {
                    stranger.await.unwrap();
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A connection that is reset when it is dropped, so that its port is free at once.
    async fn connect(&self) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.set_zero_linger().ok()?;
        if self.act == Act::SlowReader {
            socket.set_recv_buffer_size(4 << 10).ok()?;
        }
        let stream = socket.connect(self.door).await.ok()?;
        self.came.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    /// Keeps a connection for as long as it can, and makes it anew when it is cut.
    async fn linger(self) {
        let (at_once, dribbled) = self.words();
        while !self.is_over() {
            let Some(mut stream) = self.connect().await else {
                tokio::time::sleep(DRIBBLE).await;
                continue;
            };
            let begun = tokio::time::timeout(DRIBBLE, stream.write_all(&at_once)).await;
            let mut is_open = !matches!(begun, Ok(Err(_)));
            let mut dribbled = dribbled.iter().cycle();
            while is_open && !self.is_over() {
                tokio::time::sleep(DRIBBLE).await;
                is_open = match self.act {
                    Act::SlowReader => is_alive(&stream),
                    Act::Idle | Act::IdleHttp2 => goes_on(&mut stream).await,
                    _ => match dribbled.next() {
                        Some(byte) => stream.write_all(&[*byte]).await.is_ok() && is_alive(&stream),
                        None => goes_on(&mut stream).await,
                    },
                };
            }
        }
    }

    /// What is sent at once, and what byte by byte, again and again.
    fn words(&self) -> (Vec<u8>, Vec<u8>) {
        let secret = &self.secret;
        match self.act {
            Act::SlowHead => (
                b"GET /v1/accounts/1 HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_vec(),
                b"x".to_vec(),
            ),
            Act::SlowBody => {
                let head = format!(
                    "POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                     Authorization: Bearer {secret}\r\nContent-Length: 4000000\r\n\r\n{}",
                    " ".repeat(20_000)
                );
                (head.into_bytes(), b" ".to_vec())
            }
            Act::SlowReader => {
                let one = format!(
                    "GET /v1/accounts/1/statement?limit=1000 HTTP/1.1\r\nHost: x\r\n\
                     Authorization: Bearer {secret}\r\n\r\n"
                );
                (one.repeat(50).into_bytes(), Vec::new())
            }
            // The beginning of a ClientHello of 512 bytes.
            Act::SlowHandshake => (vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], vec![0]),
            Act::IdleHttp2 => (http2::opening(), Vec::new()),
            Act::SlowHead2 => (http2::head_without_end(), Vec::new()),
            Act::SlowBody2 => {
                let mut words = http2::opening();
                words.extend(http2::call(1, secret, None));
                // A DATA frame of 4,000 bytes, and the prefix of a message of as many.
                words.extend([0, 0x0f, 0xa0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x0f, 0x9b]);
                (words, vec![0])
            }
            Act::Idle | Act::Connects | Act::BadKeys | Act::BadKeys2 => (Vec::new(), Vec::new()),
        }
    }

    /// Connects, asks, and goes: so often in each second.
    async fn flood(self, per_s: u32) {
        let each = (per_s / SURGES_PER_S).max(1);
        let mut surges = tokio::time::interval(Duration::from_secs(1) / SURGES_PER_S);
        surges.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !self.is_over() {
            surges.tick().await;
            for _ in 0..each {
                let stranger = self.clone();
                tokio::spawn(async move {
                    if let Some(mut stream) = stranger.connect().await {
                        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                });
            }
        }
    }

    /// Shows bad keys over one connection, so often in each second, and takes the answers.
    async fn show_keys(self, per_s: u32) {
        let each = (per_s / SURGES_PER_S).max(1);
        let pace = Duration::from_secs(1) * each / per_s.max(1);
        let mut surges = tokio::time::interval(pace);
        surges.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let wrong = format!("lastro_{}", "A".repeat(43));
        while !self.is_over() {
            let Some(stream) = self.connect().await else {
                tokio::time::sleep(DRIBBLE).await;
                continue;
            };
            let (mut answers, mut requests) = stream.into_split();
            let taking = tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while answers.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            });
            if self.act == Act::BadKeys2 && requests.write_all(&http2::opening()).await.is_err() {
                continue;
            }
            // Streams have odd numbers; a connection ends long before they do.
            let mut stream_id = 1_u32;
            while !self.is_over() && !taking.is_finished() && stream_id < 1 << 30 {
                surges.tick().await;
                let mut words = Vec::new();
                for _ in 0..each {
                    if self.act == Act::BadKeys2 {
                        words.extend(http2::call(stream_id, &wrong, Some(b"\0\0\0\0\0")));
                        stream_id += 2;
                    } else {
                        let one = format!(
                            "GET /v1/accounts/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {wrong}\r\n\r\n"
                        );
                        words.extend(one.into_bytes());
                    }
                }
                if requests.write_all(&words).await.is_err() {
                    break;
                }
                self.came.fetch_add(u64::from(each), Ordering::Relaxed);
            }
            drop(requests);
            taking.abort();
        }
    }
}

/// Whether the other end has not closed, as far as it is known without reading.
fn is_alive(stream: &TcpStream) -> bool {
    !matches!(stream.take_error(), Ok(Some(_)) | Err(_)) && stream.peer_addr().is_ok()
}

/// Takes what has come; whether the other end has not closed.
async fn goes_on(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1_024];
    match tokio::time::timeout(Duration::from_millis(1), stream.read(&mut buffer)).await {
        Err(_) => true,
        Ok(read) => read.is_ok_and(|read| read > 0),
    }
}

/// Frames of HTTP/2, as far as a stranger needs them.
mod http2 {
    const HEADERS: u8 = 1;
    const DATA: u8 = 0;
    const SETTINGS: u8 = 4;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;

    fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream_id.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// What a client begins with.
    pub(super) fn opening() -> Vec<u8> {
        let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        opening.extend(frame(SETTINGS, 0, 0, &[]));
        // The settings of the other end are known.
        opening.extend(frame(SETTINGS, 1, 0, &[]));
        opening
    }

    /// Headers without compression, all of them new.
    fn block(secret: &str) -> Vec<u8> {
        let bearer = format!("Bearer {secret}");
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/lastro.v1.Ledger/GetAccount"),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("authorization", &bearer),
        ];
        let mut block = Vec::new();
        for (name, value) in headers {
            block.push(0);
            for text in [name, value] {
                // Longer ones would need another form.
                assert!(text.len() < 127);
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.bytes());
            }
        }
        block
    }

    /// A call; without a message it waits for one.
    pub(super) fn call(stream_id: u32, secret: &str, message: Option<&[u8]>) -> Vec<u8> {
        let mut call = frame(HEADERS, END_HEADERS, stream_id, &block(secret));
        if let Some(message) = message {
            call.extend(frame(DATA, END_STREAM, stream_id, message));
        }
        call
    }

    /// A call whose head is announced to go on, and does not.
    pub(super) fn head_without_end() -> Vec<u8> {
        let mut words = opening();
        words.extend(frame(HEADERS, 0, 1, &block("")));
        words
    }
}
