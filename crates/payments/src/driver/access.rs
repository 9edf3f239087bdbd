//! What a processor is shown, and whom to trust there. It may change while the processor is used.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hyper::HeaderMap;
use parking_lot::RwLock;
use stdx::tls::{TlsError, Trusted, client_config};
use tokio_rustls::rustls::ClientConfig;

/// What takes the place of a secret that a processor repeats in an answer.
const HIDDEN: &str = "[secret]";

/// How to speak TLS with a processor.
#[derive(Clone)]
pub struct ProcessorTls(pub(super) Arc<ClientConfig>);

impl ProcessorTls {
    /// Trusts the authorities in `ca` (a PEM file), or those that this machine trusts, and shows `identity` (the
    /// PEM files of a certificate chain and its key) where one is given.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn new(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let trusted = ca.map_or(Trusted::System, Trusted::Authorities);
        let mut config = client_config(trusted, identity)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for ProcessorTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessorTls")
    }
}

/// The headers of every request to a processor, and its TLS. Clones share them.
#[derive(Clone, Default)]
pub struct ProcessorAccess(Arc<RwLock<Arc<Access>>>);

/// What is in force.
#[derive(Default)]
pub(super) struct Access {
    pub(super) headers: HeaderMap,
    pub(super) tls: Option<ProcessorTls>,
}

impl ProcessorAccess {
    /// These headers, of which the sensitive ones are shown to nobody else; and TLS, where the URL asks for it.
    #[must_use]
    pub fn new(headers: HeaderMap, tls: Option<ProcessorTls>) -> Self {
        let access = Self::default();
        access.replace(headers, tls);
        access
    }

    /// From now on these. Connections that are open stay open until they are too old.
    pub fn replace(&self, headers: HeaderMap, tls: Option<ProcessorTls>) {
        *self.0.write() = Arc::new(Access { headers, tls });
    }

    pub(super) fn current(&self) -> Arc<Access> {
        Arc::clone(&self.0.read())
    }
}

/// Two are equal if a change of one is a change of the other.
impl PartialEq for ProcessorAccess {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProcessorAccess {}

/// Nothing of the headers.
impl fmt::Debug for ProcessorAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessorAccess")
    }
}

impl Access {
    /// A text of the processor without the secrets that it was shown: some repeat them in their errors.
    pub(super) fn hide<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let sensitive = self.headers.values().filter(|value| value.is_sensitive());
        let secrets = sensitive.filter_map(|value| {
            // `Bearer …`: the word before it is known to everybody.
            let mut words = value.as_bytes().split(u8::is_ascii_whitespace);
            words.rfind(|word| !word.is_empty())
        });
        let mut shown = Cow::Borrowed(text);
        for secret in secrets {
            shown = replaced(shown, secret);
        }
        shown
    }
}

fn replaced<'a>(text: Cow<'a, [u8]>, secret: &[u8]) -> Cow<'a, [u8]> {
    let at = |text: &[u8]| {
        text.windows(secret.len())
            .position(|window| window == secret)
    };
    if at(&text).is_none() {
        return text;
    }
    let mut rest: &[u8] = &text;
    let mut shown = Vec::with_capacity(rest.len());
    while let Some(found) = at(rest) {
        shown.extend_from_slice(&rest[..found]);
        shown.extend_from_slice(HIDDEN.as_bytes());
        rest = &rest[found + secret.len()..];
    }
    shown.extend_from_slice(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use hyper::header::{AUTHORIZATION, HeaderValue};

    use super::*;

    #[test]
    fn a_secret_that_a_processor_repeats_is_not_shown() {
        let mut headers = HeaderMap::new();
        let mut secret = HeaderValue::from_static("Bearer s3cret");
        secret.set_sensitive(true);
        headers.insert(AUTHORIZATION, secret);
        headers.insert("x-merchant", HeaderValue::from_static("42"));
        let access = ProcessorAccess::new(headers, None);
        let shown = |text: &str| {
            let access = access.current();
            String::from_utf8(access.hide(text.as_bytes()).into_owned()).unwrap()
        };
        assert_eq!(shown("no key s3cret: s3cret"), "no key [secret]: [secret]");
        assert_eq!(shown("Bearer of 42"), "Bearer of 42");
        assert_eq!(format!("{access:?}"), "ProcessorAccess");
        access.replace(HeaderMap::new(), None);
        assert_eq!(shown("s3cret"), "s3cret");
    }
}
