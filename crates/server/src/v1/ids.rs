//! The 128-bit ids of requests: a body's UUID, or an `Idempotency-Key` in its place.

use axum::http::{HeaderMap, HeaderName};
use ledger::{BatchId, Timestamp, TransferId};
use uuid::{NoContext, Uuid};

use crate::call::Call;
use crate::errors;
use crate::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_LENGTH_MAX: usize = 255;
/// The spaces of ids that keys are hashed within, and how (see [`hashed`]). They are for good:
/// callers ask again by key.
const TRANSFERS: &str = "lastro 2026 idempotency key of a transfer";
const BATCHES: &str = "lastro 2026 idempotency key of a batch";
const PAYMENTS: &str = "lastro 2026 idempotency key of a payment";
/// The same for the members of atomic batches.
const MEMBERS: &str = "lastro 2026 id of a member of a batch";
/// The tenant of callers whose key names none, and of those that need no key.
const TENANT_DEFAULT: &str = "";

/// What an `Idempotency-Key` is read from.
pub(super) struct Asked<'a> {
    pub(super) headers: &'a HeaderMap,
    /// The tenant of the caller.
    pub(super) tenant: &'a str,
}

impl<'a> Asked<'a> {
    /// For the members of a batch, which have no header of their own.
    pub(super) const fn none(headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            tenant: TENANT_DEFAULT,
        }
    }

    pub(super) fn of(call: &'a Call, headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            tenant: call.tenant(),
        }
    }
}

/// The number of a hyphenated UUID, the only form that is taken.
pub(crate) fn uuid(text: &str) -> Option<u128> {
    let is_hyphenated = text.len() == 36;
    let uuid = Uuid::try_parse(text).ok().filter(|_| is_hyphenated)?;
    Some(uuid.as_u128())
}

/// The id of a transfer's request: from its body, its header, or both where they agree.
pub(super) fn transfer_id(body_id: Option<&str>, asked: &Asked<'_>) -> Result<u128, Problem> {
    id(body_id, key(asked, TRANSFERS)?)
}

/// The id of a payment's request, by the same rule.
pub(super) fn payment_id(body_id: Option<&str>, asked: &Asked<'_>) -> Result<u128, Problem> {
    id(body_id, key(asked, PAYMENTS)?)
}

/// The id of an atomic batch's request, by the same rule.
pub(super) fn batch_id(body_id: Option<&str>, asked: &Asked<'_>) -> Result<BatchId, Problem> {
    id(body_id, key(asked, BATCHES)?).map(BatchId::from_u128)
}

/// The id that an `Idempotency-Key` gives a batch, where there is one.
pub(super) fn batch_key(asked: &Asked<'_>) -> Result<Option<BatchId>, Problem> {
    Ok(key(asked, BATCHES)?.map(BatchId::from_u128))
}

/// The id of the member of an atomic batch that has none of its own, by its index: the first 16 bytes, most
/// significant first, of BLAKE3 in its mode to derive keys, of the batch's id and the index, both big-endian.
pub(super) fn member_id(batch_id: BatchId, index: usize) -> TransferId {
    let index = u32::try_from(index).expect("a batch has at most 8,190 members");
    let mut hasher = blake3::Hasher::new_derive_key(MEMBERS);
    hasher.update(&batch_id.to_u128().to_be_bytes());
    hasher.update(&index.to_be_bytes());
    TransferId::from_u128(first_16_bytes(&hasher))
}

/// A new number for an id that no caller asks for again.
pub(crate) fn minted(now: Timestamp) -> u128 {
    let nanos = now.as_nanos();
    let subsecond_nanos = u32::try_from(nanos % 1_000_000_000);
    let subsecond_nanos = subsecond_nanos.expect("less than 10^9");
    let at = uuid::Timestamp::from_unix(NoContext, nanos / 1_000_000_000, subsecond_nanos);
    Uuid::new_v7(at).as_u128()
}

fn id(body_id: Option<&str>, key: Option<u128>) -> Result<u128, Problem> {
    let body_id = match body_id {
        Some(text) => Some(uuid(text).ok_or_else(|| errors::id_invalid("id"))?),
        None => None,
    };
    match (body_id, key) {
        (Some(id), None) => Ok(id),
        (None, Some(key)) => Ok(key),
        (Some(id), Some(key)) if id == key => Ok(id),
        (Some(_), Some(_)) => Err(errors::idempotency_key_conflict()),
        (None, None) => Err(errors::id_missing()),
    }
}

/// The number of the `Idempotency-Key`; one that is no UUID is hashed within its `space` of ids.
fn key(asked: &Asked<'_>, space: &str) -> Result<Option<u128>, Problem> {
    let mut keys = asked.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let text = key
        .to_str()
        .ok()
        .map(unquoted)
        .filter(|text| keys.next().is_none() && (1..=KEY_LENGTH_MAX).contains(&text.len()))
        .ok_or_else(errors::idempotency_key_invalid)?;
    Ok(Some(
        uuid(text).unwrap_or_else(|| hashed(asked.tenant, text, space)),
    ))
}

