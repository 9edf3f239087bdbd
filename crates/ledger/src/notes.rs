//! What a caller writes beside a command for its own books: a reference and metadata.
//!
//! No rule looks at them. They are part of the content that a repeated id is compared with.

use std::collections::BTreeMap;
use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer};

/// The longest reference, in Unicode scalar values.
pub const REFERENCE_LENGTH_MAX: usize = 128;
/// The most bytes that metadata has as canonical JSON.
pub const METADATA_BYTES_MAX: usize = 1_000;

/// The caller's own text for a transfer or a payment: 1–128 Unicode scalar values, no control
/// characters. Several may have the same.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Reference(CompactString);

/// Why a text is no [`Reference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidReference;

impl fmt::Display for InvalidReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a reference has 1 to {REFERENCE_LENGTH_MAX} characters, none of them a control character"
        )
    }
}

impl std::error::Error for InvalidReference {}

impl Reference {
    /// Checks the form and makes the reference.
    pub fn new(text: &str) -> Result<Self, InvalidReference> {
        Self::try_from(CompactString::new(text))
    }

    /// The reference of the time when they were 128-bit ids: the text of a UUID.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(CompactString::from(uuid_text(number)))
    }

    /// The reference as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 128-bit id that is written as this very text: hyphenated, in small letters. Such a
    /// reference is kept as the id's 16 bytes, as all were once.
    #[must_use]
    pub fn as_id(&self) -> Option<[u8; 16]> {
        if self.0.len() != 36 {
            return None;
        }
        let mut number: u128 = 0;
        for (place, byte) in self.0.bytes().enumerate() {
            match byte {
                b'-' if matches!(place, 8 | 13 | 18 | 23) => {}
                b'0'..=b'9' if !matches!(place, 8 | 13 | 18 | 23) => {
                    number = number << 4 | u128::from(byte - b'0');
                }
                b'a'..=b'f' if !matches!(place, 8 | 13 | 18 | 23) => {
                    number = number << 4 | u128::from(byte - b'a' + 10);
                }
                _ => return None,
            }
        }
        Some(number.to_be_bytes())
    }
}

fn uuid_text(number: u128) -> String {
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        number >> 96,
        (number >> 80) & 0xffff,
        (number >> 64) & 0xffff,
        (number >> 48) & 0xffff,
        number & 0xffff_ffff_ffff
    )
}

impl TryFrom<CompactString> for Reference {
    type Error = InvalidReference;

    fn try_from(text: CompactString) -> Result<Self, InvalidReference> {
        let length = text.chars().take(REFERENCE_LENGTH_MAX + 1).count();
        if (1..=REFERENCE_LENGTH_MAX).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidReference)
        }
    }
}

impl From<Reference> for CompactString {
    fn from(reference: Reference) -> Self {
        reference.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The caller's own texts by name: at most [`METADATA_BYTES_MAX`] as canonical JSON (names in order,
/// no blanks). No name is empty, and no text has control characters.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct Metadata(Texts);

type Texts = BTreeMap<CompactString, CompactString>;

/// Why texts by name are no [`Metadata`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidMetadata;

impl fmt::Display for InvalidMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "metadata is an object of names and texts, of at most {METADATA_BYTES_MAX} bytes as JSON \
             without blanks; no name is empty, none comes twice, and nothing has control characters"
        )
    }
}

impl std::error::Error for InvalidMetadata {}

impl Metadata {
    /// Checks the form and makes the metadata; a name that comes twice is refused.
    pub fn new<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidMetadata> {
        let mut kept = Texts::new();
        for (name, text) in texts {
            if kept.insert(name.into(), text.into()).is_some() {
                return Err(InvalidMetadata);
            }
        }
        Self::try_from(kept)
    }

    /// The names with their texts, in the order of the names' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As JSON: the same metadata has the same bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(json_bytes(&self.0));
        json.push('{');
        for (name, text) in self.iter() {
            if json.len() > 1 {
                json.push(',');
            }
            push_quoted(name, &mut json);
            json.push(':');
            push_quoted(text, &mut json);
        }
        json.push('}');
        json
    }
}

/// Control characters, which would need more, are in no text.
fn push_quoted(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            json.push('\\');
        }
        json.push(character);
    }
    json.push('"');
}

fn json_bytes(texts: &Texts) -> usize {
    /// Four quotation marks, a colon, and a comma or one of the braces.
    const AROUND: usize = 6;
    let quoted =
        |text: &str| text.len() + text.bytes().filter(|b| matches!(b, b'"' | b'\\')).count();
    let pairs = texts
        .iter()
        .map(|(name, text)| AROUND + quoted(name) + quoted(text));
    1 + pairs.sum::<usize>().max(1)
}

impl TryFrom<Texts> for Metadata {
    type Error = InvalidMetadata;

