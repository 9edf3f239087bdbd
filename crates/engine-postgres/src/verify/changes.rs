//! Changes of accounts and payments that no other table has: each by itself.

use ledger::{Event, Frozen, UsedId};
use tokio_postgres::Row;

use super::Auditor;
use super::pages::Pages;
use crate::codec::{decode_event, time, uuid};
use crate::error::PostgresOpenError;

const OF_ACCOUNTS: &str = "
    SELECT change.account_id AS id, changed_at, record, account.account_id IS NOT NULL AS is_known
    FROM lastro.account_changes change LEFT JOIN lastro.accounts account USING (account_id)
    ORDER BY change.account_id, changed_at";

const OF_PAYMENTS: &str = "
    SELECT change.payment_id::text AS id, changed_at, change.record,
        payment.payment_id IS NOT NULL AS is_known
    FROM lastro.payment_changes change LEFT JOIN lastro.payments payment USING (payment_id)
    ORDER BY change.payment_id, changed_at";

/// Accounts of which something is or was frozen, with the newest change of that: event 13.
const FREEZES: &str = r"
    SELECT account.account_id, account.frozen, newest.record
    FROM lastro.accounts account LEFT JOIN LATERAL (
        SELECT record FROM lastro.account_changes
        WHERE account_id = account.account_id
            AND substring(record FROM 1 FOR 1) = '\x0d'::bytea
        ORDER BY changed_at DESC LIMIT 1
    ) newest ON true
    WHERE account.frozen <> 0 OR newest.record IS NOT NULL
    ORDER BY account.account_id";

impl Auditor<'_> {
    pub(super) async fn changes(&mut self) -> Result<(), PostgresOpenError> {
        self.changes_of("account", OF_ACCOUNTS, id_of_account)
            .await?;
        self.changes_of("payment", OF_PAYMENTS, id_of_payment)
            .await?;
        self.freezes().await
    }

    /// What of each account is frozen, beside its newest change of that.
    async fn freezes(&mut self) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "freezes", FREEZES).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let (id, number): (&str, i16) =
                    (row.try_get("account_id")?, row.try_get("frozen")?);
                let record: Option<&[u8]> = row.try_get("record")?;
                let changed = match record.map(decode_event) {
                    Some(Ok(Event::FreezeChanged { account, .. })) => account.frozen.number(),
                    // What cannot be read was found when the changes were.
                    Some(_) => continue,
                    None => Frozen::None.number(),
                };
                let place = format!("account {id}");
                self.findings
                    .check(number == i16::from(changed), place, || {
                        format!("what is frozen is {number}, and by its changes {changed}")
                    });
            }
        }
    }

    async fn changes_of(
        &mut self,
        what: &'static str,
        query: &str,
        id_of: fn(&Event) -> Option<String>,
    ) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "changes", query).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                self.change(what, row, id_of)?;
            }
        }
    }

    fn change(
        &mut self,
        what: &str,
        row: &Row,
        id_of: fn(&Event) -> Option<String>,
    ) -> Result<(), PostgresOpenError> {
        let (id, at): (&str, i64) = (row.try_get("id")?, row.try_get("changed_at")?);
        let place = format!("change of {what} {id} at {at}");
        let Ok(event) = decode_event(row.try_get("record")?) else {
            self.findings.add(place, "its record cannot be read");
            return Ok(());
        };
        let is_own = id_of(&event).as_deref() == Some(id) && time(event.timestamp()) == at;
        self.findings.check(is_own, &place, || {
            "its record is of something else, or of another time".to_owned()
        });
        let is_known: bool = row.try_get("is_known")?;
        self.findings
            .check(is_known, place, || format!("there is no such {what}"));
        Ok(())
    }
}

/// The account that a change without an entry is about.
fn id_of_account(event: &Event) -> Option<String> {
    match event {
        Event::LimitChanged { id, .. }
        | Event::AccountClosed { id, .. }
        | Event::FreezeChanged { id, .. } => Some(id.to_string()),
        Event::AccountOpened { .. }
        | Event::Transfer(_)
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentsPurged { .. }
        | Event::Refused { .. }
        | Event::Batch(_)
        | Event::PaymentResolved(_) => None,
    }
}

/// The payment that a change is about which is neither its acceptance nor its settlement.
fn id_of_payment(event: &Event) -> Option<String> {
    let id = match event {
        Event::PaymentSent(payment)
        | Event::PaymentReleased(payment)
        | Event::PaymentRefused(payment) => payment.id,
        Event::PaymentResolved(resolved) if resolved.transfer.is_none() => resolved.payment.id,
        Event::Refused { command, .. } => match command.used_id() {
            Some(UsedId::Payment(id)) => id,
            Some(UsedId::Transfer(_)) | None => return None,
        },
        Event::PaymentResolved(_)
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::FreezeChanged { .. }
        | Event::AccountOpened { .. }
        | Event::Transfer(_)
        | Event::PaymentAccepted(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentsPurged { .. }
        | Event::Batch(_) => return None,
    };
    Some(uuid(id.to_u128()).to_string())
}
