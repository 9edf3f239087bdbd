//! A host in the middle of a connection that delivers late, drops answers, and cuts.
//!
//! [`Middle`] listens on loopback and passes bytes on to a server. What is sent to it is taken at
//! once and kept for as long as the test wants, also where its sender has closed or reset the
//! connection meanwhile: as bytes that wait in a kernel or in a network do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Passes bytes between clients and a server, as its test says. Ends with the test's process.
#[derive(Debug, Clone)]
pub struct Middle {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Mutex<Rules>,
    changed: Condvar,
}

#[derive(Debug)]
struct Rules {
    server: SocketAddr,
    accepts: bool,
    requests_pass: bool,
    answers_pass: bool,
    /// Both ends of all connections.
    open: Vec<TcpStream>,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Requests,
    Answers,
}

impl Middle {
    /// Listens on a free port and passes everything on to `server`.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let rules = Rules {
            server,
            accepts: true,
            requests_pass: true,
            answers_pass: true,
            open: Vec::new(),
        };
        let shared = Arc::new(Shared {
            rules: Mutex::new(rules),
            changed: Condvar::new(),
        });
        let address = listener.local_addr()?;
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let rules = accepting.wait_until(|rules| rules.accepts);
                let server = TcpStream::connect(rules.server);
                drop(rules);
                if let Ok(server) = server {
                    accepting.join(client, server);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether what clients send is passed on; what is not is kept until it may pass.
    pub fn let_requests_pass(&self, pass: bool) {
        self.change(|rules| rules.requests_pass = pass);
    }

    /// Whether what the server sends is passed on; what is not is kept until it may pass.
    pub fn let_answers_pass(&self, pass: bool) {
        self.change(|rules| rules.answers_pass = pass);
    }

    /// Whether new connections are made; their clients wait.
    pub fn let_connections_in(&self, accepts: bool) {
        self.change(|rules| rules.accepts = accepts);
    }

    /// Passes new connections on to another server.
    pub fn lead_to(&self, server: SocketAddr) {
        self.change(|rules| rules.server = server);
    }

    /// Ends all connections: what was kept of them is lost.
    pub fn cut(&self) {
        self.change(|rules| {
            for stream in rules.open.drain(..) {
                // An error means that it has ended already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.rules());
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock()
    }

    fn wait_until(&self, is_so: impl Fn(&Rules) -> bool) -> MutexGuard<'_, Rules> {
        let mut rules = self.rules();
        self.changed.wait_while(&mut rules, |rules| !is_so(rules));
        rules
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let copies = (
            client.try_clone(),
            server.try_clone(),
            client.try_clone(),
            server.try_clone(),
        );
        let (Ok(client_too), Ok(server_too), Ok(kept), Ok(kept_too)) = copies else {
            return;
        };
        self.rules().open.extend([kept, kept_too]);
        self.pass(client, server, Direction::Requests);
        self.pass(server_too, client_too, Direction::Answers);
    }

    /// One thread takes, the other gives: what was taken outlives its sender.
    fn pass(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, direction: Direction) {
        let (taken, given) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if taken.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            for bytes in given {
                drop(shared.wait_until(|rules| match direction {
                    Direction::Requests => rules.requests_pass,
                    Direction::Answers => rules.answers_pass,
                }));
                if to.write_all(&bytes).is_err() {
                    return;
                }
            }
            // An error means that it has ended already.
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
