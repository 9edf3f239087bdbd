//! References and metadata, as they are written and shown.

use std::fmt;

use ledger::{
    InvalidReference, METADATA_BYTES_MAX, Metadata, Notes, REFERENCE_LENGTH_MAX, Reference,
};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::ids;
use crate::errors;
use crate::json::Text;
use crate::problem::Problem;

/// The longest JSON of a reference with its name: its characters take up to four bytes each.
pub(super) const REFERENCE_JSON_BYTES_MAX: usize = 20 + 4 * REFERENCE_LENGTH_MAX;
/// The same, and of metadata.
pub(super) const NOTES_JSON_BYTES_MAX: usize = REFERENCE_JSON_BYTES_MAX + 20 + METADATA_BYTES_MAX;

/// The `metadata` of a request, as it is written: a name that comes twice is refused later.
#[derive(Debug, Clone)]
pub(super) struct MetadataRequest<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for MetadataRequest<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = MetadataRequest<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = map.next_entry()? {
            texts.push(text);
        }
        Ok(MetadataRequest(texts))
    }
}

/// The notes that a request gives.
pub(super) fn notes(
    reference: Option<&Text<'_>>,
    metadata: Option<&MetadataRequest<'_>>,
) -> Result<Notes, Problem> {
    if reference.is_none() && metadata.is_none() {
        return Ok(Notes::NONE);
    }
    let reference = reference.map(|text| self::reference(&text.0)).transpose()?;
    let texts = metadata.map_or(&[][..], |MetadataRequest(texts)| texts);
    let texts = texts.iter().map(|(name, text)| (&*name.0, &*text.0));
    let metadata = Metadata::new(texts).map_err(|invalid| errors::metadata_invalid(&invalid))?;
    Ok(Notes::new(reference, metadata))
}

/// A UUID is one reference however its letters are written: it was so when all were UUIDs.
pub(super) fn reference(text: &str) -> Result<Reference, Problem> {
    reference_of(text).map_err(|invalid| errors::reference_invalid(&invalid))
}

/// The reference that a caller writes so: one that is a UUID is kept in small letters.
///
/// # Errors
///
/// If the text is no reference.
pub fn reference_of(text: &str) -> Result<Reference, InvalidReference> {
    match ids::uuid(text) {
        Some(id) => Ok(Reference::from_u128(id)),
        None => Reference::new(text),
    }
}

/// Metadata as it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct MetadataView<'a>(&'a Metadata);

impl Serialize for MetadataView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// What views have of notes: what is missing is left out.
pub(super) fn shown(notes: &Notes) -> (Option<&str>, Option<MetadataView<'_>>) {
    let metadata = notes.metadata();
    let metadata = (!metadata.is_empty()).then_some(MetadataView(metadata));
    (notes.reference().map(Reference::as_str), metadata)
}

/// An upper bound of what these take as JSON.
pub(super) fn json_bytes_max(notes: &Notes) -> usize {
    // A quotation mark takes two bytes.
    match notes.is_none() {
        true => 0,
        false => 40 + 2 * notes.size_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reference: &str, metadata: &str) -> Result<Notes, &'static str> {
        let reference = Text(reference.into());
        let metadata: MetadataRequest<'_> = serde_json::from_str(metadata).map_err(|_| "json")?;
        notes(Some(&reference), Some(&metadata)).map_err(|problem| problem.code.as_str())
    }

    #[test]
    fn a_uuid_is_one_reference_however_it_is_written() {
        let small = read("01890a5d-ac96-774b-bcce-b302099a8057", "{}").unwrap();
        let large = read("01890A5D-AC96-774B-BCCE-B302099A8057", "{}").unwrap();
        assert_eq!(small, large);
        assert!(small.is_none_or_id());
    }

    #[test]
    fn what_is_shown_is_the_canonical_form() {
        let notes = read("o-1", r#"{"b": "\"é\\", "a": ""}"#).unwrap();
        let (reference, metadata) = shown(&notes);
        assert_eq!(reference, Some("o-1"));
        let shown = serde_json::to_string(&metadata).unwrap();
        assert_eq!(shown, notes.metadata().to_json());
        assert!(shown.len() + 40 <= json_bytes_max(&notes));
        assert!(json_bytes_max(&notes) <= 2 * NOTES_JSON_BYTES_MAX);
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        for bad in ["[]", "1", r#"{"a": 1}"#, r#"{"a": null}"#, r#"{"a": {}}"#] {
            assert_eq!(read("x", bad), Err("json"), "{bad}");
        }
        for bad in [r#"{"": "x"}"#, r#"{"a": "\n"}"#, r#"{"a": "1", "a": "1"}"#] {
            assert_eq!(read("x", bad), Err("metadata_invalid"), "{bad}");
        }
        assert_eq!(read("", "{}"), Err("reference_invalid"));
    }
}
