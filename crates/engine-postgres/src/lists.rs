//! Lists of transfers and of payments: one statement a page, which walks along a key and looks up what it finds, and one
//! more for how its pending transfers ended.

use std::time::Instant;

use ledger::{
    ListOrder, ListPage, ListedTransfer, Payment, PaymentList, PendingState, TransferId,
    TransferList, Unavailable, UsedPayment, UsedTransfer,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::call::Store;
use crate::codec::{time, used_payment, used_transfer, uuid};
use crate::error::Failure;
use crate::listed::text;
use crate::read::at_most;

/// What is listed between two places, and the entries between them. No account has an empty id: with one there are no
/// entries.
macro_rules! transfers {
    ($order:literal) => {
        concat!(
            "
    SELECT place.id AS transfer_id, transfer.record, transfer.pending_state,
        transfer.reversed_amount, transfer.left_amount
    FROM (
        (SELECT listed_at AS at, id FROM lastro.listed
        WHERE list = $1 AND (listed_at, id) >= ($2, $3) AND (listed_at, id) <= ($4, $5)
        ORDER BY listed_at ",
            $order,
            ", id ",
            $order,
            " LIMIT $6)
        UNION ALL
        (SELECT entered_at AS at, transfer_id AS id FROM lastro.entries
        WHERE account_id = $7 AND entered_at >= $2 AND entered_at <= $4
            AND (entered_at, transfer_id) >= ($2, $3) AND (entered_at, transfer_id) <= ($4, $5)
        ORDER BY entered_at ",
            $order,
            " LIMIT $6)
    ) place
    LEFT JOIN lastro.transfers transfer ON transfer.transfer_id = place.id
    ORDER BY place.at ",
            $order,
            ", place.id ",
            $order,
            " LIMIT $6"
        )
    };
}

macro_rules! payments {
    ($order:literal) => {
        concat!(
            "
    SELECT place.id AS payment_id, payment.record
    FROM (
        SELECT listed_at AS at, id FROM lastro.listed
        WHERE list = $1 AND (listed_at, id) >= ($2, $3) AND (listed_at, id) <= ($4, $5)
        ORDER BY listed_at ",
            $order,
            ", id ",
            $order,
            " LIMIT $6
    ) place
    LEFT JOIN lastro.payments payment ON payment.payment_id = place.id
    ORDER BY place.at ",
            $order,
            ", place.id ",
            $order
        )
    };
}

const TRANSFERS_DESCENDING: &str = transfers!("DESC");
const TRANSFERS_ASCENDING: &str = transfers!("ASC");
const PAYMENTS_DESCENDING: &str = payments!("DESC");
const PAYMENTS_ASCENDING: &str = payments!("ASC");

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 4] = [
    TRANSFERS_DESCENDING,
    TRANSFERS_ASCENDING,
    PAYMENTS_DESCENDING,
    PAYMENTS_ASCENDING,
];

impl Store {
    pub(crate) async fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        deadline: Instant,
    ) -> Result<Vec<ListedTransfer>, Unavailable> {
        let account_id = match &list {
            TransferList::Of(account_id) => account_id.as_str(),
            TransferList::With(_) => "",
        };
        let statement = match page.order {
            ListOrder::Descending => TRANSFERS_DESCENDING,
            ListOrder::Ascending => TRANSFERS_ASCENDING,
        };
        let Some(bounds) = Bounds::of(&page) else {
            return Ok(Vec::new());
        };
        let name = text(list.name());
        let mut parameters = bounds.parameters(&name);
        parameters.push(&account_id);
        let transfers = self.ask(statement, &parameters, deadline, |rows| {
            rows.iter().map(created).collect()
        });
        let mut listed: Vec<ListedTransfer> = transfers.await?;
        let ended = listed.iter().filter(|listed| {
            let state = listed.standing.pending_state();
            state.is_some_and(PendingState::is_ended)
        });
        let ended: Vec<TransferId> = ended.map(|listed| listed.transfer.id).collect();
        if ended.is_empty() {
            return Ok(listed);
        }
        let ends = self.pending_ends(&ended, deadline).await?;
        for listed in &mut listed {
            listed.end = ends.get(&listed.transfer.id).copied();
        }
        Ok(listed)
    }

    pub(crate) async fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
        deadline: Instant,
    ) -> Result<Vec<Payment>, Unavailable> {
        let statement = match page.order {
            ListOrder::Descending => PAYMENTS_DESCENDING,
            ListOrder::Ascending => PAYMENTS_ASCENDING,
        };
        let Some(bounds) = Bounds::of(&page) else {
            return Ok(Vec::new());
        };
        let name = text(list.name());
        let parameters = bounds.parameters(&name);
        self.ask(statement, &parameters, deadline, |rows| {
            rows.iter().map(accepted).collect()
        })
        .await
    }
}

/// From which place to which, and how many, as the statements take it.
struct Bounds {
    oldest_at: i64,
    oldest_id: Uuid,
    newest_at: i64,
    newest_id: Uuid,
    limit: i64,
}

impl Bounds {
    /// `None` where there is no place between.
    fn of(page: &ListPage) -> Option<Self> {
        let (oldest, newest) = page.bounds()?;
        Some(Self {
            oldest_at: time(oldest.at),
            oldest_id: uuid(oldest.id),
            newest_at: time(newest.at),
            newest_id: uuid(newest.id),
            limit: at_most(page.limit() as u64),
        })
    }

    fn parameters<'a>(&'a self, name: &'a String) -> Vec<&'a (dyn ToSql + Sync)> {
        vec![
            name,
            &self.oldest_at,
            &self.oldest_id,
            &self.newest_at,
            &self.newest_id,
            &self.limit,
        ]
    }
}

/// A transfer that is in a list, without its end.
fn created(row: &Row) -> Result<ListedTransfer, Failure> {
    check_is_there(row, "a list of transfers")?;
    match used_transfer(row)?.1 {
        UsedTransfer::Created(transfer, standing) => Ok(ListedTransfer {
            transfer,
            standing,
            end: None,
        }),
        UsedTransfer::Refused(..) | UsedTransfer::Payment(_) => {
            Err(Failure::Damaged("a list of transfers"))
        }
    }
}

/// Fails where a place leads to no row.
fn check_is_there(row: &Row, what: &'static str) -> Result<(), Failure> {
    match row.try_get::<_, Option<&[u8]>>("record")? {
        Some(_) => Ok(()),
        None => Err(Failure::Damaged(what)),
    }
}

fn accepted(row: &Row) -> Result<Payment, Failure> {
    check_is_there(row, "a list of payments")?;
    match used_payment(row)?.1 {
        UsedPayment::Accepted(payment) => Ok(payment),
        UsedPayment::Refused(..) => Err(Failure::Damaged("a list of payments")),
    }
}
