//! The first round trip of a call: locks, then reads what is decided upon.
//!
//! The statements go together and run one after the other ([`crate::pipeline`]); each sees what was
//! committed when it began, so whatever is read under a lock is as its last holder left it. Locks are taken in one
//! order everywhere: payments by id, then limited accounts by id, then by id the transfers that are to be
//! reversed.

use ledger::{
    Account, AccountId, Limit, PendingState, Standing, State, Timestamp, Transfer, UsedPayment,
    UsedTransfer,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};
use uuid::Uuid;

use crate::codec::{
    account_columns, account_id, currency, limited_account, timestamp, used_batch, used_payment,
    used_transfer, uuid,
};
use crate::connect::Session;
use crate::error::Failure;
use crate::keys::Keys;
use crate::known::Known;
use crate::lease::Lease;
use crate::numbers::{expired_max, payment_state, purge_lock};
use crate::pipeline::Sent;
use crate::snapshot::Snapshot;

const LOCK_PAYMENTS: &str = concat!(
    "SELECT payment_id, record FROM lastro.payments
    WHERE payment_id = ANY ($1) OR ($2 AND state = ",
    payment_state!(accepted),
    ")
    ORDER BY payment_id FOR UPDATE"
);

const LOCK_ACCOUNTS: &str = concat!(
    "SELECT ",
    account_columns!(),
    "
    FROM lastro.accounts_of($1, $2, $3, $4, lastro.now_ns()) AS wanted (id)
    JOIN lastro.accounts account ON account.account_id = wanted.id
    ORDER BY account.account_id FOR UPDATE OF account"
);

/// Likewise for a call that names accounts alone, as most do. The function above is planned anew
/// every time: that takes longer than all locks together.
const LOCK_NAMED: &str = concat!(
    "SELECT ",
    account_columns!(),
    "
    FROM lastro.accounts account WHERE account_id = ANY ($1) ORDER BY account_id FOR UPDATE"
);

const TIME: &str = "
    SELECT lastro.now_ns() AS now_ns,
        CASE WHEN $1 THEN coalesce((SELECT max(purged_at) FROM lastro.purges), 0)
            ELSE 0 END AS purged_at,
        CASE WHEN $2 THEN coalesce((SELECT max(accepted_at) FROM lastro.payments), 0)
            ELSE 0 END AS accepted_at";

/// The oldest of what is due on these accounts. Fewer than the bound are all there are.
macro_rules! due {
    ($wanted:literal) => {
        concat!(
            "
    SELECT due.transfer_id, record, pending_state, reversed_amount, left_amount, expires_at
    FROM (
        SELECT DISTINCT pending.expires_at, pending.transfer_id
        FROM ",
            $wanted,
            " AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT expires_at, transfer_id FROM lastro.pendings
            WHERE account_id = wanted.id AND expires_at <= (SELECT lastro.now_ns())
            ORDER BY expires_at, transfer_id LIMIT ",
            expired_max!(),
            "
        ) AS pending
        ORDER BY pending.expires_at, pending.transfer_id LIMIT ",
            expired_max!(),
            "
    ) AS due
    JOIN lastro.transfers transfer ON transfer.transfer_id = due.transfer_id"
        )
    };
}

const DUE: &str = due!("lastro.accounts_of($1, $2, $3, $4, 0)");

/// Likewise for a call that names accounts alone. Other sides that are not named are not locked:
/// they are missed, and the next attempt names them.
const DUE_NAMED: &str = due!("unnest($1::text[])");

const TRANSFERS: &str = "
    SELECT transfer_id, record, pending_state, reversed_amount, left_amount
    FROM lastro.transfers WHERE transfer_id = ANY ($1)";

/// How much of a transfer is reversed counts only while its row is locked: its accounts may all be
/// unlimited ones. The time is asked for after it: a reversal is later than the one it follows.
const LOCK_REVERSED: &str = "
    SELECT transfer_id, record, pending_state, reversed_amount, left_amount
    FROM lastro.transfers WHERE transfer_id = ANY ($1) ORDER BY transfer_id FOR UPDATE";

const BATCHES: &str = "
    SELECT batch_id, digest, outcomes FROM lastro.batches WHERE batch_id = ANY ($1)";

const UNLIMITED: &str = "
    SELECT account_id, currency, opened_at FROM lastro.stripes
    WHERE account_id = ANY ($1) AND stripe = 0";

/// Every statement of [`load`].
pub(crate) const STATEMENTS: [&str; 10] = [
    LOCK_PAYMENTS,
    LOCK_ACCOUNTS,
    LOCK_NAMED,
    TIME,
    DUE,
    DUE_NAMED,
    TRANSFERS,
    LOCK_REVERSED,
    BATCHES,
    UNLIMITED,
];

