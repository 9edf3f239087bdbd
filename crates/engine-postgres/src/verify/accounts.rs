//! The limited accounts: their rows beside their entries, their pending transfers and the payments
//! that reserve their money, all sorted by account.

use ledger::{AMOUNT_MAX, Account, AccountId, Event, TransferKind};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Auditor;
use super::pages::{Next, Pages, Sorted};
use crate::codec::{decode, is_pending, left, limited_account, signed, time};
use crate::error::PostgresOpenError;
use crate::numbers::payment_is_open;

const ACCOUNTS: &str = "SELECT * FROM lastro.accounts ORDER BY account_id";

const ENTRIES: &str = "
    SELECT account_id, number, debit_account_id, credit_account_id, amount, balance_after,
        entered_at, EXISTS (
            SELECT FROM lastro.transfers used WHERE used.transfer_id = entry.transfer_id
        ) AS is_made
    FROM lastro.entries entry ORDER BY account_id, number";

const PENDINGS: &str = "
    SELECT account_id, transfer_id, expires_at, record, pending_state, reversed_amount, left_amount
    FROM lastro.pendings LEFT JOIN lastro.transfers USING (transfer_id)
    ORDER BY account_id, transfer_id";

const RESERVATIONS: &str = concat!(
    "
    SELECT account_id, sum(amount)::text AS amount FROM lastro.payments
    WHERE ",
    payment_is_open!(),
    " AND account_id IS NOT NULL
    GROUP BY account_id ORDER BY account_id"
);

/// What the rows beside an account's own come to.
#[derive(Default)]
struct Sums {
    debits_posted: i128,
    credits_posted: i128,
    debits_pending: i128,
    credits_pending: i128,
    entries_count: i64,
    balance: i128,
    newest_at: i64,
}

struct Beside {
    entries: Sorted,
    pendings: Sorted,
    reservations: Sorted,
}

