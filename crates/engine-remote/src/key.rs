//! The key that this node shows to the ledger node.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::header::{HeaderValue, InvalidHeaderValue};

/// The secret of a key, as calls carry it. Clones share it: one that is replaced is shown by all calls
/// that begin afterwards.
#[derive(Clone)]
pub struct LedgerKey(Arc<ArcSwap<HeaderValue>>);

impl LedgerKey {
    /// The key with this secret.
    ///
    /// # Errors
    ///
    /// If the secret has characters that no header may have.
    pub fn new(secret: &str) -> Result<Self, InvalidHeaderValue> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(bearer(secret)?))))
    }

    /// Shows this secret from now on.
    ///
    /// # Errors
    ///
    /// As [`LedgerKey::new`]; the one before is shown on.
    pub fn replace(&self, secret: &str) -> Result<(), InvalidHeaderValue> {
        self.0.store(Arc::new(bearer(secret)?));
        Ok(())
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::clone(&self.0.load())
    }
}

fn bearer(secret: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {secret}"))?;
    // It is in no log, and no table of headers keeps it.
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKey")
    }
}
