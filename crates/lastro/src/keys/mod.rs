//! Where callers' keys are kept: in a file, or in the database of the ledger.

mod command;
mod file;
mod store;

use std::fmt;
use std::path::PathBuf;

pub(crate) use command::{KeyOptions, run};
pub(crate) use file::{check_secret_file, read, read_secret};
pub(crate) use store::{KeysRead, read_database};

/// What `--keys` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysPlace {
    File(PathBuf),
    Database,
}

impl From<String> for KeysPlace {
    fn from(text: String) -> Self {
        match text.as_str() {
            "database" => Self::Database,
            _ => Self::File(text.into()),
        }
    }
}

impl fmt::Display for KeysPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Database => f.write_str("database"),
        }
    }
}