impl Auditor<'_> {
    pub(super) async fn accounts(&mut self) -> Result<(), PostgresOpenError> {
        let transaction = &self.transaction;
        let mut accounts = Pages::open(transaction, "accounts", ACCOUNTS).await?;
        let mut beside = Beside {
            entries: Sorted::of(Pages::open(transaction, "entries", ENTRIES).await?),
            pendings: Sorted::of(Pages::open(transaction, "pendings", PENDINGS).await?),
            reservations: Sorted::of(Pages::open(transaction, "payments", RESERVATIONS).await?),
        };
        let mut last = String::new();
        loop {
            let rows = accounts.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let id: String = row.try_get("account_id")?;
                self.findings.check(id > last, format!("account {id}"), || {
                    "its id is there twice".to_owned()
                });
                let sums = self.beside(&mut beside, Some(&id)).await?;
                self.account(&id, &row, &sums)?;
                last = id;
            }
        }
        self.beside(&mut beside, None).await?;
        Ok(())
    }

    /// Adds up what is beside an account; what is of an account that does not exist is found.
    async fn beside(
        &mut self,
        beside: &mut Beside,
        account_id: Option<&str>,
    ) -> Result<Sums, PostgresOpenError> {
        let mut sums = Sums::default();
        loop {
            let entries = &mut beside.entries;
            let next = entries.take(&self.transaction, self.progress, account_id);
            match next.await? {
                Next::Of(row) => self.entry(&row, &mut sums)?,
                Next::Before(row) => self.orphan(&row, "an entry")?,
                Next::Later => break,
            }
        }
        loop {
            let pendings = &mut beside.pendings;
            let next = pendings.take(&self.transaction, self.progress, account_id);
            match next.await? {
                Next::Of(row) => self.pending(&row, &mut sums)?,
                Next::Before(row) => self.orphan(&row, "a pending transfer")?,
                Next::Later => break,
            }
        }
        loop {
            let reservations = &mut beside.reservations;
            let next = reservations.take(&self.transaction, self.progress, account_id);
            match next.await? {
                Next::Of(row) => {
                    let amount: &str = row.try_get("amount")?;
                    sums.debits_pending += amount.parse::<i128>().unwrap_or(i128::MAX / 2);
                }
                Next::Before(row) => self.orphan(&row, "a payment")?,
                Next::Later => break,
            }
        }
        Ok(sums)
    }

    fn orphan(&mut self, row: &Row, what: &str) -> Result<(), PostgresOpenError> {
        let id: &str = row.try_get("account_id")?;
        let place = format!("account {id}");
        self.findings
            .add(place, format!("there is {what} of it, and no account"));
        Ok(())
    }

    fn entry(&mut self, row: &Row, sums: &mut Sums) -> Result<(), PostgresOpenError> {
        let id: &str = row.try_get("account_id")?;
        let number: i64 = row.try_get("number")?;
        let amount: i64 = row.try_get("amount")?;
        let balance_after: i64 = row.try_get("balance_after")?;
        let entered_at: i64 = row.try_get("entered_at")?;
        let is_debit = row.try_get::<_, &str>("debit_account_id")? == id;
        let is_credit = row.try_get::<_, &str>("credit_account_id")? == id;
        let findings = &mut self.findings;
        let place = format!("account {id}, entry {number}");
        let expected = sums.entries_count + 1;
        findings.check(number == expected, &place, || {
            format!("the one after {} is missing, or there twice", expected - 1)
        });
        findings.check(is_debit != is_credit, &place, || {
            "it is not on one side of its transfer".to_owned()
        });
        findings.check(row.try_get("is_made")?, &place, || {
            "no transfer made it".to_owned()
        });
        let amount = i128::from(amount);
        findings.check(
            (1..=i128::from(AMOUNT_MAX)).contains(&amount),
            &place,
            || format!("its amount is {amount}"),
        );
        if is_debit {
            sums.debits_posted += amount;
            sums.balance -= amount;
        } else {
            sums.credits_posted += amount;
            sums.balance += amount;
        }
        let balance = sums.balance;
        findings.check(i128::from(balance_after) == balance, &place, || {
            format!("the balance after it is {balance_after}, and by the entries {balance}")
        });
        findings.check(entered_at > sums.newest_at, &place, || {
            "it is not later than the one before".to_owned()
        });
        // Found once, not once for every entry after it.
        sums.balance = balance_after.into();
        sums.entries_count = number;
        sums.newest_at = entered_at;
        self.verified.entries_count += 1;
        Ok(())
    }

    fn pending(&mut self, row: &Row, sums: &mut Sums) -> Result<(), PostgresOpenError> {
        let id: &str = row.try_get("account_id")?;
        let transfer_id: Uuid = row.try_get("transfer_id")?;
        let record: Option<&[u8]> = row.try_get("record")?;
        let state: Option<i16> = row.try_get("pending_state")?;
        let expires_at: Option<i64> = row.try_get("expires_at")?;
        self.pendings_count += 1;
        let place = format!("account {id}, pending transfer {transfer_id}");
        let findings = &mut self.findings;
        findings.check(is_pending(state), &place, || "it is not pending".to_owned());
        let Some(Ok(Event::Transfer(transfer))) = record.map(decode::<Event>) else {
            findings.add(place, "there is no transfer of this id");
            return Ok(());
        };
        let is_pend = matches!(transfer.kind, TransferKind::Pend { .. });
        findings.check(is_pend, &place, || "it is another transfer".to_owned());
        let expected = transfer.expires_at().map(time);
        findings.check(expires_at == expected, &place, || {
            "it expires at another time than its transfer".to_owned()
        });
        // What cannot be is found at the transfer.
        let left_amount = left(&transfer, row.try_get("left_amount")?).unwrap_or(transfer.amount);
        if transfer.debit_account_id.as_str() == id {
            sums.debits_pending += i128::from(left_amount);
        } else if transfer.credit_account_id.as_str() == id {
            sums.credits_pending += i128::from(left_amount);
        } else {
            findings.add(place, "it is between other accounts");
        }
        Ok(())
    }

    fn account(&mut self, id: &str, row: &Row, sums: &Sums) -> Result<(), PostgresOpenError> {
        let place = format!("account {id}");
        let account = match limited_account(row) {
            Ok(account) if AccountId::new(id).is_ok_and(|id| !id.is_reserved()) => account,
            _ => {
                self.findings.add(place, "its row cannot be read");
                return Ok(());
            }
        };
        let newest_at: i64 = row.try_get("newest_at")?;
        for (what, total, sum) in [
            ("debits_posted", account.debits_posted, sums.debits_posted),
            (
                "credits_posted",
                account.credits_posted,
                sums.credits_posted,
            ),
            (
                "debits_pending",
                account.debits_pending,
                sums.debits_pending,
            ),
            (
                "credits_pending",
                account.credits_pending,
                sums.credits_pending,
            ),
        ] {
            let total = signed(total);
            self.findings.check(i128::from(total) == sum, &place, || {
                format!("its {what} are {total}, and by its transfers {sum}")
            });
        }
        let (entries, count) = (sums.entries_count, signed(account.entry_count));
        self.findings.check(count == entries, &place, || {
            format!("it counts {count} entries, and the last is {entries}")
        });
        self.findings
            .check(newest_at >= sums.newest_at, &place, || {
                "an entry is later than its newest event".to_owned()
            });
        self.bounds(&place, &account);
        self.add_balance(&account);
        Ok(())
    }

    fn bounds(&mut self, place: &str, account: &Account) {
        let exact = |total: u64| i128::from(signed(total));
        let limit = exact(account.credit_limit().unwrap_or(0));
        let outgoing = exact(account.debits_posted) + exact(account.debits_pending);
        let available = exact(account.credits_posted) + limit - outgoing;
        self.findings.check(available >= 0, place, || {
            format!("it has passed its limit by {}", -available)
        });
        let balance = exact(account.credits_posted) - exact(account.debits_posted);
        let held = balance + exact(account.credits_pending) + limit;
        let owed = exact(account.debits_pending) - balance;
        let within = limit >= 0 && held.max(owed) <= i128::from(AMOUNT_MAX);
        self.findings.check(within, place, || {
            "its balance has passed 2^53 - 1".to_owned()
        });
        let totals = [
            account.debits_posted,
            account.credits_posted,
            account.debits_pending,
            account.credits_pending,
        ];
        let within = totals.iter().all(|total| exact(*total) >= 0);
        self.findings.check(within, place, || {
            "a total of it has passed 2^63 - 1".to_owned()
        });
        let is_empty =
            account.balance() == 0 && account.debits_pending == 0 && account.credits_pending == 0;
        self.findings.check(!account.closed || is_empty, place, || {
            "it is closed with money in it".to_owned()
        });
    }
}
