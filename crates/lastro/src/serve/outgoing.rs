//! What this process connects to: beyond loopback nothing leaves unencrypted unasked.

use anyhow::bail;
use engine_remote::LedgerAddress;

use super::config::{Config, EngineConfig};
use crate::database::{check_encrypted, is_loopback};

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
        EngineConfig::Postgres { url, options } => check_encrypted(url, options)?,
        EngineConfig::WriteBehind(config) => {
            check_encrypted(&config.database_url, &config.database)?;
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