    fn try_from(texts: Texts) -> Result<Self, InvalidMetadata> {
        let are_plain = texts.iter().all(|(name, text)| {
            !name.is_empty() && !name.chars().chain(text.chars()).any(char::is_control)
        });
        if are_plain && json_bytes(&texts) <= METADATA_BYTES_MAX {
            Ok(Self(texts))
        } else {
            Err(InvalidMetadata)
        }
    }
}

impl From<Metadata> for Texts {
    fn from(metadata: Metadata) -> Self {
        metadata.0
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A reference and metadata, each of which may be missing. Most commands have neither, and then this
/// takes one word.
///
/// Its serialized form is an enum that began as the option of a 128-bit id: 0 nothing, 1 a reference
/// that is such an id, 2 any other reference, 3 metadata and perhaps a reference. There is one form
/// for each content, since digests are made of it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Form")]
pub struct Notes(Option<Box<Given>>);

#[derive(Clone, PartialEq, Eq)]
struct Given {
    reference: Option<Reference>,
    metadata: Metadata,
}

static NO_METADATA: Metadata = Metadata(Texts::new());

impl Notes {
    /// Neither.
    pub const NONE: Self = Self(None);

    /// The most that [`Notes::size_bytes`] is: a reference's characters take up to four bytes each.
    pub const SIZE_BYTES_MAX: usize =
        Self::AROUND_BYTES + 4 * REFERENCE_LENGTH_MAX + METADATA_BYTES_MAX;
    const AROUND_BYTES: usize = 12;

    /// These.
    #[must_use]
    pub fn new(reference: Option<Reference>, metadata: Metadata) -> Self {
        if reference.is_none() && metadata.is_empty() {
            return Self::NONE;
        }
        Self(Some(Box::new(Given {
            reference,
            metadata,
        })))
    }

    /// A reference alone.
    #[must_use]
    pub fn of_reference(reference: Option<Reference>) -> Self {
        Self::new(reference, Metadata::default())
    }

    /// The reference.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        self.0.as_ref()?.reference.as_ref()
    }

    /// The metadata; empty where there is none.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.0
            .as_ref()
            .map_or(&NO_METADATA, |given| &given.metadata)
    }

    /// Whether there is neither.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether there is nothing but, perhaps, a reference that is the text of a 128-bit id.
    #[must_use]
    pub fn is_none_or_id(&self) -> bool {
        self.0.as_ref().is_none_or(|given| {
            let reference = given.reference.as_ref();
            given.metadata.is_empty() && reference.is_some_and(|text| text.as_id().is_some())
        })
    }

    /// What the end of a reservation or of a payment says again: the reference, by which it is
    /// found. Metadata is said once.
    #[must_use]
    pub fn said_again(self) -> Self {
        match self.0 {
            Some(given) if !given.metadata.is_empty() => Self::of_reference(given.reference),
            _ => self,
        }
    }

    /// An upper bound of what they take on a wire or in a journal, in bytes; 0 where there is neither.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let Some(given) = &self.0 else {
            return 0;
        };
        let reference = given.reference.as_ref();
        Self::AROUND_BYTES
            + reference.map_or(0, |reference| reference.0.len())
            + json_bytes(&given.metadata.0)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("None"),
            Some(given) => f
                .debug_struct("Notes")
                .field("reference", &given.reference)
                .field("metadata", &given.metadata)
                .finish(),
        }
    }
}

/// What is serialized, of what is kept elsewhere.
#[derive(Serialize)]
enum FormOf<'a> {
    None,
    Id([u8; 16]),
    Reference(&'a str),
    Metadata {
        reference: Option<&'a str>,
        metadata: &'a Texts,
    },
}

#[derive(Deserialize)]
enum Form {
    None,
    Id([u8; 16]),
    Reference(Reference),
    Metadata {
        reference: Option<Reference>,
        metadata: Metadata,
    },
}

impl Serialize for Notes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(given) = &self.0 else {
            return FormOf::None.serialize(serializer);
        };
        let form = match (&given.reference, given.metadata.is_empty()) {
            (None, true) => FormOf::None,
            (Some(reference), true) => match reference.as_id() {
                Some(id) => FormOf::Id(id),
                None => FormOf::Reference(reference.as_str()),
            },
            (reference, false) => FormOf::Metadata {
                reference: reference.as_ref().map(Reference::as_str),
                metadata: &given.metadata.0,
            },
        };
        form.serialize(serializer)
    }
}

/// Bytes that no version writes.
#[derive(Debug)]
struct OtherForm;

impl fmt::Display for OtherForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference or metadata in a form that is not its own")
    }
}

impl TryFrom<Form> for Notes {
    type Error = OtherForm;