/// What the statements are asked with.
struct Asked {
    limited: Vec<String>,
    unlimited: Vec<String>,
    transfers: Vec<Uuid>,
    pendings: Vec<Uuid>,
    reversed: Vec<Uuid>,
    payments: Vec<Uuid>,
    batches: Vec<Uuid>,
}

impl Asked {
    fn of(keys: &Keys, known: &Known) -> Self {
        let text = |id: &AccountId| id.as_str().to_owned();
        Self {
            limited: keys.limited.iter().map(text).collect(),
            unlimited: known.missing(&keys.unlimited).map(text).collect(),
            transfers: keys.transfers.iter().map(|id| uuid(id.to_u128())).collect(),
            pendings: keys.pendings.iter().map(|id| uuid(id.to_u128())).collect(),
            reversed: keys.reversed.iter().map(|id| uuid(id.to_u128())).collect(),
            payments: keys.payments.iter().map(|id| uuid(id.to_u128())).collect(),
            batches: keys.batches.iter().map(|id| uuid(id.to_u128())).collect(),
        }
    }

    /// Whether no pending transfer and no payment leads to more accounts.
    fn names_accounts_alone(&self, has_payments: bool) -> bool {
        !has_payments && self.pendings.is_empty()
    }
}

/// The statements that a call needs, prepared; `None` where there is nothing to ask for.
struct Prepared {
    payments: Option<Statement>,
    accounts: Option<Statement>,
    time: Statement,
    due: Option<Statement>,
    unlimited: Option<Statement>,
    reversed: Option<Statement>,
    transfers: Option<Statement>,
    batches: Option<Statement>,
}

impl Prepared {
    /// All before the first is sent: one that had to be prepared would be overtaken by the others,
    /// and what was read before it was locked must not be decided upon.
    async fn of(client: &Session, asked: &Asked, has_payments: bool) -> Result<Self, Error> {
        let has_accounts = has_payments || !asked.limited.is_empty() || !asked.pendings.is_empty();
        let (lock_accounts, due) = match asked.names_accounts_alone(has_payments) {
            true => (LOCK_NAMED, DUE_NAMED),
            false => (LOCK_ACCOUNTS, DUE),
        };
        let prepare = |is_needed: bool, statement: &'static str| async move {
            match is_needed {
                true => client.prepare_cached(statement).await.map(Some),
                false => Ok(None),
            }
        };
        Ok(Self {
            payments: prepare(has_payments, LOCK_PAYMENTS).await?,
            accounts: prepare(has_accounts, lock_accounts).await?,
            time: client.prepare_cached(TIME).await?,
            due: prepare(has_accounts, due).await?,
            unlimited: prepare(!asked.unlimited.is_empty(), UNLIMITED).await?,
            reversed: prepare(!asked.reversed.is_empty(), LOCK_REVERSED).await?,
            transfers: prepare(!asked.transfers.is_empty(), TRANSFERS).await?,
            batches: prepare(!asked.batches.is_empty(), BATCHES).await?,
        })
    }
}

/// Begins a transaction, and locks and reads what the keys name.
pub(crate) async fn load(lease: &Lease, keys: Keys, known: &Known) -> Result<Snapshot, Failure> {
    let client = lease.client();
    let asked = Asked::of(&keys, known);
    let purges = keys.purges;
    let has_payments = purges || !asked.payments.is_empty();
    let prepared = Prepared::of(client, &asked, has_payments).await?;
    let touched: [&(dyn ToSql + Sync); 4] =
        [&asked.limited, &asked.pendings, &asked.payments, &purges];
    let touched = match asked.names_accounts_alone(has_payments) {
        true => &touched[..1],
        false => &touched[..],
    };
    let of_payments: [&(dyn ToSql + Sync); 2] = [&asked.payments, &purges];
    let of_time: [&(dyn ToSql + Sync); 2] = [&has_payments, &purges];
    let of_unlimited: [&(dyn ToSql + Sync); 1] = [&asked.unlimited];
    let of_reversed: [&(dyn ToSql + Sync); 1] = [&asked.reversed];
    let of_transfers: [&(dyn ToSql + Sync); 1] = [&asked.transfers];
    let of_batches: [&(dyn ToSql + Sync); 1] = [&asked.batches];

    let begun = Sent::new(client.batch_execute(begin(&keys))).await;
    let payments = Sent::new(rows(client, prepared.payments.as_ref(), &of_payments)).await;
    let accounts = Sent::new(rows(client, prepared.accounts.as_ref(), touched)).await;
    let reversed = Sent::new(rows(client, prepared.reversed.as_ref(), &of_reversed)).await;
    let time = Sent::new(client.query_one(&prepared.time, &of_time)).await;
    let due = Sent::new(rows(client, prepared.due.as_ref(), touched)).await;
    let unlimited = Sent::new(rows(client, prepared.unlimited.as_ref(), &of_unlimited)).await;
    let transfers = Sent::new(rows(client, prepared.transfers.as_ref(), &of_transfers)).await;
    let batches = Sent::new(rows(client, prepared.batches.as_ref(), &of_batches)).await;

    let (_, payments, accounts, time, due, unlimited, reversed, transfers, batches) = tokio::try_join!(
        begun.answer(),
        payments.answer(),
        accounts.answer(),
        time.answer(),
        due.answer(),
        unlimited.answer(),
        reversed.answer(),
        transfers.answer(),
        batches.answer(),
    )?;
    let mut snapshot = Snapshot::of(keys);
    snapshot.take_time(&time)?;
    snapshot.take_payments(&payments)?;
    snapshot.take_accounts(&accounts, &unlimited)?;
    snapshot.take_transfers(&transfers, &due)?;
    snapshot.take_reversed(&reversed)?;
    snapshot.take_batches(&batches)?;
    Ok(snapshot)
}

