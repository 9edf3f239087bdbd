//! Why there is no answer.

use std::fmt;
use std::io;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFailure {
    /// Nobody took the connection.
    ConnectionRefused,
    /// The connection broke.
    ConnectionReset,
    /// The server closed the connection before the answer was whole.
    ConnectionClosed,
    /// What came is not HTTP/1.1, or longer than any answer.
    Malformed,
    /// The answer took longer than a load waits.
    TimedOut,
    /// The operating system gives no more sockets or ports: the generator's own limit.
    NoSocket,
}

impl HttpFailure {
    /// The failure's name in reports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::ConnectionClosed => "connection_closed",
            Self::Malformed => "answer_malformed",
            Self::TimedOut => "timed_out",
            Self::NoSocket => "no_socket",
        }
    }
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl std::error::Error for HttpFailure {}

impl From<io::Error> for HttpFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::UnexpectedEof => Self::ConnectionClosed,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::NoSocket,
            // EMFILE and ENFILE have no kind of their own.
            _ if matches!(error.raw_os_error(), Some(23 | 24)) => Self::NoSocket,
            _ => Self::ConnectionReset,
        }
    }
}
