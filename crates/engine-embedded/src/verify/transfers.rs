//! What must hold of a transfer.

use ledger::{
    AMOUNT_MAX, Account, AccountId, After, Frozen, Limit, Movement, Standing, Transfer, TransferId,
    TransferKind, UsedTransfer, is_kept_description,
};

use journal::{Address, Reader, Storage};

use crate::lookup::Records;
use crate::record::Links;
use crate::verify::auditor::{Auditor, Open, Reversed};

impl Auditor {
    pub(super) fn transfer(&mut self, links: Links, transfer: &Transfer) {
        match transfer.kind {
            TransferKind::Expire => {}
            TransferKind::Settle { .. } => self.find("a settlement without its payment"),
            _ => {
                self.audit.transfers_count += 1;
                self.use_transfer_id(transfer.id);
            }
        }
        self.form(transfer);
        self.pending(links, transfer);
        self.reversal(links, transfer);
        self.move_money(links, transfer);
    }

    fn form(&mut self, transfer: &Transfer) {
        let amount_fits = (1..=AMOUNT_MAX).contains(&transfer.amount);
        self.check(amount_fits, "an amount is out of range");
        self.check(
            is_kept_description(&transfer.description),
            "a description is invalid",
        );
        let differ = transfer.debit_account_id != transfer.credit_account_id;
        self.check(differ, "debit and credit account are the same");
        // What a processor has settled may be reversed.
        let reserved =
            transfer.debit_account_id.is_processor() || transfer.credit_account_id.is_processor();
        self.check(
            !reserved || transfer.reversal().is_some(),
            "a plain transfer moves a processor's account",
        );
    }

    /// Checks a reversal against those before it; the transfer that they reverse is read at the end.
    fn reversal(&mut self, links: Links, transfer: &Transfer) {
        let TransferKind::Reverse {
            reverses,
            reversed_before,
            in_full,
        } = transfer.kind
        else {
            return;
        };
        let reversed_amount = u128::from(reversed_before) + u128::from(transfer.amount);
        let Some(before) = self.reversed.get_mut(&reverses) else {
            self.reversed.insert(
                reverses,
                Reversed {
                    origin: links.origin,
                    first: self.address,
                    amount: reversed_amount,
                    is_in_full: in_full,
                    debit_account_id: transfer.debit_account_id.clone(),
                    credit_account_id: transfer.credit_account_id.clone(),
                },
            );
            return self.check(
                reversed_before == 0 && links.origin < self.address,
                "the first reversal of a transfer says that there was one before",
            );
        };
        let same_accounts = before.debit_account_id == transfer.debit_account_id
            && before.credit_account_id == transfer.credit_account_id;
        let goes_on = before.amount == u128::from(reversed_before)
            && before.origin == links.origin
            && !before.is_in_full;
        before.amount = reversed_amount;
        before.is_in_full = in_full;
        self.check(
            same_accounts,
            "reversals of one transfer move other accounts",
        );
        self.check(goes_on, "a reversal does not go on from the one before");
    }

    /// Checks what was reversed against the transfers themselves.
    pub(super) fn check_reversed<S: Storage>(&mut self, reader: &Reader<S>) {
        for (id, reversed) in std::mem::take(&mut self.reversed) {
            let recorded = Address::from_u64(reversed.origin).map(|origin| reader.recorded(origin));
            let original = match recorded {
                Some(Ok(recorded)) => UsedTransfer::by(recorded.event),
                Some(Err(_)) | None => None,
            };
            let Some(UsedTransfer::Created(original, Standing::Posted { .. })) = original else {
                self.find_at(
                    reversed.first,
                    format!("transfer {id} was reversed, and it has moved nothing"),
                );
                continue;
            };
            let amount = u128::from(original.amount);
            let fits = if reversed.is_in_full {
                reversed.amount == amount
            } else {
                reversed.amount <= amount
            };
            let is_swapped = original.debit_account_id == reversed.credit_account_id
                && original.credit_account_id == reversed.debit_account_id;
            self.address = reversed.first;
            self.check(original.id == id, "a reversal leads to another transfer");
            self.check(fits, "the reversals of a transfer are not of what it moved");
            self.check(
                is_swapped,
                "a reversal moves other accounts than its transfer",
            );
        }
    }

    /// Checks a transfer's place in the life of a pending one.
    fn pending(&mut self, links: Links, transfer: &Transfer) {
        if let TransferKind::Pend { .. } = transfer.kind {
            let open = Open {
                address: self.address,
                left_amount: transfer.amount,
                debit_account_id: transfer.debit_account_id.clone(),
                credit_account_id: transfer.credit_account_id.clone(),
                expires_at: transfer.expires_at(),
            };
            self.open.insert(transfer.id, open);
        }
        if let TransferKind::PostPart {
            pending_id,
            pending_amount,
        } = transfer.kind
        {
            self.part(links, transfer, pending_id, pending_amount);
        }
        let Some((pending_id, _)) = transfer.ends() else {
            return;
        };
        let Some(open) = self.open.remove(&pending_id) else {
            return self.find("a pending transfer was ended that is not pending");
        };
        if let TransferKind::PostPart { .. } = transfer.kind {
            // What must hold of it was checked as of a part.
            return self.check(
                open.left_amount == 0,
                "a pending transfer was ended with another amount",
            );
        }
        let same_accounts = open.debit_account_id == transfer.debit_account_id
            && open.credit_account_id == transfer.credit_account_id;
        self.check(
            same_accounts,
            "a pending transfer was ended on other accounts",
        );
        self.check(
            links.origin == open.address,
            "an end leads to another pending transfer",
        );
        let due = open
            .expires_at
            .is_some_and(|expires_at| expires_at <= transfer.timestamp);
        self.check(
            due == (transfer.kind == TransferKind::Expire),
            "a pending transfer was ended after its time, or expired before it",
        );
        let amounts_fit = match transfer.kind {
            TransferKind::Post {
                pending_amount,
                in_full,
                ..
            } => {
                pending_amount == open.left_amount
                    && transfer.amount <= open.left_amount
                    && (!in_full || transfer.amount == open.left_amount)
            }
            _ => transfer.amount == open.left_amount,
        };
        self.check(
            amounts_fit,
            "a pending transfer was ended with another amount",
        );
    }

