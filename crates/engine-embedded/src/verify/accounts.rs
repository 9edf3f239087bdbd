//! What must hold of an account's opening, limit, freezes and end.

use ledger::{AMOUNT_MAX, Account, AccountId, Limit};

use crate::verify::auditor::{Audited, Auditor};

impl Auditor {
    pub(super) fn account_opened(&mut self, id: &AccountId, account: Account) {
        let limited = matches!(account.limit, Limit::Credit(limit) if limit <= AMOUNT_MAX);
        self.check(
            limited && !id.is_reserved(),
            "an account was opened without a limit",
        );
        let fresh = Account::new(account.currency, account.limit, account.timestamp);
        self.check(account == fresh, "an account was opened with totals");
        let before = self.accounts.insert(
            id.clone(),
            Audited {
                account,
                last_entry: 0,
            },
        );
        self.check(before.is_none(), "an account was opened twice");
    }

    pub(super) fn limit_changed(&mut self, id: &AccountId, account: &Account) {
        let Some(mut audited) = self.accounts.get(id).copied() else {
            return self.find("the limit of an account that is not open was changed");
        };
        let may_change = !audited.account.closed && !id.is_reserved();
        self.check(
            may_change,
            "the limit of a closed or a system account was changed",
        );
        audited.account.limit = account.limit;
        self.check(
            audited.account == *account,
            "a changed account differs from its entries",
        );
        self.check_bounds(id, &audited.account);
        self.accounts.insert(id.clone(), audited);
    }

    pub(super) fn freeze_changed(&mut self, id: &AccountId, account: &Account) {
        let Some(mut audited) = self.accounts.get(id).copied() else {
            return self.find("an account that is not open was frozen");
        };
        let may_change = !audited.account.closed && !id.is_reserved();
        self.check(may_change, "a closed or a system account was frozen");
        audited.account.frozen = account.frozen;
        self.check(
            audited.account == *account,
            "a frozen account differs from its entries",
        );
        self.accounts.insert(id.clone(), audited);
    }

    pub(super) fn account_closed(&mut self, id: &AccountId, account: &Account) {
        let Some(mut audited) = self.accounts.get(id).copied() else {
            return self.find("an account that is not open was closed");
        };
        let may_close = !audited.account.closed && !id.is_reserved();
        self.check(may_close, "a closed or a system account was closed");
        audited.account.closed = true;
        self.check(
            audited.account == *account,
            "a closed account differs from its entries",
        );
        let empty =
            account.balance() == 0 && account.debits_pending == 0 && account.credits_pending == 0;
        self.check(empty, "an account was closed with money in it");
        self.accounts.insert(id.clone(), audited);
    }
}
