//! What the accept loop and those who serve its connections agree upon.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::peer::Peer;
use crate::tenure::Tenure;

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No stop.
    Serving,
    /// No further requests; those in progress are finished.
    Stopping,
    /// Nothing is waited for any more.
    Cutting,
}

/// Which HTTP a connection is served with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// HTTP/1.1, and HTTP/1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// How the connections of a listener are served; what they share.
pub(crate) trait Host: Clone + Send + Sync + 'static {
    /// The same for a connection that comes from there: its requests say so.
    fn of_peer(self, peer: Option<Peer>) -> Self;

    /// Serves a connection until its end. `true` when it was cut in the middle of a request. Without TLS
    /// nothing is agreed upon: `version` is HTTP/1.1 then. It notes its requests in `tenure`.
    fn serve<S>(
        self,
        stream: S,
        version: HttpVersion,
        tenure: Arc<Tenure>,
    ) -> impl Future<Output = bool> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Serves a connection over a Unix socket without TLS.
    fn serve_local<S>(self, stream: S, tenure: Arc<Tenure>) -> impl Future<Output = bool> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve(stream, HttpVersion::Http1, tenure)
    }

    /// The answer to a connection that is refused.
    fn refusal() -> Vec<u8>;
}
