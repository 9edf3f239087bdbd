//! A whole statement in one answer, of any length, read line by line.

use std::collections::VecDeque;

use reqwest::Response;
use reqwest::header::HeaderMap;
use tokio::time::timeout;

use crate::error::{Error, Unavailable};
use crate::records::Entry;

/// The longest line: an entry with the longest texts is a third of it.
const LINE_BYTES_MAX: usize = 16 << 10;

/// All entries of a window of a statement, as one answer. Memory holds what has arrived and was not taken yet.
///
/// All of it is as of one moment: the opening balance and the entries make the closing balance. Of the system's accounts
/// (`world:`, `processor:`) neither these nor the number of entries are known before the end. If the answer breaks off, [`WholeStatement::next`] fails: a part is never taken for the whole.
#[derive(Debug)]
pub struct WholeStatement {
    opening_balance: Option<i64>,
    closing_balance: Option<i64>,
    entries_count: Option<u64>,
    taken_count: u64,
    response: Response,
    bytes: VecDeque<u8>,
    patience: std::time::Duration,
}

impl WholeStatement {
    /// `is_of_system` says that the account is one of the system's.
    pub(crate) fn new(
        response: Response,
        is_of_system: bool,
        patience: std::time::Duration,
    ) -> Result<Self, Error> {
        let headers = response.headers();
        Ok(Self {
            opening_balance: figure(headers, "lastro-opening-balance", is_of_system)?,
            closing_balance: figure(headers, "lastro-closing-balance", is_of_system)?,
            entries_count: figure(headers, "lastro-entries", is_of_system)?,
            taken_count: 0,
            response,
            bytes: VecDeque::new(),
            patience,
        })
    }

    /// The balance before the first entry, in minor units.
    #[must_use]
    pub const fn opening_balance(&self) -> Option<i64> {
        self.opening_balance
    }

    /// The balance after the last entry, in minor units.
    #[must_use]
    pub const fn closing_balance(&self) -> Option<i64> {
        self.closing_balance
    }

    /// How many entries there are.
    #[must_use]
    pub const fn entries_count(&self) -> Option<u64> {
        self.entries_count
    }

    /// The next entry, or `None` when all were handed over.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the answer broke off: ask for the statement again.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if let Some(line) = self.line() {
                self.taken_count += 1;
                let entry = serde_json::from_slice(&line);
                let unreadable = |error| {
                    Error::Unreadable(format!("a line of a statement cannot be read ({error})"))
                };
                return entry.map(Some).map_err(unreadable);
            }
            if self.bytes.len() > LINE_BYTES_MAX {
                return Err(Error::Unreadable(
                    "a line of a statement has no end".to_owned(),
                ));
            }
            match timeout(self.patience, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.bytes.extend(chunk),
                // Without a number the end of the answer's chunks says that it is whole.
                Ok(Ok(None))
                    if self.bytes.is_empty()
                        && self
                            .entries_count
                            .is_none_or(|count| count == self.taken_count) =>
                {
                    return Ok(None);
                }
                Ok(Ok(None)) => return Err(self.broken_off("its end came too early")),
                Ok(Err(error)) => {
                    return Err(self.broken_off(&stdx::ErrorChain(&error).to_string()));
                }
                Err(_) => return Err(self.broken_off("nothing more came in time")),
            }
        }
    }

    /// The next whole line.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        Some(self.bytes.drain(..=end).collect())
    }

    fn broken_off(&self, why: &str) -> Error {
        Error::Unavailable(Box::new(Unavailable {
            about: "a whole statement".to_owned(),
            cause: format!(
                "it broke off after {} of {} entries: {why}",
                self.taken_count,
                self.entries_count
                    .map_or_else(|| "all".to_owned(), |count| count.to_string())
            ),
            problem: None,
        }))
    }
}

/// The number in this header.
fn figure<T: std::str::FromStr>(
    headers: &HeaderMap,
    name: &str,
    may_be_missing: bool,
) -> Result<Option<T>, Error> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    match value.and_then(|text| text.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None if may_be_missing && !headers.contains_key(name) => Ok(None),
        None => Err(Error::Unreadable(format!(
            "a whole statement without the header {name}"
        ))),
    }
}