    /// Checks a part that is posted of a pending transfer, and takes it from what is left.
    fn part(
        &mut self,
        links: Links,
        transfer: &Transfer,
        pending_id: TransferId,
        pending_amount: u64,
    ) {
        let Some(open) = self.open.get_mut(&pending_id) else {
            return self.find("a part was posted of a transfer that is not pending");
        };
        let same_accounts = open.debit_account_id == transfer.debit_account_id
            && open.credit_account_id == transfer.credit_account_id;
        let leads_there = links.origin == open.address;
        let is_due = open
            .expires_at
            .is_some_and(|expires_at| expires_at <= transfer.timestamp);
        let left_amount = open.left_amount;
        open.left_amount = left_amount.saturating_sub(transfer.amount);
        self.check(same_accounts, "a part was posted on other accounts");
        self.check(leads_there, "a part leads to another pending transfer");
        self.check(
            !is_due,
            "a part was posted after the time of what is pending",
        );
        self.check(
            pending_amount == left_amount && transfer.amount <= left_amount,
            "a part does not go on from the one before",
        );
    }

    /// Applies both sides and checks what the record says they are afterwards.
    pub(super) fn move_money(&mut self, links: Links, transfer: &Transfer) {
        let (debit, credit) = transfer.movements();
        let debit_id = &transfer.debit_account_id;
        let credit_id = &transfer.credit_account_id;
        self.check_open(debit_id);
        self.check_open(credit_id);
        self.check_not_frozen(transfer);
        let debit_account = self.apply(debit_id, debit);
        let credit_account = self.apply(credit_id, credit);
        if let (Some(debit_account), Some(credit_account)) = (debit_account, credit_account) {
            let same_currency = debit_account.currency == credit_account.currency;
            self.check(same_currency, "the currencies differ");
            self.entry(
                debit_id,
                debit,
                &debit_account,
                transfer.debit,
                links.debit_previous,
            );
            self.entry(
                credit_id,
                credit,
                &credit_account,
                transfer.credit,
                links.credit_previous,
            );
        }
    }

    /// What was reserved before may be posted, released and settled.
    fn check_not_frozen(&mut self, transfer: &Transfer) {
        match transfer.kind {
            TransferKind::Transfer | TransferKind::Pend { .. } | TransferKind::Reverse { .. } => {}
            TransferKind::Post { .. }
            | TransferKind::PostPart { .. }
            | TransferKind::Void { .. }
            | TransferKind::Expire
            | TransferKind::Settle { .. } => return,
        }
        let frozen = |id| self.accounts.get(id).map(|audited| audited.account.frozen);
        let stops_debits = frozen(&transfer.debit_account_id).is_some_and(Frozen::stops_debits);
        let stops_credits = frozen(&transfer.credit_account_id).is_some_and(Frozen::stops_credits);
        self.check(!stops_debits, "a frozen account was debited");
        self.check(!stops_credits, "a frozen account was credited");
    }

    fn check_open(&mut self, id: &AccountId) {
        let closed = self
            .accounts
            .get(id)
            .is_some_and(|audited| audited.account.closed);
        self.check(!closed, "money moved on a closed account");
    }

    fn entry(
        &mut self,
        id: &AccountId,
        movement: Movement,
        account: &Account,
        after: Option<After>,
        previous: u64,
    ) {
        let posts = matches!(
            movement,
            Movement::Debit(_)
                | Movement::Credit(_)
                | Movement::PostDebit { .. }
                | Movement::PostCredit { .. }
        );
        let expected = match account.limit {
            Limit::Credit(credit_limit) if posts => Some(After {
                entry_number: account.entry_count,
                balance: account.balance(),
                credit_limit,
            }),
            _ => None,
        };
        if after != expected {
            let (expected, after) = (described(expected), described(after));
            self.find(format!(
                "account {id} has {expected} by it, the record says {after}"
            ));
        }
        let Some(audited) = self.accounts.get_mut(id) else {
            return;
        };
        let last_entry = if expected.is_some() {
            audited.last_entry
        } else {
            0
        };
        if expected.is_some() {
            audited.last_entry = self.address;
        }
        self.check(
            previous == last_entry,
            "an entry does not lead to the one before",
        );
    }
}

fn described(after: Option<After>) -> String {
    match after {
        None => "no entry".to_owned(),
        Some(After {
            entry_number,
            balance,
            credit_limit,
        }) => {
            format!("entry {entry_number} with balance {balance} and credit limit {credit_limit}")
        }
    }
}
