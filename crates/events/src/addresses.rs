//! Which addresses a webhook may go to.
//!
//! The name in a URL says nothing: those who answer for it in DNS may lead it into the network that this server stands
//! in. So the addresses are judged that are connected to, after the name was looked up, each time that it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// No address of a name may be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} has no address that a webhook may go to: {address} is of a private or special network. Allow such \
     addresses with allow_private = true if that is meant"
)]
pub(crate) struct AddressRefused {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
}

/// Looks names up, and leaves out the addresses that may not be used.
pub(crate) struct GuardedNames {
    pub(crate) allows_private: bool,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_private = self.allows_private;
        Box::pin(async move {
            let host = name.as_str();
            // The port is put in by the one that connects.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let allowed = usable(host, &found, allows_private)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn usable(
    host: &str,
    found: &[SocketAddr],
    allows_private: bool,
) -> Result<Vec<SocketAddr>, AddressRefused> {
    let is_allowed = |address: &&SocketAddr| allows_private || is_public(address.ip());
    let allowed: Vec<SocketAddr> = found.iter().filter(is_allowed).copied().collect();
    match (allowed.is_empty(), found.first()) {
        (true, Some(refused)) => Err(AddressRefused {
            host: host.to_owned(),
            address: refused.ip(),
        }),
        (true, None) | (false, _) => Ok(allowed),
    }
}

/// The address that a host of a URL is, where it is no name. `None` for names: those are judged when they are
/// looked up.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let unbracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    unbracketed.unwrap_or(host).parse().ok()
}

/// Fails if the host is an address that may not be used.
pub(crate) fn check_literal(host: &str) -> Result<(), AddressRefused> {
    match literal(host) {
        Some(address) if !is_public(address) => Err(AddressRefused {
            host: host.to_owned(),
            address,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether an address is one of the open internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b, c) {
        // This network; carriers' own (RFC 6598); protocol assignments; the former relays of 6to4; measuring; reserved.
        (0, ..)
        | (100, 64..=127, _)
        | (192, 0, 0)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (240.., ..) => true,
        _ => false,
    };
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

/// Only what is handed out for the open internet (2000::/3), and in it nothing that stands for another network. An
/// address that has one of IPv4 inside is what that one is.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| {
        let [one, two] = high.to_be_bytes();
        let [three, four] = low.to_be_bytes();
        Ipv4Addr::new(one, two, three, four)
    };
    match (a, b) {
        // NAT64.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && is_public_v4(inner(g, h)),
        // 6to4.
        (0x2002, _) => is_public_v4(inner(b, c)),
        // Teredo, benchmarking, ORCHID and other protocols; documentation, twice.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.255.255",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00::1",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn of_several_addresses_only_those_that_are_allowed_are_used() {
        let of = |texts: &[&str], allows_private| {
            let addresses: Vec<SocketAddr> =
                texts.iter().map(|text| text.parse().unwrap()).collect();
            let usable = usable("hooks.example.com", &addresses, allows_private);
            usable
                .map(|usable| usable.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(of(&["8.8.8.8:0", "10.0.0.1:0", "[::1]:0"], false), Ok(1));
        assert_eq!(of(&["8.8.8.8:0", "10.0.0.1:0", "[::1]:0"], true), Ok(3));
        assert_eq!(of(&[], false), Ok(0));
        let refused = of(&["10.0.0.1:0", "[::1]:0"], false).unwrap_err();
        assert!(
            refused.starts_with(
                "hooks.example.com has no address that a webhook may go to: 10.0.0.1 is"
            ),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn a_name_is_judged_by_its_addresses() {
        let guard = |allows_private| GuardedNames { allows_private };
        let name = || "localhost".parse::<Name>().unwrap();
        let Err(refused) = guard(false).resolve(name()).await else {
            panic!("localhost is this machine");
        };
        assert!(refused.is::<AddressRefused>(), "{refused}");
        let Ok(found) = guard(true).resolve(name()).await else {
            panic!("localhost has an address");
        };
        assert!(found.count() > 0);
    }

    #[test]
    fn hosts_that_are_addresses_are_judged_as_they_are() {
        for (host, is_fine) in [
            ("8.8.8.8", true),
            ("hooks.example.com", true),
            ("127.0.0.1", false),
            ("[::1]", false),
            ("[::ffff:7f00:1]", false),
            ("[2606:4700:4700::1111]", true),
        ] {
            assert_eq!(check_literal(host).is_ok(), is_fine, "{host}");
        }
    }
}
