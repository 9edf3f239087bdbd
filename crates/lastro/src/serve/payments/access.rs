//! What a processor is shown: headers, some of them secret, and certificates. They are read at the start, and again
//! when their files change.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use ledger::ProcessorName;
use payments::{ProcessorAccess, ProcessorTls};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

use crate::keys::check_secret_file;
use crate::secrets;
use crate::serve::reload::{Reloads, WatchedFiles};

/// The value of a header in the file: a text, or where to find it.
#[derive(Debug, Clone)]
pub(super) enum HeaderFile {
    Text(String),
    Secret(SecretTable),
}

/// Where a secret is.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretTable {
    file: Option<PathBuf>,
    variable: Option<String>,
    /// What stands before it, such as `Bearer `.
    #[serde(default)]
    prefix: String,
}

/// Written out, so that an error names the unknown key.
impl<'de> Deserialize<'de> for HeaderFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = HeaderFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a table with file or variable")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HeaderFile, E> {
                Ok(HeaderFile::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderFile, A::Error> {
                SecretTable::deserialize(MapAccessDeserializer::new(map)).map(HeaderFile::Secret)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A header of every request to a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct Header {
    name: HeaderName,
    value: Source,
}

/// Where the value of a header comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Text(HeaderValue),
    File { path: PathBuf, prefix: String },
    Variable { name: String, prefix: String },
}

/// What a processor is shown, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct AccessFiles {
    pub(super) name: ProcessorName,
    /// What the dispatcher uses.
    pub(super) access: ProcessorAccess,
    pub(super) is_https: bool,
    pub(super) ca: Option<PathBuf>,
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) headers: Vec<Header>,
    /// The name of its template.
    pub(super) template: String,
    /// The files with the secrets of its callbacks.
    pub(super) callbacks: Vec<PathBuf>,
}

/// The certificate that is shown, and its key.
pub(super) fn identity(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => {
            bail!("certificate_file and key_file can only be used together")
        }
    }
}

impl AccessFiles {
    /// The names of its headers.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.iter().map(|header| &header.name)
    }
}

/// The headers of the file. No error quotes a value.
pub(super) fn headers(file: BTreeMap<String, HeaderFile>) -> anyhow::Result<Vec<Header>> {
    let headers = file.into_iter().map(|(name, value)| {
        let place = format!("header {name:?}");
        of_file(&name, value).context(place)
    });
    headers.collect()
}

fn of_file(name: &str, value: HeaderFile) -> anyhow::Result<Header> {
    let name: HeaderName = name
        .parse()
        .ok()
        .context("this is not a name of a header")?;
    ensure!(
        !payments::is_reserved(&name),
        "Lastro sets this header itself: leave it out"
    );
    let value = match value {
        HeaderFile::Text(text) => Source::Text(value_of(&text)?),
        HeaderFile::Secret(SecretTable {
            file,
            variable,
            prefix,
        }) => {
            value_of(&prefix).context("prefix")?;
            match (file, variable) {
                (Some(path), None) => Source::File { path, prefix },
                (None, Some(name)) => Source::Variable { name, prefix },
                (None, None) | (Some(_), Some(_)) => {
                    bail!("its value must come from a file or from a variable, and not from both")
                }
            }
        }
    };
    Ok(Header { name, value })
}

fn value_of(text: &str) -> anyhow::Result<HeaderValue> {
    let value = HeaderValue::from_str(text).ok();
    value.context("the value has a character that a header cannot have")
}

impl Header {
    /// Its value, as it is now. No error quotes it.
    fn read(&self) -> anyhow::Result<HeaderValue> {
        let (text, prefix) = match &self.value {
            Source::Text(value) => return Ok(value.clone()),
            Source::File { path, prefix } => {
                let place = path.display();
                check_secret_file(path)?;
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {place}"))?;
                let secret = text.trim();
                ensure!(
                    !secret.is_empty() && secret.lines().count() == 1,
                    "{place} must have the secret as its only line"
                );
                (secret.to_owned(), prefix)
            }
            Source::Variable { name, prefix } => {
                let text = std::env::var(name).ok().filter(|text| !text.is_empty());
                let text = text.with_context(|| format!("the variable {name} is not set"))?;
                (text, prefix)
            }
        };
        let mut value = value_of(&format!("{prefix}{text}"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl AccessFiles {
    /// What can be told without reading anything.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let has_tls_file = self.ca.is_some() || self.identity.is_some();
        ensure!(
            self.is_https || !has_tls_file,
            "ca_file and certificate_file need a url that begins with https://"
        );
        Ok(())
    }

    /// The files that others put there.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let of_headers = self
            .headers
            .iter()
            .filter_map(|header| match &header.value {
                Source::File { path, .. } => Some(path),
                Source::Text(_) | Source::Variable { .. } => None,
            });
        self.ca.iter().chain(identity).chain(of_headers).cloned()
    }

    /// The same, with those of its callbacks.
    pub(in crate::serve) fn all_files(&self) -> impl Iterator<Item = PathBuf> {
        self.files().chain(self.callbacks.iter().cloned())
    }

    /// Reads everything, and puts it in force if all of it can be used.
    pub(super) fn read(&self) -> anyhow::Result<()> {
        let read = || {
            let mut headers = HeaderMap::new();
            for header in &self.headers {
                let value = header.read();
                let value = value.with_context(|| format!("header {:?}", header.name.as_str()))?;
                headers.insert(header.name.clone(), value);
            }
            let identity = self.identity.as_ref();
            let identity = identity.map(|(cert, key)| (cert.as_path(), key.as_path()));
            let tls = match self.is_https {
                true => Some(ProcessorTls::new(self.ca.as_deref(), identity)?),
                false => None,
            };
            self.access.replace(headers, tls);
            Ok::<_, anyhow::Error>(())
        };
        read().with_context(|| format!("processor {}", self.name))
    }
}

/// Reads what each processor is shown, now and whenever it changes.
pub(in crate::serve) fn open_access(
    access: &[AccessFiles],
    reloads: &mut Reloads,
) -> anyhow::Result<()> {
    for files in access {
        let watched = WatchedFiles::new(files.files());
        files.read()?;
        if let Some((_, key)) = &files.identity
            && let Some(warning) = secrets::open_file(key, "a private key")
        {
            tracing::warn!("{warning}");
        }
        // What has no file stays as it is.
        if files.files().next().is_none() {
            continue;
        }
        let name = format!("the secrets and certificates of processor {}", files.name);
        let again = files.clone();
        reloads.add(name, watched, move || again.read());
    }
    Ok(())
}

/// What the effective configuration says of it.
impl fmt::Display for AccessFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", template {}", self.template)?;
        if self.is_https {
            match &self.ca {
                Some(ca) => write!(f, ", TLS by {}", ca.display())?,
                None => write!(f, ", TLS by the authorities of this machine")?,
            }
        }
        if let Some((certificate, _)) = &self.identity {
            write!(f, ", shows {}", certificate.display())?;
        }
        for header in &self.headers {
            write!(f, ", header {}", header.name)?;
        }
        if !self.callbacks.is_empty() {
            write!(f, ", callbacks by {} secret(s)", self.callbacks.len())?;
        }
        Ok(())
    }
}
