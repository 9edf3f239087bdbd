//! `/v1`: accounts, transfers, batches, operations, statements, events, webhooks.
//!
//! Bodies are JSON and say so. Refusals are problem bodies whose `code` is the ledger's own name;
//! a repeated id is answered as it was the first time, with `Idempotency-Replayed: true`.

mod account_change;
mod account_list;
mod accounts;
mod balance;
mod balances;
mod batches;
mod callback;
mod cursor;
mod events;
#[cfg(test)]
mod fuzz;
mod ids;
mod limits;
mod lists;
mod notes;
mod operations;
mod parameters;
mod path;
mod payment_list;
mod payment_request;
mod payments;
mod pendings;
mod reversals;
mod splits;
mod statement;
mod token;
mod transfer_list;
mod transfer_request;
mod transfers;
mod unsettled;
mod views;
mod webhooks;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{Outcome, Record};

use crate::problem::{DRY_RUN, Problem, REPLAYED};

pub(crate) use account_change::ChangeAccountRequest;
pub(crate) use account_change::{__path_change_account, change_account};
pub use account_list::account_json;
pub(crate) use account_list::{__path_accounts, AccountsPageView, accounts};
pub(crate) use accounts::OpenAccountRequest;
pub(crate) use accounts::{__path_account, __path_open_account, account, open_account};
pub(crate) use balance::{__path_balance, BalanceView, balance};
pub use balances::moment_at;
pub(crate) use balances::{
    __path_balances, AccountBalanceView, BalancesPageView, CurrencyTotalView, balances,
};
pub(crate) use batches::DecidedBatchView;
pub(crate) use batches::{__path_batch, __path_batch_by_id, batch, batch_by_id};
pub(crate) use batches::{BatchFailedView, BatchRequest, BatchView, CommandRequest, OutcomeView};
pub(crate) use callback::{__path_payment_called_back, payment_called_back};
pub(crate) use events::{__path_events, EventPageView, events};
pub use events::{EventSelection, UnknownEventType, WebhookFace};
pub(crate) use ids::{minted as minted_id, uuid};
pub(crate) use limits::{__path_limits, LimitView, LimitsPageView, limits};
pub use notes::reference_of;
pub(crate) use operations::OperationView;
pub(crate) use operations::{__path_operate, __path_operation_by_id, operate, operation_by_id};
pub(crate) use path::percent_decoded;
pub use payment_list::payment_json;
pub(crate) use payment_list::{__path_list_payments, PaymentsPageView, list_payments};
pub(crate) use payment_request::MakePaymentRequest;
pub(crate) use payment_request::{__path_make_payment, make_payment};
pub(crate) use payments::{__path_payment_by_id, __path_resolve_payment};
pub(crate) use payments::{PaymentView, ResolveRequest, payment_by_id, resolve_payment};
pub(crate) use pendings::{__path_post_pending, __path_void_pending, post_pending, void_pending};
pub(crate) use pendings::{PostRequest, VoidRequest};
pub(crate) use reversals::{__path_reverse_transfer, ReverseRequest, reverse_transfer};
pub(crate) use splits::{MovedView, SplitRequest, SplitTransferRequest, TransferBody};
pub(crate) use statement::{__path_statement, statement};
pub use transfer_list::transfer_json;
pub(crate) use transfer_list::{__path_transfers, TransfersPageView, transfers};
pub(crate) use transfer_request::TransferRequest;
pub(crate) use transfers::{__path_transfer, __path_transfer_by_id, transfer, transfer_by_id};
pub(crate) use views::{AccountView, StatementView, TransferView};
pub(crate) use webhooks::{
    __path_deliveries, __path_disable_webhook, __path_enable_webhook, __path_replay_webhook,
    __path_retry_webhook, __path_webhooks, deliveries, disable_webhook, enable_webhook,
    replay_webhook, retry_webhook, webhooks,
};
pub(crate) use webhooks::{DeliveriesView, EndpointView, ReplayRequest, WebhooksView};

/// A record, or the refusal, with whether it was answered before.
pub(crate) fn first_or_again(outcome: Outcome) -> Result<(Record, bool), Problem> {
    let replayed = outcome.replayed;
    match outcome.result {
        Ok(record) => Ok((record, replayed)),
        Err(refusal) => {
            let mut problem = Problem::from(&refusal);
            problem.replayed = replayed;
            Err(problem)
        }
    }
}

/// Says that nothing was done, and whether the record was there before.
fn mark_dry_run(mut response: Response, replayed: bool) -> Response {
    let headers = response.headers_mut();
    headers.insert(DRY_RUN, HeaderValue::from_static("true"));
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Says where a new record is, or that it was there before.
fn mark(mut response: Response, replayed: bool, location: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    } else {
        *response.status_mut() = StatusCode::CREATED;
    }
    response
}
