//! What the ledger refuses, or why it does not answer, in the words of HTTP: the one place.

use std::fmt;

use axum::http::StatusCode;
use ledger::{NotReversible, Refusal, Unavailable};

use crate::codes::Code;
use crate::problem::Problem;
use crate::rfc3339;

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let problem = Self::new(
            status(refusal),
            Code::of_refusal(refusal),
            refusal.to_string(),
        );
        with_figures(problem, refusal)
    }
}

const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::ExistsWithDifferent(_)
        | Refusal::AccountInOtherState { .. }
        | Refusal::PaymentsInOtherState { .. } => StatusCode::CONFLICT,
        Refusal::TransferNotReversible {
            reason: NotReversible::NotFound,
            ..
        }
        | Refusal::AccountNotFound { .. }
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
        | Refusal::PaymentInOtherState { .. }
        | Refusal::PaymentUnderWay { .. }
        | Refusal::CurrencyNotCurrent { .. }
        | Refusal::TransferNotReversible { .. }
        | Refusal::AmountExceedsReversible { .. }
        | Refusal::AccountFrozen { .. } => StatusCode::UNPROCESSABLE_ENTITY,
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
        Refusal::AccountInOtherState {
            account_id,
            credit_limit,
            entry_count,
        } => problem
            .with("account_id", account_id.as_str())
            .with("credit_limit", *credit_limit)
            .with("entry_count", *entry_count),
        Refusal::AccountFrozen { account_id, side } => problem
            .with("account_id", account_id.as_str())
            .with("side", side.as_str()),
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
        }
        | Refusal::AmountExceedsReversible {
            available,
            required,
        } => problem
            .with("available", *available)
            .with("required", *required),
        Refusal::TransferNotReversible {
            transfer_id,
            reason,
        } => problem
            .with("transfer_id", transfer_id.to_string())
            .with("reason", reason.as_str()),
        Refusal::PaymentNotFound { payment_id } => {
            problem.with("payment_id", payment_id.to_string())
        }
        Refusal::PaymentsInOtherState { accepted_at } => {
            problem.with("accepted_at", rfc3339::Nanos(*accepted_at).to_string())
        }
        Refusal::PaymentInOtherState { state, attempt } => problem
            .with("state", state.as_str())
            .with("attempt", *attempt),
        Refusal::PaymentUnderWay { until } => {
            problem.with("until", rfc3339::Nanos(*until).to_string())
        }
        Refusal::CurrencyNotCurrent { currency } => problem.with("currency", currency.as_str()),
        Refusal::CurrencyMismatch
        | Refusal::AccountsMustDiffer
        | Refusal::DescriptionInvalid
        | Refusal::BatchMemberFailed => problem,
    }
}

impl Problem {
    /// Why a read failed. A read changes nothing and has no id, so the problem speaks of neither.
    pub(crate) fn of_read(unavailable: Unavailable) -> Self {
        let detail = match unavailable {
            Unavailable::Overloaded => "too many requests are waiting: ask again later",
            Unavailable::Timeout => "the ledger did not answer in time: ask again",
            Unavailable::LedgerUnavailable => "the ledger does not answer: ask again",
            Unavailable::Opening => "the ledger is being opened: ask again later",
            Unavailable::StorageFull | Unavailable::StorageFailed => {
                "the storage of the ledger has failed: ask again later"
            }
            Unavailable::ClockJumped => "the clock of the ledger has jumped: ask again later",
            Unavailable::StandbyAway => "the database has no standby: ask again later",
            Unavailable::StorageDamaged => "the record that was to be read is damaged",
            Unavailable::NotSupported => "the engine of this ledger does not support this",
            Unavailable::NodeNotAllowed => {
                "this node's own key may not read that at its ledger node: tell the operator of this node"
            }
        };
        let mut problem = Self::from(unavailable);
        problem.members.retain(|(name, _)| *name != "nothing_done");
        problem.detail = detail.into();
        problem
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let (status, retry_after_s) = match unavailable {
            Unavailable::Overloaded
            | Unavailable::LedgerUnavailable
            | Unavailable::Opening
            | Unavailable::StandbyAway => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
            Unavailable::StorageFull
            | Unavailable::StorageFailed
            | Unavailable::ClockJumped
            | Unavailable::NodeNotAllowed => (StatusCode::SERVICE_UNAVAILABLE, Some(30)),
            Unavailable::Timeout => (StatusCode::GATEWAY_TIMEOUT, None),
            Unavailable::StorageDamaged => (StatusCode::INTERNAL_SERVER_ERROR, None),
            Unavailable::NotSupported => (StatusCode::NOT_IMPLEMENTED, None),
        };
        let mut problem = Self::new(
            status,
            Code::of_unavailable(unavailable),
            unavailable.to_string(),
        )
        .with("nothing_done", unavailable.nothing_done());
        problem.retry_after_s = retry_after_s;
        problem
    }
}

/// The answer to a question for an id that a refused command has used: `refused` is the code of the refusal, and `refusal`
/// the problem that was answered then, with its figures.
pub(crate) fn refused_before(
    not_found: Problem,
    what: fmt::Arguments<'_>,
    refusal: &Refusal,
) -> Problem {
    let answered = Problem::from(refusal);
    let answered = serde_json::to_value(&answered).expect("plain data, written to memory");
    Problem {
        detail: format!("{what} was refused: {refusal}").into(),
        ..not_found
            .with("refused", refusal.code())
            .with("refusal", answered)
    }
}

