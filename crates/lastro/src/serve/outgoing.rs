//! What this process connects to: beyond loopback nothing leaves unencrypted unasked.

use anyhow::bail;
use engine_remote::LedgerAddress;
use server::ListenAddress;

use super::config::{Config, EngineConfig};

/// Fails where something would.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    match &config.engine {
        EngineConfig::Remote {
            ledger: LedgerAddress::Tcp { host, .. },
            tls: None,
        } if !is_loopback(host) => bail!(
            "the connection to the ledger node at {host} would not be encrypted: name who vouches \
             for it with --ledger-tls-ca, or say --plaintext"
        ),
        EngineConfig::Postgres { url, options } => check_database(url, options)?,
        EngineConfig::WriteBehind(config) => {
            check_database(&config.database_url, &config.database)?;
        }
        EngineConfig::Embedded | EngineConfig::Remote { .. } => {}
    }
    for processor in config.payments.iter().flat_map(|config| &config.processors) {
        let host = processor.url.host();
        if !is_loopback(host) {
            bail!(
                "payments would go to {host} unencrypted: reach the processor through a proxy on \
                 loopback that speaks TLS with it, or say --plaintext"
            );
        }
    }
    Ok(())
}

fn check_database(url: &str, options: &engine_postgres::Options) -> anyhow::Result<()> {
    if engine_postgres::is_encrypted(url, options)? {
        return Ok(());
    }
    for host in engine_postgres::hosts(url)? {
        if !host.starts_with('/') && !is_loopback(&host) {
            bail!(
                "the connection to the database at {host} may go unencrypted: name who vouches for \
                 it with --database-ca, write sslmode=require into its URL, or say --plaintext"
            );
        }
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let address = ListenAddress::Tcp {
        host: host.to_owned(),
        port: 0,
    };
    address.is_loopback()
}
