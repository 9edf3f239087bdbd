//! A connection's bytes, under guard: idle connections, dribbled heads and callers that take
//! nothing of their answers are cut, and the answers hyper makes itself get a body that says why.
//! Where a request was answered before it was read, the connection is closed as RFC 9112 §9.6 says:
//! our half first; then what still comes is read and dropped for a while, since a reset would take
//! the answer from its caller.
//!
//! A request whose head arrives at once costs no timer: one timer per connection is armed when a
//! read has to wait, and only ever moved when it would fire too late.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::errors;
use crate::tenure::Tenure;

/// How long a connection may wait for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
    /// For an answer as a whole, once its caller does not take it at once.
    pub(crate) answer: Duration,
}

/// How long, and how much, is read and dropped of a request that was answered unread.
const LINGER_TIME: Duration = Duration::from_secs(5);
const LINGER_BYTES_MAX: usize = 32 << 20;

/// Where a connection is between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Nothing of the next request has come.
    Idle,
    /// A part of its head has come.
    Head,
    /// The request is being handled; handlers have deadlines of their own.
    Request,
}

/// What the connection's reader, its service and its task know of each other.
#[derive(Debug)]
pub(crate) struct Progress {
    phase: AtomicU8,
    requests_count: AtomicU32,
    is_unread: AtomicBool,
    tenure: Arc<Tenure>,
}

impl Progress {
    pub(crate) fn new(tenure: Arc<Tenure>) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            requests_count: AtomicU32::new(0),
            is_unread: AtomicBool::new(false),
            tenure,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Request,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// A request's head is there.
    pub(crate) fn begin_request(&self) {
        self.requests_count.fetch_add(1, Ordering::Relaxed);
        self.tenure.begin_request();
        self.enter(Phase::Request);
    }

    /// Its answer is there.
    pub(crate) fn end_request(&self) {
        self.enter(Phase::Idle);
        self.tenure.end_request();
    }

    /// A request was answered, and is not read to its end.
    pub(crate) fn leave_unread(&self) {
        self.is_unread.store(true, Ordering::Relaxed);
    }

    fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    /// Whether nothing has ever come.
    pub(crate) fn is_untouched(&self) -> bool {
        self.wait() == (0, Phase::Idle)
    }

    fn wait(&self) -> (u32, Phase) {
        (self.requests_count.load(Ordering::Relaxed), self.phase())
    }
}

/// The guard around a connection's bytes.
pub(crate) struct GuardedIo<IO> {
    io: IO,
    progress: Arc<Progress>,
    waits: Waits,
    /// What the last read waited for, and until when it may.
    waiting: (u32, Phase),
    read_deadline: Instant,
    read_timer: Pin<Box<Sleep>>,
    /// Armed from a write that has to wait until all is written.
    write_timer: Option<Pin<Box<Sleep>>>,
    /// What was read and dropped since our half was closed.
    lingered_bytes: Option<usize>,
}

impl<IO: Read + Write + Unpin> GuardedIo<IO> {
    pub(crate) fn new(io: IO, progress: Arc<Progress>, waits: Waits) -> Self {
        let read_deadline = Instant::now() + waits.idle;
        Self {
            io,
            waiting: progress.wait(),
            progress,
            waits,
            read_deadline,
            read_timer: Box::pin(sleep_until(read_deadline)),
            write_timer: None,
            lingered_bytes: None,
        }
    }

    /// Whether a read that has to wait has waited for too long.
    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = self.progress.wait();
        if waiting != self.waiting {
            self.waiting = waiting;
            let wait = match waiting.1 {
                Phase::Idle => self.waits.idle,
                Phase::Head => self.waits.head,
                Phase::Request => return Poll::Pending,
            };
            self.read_deadline = Instant::now() + wait;
        } else if waiting.1 == Phase::Request {
            return Poll::Pending;
        }
        if self.read_timer.deadline() > self.read_deadline {
            self.read_timer.as_mut().reset(self.read_deadline);
        }
        loop {
            ready!(self.read_timer.as_mut().poll(cx));
            if Instant::now() >= self.read_deadline {
                return Poll::Ready(());
            }
            self.read_timer.as_mut().reset(self.read_deadline);
        }
    }

    /// Tells the caller why the connection is closed, as far as the socket takes it at once.
    fn say(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        let answer = errors::of_connection(status);
        let _ = Pin::new(&mut self.io).poll_write(cx, &answer);
    }

    fn check_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let wait = self.waits.answer;
        let tenure = &self.progress.tenure;
        let timer = self.write_timer.get_or_insert_with(|| {
            tenure.set_writing(true);
            Box::pin(sleep_until(Instant::now() + wait))
        });
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and drops what comes, until the caller closes or for long enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>, mut lingered_bytes: usize) -> Poll<()> {
        let mut dropped = [0; 8 * 1024];
        while lingered_bytes < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut dropped);
            match Pin::new(&mut self.io).poll_read(cx, buffer.unfilled()) {
                Poll::Pending => {
                    self.lingered_bytes = Some(lingered_bytes);
                    return self.read_timer.as_mut().poll(cx);
                }
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    lingered_bytes += buffer.filled().len();
                }
                // It closed.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<IO: Read + Write + Unpin> Read for GuardedIo<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        if read.is_ready() {
            if this.progress.phase() == Phase::Idle {
                this.progress.enter(Phase::Head);
            }
            return read;
        }
        ready!(this.poll_read_deadline(cx));
        if this.progress.phase() == Phase::Head {
            this.say(cx, StatusCode::REQUEST_TIMEOUT);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: Read + Write + Unpin> Write for GuardedIo<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(status) = refused_by_hyper(bytes) {
            this.progress.leave_unread();
            this.say(cx, status);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.check_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let [only] = slices
            && let Some(status) = refused_by_hyper(only)
        {
            this.progress.leave_unread();
            this.say(cx, status);
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.check_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Asked for once all is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        if flushed.is_ready() && this.write_timer.take().is_some() {
            this.progress.tenure.set_writing(false);
        }
        this.check_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let lingered_bytes = match this.lingered_bytes {
            Some(bytes) => bytes,
            None => {
                let shut = Pin::new(&mut this.io).poll_shutdown(cx);
                ready!(this.check_write(cx, shut))?;
                this.read_timer.as_mut().reset(Instant::now() + LINGER_TIME);
                0
            }
        };
        if this.progress.is_unread() {
            ready!(this.poll_linger(cx, lingered_bytes));
        }
        Poll::Ready(Ok(()))
    }
}

/// The status of an answer that hyper made itself to a head it could not read: a 4xx without a
/// body. The face's own refusals all have one.
fn refused_by_hyper(bytes: &[u8]) -> Option<StatusCode> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    if status[0] != b'4' || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let has_no_body = bytes
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"content-length: 0\r");
    has_no_body
        .then(|| StatusCode::from_bytes(status).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bodyless_refusals_are_hypers() {
        let status = |text: &str| refused_by_hyper(text.as_bytes()).map(|s| s.as_u16());
        let made_by_hyper = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(status(made_by_hyper), Some(431));
        assert_eq!(status("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(
            status("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n"),
            None
        );
        assert_eq!(
            status("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\nmore"),
            None
        );
    }
}