/// The key without the quotes of draft-ietf-httpapi-idempotency-key-header, where it has them:
/// quoted and bare it is the same key.
fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// What a tenant's key that is no UUID stands for: the first 16 bytes, most significant first, of
/// BLAKE3 in its mode to derive keys. The context is the space; what is hashed is the key alone for
/// the default tenant, and for any other one a zero byte, its name, a zero byte and the key. No key
/// and no name has a zero byte in it, so no two tenants' keys are ever hashed from the same bytes.
fn hashed(tenant: &str, key: &str, space: &str) -> u128 {
    let mut hasher = blake3::Hasher::new_derive_key(space);
    if tenant != TENANT_DEFAULT {
        hasher.update(&[0]).update(tenant.as_bytes()).update(&[0]);
    }
    hasher.update(key.as_bytes());
    first_16_bytes(&hasher)
}

fn first_16_bytes(hasher: &blake3::Hasher) -> u128 {
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    u128::from_be_bytes(id)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const NUMBER: u128 = 0x01890a5d_ac96_774b_bcce_b302099a8057;

    fn id(body_id: Option<&str>, keys: &[&'static str]) -> Result<u128, &'static str> {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(key));
        }
        transfer_id(body_id, &Asked::none(&headers)).map_err(|problem| problem.code.as_str())
    }

    #[test]
    fn body_and_key_have_to_agree() {
        assert_eq!(id(Some(ID), &[]), Ok(NUMBER));
        assert_eq!(id(None, &[ID]), Ok(NUMBER));
        assert_eq!(
            id(Some(ID), &["01890A5D-AC96-774B-BCCE-B302099A8057"]),
            Ok(NUMBER)
        );
        assert_eq!(id(Some(ID), &["abc"]), Err("idempotency_key_conflict"));
        assert_eq!(id(None, &[]), Err("id_missing"));
        assert_eq!(id(None, &[""]), Err("idempotency_key_invalid"));
        assert_eq!(id(None, &["a", "a"]), Err("idempotency_key_invalid"));
        assert_eq!(id(None, &["abc"]), id(None, &["abc"]));
        assert_eq!(id(None, &["\"abc\""]), id(None, &["abc"]));
        assert_eq!(
            id(Some(ID), &["\"01890a5d-ac96-774b-bcce-b302099a8057\""]),
            Ok(NUMBER)
        );
        assert_eq!(id(None, &["\"\""]), Err("idempotency_key_invalid"));
        assert_ne!(id(None, &["abc"]), id(None, &["abd"]));
    }

    #[test]
    fn a_key_means_another_id_in_another_space() {
        let mut headers = HeaderMap::new();
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("order 4711"));
        let asked = Asked::none(&headers);
        let transfer_id = transfer_id(None, &asked).unwrap();
        let batch_id = batch_id(None, &asked).unwrap();
        assert_ne!(batch_id.to_u128(), transfer_id);
        assert_eq!(batch_key(&asked).unwrap(), Some(batch_id));
        assert_eq!(batch_key(&Asked::none(&HeaderMap::new())).unwrap(), None);
        let of_bank = Asked {
            tenant: "bank",
            ..asked
        };
        assert_ne!(batch_key(&of_bank).unwrap(), Some(batch_id));
    }

    /// For ever, as those of keys: a batch that is sent again has the same members.
    #[test]
    fn members_without_ids_have_those_of_their_places() {
        let batch_id = BatchId::from_u128(NUMBER);
        let ids = [0, 1, 8_189].map(|index| member_id(batch_id, index).to_string());
        // Made by the package `blake3` of PyPI.
        let expected = [
            "88bac3ec-0ce3-4b24-e29f-fc96ca1aa43e",
            "df6ea061-6557-e774-0d46-a3a5dc72f2cc",
            "4ee6b42f-501c-24ad-2ae9-83848d82049b",
        ];
        assert_eq!(ids, expected);
        assert_ne!(
            member_id(BatchId::from_u128(NUMBER + 1), 0).to_string(),
            ids[0]
        );
    }

    #[test]
    fn only_hyphenated_uuids_are_ids() {
        for text in [
            "",
            "1",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805g",
        ] {
            assert_eq!(id(Some(text), &[]), Err("id_invalid"), "{text}");
        }
    }

    /// These are for ever: a caller that repeats a key gets the first outcome.
    #[test]
    fn keys_stand_for_the_same_ids_for_ever() {
        for (tenant, key, space, id) in [
            (
                TENANT_DEFAULT,
                "order 4711",
                TRANSFERS,
                0x03be9ae116d48772b9834cc44c4e0e73,
            ),
            (
                TENANT_DEFAULT,
                "order 4711",
                BATCHES,
                0x7f4ba0aa161738d6110bae6d4287010a,
            ),
            (
                TENANT_DEFAULT,
                "a",
                TRANSFERS,
                0xa7a6d6928add97f195e0ed6cf81a66f8,
            ),
            (
                "bank",
                "order 4711",
                TRANSFERS,
                0x0dcf1948f7f7238f72c4a443c04e19f5,
            ),
            (
                "bank",
                "order 4711",
                BATCHES,
                0x5cc5ef496e516f010d55986aec9b71d7,
            ),
            (
                "ban",
                "korder 4711",
                TRANSFERS,
                0xf7180d54a7f3b8480b9378d07ec2b3ed,
            ),
        ] {
            let got = hashed(tenant, key, space);
            assert_eq!(got, id, "{tenant} {key} {space}: {got:#034x}");
        }
    }
}
