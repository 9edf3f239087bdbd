//! What a caller shows, and what is kept of it.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::Hasher;
use serde::{Deserialize, Serialize};

/// What every secret begins with, so that programs that look for secrets in the wrong place find them.
const PREFIX: &str = "lastro_";
/// What hashes are of: a hash of the same bytes for another purpose is another one. For good.
const CONTEXT: &str = "lastro 2026 secret of a caller's key";
const BYTES: usize = 32;

/// A secret: 256 random bits. Its text is `lastro_` and 64 hexadecimal digits in lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret([u8; BYTES]);

/// The text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's secret is `lastro_` and 64 hexadecimal digits")]
pub struct SecretInvalid;

impl KeySecret {
    /// The secret of these bytes, which must be random.
    #[must_use]
    pub const fn from_random(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// As a caller shows it. It is printed once, and not kept.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", digits(&self.0))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        // Half of the work is the same for each request.
        static OF_CONTEXT: LazyLock<Hasher> = LazyLock::new(|| Hasher::new_derive_key(CONTEXT));
        KeyHash(OF_CONTEXT.clone().update(&self.0).finalize())
    }

    /// Reads what a caller shows.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        bytes(text.strip_prefix(PREFIX.as_bytes())?).map(Self)
    }
}

impl FromStr for KeySecret {
    type Err = SecretInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text.as_bytes()).ok_or(SecretInvalid)
    }
}

/// No log has it.
impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

/// The hash of a secret. Two are compared in constant time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash(blake3::Hash);

impl KeyHash {
    /// Its first bytes: what keys are looked up by. They say nothing of the secret that would help to
    /// guess it.
    pub(super) fn first_bytes(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = *self.0.as_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        digits(hash.0.as_bytes())
    }
}

impl TryFrom<String> for KeyHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = bytes(text.as_bytes()).ok_or("a hash has 64 hexadecimal digits")?;
        Ok(Self(blake3::Hash::from_bytes(bytes)))
    }
}

fn digits(bytes: &[u8; BYTES]) -> String {
    // The type that prints 32 bytes as such digits.
    blake3::Hash::from_bytes(*bytes).to_string()
}

fn bytes(digits: &[u8]) -> Option<[u8; BYTES]> {
    let is_lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if !digits.iter().all(is_lower) {
        return None;
    }
    let read = blake3::Hash::from_hex(digits).ok()?;
    Some(*read.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_is_shown() {
        let secret = KeySecret::from_random([0x0f; BYTES]);
        let text = secret.reveal();
        assert_eq!(text, format!("lastro_{}", "0f".repeat(32)));
        assert_eq!(text.parse(), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "KeySecret");
        for wrong in [
            "",
            "lastro_",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace('f', "F"),
            &text.replace('f', "g"),
        ] {
            assert_eq!(wrong.parse::<KeySecret>(), Err(SecretInvalid), "{wrong}");
        }
    }

    /// For good: callers keep their secrets.
    #[test]
    fn a_secret_has_the_same_hash_for_ever() {
        let hash = KeySecret::from_random([7; BYTES]).hash();
        let text = String::from(hash);
        assert_eq!(text, HASH_OF_SEVENS);
        assert_eq!(KeyHash::try_from(text), Ok(hash));
        assert!(KeyHash::try_from("00".to_owned()).is_err());
    }

    const HASH_OF_SEVENS: &str = "c44967739ac01225d6d44a18251cb676fb0c1d424ac4daef42eb460892af4675";
}
