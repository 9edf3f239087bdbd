//! A way to a server that can be slow, lead to another one, be cut, or garble what comes back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// Leads nowhere.
const NOWHERE: u16 = 0;

/// Listens on a port of its own and passes on what comes.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: AtomicU16,
    delay: Duration,
    garbles: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// To this port on loopback; each piece of data takes this long.
    pub(crate) fn to(target: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            delay,
            garbles: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let target = accepting.target.load(Ordering::SeqCst);
                let far =
                    (target != NOWHERE).then(|| TcpStream::connect((Ipv4Addr::LOCALHOST, target)));
                if let Some(Ok(far)) = far {
                    pass(&accepting, near, far);
                }
            }
        });
        Self { port, shared }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads there; what there was is closed.
    pub(crate) fn switch(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
        for stream in self.shared.streams.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Leads nowhere from now on.
    pub(crate) fn cut(&self) {
        self.switch(NOWHERE);
    }

    /// Whether the first number of a function's answer comes as text.
    pub(crate) fn garble(&self, garbles: bool) {
        self.shared.garbles.store(garbles, Ordering::SeqCst);
    }
}

fn pass(shared: &Arc<Shared>, near: TcpStream, far: TcpStream) {
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
        let known = stream.try_clone().unwrap();
        shared.streams.lock().push(known);
    }
    let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
    for (mut from, mut to, is_back) in [(near, far, false), (back.0, back.1, true)] {
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                thread::sleep(shared.delay);
                if is_back && shared.garbles.load(Ordering::SeqCst) {
                    garble(&mut piece[..length]);
                }
                if to.write_all(&piece[..length]).is_err() {
                    break;
                }
            }
            for stream in [&from, &to] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

fn garble(piece: &mut [u8]) {
    const NUMBER: &[u8] = b"OK\r\n:";
    for at in 0..piece.len().saturating_sub(NUMBER.len() - 1) {
        if piece[at..].starts_with(NUMBER) {
            piece[at + NUMBER.len() - 1] = b'+';
        }
    }
}
