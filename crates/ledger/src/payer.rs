//! How a payment's payer and its notes are serialized.
//!
//! In their place there was once the payer alone: the option of an account's id. A payment without
//! notes is serialized as then.

use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::notes::Notes;

/// What is serialized, of what is kept elsewhere.
#[derive(Serialize)]
pub(crate) enum PayerOf<'a> {
    World,
    Account(&'a AccountId),
    Noted {
        account_id: Option<&'a AccountId>,
        notes: &'a Notes,
    },
}

#[derive(Deserialize)]
pub(crate) enum Payer {
    World,
    Account(AccountId),
    Noted {
        account_id: Option<AccountId>,
        notes: Notes,
    },
}

impl<'a> PayerOf<'a> {
    pub(crate) const fn new(account_id: Option<&'a AccountId>, notes: &'a Notes) -> Self {
        match (account_id, notes.is_none()) {
            (None, true) => Self::World,
            (Some(account_id), true) => Self::Account(account_id),
            (account_id, false) => Self::Noted { account_id, notes },
        }
    }
}

impl Payer {
    pub(crate) fn into_parts(self) -> (Option<AccountId>, Notes) {
        match self {
            Self::World => (None, Notes::NONE),
            Self::Account(account_id) => (Some(account_id), Notes::NONE),
            Self::Noted { account_id, notes } => (account_id, notes),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::notes::Reference;

    use super::*;

    #[test]
    fn without_notes_the_bytes_are_those_of_before() {
        let account_id = AccountId::new("a").unwrap();
        for payer in [None, Some(&account_id)] {
            let bytes = postcard::to_allocvec(&PayerOf::new(payer, &Notes::NONE)).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&payer).unwrap());
            let notes = Notes::of_reference(Some(Reference::new("x").unwrap()));
            let noted = postcard::to_allocvec(&PayerOf::new(payer, &notes)).unwrap();
            assert_eq!(noted[0], 2);
            for (bytes, notes) in [(bytes, Notes::NONE), (noted, notes)] {
                let read: Payer = postcard::from_bytes(&bytes).unwrap();
                assert_eq!(read.into_parts(), (payer.cloned(), notes));
            }
        }
    }
}
