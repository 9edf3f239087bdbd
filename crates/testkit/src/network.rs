//! Hosts of their own on one machine: network namespaces joined by a router that can lose packets.
//!
//! Each host is a namespace with one address; all packets between two of them pass through a
//! namespace that routes. [`Network::cut`] makes the router drop what goes one way, without a word to
//! either end: the sender's kernel keeps the bytes and sends them again, as it does behind a real
//! router that is broken. The test itself is a host too, [`TEST`].
//!
//! Namespaces need the right to administer the network: [`Network::permitted`] reports why a machine
//! does not allow it. All that was made goes when the [`Network`] is dropped; what a killed test left
//! behind is removed by the next start.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// The name under which [`Network::cut`] knows the test's own side.
pub const TEST: &str = "test";

/// The second byte of all addresses: 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
const PREFIX: [u8; 2] = [198, 18];
/// How many networks may be there at once on a machine.
const NETWORKS_MAX: u8 = 32;
/// How many hosts a network may have: three bits of the address, less none and the test.
const HOSTS_MAX: usize = 6;

/// A network of hosts. Removed when dropped.
#[derive(Debug)]
pub struct Network {
    /// Which of the machine's networks it is.
    index: u8,
    hosts: Vec<String>,
    cuts: Mutex<Vec<(String, String)>>,
    /// Held by its name for as long as the network is there: nobody else takes this index.
    _claim: std::os::unix::net::UnixListener,
}

impl Network {
    /// Why network namespaces cannot be made here; `Ok` where they can.
    ///
    /// # Errors
    ///
    /// What is missing, as one line.
    pub fn permitted() -> Result<(), String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lastro-try-{}-{number}", std::process::id());
        ip(&["netns", "add", &name])
            .and_then(|()| ip(&["netns", "del", &name]))
            .map_err(|error| {
                format!("network namespaces need root and the package iproute2: {error}")
            })
    }

    /// Makes a network with these hosts, each with an address and a way to all others.
    ///
    /// # Errors
    ///
    /// What `ip` reported, as one line.
    ///
    /// # Panics
    ///
    /// With more than six hosts, or one that is called [`TEST`].
    pub fn start(hosts: &[&str]) -> Result<Self, String> {
        assert!(hosts.len() <= HOSTS_MAX, "at most {HOSTS_MAX} hosts");
        assert!(!hosts.contains(&TEST), "the test is a host already");
        let (index, claim) = claim()?;
        let network = Self {
            index,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            cuts: Mutex::default(),
            _claim: claim,
        };
        network.remove();
        network.build()?;
        Ok(network)
    }

    /// The address of a host, or of [`TEST`].
    ///
    /// # Panics
    ///
    /// When there is no such host.
    #[must_use]
    pub fn address(&self, host: &str) -> Ipv4Addr {
        self.end(self.number(host), 2)
    }

    /// The words to put before a program so that it runs on that host.
    ///
    /// # Panics
    ///
    /// When there is no such host.
    #[must_use]
    pub fn launcher(&self, host: &str) -> Vec<OsString> {
        assert_ne!(host, TEST, "the test runs where it runs");
        let namespace = self.namespace(self.number(host));
        ["ip", "netns", "exec", &namespace]
            .map(OsString::from)
            .to_vec()
    }

    /// From now on drops every packet from one host to another, silently. Packets the other way pass.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn cut(&self, from: &str, to: &str) -> Result<(), String> {
        let cut = (from.to_owned(), to.to_owned());
        let mut cuts = self.cuts.lock();
        if !cuts.contains(&cut) {
            self.rule("add", from, to)?;
            cuts.push(cut);
        }
        Ok(())
    }

    /// Lets packets from one host to another pass again.
    ///
    /// # Errors
    ///
    /// What `ip` reported.
    pub fn heal(&self, from: &str, to: &str) -> Result<(), String> {
        let cut = (from.to_owned(), to.to_owned());
        let mut cuts = self.cuts.lock();
        if let Some(index) = cuts.iter().position(|known| *known == cut) {
            self.rule("del", from, to)?;
            cuts.remove(index);
        }
        Ok(())
    }

    fn rule(&self, verb: &str, from: &str, to: &str) -> Result<(), String> {
        let (from, to) = (self.address(from).to_string(), self.address(to).to_string());
        let router = self.router();
        let place = ["-n", &router, "rule", verb, "priority", "100"];
        let what = ["from", &from, "to", &to, "blackhole"];
        ip(&[place.as_slice(), what.as_slice()].concat())
    }

    fn build(&self) -> Result<(), String> {
        let router = self.router();
        ip(&["netns", "add", &router])?;
        run(Command::new("ip").args(["netns", "exec", &router, "sh", "-c"]).arg(
            // Also where the machine's own default is to check that a packet came the usual way.
            "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter",
        ))?;
        for number in 0..=self.hosts.len() {
            self.join(number, &router)?;
        }
        Ok(())
    }

    /// Joins a host, or as number 0 the test's own namespace, to the router.
    fn join(&self, number: usize, router: &str) -> Result<(), String> {
        let (near, far) = (self.device(number, 'h'), self.device(number, 'r'));
        let address = format!("{}/29", self.end(number, 2));
        let gateway = self.end(number, 1).to_string();
        let far_address = format!("{gateway}/29");
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far])?;
        ip(&["link", "set", &far, "netns", router])?;
        ip(&["-n", router, "addr", "add", &far_address, "dev", &far])?;
        ip(&["-n", router, "link", "set", &far, "up"])?;
        if number == 0 {
            ip(&["addr", "add", &address, "dev", &near])?;
            ip(&["link", "set", &near, "up"])?;
            let all = format!("{}/24", self.end(0, 0));
            return ip(&["route", "add", &all, "via", &gateway]);
        }
        let namespace = self.namespace(number);
        ip(&["netns", "add", &namespace])?;
        ip(&["link", "set", &near, "netns", &namespace])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", &namespace, "addr", "add", &address, "dev", &near])?;
        ip(&["-n", &namespace, "link", "set", &near, "up"])?;
        ip(&["-n", &namespace, "route", "add", "default", "via", &gateway])
    }

    /// Removes whatever of this index is there. Errors mean that it is not.
    fn remove(&self) {
        for number in 1..=HOSTS_MAX {
            let _ = ip(&["netns", "del", &self.namespace(number)]);
        }
        let _ = ip(&["netns", "del", &self.router()]);
        let _ = ip(&["link", "del", &self.device(0, 'h')]);
    }

    fn number(&self, host: &str) -> usize {
        if host == TEST {
            return 0;
        }
        let place = self.hosts.iter().position(|known| known == host);
        place.map_or_else(
            || panic!("no host {host:?} in {:?}", self.hosts),
            |at| at + 1,
        )
    }

    /// Address `offset` of the eight that a host and its end of the router share.
    fn end(&self, number: usize, offset: u8) -> Ipv4Addr {
        let number = u8::try_from(number).unwrap_or_else(|_| panic!("{number} is no host"));
        Ipv4Addr::new(PREFIX[0], PREFIX[1], self.index, number * 8 + offset)
    }

    fn router(&self) -> String {
        format!("lastro-{}-router", self.index)
    }

    fn namespace(&self, number: usize) -> String {
        format!("lastro-{}-{number}", self.index)
    }

    /// A device's name: 15 characters at most.
    fn device(&self, number: usize, end: char) -> String {
        format!("lastro{}.{number}{end}", self.index)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Takes an index that no other process of the machine has. The claim is a socket whose name lives in
/// memory and goes with its owner, however that ends.
fn claim() -> Result<(u8, std::os::unix::net::UnixListener), String> {
    use std::os::linux::net::SocketAddrExt;
    for index in 0..NETWORKS_MAX {
        let name = format!("lastro-test-network-{index}");
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name);
        let address = address.map_err(|error| error.to_string())?;
        if let Ok(claim) = std::os::unix::net::UnixListener::bind_addr(&address) {
            return Ok((index, claim));
        }
    }
    Err(format!("{NETWORKS_MAX} test networks are there already"))
}

