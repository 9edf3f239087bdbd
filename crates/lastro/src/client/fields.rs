//! Records as lines of names and values, for people.

use lastro_client::{Account, AccountId, PaymentRecord, Transfer};
use serde::Serialize;

use super::money::Money;
use super::output::or_dash;

/// A line of a record.
pub(super) type Field = (&'static str, String);

/// What a write was answered with, as a line of JSON.
#[derive(Serialize)]
pub(super) struct Line<'a, T> {
    #[serde(flatten)]
    pub(super) record: &'a T,
    /// Whether the id was answered before.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) replayed: bool,
    /// Whether nothing was done, and this is only what would be answered.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) dry_run: bool,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

pub(super) fn of_account(account: &Account) -> Vec<Field> {
    let money = Money::of(&account.currency);
    let total = |amount: u64| money.number(amount.into());
    vec![
        ("account", account.id.to_string()),
        ("currency", account.currency.clone()),
        ("balance", money.number(account.balance.into())),
        ("available", money.or_dash(account.available)),
        ("credit limit", money.or_dash(account.credit_limit)),
        ("debits posted", total(account.debits_posted)),
        ("credits posted", total(account.credits_posted)),
        ("debits pending", total(account.debits_pending)),
        ("credits pending", total(account.credits_pending)),
        ("entries", account.entry_count.to_string()),
        ("closed", yes_or_no(account.closed)),
        ("frozen", account.frozen.to_string()),
        ("opened at", account.timestamp.clone()),
    ]
}

pub(super) fn of_transfer(transfer: &Transfer, money: Money) -> Vec<Field> {
    let mut fields = vec![
        ("id", transfer.id.to_string()),
        ("kind", transfer.kind.to_string()),
        ("debit account", transfer.debit_account_id.to_string()),
        ("credit account", transfer.credit_account_id.to_string()),
        ("amount", money.text(transfer.amount.into())),
        ("description", transfer.description.clone()),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    add("reference", transfer.reference.clone());
    add(
        "pending transfer",
        transfer.pending_id.map(|id| id.to_string()),
    );
    add(
        "rest",
        transfer.is_final.map(|is_final| match is_final {
            true => "released".to_owned(),
            false => "stays reserved".to_owned(),
        }),
    );
    add("reverses", transfer.reverses.map(|id| id.to_string()));
    add("expires at", transfer.expires_at.clone());
    let after = |balance| money.text(i128::from(balance));
    add(
        "debit balance",
        transfer.debit.map(|debit| after(debit.balance_after)),
    );
    add(
        "credit balance",
        transfer.credit.map(|credit| after(credit.balance_after)),
    );
    add("decided at", Some(transfer.timestamp.clone()));
    fields
}

pub(super) fn of_payment(payment: &PaymentRecord) -> Vec<Field> {
    let money = Money::of(&payment.currency);
    let mut fields = vec![
        ("payment", payment.id.to_string()),
        ("state", payment.state.to_string()),
        (
            "account",
            or_dash(payment.account_id.as_ref().map(AccountId::as_str)),
        ),
        ("amount", money.text(payment.amount.into())),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    add("reference", payment.reference.clone());
    add("processor", payment.processor.clone());
    add("attempt", Some(payment.attempt.to_string()));
    add("code", payment.code.clone());
    add(
        "dispatch",
        payment
            .dispatch
            .as_ref()
            .map(|dispatch| dispatch.state.clone()),
    );
    add("accepted at", Some(payment.accepted_at.clone()));
    add("changed at", Some(payment.timestamp.clone()));
    fields
}

pub(super) fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}
