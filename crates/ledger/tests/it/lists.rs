//! The closed lists are complete: each is walked through an exhaustive match, so that a new variant
//! does not compile here until it has its place.

use ledger::{
    AccountId, Currency, Field, NotReversible, PaymentId, PaymentStateName, Refusal, Side,
    TransferId,
};

/// The field after this one.
fn next_field(field: Field) -> Option<Field> {
    Some(match field {
        Field::Kind => Field::Currency,
        Field::Currency => Field::CreditLimit,
        Field::CreditLimit => Field::DebitAccountId,
        Field::DebitAccountId => Field::CreditAccountId,
        Field::CreditAccountId => Field::Amount,
        Field::Amount => Field::Description,
        Field::Description => Field::Reference,
        Field::Reference => Field::TimeoutS,
        Field::TimeoutS => Field::PendingId,
        Field::PendingId => Field::AccountId,
        Field::AccountId => Field::Members,
        Field::Members => Field::Metadata,
        Field::Metadata => Field::Reverses,
        Field::Reverses => Field::Final,
        Field::Final => return None,
    })
}

/// The refusal after this one.
fn next_refusal(refusal: &Refusal) -> Option<Refusal> {
    let account_id = AccountId::new("a").unwrap();
    let pending_id = TransferId::from_u128(1);
    Some(match refusal {
        Refusal::ExistsWithDifferent(field) => match next_field(*field) {
            Some(field) => Refusal::ExistsWithDifferent(field),
            None => Refusal::AccountNotFound { account_id },
        },
        Refusal::AccountNotFound { .. } => Refusal::AccountClosed { account_id },
        Refusal::AccountClosed { .. } => Refusal::AccountInUse {
            account_id,
            balance: 0,
            debits_pending: 0,
            credits_pending: 0,
        },
        Refusal::AccountInUse { .. } => Refusal::AccountReserved { account_id },
        Refusal::AccountReserved { .. } => Refusal::InsufficientFunds {
            account_id,
            available: 0,
            required: 0,
            credit_limit: 0,
        },
        Refusal::InsufficientFunds { .. } => Refusal::CurrencyMismatch,
        Refusal::CurrencyMismatch => Refusal::AccountsMustDiffer,
        Refusal::AccountsMustDiffer => Refusal::AmountOutOfRange { amount: 0 },
        Refusal::AmountOutOfRange { .. } => Refusal::DescriptionInvalid,
        Refusal::DescriptionInvalid => Refusal::PendingNotFound { pending_id },
        Refusal::PendingNotFound { .. } => Refusal::PendingAlreadyPosted { pending_id },
        Refusal::PendingAlreadyPosted { .. } => Refusal::PendingAlreadyVoided { pending_id },
        Refusal::PendingAlreadyVoided { .. } => Refusal::PendingExpired { pending_id },
        Refusal::PendingExpired { .. } => Refusal::AmountExceedsPending {
            available: 0,
            required: 0,
        },
        Refusal::AmountExceedsPending { .. } => Refusal::BatchMemberFailed,
        Refusal::BatchMemberFailed => Refusal::BalanceOverflow { account_id },
        Refusal::BalanceOverflow { .. } => Refusal::PaymentNotFound {
            payment_id: PaymentId::from_u128(1),
        },
        Refusal::PaymentNotFound { .. } => Refusal::PaymentInOtherState {
            state: PaymentStateName::Sent,
            attempt: 0,
        },
        Refusal::PaymentInOtherState { .. } => Refusal::PaymentUnderWay {
            until: ledger::Timestamp::from_nanos(1_706_000_000_000_000_001),
        },
        Refusal::PaymentUnderWay { .. } => Refusal::CurrencyNotCurrent {
            currency: Currency::new("HRK").unwrap(),
        },
        Refusal::CurrencyNotCurrent { .. } => Refusal::AccountInOtherState {
            account_id,
            credit_limit: 0,
            entry_count: 0,
        },
        Refusal::AccountInOtherState { .. } => Refusal::PaymentsInOtherState {
            accepted_at: ledger::Timestamp::from_nanos(1_706_000_000_000_000_001),
        },
        Refusal::PaymentsInOtherState { .. } => Refusal::TransferNotReversible {
            transfer_id: TransferId::from_u128(1),
            reason: NotReversible::Pend,
        },
        Refusal::TransferNotReversible { .. } => Refusal::AmountExceedsReversible {
            available: 0,
            required: 0,
        },
        Refusal::AmountExceedsReversible { .. } => Refusal::AccountFrozen {
            account_id,
            side: Side::Debit,
        },
        Refusal::AccountFrozen { .. } => return None,
    })
}

/// One of each refusal.
pub(crate) fn refusals() -> impl Iterator<Item = Refusal> {
    let first = Some(Refusal::ExistsWithDifferent(Field::Kind));
    std::iter::successors(first, next_refusal)
}

#[test]
fn every_refusal_has_its_place_in_the_list_of_codes() {
    let codes: Vec<_> = refusals().map(|refusal| refusal.code()).collect();
    assert_eq!(codes, Refusal::CODES);
}

#[test]
fn every_field_is_in_the_list_of_fields() {
    let fields: Vec<_> = std::iter::successors(Some(Field::Kind), |f| next_field(*f)).collect();
    assert_eq!(fields, Field::ALL);
}
