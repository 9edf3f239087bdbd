//! The statement of one of the system's accounts: the transfers that changed its balance, in the order of time. Their
//! entries have no number and no balance of their own: several processes may write to such an account at once.

use axum::http::StatusCode;
use ledger::{
    AccountId, ListOrder, ListPage, ListPlace, ListedTransfer, Timestamp, Transfer, TransferKind,
    TransferList,
};

use super::super::lists::{self, Walk};
use super::super::views::{ACCOUNT_BYTES_MAX, ENTRY_BYTES_MAX, StatementView};
use super::Window;
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;

const CURSOR: &str = "lastro 2026 system statement cursor";

/// Answers with a page.
pub(super) async fn page(
    call: &Call,
    id: &AccountId,
    window: &Window,
    limit: usize,
    cursor: Option<&str>,
) -> Answered {
    let mut parts = vec![id.as_str().as_bytes().to_vec()];
    parts.extend(lists::window_parts(window));
    let after = cursor.map(|cursor| {
        let after = lists::decode(CURSOR, cursor, &parts);
        after.ok_or_else(errors::cursor_invalid)
    });
    let after = after.transpose()?;
    call.check_list_of(id)?;
    let place = call.place(ACCOUNT_BYTES_MAX + (limit + 1) * ENTRY_BYTES_MAX)?;
    // The account first: what is made meanwhile is in its totals or not, and in the entries.
    let Some(account) = call.account(id.clone()).await? else {
        return Err(errors::account_not_found(id.as_str()));
    };
    let mut walk = Walk::new(window, after, limit, true);
    fill(call, id, &mut walk).await?;
    let (listed, next) = walk.finish();
    let next_cursor = next.map(|next| lists::encode(CURSOR, next, &parts));
    let transfers = listed.iter().map(|listed| &listed.transfer);
    let view = StatementView::of_transfers(id, &account, transfers, window, next_cursor);
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

/// All entries, read piece by piece.
pub(super) struct Pieces {
    window: Window,
    /// The last place that was read.
    after: Option<ListPlace>,
    pub(super) is_over: bool,
}

impl Pieces {
    /// Those that are there now: what is made meanwhile is in none of them.
    pub(super) async fn begin(
        call: &Call,
        id: &AccountId,
        mut window: Window,
    ) -> Result<Self, Problem> {
        call.check_list_of(id)?;
        let newest = ListPage::first(ListOrder::Descending, 1);
        let newest = call.transfers(TransferList::Of(id.clone()), newest).await?;
        let Some(newest) = newest.first() else {
            return Ok(Self {
                window,
                after: None,
                is_over: true,
            });
        };
        let behind = newest.transfer.timestamp.as_nanos().saturating_add(1);
        let behind = Timestamp::from_nanos(behind);
        let end = window.to.map_or(behind, |to| to.min(behind));
        window.to = Some(end);
        let is_over = window.from.is_some_and(|from| end <= from);
        Ok(Self {
            window,
            after: None,
            is_over,
        })
    }

    /// The next transfers, about so many; there may be none, and more left.
    pub(super) async fn next(
        &mut self,
        call: &Call,
        id: &AccountId,
        count: usize,
    ) -> Result<Vec<Transfer>, Problem> {
        let mut walk = Walk::new(&self.window, self.after, count, true);
        fill(call, id, &mut walk).await?;
        let (listed, next) = walk.finish();
        self.is_over = next.is_none();
        self.after = next;
        Ok(listed.into_iter().map(|listed| listed.transfer).collect())
    }
}

/// Fills the page with what made entries.
async fn fill(call: &Call, id: &AccountId, walk: &mut Walk<ListedTransfer>) -> Result<(), Problem> {
    while let Some(page) = walk.next_page() {
        let listed = call.transfers(TransferList::Of(id.clone()), page).await;
        let Some(listed) = walk.or_end_early(listed)? else {
            break;
        };
        walk.take_in(listed, place_of, |listed| is_entered(&listed.transfer));
        if call.is_half_over() {
            walk.end_early();
        }
    }
    Ok(())
}

fn place_of(listed: &ListedTransfer) -> ListPlace {
    ListPlace::of_transfer(&listed.transfer)
}

/// Whether it changed its accounts' balances.
const fn is_entered(transfer: &Transfer) -> bool {
    match transfer.kind {
        TransferKind::Transfer
        | TransferKind::Post { .. }
        | TransferKind::PostPart { .. }
        | TransferKind::Settle { .. }
        | TransferKind::Reverse { .. } => true,
        TransferKind::Pend { .. } | TransferKind::Void { .. } | TransferKind::Expire => false,
    }
}
