//! The codes of what the ledger refuses upon its state.

use super::entry::{Entry, nothing};

pub(super) const REFUSALS: &[Entry] = &[
    nothing(
        "insufficient_funds",
        &[422],
        "The account would pass its credit limit; `available` and `required` are the figures.",
        "Move less, or put money into the account first, with a new id.",
    ),
    nothing(
        "account_closed",
        &[422],
        "The account is closed: it takes no debits and no credits.",
        "Use another account.",
    ),
    nothing(
        "account_frozen",
        &[422],
        "An operator has stopped new debits or new credits of the account; `side` says on which side of the transfer it \
         is. What was reserved before can be posted, voided and settled.",
        "Wait until the account is unfrozen, then try with a new id.",
    ),
    nothing(
        "account_in_use",
        &[422],
        "The account cannot be closed: its balance is not 0, or something is pending.",
        "Move the balance away and end what is pending, then close it.",
    ),
    nothing(
        "account_reserved",
        &[422],
        "The account is the system's: callers neither open nor change it.",
        "Use another id.",
    ),
    nothing(
        "account_in_other_state",
        &[409],
        "The account was changed since the caller read it.",
        "Read it again, then decide anew.",
    ),
    nothing(
        "currency_mismatch",
        &[422],
        "The currencies of the two accounts differ.",
        "Move money between accounts of one currency.",
    ),
    nothing(
        "currency_not_current",
        &[422],
        "ISO 4217 has withdrawn the currency, or it has no minor unit.",
        "Use its successor for new accounts.",
    ),
    nothing(
        "accounts_must_differ",
        &[422],
        "Debit and credit account are the same.",
        "Name two accounts.",
    ),
    nothing(
        "amount_out_of_range",
        &[422],
        "An amount is not an integer in minor units from 1 to 2^53 - 1 (a credit limit: from 0); the amount of `POST /payments` is a \
         number with at most two decimals.",
        "Correct it: 5000 is 50.00 BRL.",
    ),
    nothing(
        "description_invalid",
        &[422],
        "The description does not have 1 to 140 characters without control characters (1 to 10 in the 2024 challenge).",
        "Correct it.",
    ),
    nothing(
        "balance_overflow",
        &[422],
        "The account would hold, or owe, more than 2^53 - 1: its balance with its credit limit and what is reserved for it.",
        "Move money out of the account or lower its credit limit first, or use another account.",
    ),
    nothing(
        "pending_already_posted",
        &[422],
        "The pending transfer was posted before.",
        "Read the transfer: `GET /v1/transfers/{id}` has what ended it.",
    ),
    nothing(
        "pending_already_voided",
        &[422],
        "The pending transfer was voided before.",
        "Read the transfer: `GET /v1/transfers/{id}` has what ended it.",
    ),
    nothing(
        "pending_expired",
        &[422],
        "The pending transfer's time was over: what it reserved is free again.",
        "Begin a new pending transfer.",
    ),
    nothing(
        "amount_exceeds_pending",
        &[422],
        "More was to be posted than is pending.",
        "Post at most `available`, which is what is still reserved, with a new id.",
    ),
    nothing(
        "transfer_not_reversible",
        &[422, 404],
        "The transfer cannot be reversed. `reason` says why: `not_found` (404: no transfer has this id), `nothing_moved` (it was \
         refused, it is pending, or its reservation was released), `pend` (it only reserved the money), `reversal` (it is a reversal \
         itself).",
        "Correct the id, and send the command with a new id of its own. Of a pending transfer reverse the `post` that ended it; \
         to move money once more that was moved back, make a new transfer.",
    ),
    nothing(
        "amount_exceeds_reversible",
        &[422],
        "More was to be reversed than is left of the transfer; `available` is what is left.",
        "Reverse at most `available`, with a new id; if it is 0, all of the transfer was moved back.",
    ),
    nothing(
        "batch_member_failed",
        &[422],
        "A command of the atomic batch was refused, so none was applied; `index` is its place.",
        "Correct that command, and send the batch with a new id.",
    ),
    nothing(
        "payment_in_other_state",
        &[422],
        "The payment is not in the state, or not at the attempt, that the caller expects.",
        "Read the payment, then decide anew.",
    ),
    nothing(
        "payment_under_way",
        &[422],
        "A request may be on its way to the processor until `until`: the payment can neither be released nor refused.",
        "Look again at that time, then decide.",
    ),
    nothing(
        "payments_in_other_state",
        &[409],
        "Payments were accepted while a purge was decided: nothing was purged.",
        "Look at them, then decide anew.",
    ),
];