fn ip(words: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(words))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output();
    let Output { status, stderr, .. } = output.map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr).trim().replace('\n', "; ");
    Err(format!("{command:?}: {said}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// Long enough for a packet to arrive on a busy machine, where it is not dropped.
    const ARRIVES_WITHIN: Duration = Duration::from_secs(20);
    /// Long enough to be sure of nothing; only ever waited for in vain.
    const SILENCE: Duration = Duration::from_millis(500);

    #[test]
    fn a_cut_drops_one_way_in_silence_and_what_was_kept_arrives_when_it_heals() {
        if let Err(reason) = Network::permitted() {
            return println!("skipped: {reason}");
        }
        let network = Network::start(&["far"]).unwrap();
        // A shell on the host connects and sends everything back.
        let listener = TcpListener::bind((network.address(TEST), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let words = network.launcher("far");
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(["bash", "-c"])
            .arg(format!(
                "exec 3<>/dev/tcp/{}/{port}; cat <&3 >&3",
                network.address(TEST)
            ))
            .spawn()
            .unwrap();
        let (mut stream, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), network.address("far"));
        stream.set_read_timeout(Some(ARRIVES_WITHIN)).unwrap();
        echoed(&mut stream, b"before");

        network.cut(TEST, "far").unwrap();
        stream.write_all(b"during").unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        assert!(
            stream.read(&mut [0; 1]).is_err(),
            "nothing arrives, and no error"
        );
        network.heal(TEST, "far").unwrap();
        stream.set_read_timeout(Some(ARRIVES_WITHIN)).unwrap();
        read(&mut stream, b"during");
        drop(stream);
        child.wait().unwrap();
    }

    #[test]
    fn networks_do_not_see_each_other_and_go_when_dropped() {
        if let Err(reason) = Network::permitted() {
            return println!("skipped: {reason}");
        }
        let (one, other) = (
            Network::start(&["a"]).unwrap(),
            Network::start(&["a"]).unwrap(),
        );
        assert_ne!(one.address("a"), other.address("a"));
        let refused = TcpStream::connect((one.address("a"), 9)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let (namespace, device) = (one.namespace(1), one.device(0, 'h'));
        drop(one);
        assert!(ip(&["netns", "exec", &namespace, "true"]).is_err());
        assert!(ip(&["link", "show", &device]).is_err());
    }

    fn echoed(stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).unwrap();
        read(stream, bytes);
    }

    fn read(stream: &mut TcpStream, expected: &[u8]) {
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got, expected);
    }
}
