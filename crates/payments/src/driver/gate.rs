//! The last look at the lease, at the very write of the bytes.
//!
//! Between a decision to send and the write lie queues, connections and whatever stops a process.
//! So the check and the write happen under one lock, right above the socket: with TLS, below the encryption.
//! The bytes of a handshake say nothing of a payment: they are let out without a lease, and do not count as
//! bytes that left.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether bytes may leave a connection, and whether any have.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lets_out: LetsOut,
    has_written: bool,
    was_late: bool,
}

/// What may leave now.
#[derive(Debug, Clone, Copy, Default)]
enum LetsOut {
    #[default]
    Nothing,
    /// TLS is being agreed upon.
    Handshake,
    /// Every byte has to leave by then.
    RequestBy(Instant),
}

/// What became of a request that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Bytes have left.
    Yes,
    /// None, and none will.
    No,
    /// None, since it was too late for them.
    TooLate,
}

impl Gate {
    /// Lets a handshake out.
    pub(super) fn open_for_handshake(&self) {
        self.0.lock().lets_out = LetsOut::Handshake;
    }

    /// Lets the next request out, as far as its bytes leave by then.
    pub(super) fn open(&self, leave_by: Instant) {
        *self.0.lock() = State {
            lets_out: LetsOut::RequestBy(leave_by),
            ..State::default()
        };
    }

    /// Lets nothing out any more, and says whether anything has left.
    pub(super) fn close(&self) -> Left {
        let mut state = self.0.lock();
        state.lets_out = LetsOut::Nothing;
        match (state.has_written, state.was_late) {
            (true, _) => Left::Yes,
            (false, true) => Left::TooLate,
            (false, false) => Left::No,
        }
    }
}

/// A connection behind a gate.
pub(super) struct Gated {
    pub(super) stream: TcpStream,
    pub(super) gate: Gate,
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gate = self.gate.clone();
        let mut state = gate.0.lock();
        match state.lets_out {
            LetsOut::Nothing => Poll::Ready(Err(io::Error::other("the request was given up"))),
            LetsOut::Handshake => Pin::new(&mut self.stream).poll_write(context, bytes),
            LetsOut::RequestBy(leave_by) if Instant::now() > leave_by => {
                // The rest of a request that has begun to leave does not follow it either.
                state.was_late = !state.has_written;
                state.lets_out = LetsOut::Nothing;
                Poll::Ready(Err(io::Error::other("the lease is over")))
            }
            LetsOut::RequestBy(_) => {
                let written = Pin::new(&mut self.stream).poll_write(context, bytes);
                state.has_written |= matches!(written, Poll::Ready(Ok(_)));
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// A connection is dropped, which resets it: an orderly end would have the kernel deliver first
    /// what it still keeps.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// The latest moment for the bytes of a request that may take `timeout`, within the lease.
pub(super) fn leave_by(lease_until: Instant, timeout: Duration) -> Instant {
    lease_until.checked_sub(timeout).unwrap_or(lease_until)
}