    fn try_from(form: Form) -> Result<Self, OtherForm> {
        Ok(match form {
            Form::None => Self::NONE,
            Form::Id(id) => Self::of_reference(Some(Reference::from_u128(u128::from_be_bytes(id)))),
            Form::Reference(reference) if reference.as_id().is_none() => {
                Self::of_reference(Some(reference))
            }
            Form::Metadata {
                reference,
                metadata,
            } if !metadata.is_empty() => Self::new(reference, metadata),
            Form::Reference(_) | Form::Metadata { .. } => return Err(OtherForm),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(texts: &[(&str, &str)]) -> Metadata {
        Metadata::new(texts.iter().copied()).unwrap()
    }

    fn bytes(notes: &Notes) -> Vec<u8> {
        postcard::to_allocvec(notes).unwrap()
    }

    #[test]
    fn references_have_their_form() {
        for good in ["1", "order 42", "é💸", &"é".repeat(128)] {
            assert_eq!(Reference::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\n", "\u{85}", &"x".repeat(129)] {
            assert_eq!(Reference::new(bad), Err(InvalidReference), "{bad:?}");
        }
    }

    #[test]
    fn an_id_and_its_text_are_one_reference() {
        let id = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
        let reference = Reference::from_u128(id);
        assert_eq!(reference.as_str(), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!(reference, Reference::new(reference.as_str()).unwrap());
        assert_eq!(reference.as_id(), Some(id.to_be_bytes()));
        for other in [
            "01234567-89AB-cdef-0011-223344556677",
            "0123456789abcdef0011223344556677",
            "01234567-89ab-cdef-0011-22334455667-",
            "012345678-9ab-cdef-0011-223344556677",
        ] {
            assert_eq!(Reference::new(other).unwrap().as_id(), None, "{other}");
        }
    }

    #[test]
    fn metadata_is_bounded_by_its_json() {
        let most = "x".repeat(METADATA_BYTES_MAX - r#"{"a":""}"#.len());
        let metadata = metadata(&[("a", &most)]);
        assert_eq!(metadata.to_json().len(), METADATA_BYTES_MAX);
        let more = format!("{most}x");
        assert_eq!(Metadata::new([("a", &*more)]), Err(InvalidMetadata));
        let escaped = format!("{}\"", &most[1..]);
        assert_eq!(Metadata::new([("a", &*escaped)]), Err(InvalidMetadata));
        for bad in [("", "x"), ("a\n", "x"), ("a", "\u{0}")] {
            assert_eq!(Metadata::new([bad]), Err(InvalidMetadata));
        }
        let twice = [("a", "1"), ("a", "1")];
        assert_eq!(Metadata::new(twice), Err(InvalidMetadata));
    }

    #[test]
    fn json_is_canonical() {
        assert_eq!(Metadata::default().to_json(), "{}");
        let metadata = metadata(&[("b", "\"é\\"), ("a", "")]);
        assert_eq!(metadata.to_json(), r#"{"a":"","b":"\"é\\"}"#);
        assert_eq!(metadata.to_json().len(), json_bytes(&metadata.0));
        assert_eq!(json_bytes(&Texts::new()), 2);
    }

    /// What was written while a reference was the option of a 128-bit id is written so for ever.
    #[test]
    fn the_bytes_are_those_of_before() {
        assert_eq!(
            bytes(&Notes::NONE),
            postcard::to_allocvec(&None::<[u8; 16]>).unwrap()
        );
        let id = 7_u128.to_be_bytes();
        let notes = Notes::of_reference(Some(Reference::from_u128(7)));
        assert_eq!(bytes(&notes), postcard::to_allocvec(&Some(id)).unwrap());
        let text = Notes::of_reference(Some(Reference::new("o-1").unwrap()));
        assert_eq!(bytes(&text), b"\x02\x03o-1");
        let both = Notes::new(Some(Reference::from_u128(7)), metadata(&[("a", "b")]));
        assert_eq!(bytes(&both)[..3], [3, 1, 36]);
        let alone = Notes::new(None, metadata(&[("a", "b")]));
        assert_eq!(bytes(&alone), b"\x03\x00\x01\x01a\x01b");
        for notes in [Notes::NONE, notes, text, both, alone] {
            let bytes = bytes(&notes);
            assert_eq!(postcard::from_bytes::<Notes>(&bytes).unwrap(), notes);
            assert!(notes.is_none() || bytes.len() <= notes.size_bytes());
        }
    }

    #[test]
    fn no_content_has_two_forms() {
        let id_as_text =
            postcard::to_allocvec(&FormOf::Reference("01234567-89ab-cdef-0011-223344556677"))
                .unwrap();
        let nothing = Texts::new();
        let no_metadata = FormOf::Metadata {
            reference: Some("x"),
            metadata: &nothing,
        };
        for bad in [id_as_text, postcard::to_allocvec(&no_metadata).unwrap()] {
            assert!(postcard::from_bytes::<Notes>(&bad).is_err());
        }
    }
}
