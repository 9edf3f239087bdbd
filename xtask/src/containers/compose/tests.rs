//! What the compose files of the repository's profiles promise, read from their text.

use super::{Network, files};
use crate::stack::{Limits, Profile};

/// The text of a compose file of each profile.
fn texts(network: Network) -> Vec<(Profile, String)> {
    let profiles = Profile::all().unwrap();
    let texts = profiles.into_iter().map(|(name, profile)| {
        let mut files = files(&name, &profile).unwrap().into_iter();
        let file = files.find(|file| file.path == network.file()).unwrap();
        (profile, file.text)
    });
    texts.collect()
}

/// The values of a key of services, in the order of the file.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("    {key}: ");
    text.lines()
        .filter_map(move |line| line.strip_prefix(prefix.as_str()))
}

#[test]
fn the_limits_of_the_services_are_those_of_the_profile() {
    for network in [Network::Bridge, Network::Host] {
        for (profile, text) in texts(network) {
            let hundredths = |cpus: f64| (cpus * 100.0).round();
            let cpus = values(&text, "cpus").map(|cpus| hundredths(cpus.parse().unwrap()));
            let memory_mb = values(&text, "mem_limit");
            let memory_mb = memory_mb.map(|it| it.trim_end_matches('m').parse::<u64>().unwrap());
            let (cpus, memory_mb): (f64, u64) = (cpus.sum(), memory_mb.sum());
            let limits = profile.limits;
            let expected = hundredths(limits.cpus.unwrap_or(0.0));
            assert!((cpus - expected).abs() < 0.5, "{cpus}: {}", profile.summary);
            assert_eq!(
                memory_mb,
                limits.memory_mb.unwrap_or(0),
                "{}",
                profile.summary
            );
        }
    }
}

#[test]
fn shares_that_are_not_the_limits_are_refused() {
    let mut profile = Profile::read("rinha-2024-nginx").unwrap();
    profile.nodes[0].share.memory_mb = Some(251);
    let error = files("it", &profile).err().unwrap().to_string();
    let expected = "the shares come to 1.5 CPUs and 551 MB, the limits are 1.5 CPUs and 550 MB";
    assert_eq!(error, expected);
    profile.nodes[0].share = Limits::default();
    assert!(files("it", &profile).is_err(), "a service without limits");
    let mut profile = Profile::read("bank").unwrap();
    profile.nodes[0].share.memory_mb = Some(1);
    assert!(files("it", &profile).is_err(), "shares of no limits");
}

#[test]
fn on_a_bridge_services_have_names_and_on_the_host_addresses() {
    for (profile, text) in texts(Network::Bridge) {
        let summary = &profile.summary;
        assert!(!text.contains("network_mode: host"), "{summary}");
        assert!(!text.contains("--listen, \"127.0.0.1:"), "{summary}");
        assert!(!text.contains("http://127.0.0.1:"), "{summary}");
    }
    for (profile, text) in texts(Network::Host) {
        // Nothing listens beyond loopback, and nothing is published.
        let summary = &profile.summary;
        assert!(!text.contains("0.0.0.0"), "{summary}");
        assert!(!text.contains("    ports:"), "{summary}");
        assert!(!text.contains("-public"), "{summary}");
    }
}

#[test]
fn ports_are_published_on_loopback_alone() {
    let mut count = 0;
    for (profile, text) in texts(Network::Bridge) {
        let mut is_port = false;
        for line in text.lines() {
            match line.strip_prefix("      - ") {
                Some(port) if is_port => {
                    assert!(
                        port.starts_with("\"127.0.0.1:"),
                        "{port}: {}",
                        profile.summary
                    );
                    count += 1;
                }
                Some(_) => {}
                None => is_port = line == "    ports:",
            }
        }
    }
    assert!(count >= 8, "only {count} ports were found");
}

#[test]
fn no_password_is_in_a_file() {
    for (profile, text) in texts(Network::Bridge) {
        let urls = text.matches("postgres://").count();
        let made = text.matches("'postgres://postgres:%s@postgres:").count();
        assert_eq!(urls, made, "{}", profile.summary);
        assert!(!text.contains("POSTGRES_PASSWORD:"), "{}", profile.summary);
    }
}

#[test]
fn only_who_uses_a_socket_mounts_its_folder() {
    let (_, text) = texts(Network::Bridge)
        .into_iter()
        .find(|(profile, _)| profile.folder.ends_with("rinha-2024-haproxy"))
        .unwrap();
    let proxy = text
        .split("\n\n")
        .find(|it| it.starts_with("  haproxy:"))
        .unwrap();
    assert!(
        proxy.contains("api1-run:") && proxy.contains("api2-run:"),
        "{proxy}"
    );
    assert!(!proxy.contains("ledger-run:"), "{proxy}");
    let ledger = text
        .split("\n\n")
        .find(|it| it.contains("  ledger:"))
        .unwrap();
    assert!(ledger.contains("network_mode: none"), "{ledger}");
    assert!(!ledger.contains("api1-run:"), "{ledger}");
}
