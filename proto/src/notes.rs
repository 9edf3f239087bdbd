//! References and metadata, which several messages have in the same three fields.

use std::collections::BTreeMap;

use ledger::{Metadata, Notes, Reference};

use crate::fields::Invalid;

/// The three fields. A reference that is a UUID is 16 bytes, as all were once; any other is text.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) reference: Vec<u8>,
    pub(crate) reference_text: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl From<&Notes> for Fields {
    fn from(notes: &Notes) -> Self {
        let mut fields = Self::default();
        if let Some(reference) = notes.reference() {
            match reference.as_id() {
                Some(id) => fields.reference = id.to_vec(),
                None => reference.as_str().clone_into(&mut fields.reference_text),
            }
        }
        let texts = notes.metadata().iter();
        fields.metadata = texts
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        fields
    }
}

/// The notes of the three fields.
pub(crate) fn notes<'a>(
    reference: &[u8],
    reference_text: &str,
    metadata: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Notes, Invalid> {
    let reference = match (reference.is_empty(), reference_text.is_empty()) {
        (true, true) => None,
        (false, true) => {
            let id = reference.try_into().map_err(|_| Invalid::Id("reference"))?;
            Some(Reference::from_u128(u128::from_be_bytes(id)))
        }
        (true, false) => Some(Reference::new(reference_text).map_err(|_| Invalid::ReferenceText)?),
        (false, false) => return Err(Invalid::TwoReferences),
    };
    let metadata = Metadata::new(metadata).map_err(|_| Invalid::Metadata)?;
    Ok(Notes::new(reference, metadata))
}

/// The notes of a generated message.
pub(crate) fn of_message(
    reference: &[u8],
    reference_text: &str,
    metadata: &BTreeMap<String, String>,
) -> Result<Notes, Invalid> {
    let texts = metadata.iter();
    let texts = texts.map(|(name, text)| (name.as_str(), text.as_str()));
    notes(reference, reference_text, texts)
}