#[cfg(test)]
mod tests {
    use ledger::{AccountId, Field, PaymentId, PaymentStateName, Side, TransferId};
    use serde_json::{Value, json};

    use super::*;

    fn check(refusal: &Refusal, status: u16, figures: &Value) {
        let problem = Problem::from(refusal);
        let body: Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(
            (problem.status.as_u16(), problem.code.as_str()),
            (status, refusal.code())
        );
        assert_eq!(
            (&body["status"], &body["code"]),
            (&json!(status), &json!(refusal.code()))
        );
        for (name, value) in figures.as_object().unwrap() {
            assert_eq!(&body[name], value, "{}: {name}", refusal.code());
        }
        let members_count = 5 + figures.as_object().unwrap().len();
        assert_eq!(body.as_object().unwrap().len(), members_count, "{body}");
    }

    #[test]
    fn repeated_ids_name_the_field() {
        for field in Field::ALL {
            let refusal = Refusal::ExistsWithDifferent(field);
            let name = refusal.code().replace("exists_with_different_", "");
            check(&refusal, 409, &json!({"field": name}));
        }
    }

    #[test]
    fn refusals_about_accounts_carry_their_figures() {
        let account_id = AccountId::new("a").unwrap();
        let id = || account_id.clone();
        let named = json!({"account_id": "a"});
        check(&Refusal::AccountNotFound { account_id: id() }, 404, &named);
        check(&Refusal::AccountClosed { account_id: id() }, 422, &named);
        check(&Refusal::AccountReserved { account_id: id() }, 422, &named);
        check(&Refusal::BalanceOverflow { account_id: id() }, 422, &named);
        let refusal = Refusal::AccountInUse {
            account_id: id(),
            balance: -1,
            debits_pending: 2,
            credits_pending: 3,
        };
        let figures =
            json!({"account_id": "a", "balance": -1, "debits_pending": 2, "credits_pending": 3});
        check(&refusal, 422, &figures);
        for (side, name) in [(Side::Debit, "debit"), (Side::Credit, "credit")] {
            let account_id = id();
            let refusal = Refusal::AccountFrozen { account_id, side };
            check(&refusal, 422, &json!({"account_id": "a", "side": name}));
        }
        let refusal = Refusal::AccountInOtherState {
            account_id: id(),
            credit_limit: 1,
            entry_count: 2,
        };
        let figures = json!({"account_id": "a", "credit_limit": 1, "entry_count": 2});
        check(&refusal, 409, &figures);
        let refusal = Refusal::PaymentsInOtherState {
            accepted_at: ledger::Timestamp::from_nanos(1_706_000_000_000_000_001),
        };
        let figures = json!({"accepted_at": "2024-01-23T08:53:20.000000001Z"});
        check(&refusal, 409, &figures);
        let refusal = Refusal::InsufficientFunds {
            account_id: id(),
            available: 1,
            required: 2,
            credit_limit: 3,
        };
        let figures = json!({"account_id": "a", "available": 1, "required": 2, "credit_limit": 3});
        check(&refusal, 422, &figures);
    }

    #[test]
    fn the_other_refusals() {
        let pending_id = TransferId::from_u128(1);
        let pending = json!({"pending_id": "00000000-0000-0000-0000-000000000001"});
        check(&Refusal::PendingNotFound { pending_id }, 404, &pending);
        check(&Refusal::PendingAlreadyPosted { pending_id }, 422, &pending);
        check(&Refusal::PendingAlreadyVoided { pending_id }, 422, &pending);
        check(&Refusal::PendingExpired { pending_id }, 422, &pending);
        let (available, required) = (1, 2);
        let refusal = Refusal::AmountExceedsPending {
            available,
            required,
        };
        check(&refusal, 422, &json!({"available": 1, "required": 2}));
        let refusal = Refusal::AmountExceedsReversible {
            available,
            required,
        };
        check(&refusal, 422, &json!({"available": 1, "required": 2}));
        for (reason, name, status) in [
            (NotReversible::NotFound, "not_found", 404),
            (NotReversible::NothingMoved, "nothing_moved", 422),
            (NotReversible::Pend, "pend", 422),
            (NotReversible::Reversal, "reversal", 422),
        ] {
            let refusal = Refusal::TransferNotReversible {
                transfer_id: pending_id,
                reason,
            };
            let id = pending_id.to_string();
            check(
                &refusal,
                status,
                &json!({"transfer_id": id, "reason": name}),
            );
        }
        check(
            &Refusal::AmountOutOfRange { amount: 0 },
            422,
            &json!({"amount": 0}),
        );
        let payment_id = PaymentId::from_u128(1);
        let payment = json!({"payment_id": "00000000-0000-0000-0000-000000000001"});
        check(&Refusal::PaymentNotFound { payment_id }, 404, &payment);
        let refusal = Refusal::PaymentInOtherState {
            state: PaymentStateName::Sent,
            attempt: 2,
        };
        check(&refusal, 422, &json!({"state": "sent", "attempt": 2}));
        let until = ledger::Timestamp::from_nanos(1_706_000_000_000_000_001);
        check(
            &Refusal::PaymentUnderWay { until },
            422,
            &json!({"until": "2024-01-23T08:53:20.000000001Z"}),
        );
        for refusal in [
            Refusal::CurrencyMismatch,
            Refusal::AccountsMustDiffer,
            Refusal::DescriptionInvalid,
            Refusal::BatchMemberFailed,
        ] {
            check(&refusal, 422, &json!({}));
        }
    }
}
