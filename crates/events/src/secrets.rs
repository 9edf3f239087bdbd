//! The secrets that messages are signed with, and the signatures.
//!
//! As [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
//! has it: `v1,` and the HMAC-SHA256 of `id.timestamp.body`, in base64; one signature for each secret, so that a receiver
//! that knows the old one or the new one finds its own while they change.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::RwLock;
use ring::hmac;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How many signatures of one message are looked at.
const SIGNATURES_MAX: usize = 16;

/// A secret that receiver and server share.
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

/// The text is no secret. It does not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a secret for webhooks: `whsec_` and the base64 of 24 to 64 random bytes, such as \
     `echo whsec_$(head -c 32 /dev/urandom | base64)` makes"
)]
pub struct SecretInvalid;

impl FromStr for WebhookSecret {
    type Err = SecretInvalid;

    fn from_str(text: &str) -> Result<Self, SecretInvalid> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretInvalid)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretInvalid)?;
        if !BYTES.contains(&bytes.len()) {
            return Err(SecretInvalid);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// Nothing of the secret.
impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    fn sign(&self, webhook_id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{webhook_id}.{timestamp_s}.").as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

/// The secrets of one endpoint, which may change while it is served. Clones share them.
#[derive(Debug, Clone)]
pub struct WebhookSecrets(Arc<RwLock<Arc<[WebhookSecret]>>>);

impl WebhookSecrets {
    /// These secrets. The first is the newest, by custom; receivers take a message if any of its signatures fits.
    #[must_use]
    pub fn new(secrets: Vec<WebhookSecret>) -> Self {
        Self(Arc::new(RwLock::new(secrets.into())))
    }

    /// From now on these.
    pub fn replace(&self, secrets: Vec<WebhookSecret>) {
        *self.0.write() = secrets.into();
    }

    /// Whether one of the signatures is made with one of the secrets: `v1,…`, as in `webhook-signature`, with spaces
    /// between. It takes the same time for every signature that is wrong.
    #[must_use]
    pub fn verify(
        &self,
        webhook_id: &str,
        timestamp_s: u64,
        body: &[u8],
        signatures: &str,
    ) -> bool {
        let secrets = Arc::clone(&self.0.read());
        let signed = [format!("{webhook_id}.{timestamp_s}.").as_bytes(), body].concat();
        let given = signatures.split(' ').take(SIGNATURES_MAX);
        let tags = given.filter_map(|given| STANDARD.decode(given.strip_prefix("v1,")?).ok());
        let mut tags = tags.map(|tag| {
            let mut verified = secrets.iter();
            verified.any(|secret| hmac::verify(&secret.0, &signed, &tag).is_ok())
        });
        tags.any(|is_verified| is_verified)
    }

    /// The value of `webhook-signature`.
    pub(crate) fn signatures(&self, webhook_id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let secrets = Arc::clone(&self.0.read());
        let signatures = secrets
            .iter()
            .map(|secret| secret.sign(webhook_id, timestamp_s, body));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks libraries.
    #[test]
    fn a_message_is_signed_as_the_standard_says() {
        let secret: WebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(secret.sign(id, 1_614_265_330, body), expected);
        let secrets = WebhookSecrets::new(vec![secret.clone()]);
        assert_eq!(secrets.signatures(id, 1_614_265_330, body), expected);
        secrets.replace(vec![secret.clone(), secret]);
        let both = format!("{expected} {expected}");
        assert_eq!(secrets.signatures(id, 1_614_265_330, body), both);
        let verify = |signatures: &str| secrets.verify(id, 1_614_265_330, body, signatures);
        assert!(verify(expected) && verify(&format!("v2,AAAA v1,AAAA {expected}")));
        let unknown = "v1,AAAA ".repeat(16) + expected;
        for wrong in [
            "",
            "v1,",
            "v1,AAAA",
            &expected[3..],
            &expected.to_lowercase(),
            &unknown,
        ] {
            assert!(!verify(wrong), "{wrong}");
        }
        assert!(!secrets.verify(id, 1_614_265_331, body, expected));
        assert!(!secrets.verify("msg_other", 1_614_265_330, body, expected));
        assert!(!secrets.verify(id, 1_614_265_330, b"{}", expected));
    }

    #[test]
    fn secrets_are_of_one_form_and_are_never_printed() {
        let of_bytes = |count| format!("whsec_{}", STANDARD.encode(vec![7_u8; count]));
        for count in [24, 32, 64] {
            assert!(of_bytes(count).parse::<WebhookSecret>().is_ok(), "{count}");
        }
        let whole = of_bytes(32);
        for wrong in [
            String::new(),
            "whsec_".to_owned(),
            of_bytes(23),
            of_bytes(65),
            whole.replace("whsec_", ""),
            whole.replace('=', ""),
            whole.replace("Bw", "B-"),
            format!("{whole} "),
        ] {
            assert_eq!(
                wrong.parse::<WebhookSecret>().err(),
                Some(SecretInvalid),
                "{wrong}"
            );
        }
        let secret: WebhookSecret = whole.parse().unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
    }
}
