//! Free ports of loopback.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};

use parking_lot::Mutex;

/// How often a start is tried when somebody else was faster to take its port.
const TRIES: u32 = 5;

/// A port of loopback that nobody listened on a moment ago. This process never gets it twice.
///
/// # Errors
///
/// When there is none.
pub fn free_port() -> Result<u16, String> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let address = listener.and_then(|listener| listener.local_addr());
        let port = address
            .map_err(|error| format!("no free port: {error}"))?
            .port();
        if GIVEN.lock().get_or_insert_default().insert(port) {
            return Ok(port);
        }
    }
}

/// Starts something on the named port, or on a free one: another again when it was taken between
/// our look and the start.
pub(super) fn start_on<T>(
    named: Option<u16>,
    mut start: impl FnMut(u16) -> Result<T, String>,
) -> Result<T, String> {
    if let Some(port) = named {
        return start(port);
    }
    let mut tries = 1;
    loop {
        match start(free_port()?) {
            Err(error) if tries < TRIES && error.contains("in use") => tries += 1,
            done => return done,
        }
    }
}
