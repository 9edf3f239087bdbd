//! Fields of an answer in JSON, read as they are written: no number goes through floating point.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use ledger::Millis;
use serde_json::value::RawValue;

/// Where a field is: names and places in lists, with points between them, such as `data.0.status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPath(Vec<String>);

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// RFC 3339; without an offset it is UTC.
    Rfc3339,
    UnixSeconds,
    UnixMillis,
}

/// A field with a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeField {
    pub(super) field: FieldPath,
    pub(super) format: TimeFormat,
}

impl FieldPath {
    /// `None` where the text is no such path.
    pub(super) fn new(text: &str) -> Option<Self> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        let is_whole = names.iter().all(|name| !name.is_empty());
        is_whole.then_some(Self(names))
    }

    /// The field as it is written; `None` where it is missing or `null`.
    fn raw<'a>(&self, body: &'a [u8]) -> Option<&'a RawValue> {
        let mut value: &RawValue = serde_json::from_slice(body).ok()?;
        for name in &self.0 {
            value = match name.parse::<usize>() {
                Ok(place) if value.get().starts_with('[') => {
                    let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                    list.get(place).copied()?
                }
                Ok(_) | Err(_) => {
                    let object: BTreeMap<Cow<'_, str>, &RawValue> =
                        serde_json::from_str(value.get()).ok()?;
                    object.get(name.as_str()).copied()?
                }
            };
        }
        (value.get() != "null").then_some(value)
    }

    /// The text of the field: of a JSON text what it says, of an empty list `[]`, of all else what is written.
    pub(super) fn text<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        let raw = self.raw(body)?.get();
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw).ok().map(Cow::Owned),
            Some(b'[') if raw[1..].trim_start() == "]" => Some(Cow::Borrowed("[]")),
            Some(_) | None => Some(Cow::Borrowed(raw)),
        }
    }
}

impl TimeField {
    pub(super) fn read(&self, body: &[u8]) -> Result<Millis, &'static str> {
        let text = self.field.text(body).ok_or("the time is missing")?;
        let invalid = "the time cannot be read";
        let before = "the time is before 1970";
        let millis = match self.format {
            TimeFormat::Rfc3339 => {
                let time = time(&text).ok_or(invalid)?;
                u64::try_from(time.as_millisecond()).map_err(|_| before)?
            }
            TimeFormat::UnixSeconds => {
                let seconds: u64 = text.parse().map_err(|_| invalid)?;
                seconds.checked_mul(1_000).ok_or(invalid)?
            }
            TimeFormat::UnixMillis => text.parse().map_err(|_| invalid)?,
        };
        // What no calendar has is no time either.
        let is_time = i64::try_from(millis).is_ok_and(|ms| Timestamp::from_millisecond(ms).is_ok());
        if !is_time {
            return Err(invalid);
        }
        Ok(Millis(millis))
    }
}

/// A time without an offset is UTC.
fn time(text: &str) -> Option<Timestamp> {
    let without_offset = || {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    };
    text.parse().ok().or_else(without_offset)
}