/// The rows of a statement; none where it is not needed, which sends nothing.
async fn rows(
    client: &Session,
    statement: Option<&Statement>,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    match statement {
        Some(statement) => client.query(statement, parameters).await,
        None => Ok(Vec::new()),
    }
}

/// Begins a transaction while no payment is accepted or settled.
pub(crate) const ALONE_WITH_PAYMENTS: &str =
    concat!("BEGIN; SELECT pg_advisory_xact_lock(", purge_lock!(), ")");

const BESIDE_PAYMENTS: &str = concat!(
    "BEGIN; SELECT pg_advisory_xact_lock_shared(",
    purge_lock!(),
    ")"
);

/// Purges hold an advisory lock alone that acceptances and settlements share, so that a payment is
/// either purged or counted by the summaries that come after.
fn begin(keys: &Keys) -> &'static str {
    match (keys.purges, keys.is_summed) {
        (true, _) => ALONE_WITH_PAYMENTS,
        (false, true) => BESIDE_PAYMENTS,
        (false, false) => "BEGIN",
    }
}

impl Snapshot {
    fn take_time(&mut self, row: &Row) -> Result<(), Failure> {
        self.now = timestamp(row.try_get("now_ns")?);
        self.purged_at = timestamp(row.try_get("purged_at")?);
        self.see(self.purged_at);
        self.accepted_at = timestamp(row.try_get("accepted_at")?);
        self.see(self.accepted_at);
        Ok(())
    }

    fn see(&mut self, at: Timestamp) {
        self.newest = self.newest.max(at);
    }

    pub(crate) fn take_payments(&mut self, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let (id, used) = used_payment(row)?;
            if let UsedPayment::Accepted(payment) = &used {
                self.see(payment.timestamp);
            }
            self.payments.insert(id, used);
        }
        Ok(())
    }

    pub(crate) fn take_accounts(
        &mut self,
        limited: &[Row],
        unlimited: &[Row],
    ) -> Result<(), Failure> {
        for row in limited {
            let id = account_id(row, "account_id")?;
            let account = limited_account(row)?;
            let limit_opened: i64 = row.try_get("credit_limit_opened")?;
            let limit_opened = Limit::Credit(limit_opened.cast_unsigned());
            let opened = Account::new(account.currency, limit_opened, account.timestamp);
            self.see(timestamp(row.try_get("newest_at")?));
            self.opened.insert(id.clone(), opened);
            self.accounts.insert(id, account);
        }
        for row in unlimited {
            let id = account_id(row, "account_id")?;
            let opened_at = timestamp(row.try_get("opened_at")?);
            let account = Account::new(currency(row)?, Limit::Unlimited, opened_at);
            self.accounts.insert(id, account);
        }
        Ok(())
    }

    fn take_transfers(&mut self, asked: &[Row], due: &[Row]) -> Result<(), Failure> {
        for row in due {
            let (id, used) = used_transfer(row)?;
            self.transfers.insert(id, used);
            let expires_at: i64 = row.try_get("expires_at")?;
            self.due.insert((timestamp(expires_at), id));
        }
        for row in asked {
            let (id, used) = used_transfer(row)?;
            if let UsedTransfer::Created(
                pending,
                Standing::Pending {
                    state: PendingState::Pending,
                    ..
                },
            ) = &used
                && self.keys.pendings.contains(&id)
            {
                self.expect_locked(pending);
            }
            self.transfers.insert(id, used);
        }
        Ok(())
    }

    fn take_reversed(&mut self, locked: &[Row]) -> Result<(), Failure> {
        for row in locked {
            let (id, used) = used_transfer(row)?;
            self.transfers.insert(id, used);
        }
        Ok(())
    }

    /// A transfer that began to pend after the locks were taken is missed: its state counts only
    /// while its accounts are locked.
    fn expect_locked(&self, pending: &Transfer) {
        for id in [&pending.debit_account_id, &pending.credit_account_id] {
            if !id.is_reserved() {
                self.account(id);
            }
        }
    }

    fn take_batches(&mut self, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let (id, used) = used_batch(row)?;
            self.batches.insert(id, used);
        }
        Ok(())
    }
}
