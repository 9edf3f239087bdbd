//! The configuration of webhooks: endpoints by `[webhooks.NAME]` in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use events::{
    EndpointConfig, EndpointName, FirstFrom, Policy, WebhookSecret, WebhookSecrets, WebhookUrl,
};
use serde::Deserialize;
use server::EventSelection;

use super::reload::{Reloads, WatchedFiles};
use crate::keys::check_secret_file;

/// How many endpoints a node may have: each reads the feed by itself, and has its own events in memory.
const ENDPOINTS_MAX: usize = 32;
/// How many secrets an endpoint may have at once.
const SECRETS_MAX: usize = 8;

/// `[webhooks.NAME]` in the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    url: Option<String>,
    #[serde(default)]
    secret_files: Vec<PathBuf>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    allow_private: bool,
    ca: Option<PathBuf>,
    from: Option<String>,
    #[serde(default)]
    disabled: bool,
}

/// What only the file can give.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WebhooksFile {
    webhooks: BTreeMap<String, WebhookTable>,
}

impl WebhooksFile {
    /// The keys of the file.
    pub(super) const KEYS: &'static [&'static str] = &["webhooks"];

    /// The keys of its tables, as the derived `Deserialize` names them in the error of an unknown one.
    #[cfg(test)]
    pub(super) fn inner_keys() -> Vec<String> {
        let unknown = "[webhooks.a]\nunknown = 0";
        let error = toml::from_str::<Self>(unknown).expect_err("an unknown key");
        let error = error.to_string();
        let (_, expected) = error.split_once("expected").expect("the known keys");
        let quoted = expected.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    }
}

/// What only the file can give, as the example of it ends.
pub(crate) const EXAMPLE: &str = include_str!("webhooks/example.toml");

/// An endpoint as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookConfig {
    pub(super) endpoint: EndpointConfig,
    pub(super) selection: EventSelection,
    /// The types and the accounts, as they are shown.
    asks_for: String,
    pub(super) secret_files: Vec<PathBuf>,
}

/// The endpoints, in the order of their names.
pub(super) fn resolve(file: WebhooksFile) -> anyhow::Result<Vec<WebhookConfig>> {
    let count = file.webhooks.len();
    ensure!(
        count <= ENDPOINTS_MAX,
        "{count} endpoints of webhooks are configured, but at most {ENDPOINTS_MAX} can be used"
    );
    let endpoints = file.webhooks.into_iter().map(|(name, table)| {
        let name: EndpointName = name.parse()?;
        let place = format!("webhook endpoint {name}");
        of_table(name, table).context(place)
    });
    endpoints.collect()
}

fn of_table(name: EndpointName, table: WebhookTable) -> anyhow::Result<WebhookConfig> {
    let url = table.url.context("url is missing")?;
    ensure!(
        (1..=SECRETS_MAX).contains(&table.secret_files.len()),
        "secret_files must name 1 to {SECRETS_MAX} files"
    );
    let accounts: Result<Vec<_>, _> = table.accounts.iter().map(|text| text.parse()).collect();
    let asks_for = format!(
        "{} of {}",
        all_or("types", &table.types),
        all_or("accounts", &table.accounts)
    );
    Ok(WebhookConfig {
        selection: EventSelection::new(&table.types, accounts.context("accounts")?)
            .context("types")?,
        asks_for,
        secret_files: table.secret_files,
        endpoint: EndpointConfig {
            url: WebhookUrl::new(&url, table.allow_private).context("url")?,
            name,
            allows_private: table.allow_private,
            ca: table.ca,
            first_from: match table.from.as_deref() {
                None | Some("latest") => FirstFrom::Latest,
                Some("beginning") => FirstFrom::Beginning,
                Some(_) => bail!("from must be \"latest\" or \"beginning\""),
            },
            is_disabled: table.disabled,
            policy: Policy::default(),
        },
    })
}

fn all_or(what: &str, names: &[String]) -> String {
    match names {
        [] => format!("all {what}"),
        names => names.join(", "),
    }
}

impl WebhookConfig {
    /// The files that others put there.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.secret_files.iter().chain(&self.endpoint.ca);
        files.cloned()
    }

    /// Its secrets, as they are now. No error quotes them.
    pub(super) fn read_secrets(&self) -> anyhow::Result<Vec<WebhookSecret>> {
        let read = |path: &PathBuf| {
            let place = path.display();
            check_secret_file(path)?;
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
            let secret: Result<WebhookSecret, _> = text.trim().parse();
            secret.with_context(|| format!("{place} must have a secret as its only line"))
        };
        let secrets = self.secret_files.iter().map(read);
        let secrets: anyhow::Result<Vec<_>> = secrets.collect();
        secrets.with_context(|| format!("webhook endpoint {}", self.endpoint.name))
    }
}

