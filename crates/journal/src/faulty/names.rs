//! The double's directory entries.

use std::collections::BTreeMap;

/// A change of names that is not durable.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create(String, u64),
    Rename(String, String, u64),
    Remove(String, u64),
}

/// Names and the files they mean.
pub(super) type Names = BTreeMap<String, u64>;

impl NameChange {
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Create(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Rename(from, to, id) => {
                if names.get(from) == Some(id) {
                    names.remove(from);
                }
                names.insert(to.clone(), *id);
            }
            Self::Remove(name, id) => {
                if names.get(name) == Some(id) {
                    names.remove(name);
                }
            }
        }
    }
}
