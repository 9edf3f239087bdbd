//! The unlimited accounts: their stripes, whose sums are what the transfers make.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{AccountId, Currency};
use tokio_postgres::Row;

use super::{Auditor, Totals};
use crate::codec::unlimited_account;
use crate::error::PostgresOpenError;
use crate::numbers::STRIPES_COUNT;

/// [`STRIPES_COUNT`] rows for each unlimited account: few.
const STRIPES: &str = "SELECT * FROM lastro.stripes ORDER BY account_id, stripe";

impl Auditor<'_> {
    pub(super) async fn stripes(&mut self) -> Result<(), PostgresOpenError> {
        let mut stripes: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in self.transaction.query(STRIPES, &[]).await? {
            let id: String = row.try_get("account_id")?;
            stripes.entry(id).or_default().push(row);
        }
        let limited: BTreeSet<Currency> = self.verified.balances.keys().copied().collect();
        for currency in limited {
            let world = AccountId::world(currency);
            let is_open = stripes.contains_key(world.as_str());
            self.findings
                .check(is_open, format!("account {world}"), || {
                    "it is not open, and there are accounts of its currency".to_owned()
                });
        }
        let mut expected = std::mem::take(&mut self.unlimited);
        for (id, rows) in stripes {
            let made = AccountId::new(&id).ok().and_then(|id| expected.remove(&id));
            self.unlimited(&id, &rows, made.unwrap_or_default())?;
        }
        for id in expected.into_keys() {
            let place = format!("account {id}");
            self.findings
                .add(place, "there are transfers of it, and no account");
        }
        Ok(())
    }

    fn unlimited(&mut self, id: &str, rows: &[Row], made: Totals) -> Result<(), PostgresOpenError> {
        let place = format!("account {id}");
        let account = match unlimited_account(rows) {
            Ok(Some(account)) if AccountId::new(id).is_ok_and(|id| id.is_reserved()) => account,
            _ => {
                self.findings.add(place, "its stripes cannot be read");
                return Ok(());
            }
        };
        let column = |row: &Row| row.try_get::<_, i16>("stripe");
        let numbers: BTreeSet<i16> = rows.iter().map(column).collect::<Result<_, _>>()?;
        let currency = account.currency;
        let same_currency = rows.iter().all(|row| {
            row.try_get("currency")
                .is_ok_and(|it: &str| it == currency.as_str())
        });
        let count = usize::from(STRIPES_COUNT);
        let whole = rows.len() == count && numbers.len() == count;
        self.findings.check(whole && same_currency, &place, || {
            format!("it has not its {STRIPES_COUNT} stripes, once each and of one currency")
        });
        for (what, total, sum) in [
            ("debits_posted", account.debits_posted, made.debits_posted),
            (
                "credits_posted",
                account.credits_posted,
                made.credits_posted,
            ),
            (
                "debits_pending",
                account.debits_pending,
                made.debits_pending,
            ),
            (
                "credits_pending",
                account.credits_pending,
                made.credits_pending,
            ),
        ] {
            self.findings.check(total == sum, &place, || {
                format!("the {what} of its stripes are {total}, and by its transfers {sum}")
            });
        }
        self.add_balance(&account);
        Ok(())
    }
}