/// Reads the secrets of every endpoint, now and whenever they change.
pub(super) fn open_secrets(
    webhooks: &[WebhookConfig],
    reloads: &mut Reloads,
) -> anyhow::Result<Vec<WebhookSecrets>> {
    let open = |webhook: &WebhookConfig| {
        let files = WatchedFiles::new(webhook.secret_files.iter().cloned());
        let secrets = WebhookSecrets::new(webhook.read_secrets()?);
        let (again, webhook) = (secrets.clone(), webhook.clone());
        let name = format!("the secrets of webhook endpoint {}", webhook.endpoint.name);
        reloads.add(name, files, move || {
            again.replace(webhook.read_secrets()?);
            Ok(())
        });
        Ok(secrets)
    };
    webhooks.iter().map(open).collect()
}

/// The lines of the effective configuration.
pub(super) struct Shown<'a>(pub(super) &'a [WebhookConfig]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "webhooks        none");
        }
        for webhook in self.0 {
            let WebhookConfig {
                endpoint,
                asks_for,
                secret_files,
                ..
            } = webhook;
            write!(
                f,
                "webhook         {} to {}: {asks_for}, {} secret(s)",
                endpoint.name,
                endpoint.url,
                secret_files.len()
            )?;
            if endpoint.allows_private {
                write!(f, ", private addresses are allowed")?;
            }
            match endpoint.first_from {
                FirstFrom::Latest => write!(f, ", new from the latest event")?,
                FirstFrom::Beginning => write!(f, ", new from the beginning")?,
            }
            let disabled = if endpoint.is_disabled {
                ", disabled"
            } else {
                ""
            };
            writeln!(f, "{disabled}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(file: &str) -> anyhow::Result<Vec<WebhookConfig>> {
        resolve(toml::from_str(file)?)
    }

    fn table(lines: &str) -> String {
        format!(
            "[webhooks.orders]\nurl = 'https://hooks.example.com/a?token=s3cret'\n\
             secret_files = ['/a', '/b']\n{lines}"
        )
    }

    #[test]
    fn the_file_describes_endpoints() {
        let file = table(
            "types = ['transfer.posted', 'payment.settled']\naccounts = ['users:*', 'fees']\nfrom = 'beginning'",
        );
        let webhooks = read(
            &(file
                + "\n[webhooks.all]\nurl = 'http://127.0.0.1:1'\nallow_private = true\nsecret_files = ['/c']\ndisabled = true"),
        );
        let webhooks = webhooks.unwrap();
        let shown = Shown(&webhooks).to_string();
        assert_eq!(
            shown,
            "webhook         all to http://127.0.0.1:1/: all types of all accounts, 1 secret(s), private addresses \
             are allowed, new from the latest event, disabled\n\
             webhook         orders to https://hooks.example.com/a?…: transfer.posted, payment.settled of users:*, \
             fees, 2 secret(s), new from the beginning\n"
        );
        assert_eq!(Shown(&[]).to_string(), "webhooks        none\n");
    }

    #[test]
    fn each_mistake_is_reported_with_its_way_out() {
        for (file, expected) in [
            (
                "[webhooks.'a b']\nurl = 'https://a.b'".to_owned(),
                "`a b` is not a name of a webhook endpoint: use 1 to 32 characters of A-Z a-z 0-9 _ -",
            ),
            (
                "[webhooks.a]\nsecret_files = ['/a']".to_owned(),
                "webhook endpoint a: url is missing",
            ),
            (
                "[webhooks.a]\nurl = 'https://a.b'".to_owned(),
                "webhook endpoint a: secret_files must name 1 to 8 files",
            ),
            (
                table("types = ['transfer']"),
                "webhook endpoint orders: types: `transfer` is not a type of events: use account.opened",
            ),
            (
                table("accounts = ['a*b']"),
                "webhook endpoint orders: accounts: `a*b` is no pattern of accounts",
            ),
            (
                table("from = 'now'"),
                "webhook endpoint orders: from must be \"latest\" or \"beginning\"",
            ),
            (table("colour = 'red'"), "unknown field `colour`"),
            (
                "[webhooks.a]\nurl = 'http://10.0.0.1'\nsecret_files = ['/a']".to_owned(),
                "webhook endpoint a: url: 10.0.0.1 has no address that a webhook may go to",
            ),
            (
                "[webhooks.a]\nurl = 'https://me:s3cret@a.b'\nsecret_files = ['/a']".to_owned(),
                "webhook endpoint a: url: the URL of a webhook is https://host",
            ),
        ] {
            let error = format!("{:#}", read(&file).unwrap_err());
            assert!(error.contains(expected), "{file}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn secrets_are_in_files_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let webhook = WebhookConfig {
            secret_files: vec![path.clone()],
            ..read(&table("")).unwrap().remove(0)
        };
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = webhook.read_secrets();
            read.map(|secrets| secrets.len())
                .map_err(|error| format!("{error:#}"))
        };
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(write(&format!("{secret}\n"), 0o600), Ok(1));
        for (text, mode, expected) in [
            (secret, 0o644, "can be read or written by other users"),
            ("", 0o600, "must have a secret as its only line"),
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                0o600,
                "must have a secret as its only line",
            ),
        ] {
            let error = write(text, mode).unwrap_err();
            assert!(error.starts_with("webhook endpoint orders: "), "{error}");
            assert!(
                error.contains(expected) && !error.contains("MfKQ9"),
                "{error}"
            );
        }
    }
}
