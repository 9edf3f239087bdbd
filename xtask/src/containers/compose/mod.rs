//! The compose files of a profile, made from its `profile.toml`.
//!
//! | file beside the profile's | what it is |
//! |---|---|
//! | `compose.yaml` | the profile on a bridge network of its own: services reach each other by name |
//! | `compose.host.yaml` | the same on the host's network: services are at the profile's addresses |
//! | `bridge/<configuration>` | the proxy's configuration with these names in the place of addresses |
//!
//! What differs from the native start: each service has its share of the limits, databases have passwords (in
//! a volume that is filled before the first start), and data is in volumes.

mod network;
mod service;
mod services;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use crate::stack::{Limits, Profile};
pub(super) use network::Network;
use service::Service;
use services::{OF_SECRETS, Services};

/// A file by its path from the profile's folder.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// All files of a profile.
pub(super) fn files(name: &str, profile: &Profile) -> Result<Vec<File>> {
    check_shares(profile)?;
    let mut files = Vec::new();
    for network in [Network::Bridge, Network::Host] {
        let services = Services::of(profile, network).all()?;
        files.push(File {
            path: network.file().to_owned(),
            text: text(name, network, &services),
        });
    }
    if let Some(proxy) = &profile.proxy {
        let config = proxy.config.to_str().context("a name is not text")?;
        files.push(File {
            path: format!("bridge/{config}"),
            text: Services::of(profile, Network::Bridge).proxy_text(proxy, name),
        });
    }
    Ok(files)
}

/// The public images that a profile is made of, beside ours.
pub(super) fn images_of(profile: &Profile) -> Vec<&'static str> {
    let databases = profile
        .databases
        .iter()
        .map(|it| services::image_of_database(it.kind));
    let proxy = profile
        .proxy
        .iter()
        .map(|it| services::image_of_proxy(it.kind));
    databases.chain(proxy).collect()
}

/// Fails unless the shares are the limits, no more and no less.
fn check_shares(profile: &Profile) -> Result<()> {
    let mut shares: Vec<Limits> = profile.databases.iter().map(|it| it.share).collect();
    let inside = profile.nodes.iter().filter(|node| !node.outside_limits);
    shares.extend(inside.map(|node| node.share));
    shares.extend(profile.proxy.iter().map(|proxy| proxy.share));
    if profile.has_secrets() && profile.limits != Limits::default() {
        shares.push(OF_SECRETS);
    }
    let hundredths = |cpus: Option<f64>| cpus.map(|cpus| (cpus * 100.0).round());
    let (Some(cpus), Some(memory_mb)) = (hundredths(profile.limits.cpus), profile.limits.memory_mb)
    else {
        ensure!(
            shares.iter().all(|share| *share == Limits::default()),
            "the profile has shares and no limits"
        );
        return Ok(());
    };
    let all_cpus: f64 = shares.iter().filter_map(|it| hundredths(it.cpus)).sum();
    let all_memory_mb: u64 = shares.iter().filter_map(|it| it.memory_mb).sum();
    ensure!(
        shares
            .iter()
            .all(|it| it.cpus.is_some() && it.memory_mb.is_some())
            && (all_cpus - cpus).abs() < 0.5
            && all_memory_mb == memory_mb,
        "the shares come to {} CPUs and {all_memory_mb} MB, the limits are {} CPUs and {memory_mb} MB",
        all_cpus / 100.0,
        cpus / 100.0
    );
    Ok(())
}

fn text(name: &str, network: Network, services: &[Service]) -> String {
    let (file, other) = match network {
        Network::Bridge => (
            "On a bridge network of its own",
            "compose.host.yaml is the same on the host's network",
        ),
        Network::Host => (
            "On the host's network, at the addresses of the profile",
            "compose.yaml is the same on a bridge network",
        ),
    };
    let mut out = format!(
        "# Made from profile.toml by `cargo xtask compose {name}`: change that one, and run it again.\n\
         # {file}; {other}.\n\
         # docs/guide/containers.md describes how it is started and stopped.\n\n"
    );
    out += COMMON;
    out += "\nservices:\n";
    let texts: Vec<String> = services.iter().map(Service::text).collect();
    out += &texts.join("\n");
    let volumes: BTreeSet<&str> = services.iter().flat_map(Service::volumes).collect();
    if !volumes.is_empty() {
        out += "\nvolumes:\n";
    }
    for volume in volumes {
        let _ = writeln!(out, "  {volume}:");
        if volume.ends_with(service::SOCKETS) {
            out += "    # In memory: sockets, for those who mount it.\n";
            out += "    driver_opts: {type: tmpfs, device: tmpfs, o: \"uid=65532,gid=65532,mode=0750\"}\n";
        }
    }
    out
}

/// What all services have.
const COMMON: &str = "\
x-service: &service
  restart: unless-stopped
  read_only: true
  cap_drop: [ALL]
  security_opt: [\"no-new-privileges:true\"]
  stop_grace_period: 15s
  logging: {options: {max-size: 10m, max-file: \"3\"}}
";
