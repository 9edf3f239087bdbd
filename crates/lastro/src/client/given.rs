//! Values of the command line that several commands take.

use lastro_client::{Metadata, new_id};
use uuid::Uuid;

/// The largest amount: 2^53 - 1.
const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// An amount, from 1.
pub(super) fn amount(text: &str) -> Result<u64, String> {
    from(1, text)
}

/// A credit limit, from 0.
pub(super) fn limit(text: &str) -> Result<u64, String> {
    from(0, text)
}

fn from(least: u64, text: &str) -> Result<u64, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (least..=AMOUNT_MAX).contains(number))
        .ok_or_else(|| {
            format!("use a whole number of minor units, from {least} to {AMOUNT_MAX}: 5000 for 50.00 BRL")
        })
}

/// `NAME=TEXT`
pub(super) fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The caller's own words for a transfer or a payment.
#[derive(Debug, clap::Args)]
pub(super) struct Notes {
    /// Your own text for it, such as the number of an order, of 1 to 128 characters.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Your own text under a name; may be repeated.
    #[arg(long, value_name = "NAME=TEXT", value_parser = named)]
    metadata: Vec<(String, String)>,
}

impl Notes {
    pub(super) fn parts(self) -> (Option<String>, Option<Metadata>) {
        let metadata: Metadata = self.metadata.into_iter().collect();
        (
            self.reference,
            Some(metadata).filter(|metadata| !metadata.is_empty()),
        )
    }
}

/// The id of a write.
#[derive(Debug, clap::Args)]
pub(super) struct WriteId {
    /// The id (a UUID): the same command with it is done once. Without it a new one is made, and printed on standard
    /// error before anything is sent.
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
}

impl WriteId {
    /// The id that was given, or a new one, which is printed.
    pub(super) fn or_new(&self) -> Uuid {
        self.id.unwrap_or_else(|| {
            let id = new_id();
            eprintln!("id: {id}");
            id
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_minor_units() {
        assert_eq!(amount("5000"), Ok(5_000));
        assert_eq!(limit("0"), Ok(0));
        for text in ["0", "-1", "50.00", "5e3", "9007199254740992", ""] {
            let error = amount(text).unwrap_err();
            assert!(error.ends_with("5000 for 50.00 BRL"), "{error}");
        }
    }
}
