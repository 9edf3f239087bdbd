//! The unlimited accounts that are open, without their totals. Once opened they stay as they are, so
//! that each connection reads them once.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Account, AccountId};
use parking_lot::RwLock;

use crate::snapshot::Snapshot;

/// Those that a connection has seen committed.
#[derive(Debug, Default)]
pub(crate) struct Known(RwLock<BTreeMap<AccountId, Account>>);

impl Known {
    /// Which of these have to be read.
    pub(crate) fn missing<'a>(
        &self,
        ids: &'a BTreeSet<AccountId>,
    ) -> impl Iterator<Item = &'a AccountId> + use<'a> {
        let known = self.0.read();
        let missing: Vec<_> = ids.iter().filter(|id| !known.contains_key(*id)).collect();
        missing.into_iter()
    }

    /// Takes in what was read, and gives what was read before.
    pub(crate) fn exchange(&self, snapshot: &mut Snapshot) {
        let read = snapshot.accounts.iter().filter(|(id, _)| id.is_reserved());
        let known = self.0.read();
        let new: Vec<_> = read
            .filter(|(id, _)| !known.contains_key(*id))
            .map(|(id, account)| (id.clone(), *account))
            .collect();
        for (id, account) in known.iter() {
            snapshot.accounts.entry(id.clone()).or_insert(*account);
        }
        drop(known);
        if !new.is_empty() {
            self.0.write().extend(new);
        }
    }
}
