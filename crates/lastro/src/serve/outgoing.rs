//! What this process connects to: beyond loopback nothing is sent unencrypted unless it is allowed.

use anyhow::bail;
use engine_remote::LedgerAddress;

use super::engine_config::EngineConfig;
use super::payments::PaymentsConfig;
use super::webhooks::WebhookConfig;
use crate::database::{check_encrypted, is_loopback};

/// Fails if something would be.
pub(super) fn check(
    engine: &EngineConfig,
    payments: Option<&PaymentsConfig>,
    webhooks: &[WebhookConfig],
) -> anyhow::Result<()> {
    match engine {
        EngineConfig::Remote {
            ledger: LedgerAddress::Tcp { host, .. },
            tls: None,
            key: _,
        } if !is_loopback(host) => bail!(
            "the connection to the ledger node at {host} would be unencrypted: name the authority \
             that signs its certificate with --ledger-tls-ca, or allow it with --plaintext"
        ),
        EngineConfig::Postgres { url, options } => check_encrypted(url, options)?,
        EngineConfig::WriteBehind(config) => {
            check_encrypted(&config.database_url, &config.database)?;
        }
        EngineConfig::Embedded | EngineConfig::Remote { .. } => {}
    }
    let processors = payments
        .iter()
        .flat_map(|payments| &payments.dispatch.processors);
    for processor in processors {
        let host = processor.url.host();
        if !processor.url.is_https() && !is_loopback(host) {
            bail!(
                "payments would be sent to {host} unencrypted: use https:// in the processor's url, send them through \
                 a proxy on loopback that uses TLS, or allow it with --plaintext"
            );
        }
    }
    for webhook in webhooks {
        let url = &webhook.endpoint.url;
        if !url.is_https() && !url.is_loopback() {
            bail!(
                "webhook endpoint {}: events would be sent to {} unencrypted: use https:// in its url, send them \
                 through a proxy on loopback that uses TLS, or allow it with --plaintext",
                webhook.endpoint.name,
                url.host()
            );
        }
    }
    Ok(())
}
