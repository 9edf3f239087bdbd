//! Who may come in: keys, what each may do, and how much of it.
//!
//! A caller shows a secret of 256 random bits. Only its hash is kept, and a fast hash is enough: a slow
//! one makes guessing expensive where secrets are words that people choose, and nobody guesses 256
//! random bits however fast each try is.
//!
//! | what a request with a key costs | |
//! |---|---|
//! | its secret | one BLAKE3 of 32 bytes |
//! | its key | one look into a map, which is replaced as a whole and never locked |
//! | its rate, where the key has one | one exchange of an atomic number |
//!
//! A failure is counted by the address that it came from, in a table of fixed size.

mod account_list;
mod audit;
mod commands;
mod denied;
mod failures;
mod key;
mod pattern;
mod rate;
mod ring;
mod scope;
mod secret;

pub(crate) use audit::{Audit, report_steering};
pub(crate) use commands::{NotAllowed, accounts_shown};
pub(crate) use denied::Denied;
pub(crate) use failures::Failures;
pub(crate) use key::Key;
pub use key::{KeyRecord, NameInvalid, check_name};
pub use pattern::{AccountPattern, PatternInvalid};
pub(crate) use ring::{Caller, lets_see};
pub use ring::{KeyChanges, Keys, KeysInvalid, KeysOptions};
pub(crate) use scope::Access;
pub use scope::{Scope, UnknownScope};
pub use secret::{KeyHash, KeySecret};
