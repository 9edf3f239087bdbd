//! Where a connection comes from.

use std::net::IpAddr;

use axum::http::Extensions;

/// The address at the other end of a connection. Behind a proxy it is the proxy's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    pub(crate) const fn new(address: IpAddr) -> Self {
        Self(address)
    }

    /// The one that was put to a request; `None` over a Unix socket.
    pub(crate) fn of(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get::<Self>().map(|peer| peer.0)
    }
}
