//! What the ledger refuses, or why it does not answer, in the words of HTTP: the one place.

use axum::http::StatusCode;
use ledger::{Refusal, Unavailable};

use crate::problem::Problem;

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let problem = Self::new(status(refusal), refusal.code(), refusal.to_string());
        with_figures(problem, refusal)
    }
}

const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::ExistsWithDifferent(_) => StatusCode::CONFLICT,
        Refusal::AccountNotFound { .. }
        | Refusal::PendingNotFound { .. }
        | Refusal::PaymentNotFound { .. } => StatusCode::NOT_FOUND,
        Refusal::AccountClosed { .. }
        | Refusal::AccountInUse { .. }
        | Refusal::AccountReserved { .. }
        | Refusal::InsufficientFunds { .. }
        | Refusal::CurrencyMismatch
        | Refusal::AccountsMustDiffer
        | Refusal::AmountOutOfRange { .. }
        | Refusal::DescriptionInvalid
        | Refusal::PendingAlreadyPosted { .. }
        | Refusal::PendingAlreadyVoided { .. }
        | Refusal::PendingExpired { .. }
        | Refusal::AmountExceedsPending { .. }
        | Refusal::BatchMemberFailed
        | Refusal::BalanceOverflow { .. }
        | Refusal::PaymentInOtherState { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn with_figures(problem: Problem, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::ExistsWithDifferent(field) => {
            let code = field.exists_with_different();
            let name = code.strip_prefix("exists_with_different_").unwrap_or(code);
            problem.with("field", name)
        }
        Refusal::AccountNotFound { account_id }
        | Refusal::AccountClosed { account_id }
        | Refusal::AccountReserved { account_id }
        | Refusal::BalanceOverflow { account_id } => {
            problem.with("account_id", account_id.as_str())
        }
        Refusal::AccountInUse {
            account_id,
            balance,
            debits_pending,
            credits_pending,
        } => problem
            .with("account_id", account_id.as_str())
            .with("balance", *balance)
            .with("debits_pending", *debits_pending)
            .with("credits_pending", *credits_pending),
        Refusal::InsufficientFunds {
            account_id,
            available,
            required,
            credit_limit,
        } => problem
            .with("account_id", account_id.as_str())
            .with("available", *available)
            .with("required", *required)
            .with("credit_limit", *credit_limit),
        Refusal::AmountOutOfRange { amount } => problem.with("amount", *amount),
        Refusal::PendingNotFound { pending_id }
        | Refusal::PendingAlreadyPosted { pending_id }
        | Refusal::PendingAlreadyVoided { pending_id }
        | Refusal::PendingExpired { pending_id } => {
            problem.with("pending_id", pending_id.to_string())
        }
        Refusal::AmountExceedsPending {
            available,
            required,
        } => problem
            .with("available", *available)
            .with("required", *required),
        Refusal::PaymentNotFound { payment_id } => {
            problem.with("payment_id", payment_id.to_string())
        }
        Refusal::PaymentInOtherState { state, attempt } => problem
            .with("state", state.as_str())
            .with("attempt", *attempt),
        Refusal::CurrencyMismatch
        | Refusal::AccountsMustDiffer
        | Refusal::DescriptionInvalid
        | Refusal::BatchMemberFailed => problem,
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let (status, retry_after_s) = match unavailable {
            Unavailable::Overloaded | Unavailable::LedgerUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(1))
            }
            Unavailable::StorageFull | Unavailable::StorageFailed => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(30))
            }
            Unavailable::Timeout => (StatusCode::GATEWAY_TIMEOUT, None),
            Unavailable::StorageDamaged => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let mut problem = Self::new(status, unavailable.code(), unavailable.to_string())
            .with("nothing_done", unavailable.nothing_done());
        problem.retry_after_s = retry_after_s;
        problem
    }
}
