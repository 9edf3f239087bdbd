//! Events as they are shown.

use ledger::{Command, Event, MoveMoney, PlacedEvent, Refusal, UsedId};
use serde::Serialize;

use super::super::limits;
use super::super::payments::{PaymentView, ResolutionView};
use super::super::views::{AccountView, TransferView};
use super::kind::EventKind;
use crate::problem::Problem;
use crate::rfc3339::Nanos;

/// A page of events.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it only describes what is written event by event")]
pub(crate) struct EventPageView<'a> {
    /// In the order in which they were decided.
    events: Vec<EventView<'a>>,
    /// Where to go on: the `after` of the next page, also where this one is empty.
    next: String,
}

/// Something that was decided. Which members it has beside the first three depends on its type.
#[derive(Serialize, utoipa::ToSchema)]
struct EventView<'a> {
    /// Where to go on behind this event: opaque, and valid for ever.
    position: String,
    /// What happened.
    #[schema(example = "transfer.posted")]
    r#type: &'static str,
    /// When it was decided: later than the event before it.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Nanos,
    /// The account afterwards: `account.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<AccountView<'a>>,
    /// Who decided it: what the caller said, or the name of the caller's key; `account.limit_changed`, `account.closed`,
    /// `account.frozen` and `account.unfrozen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ana")]
    who: Option<&'a str>,
    /// Why, if the caller said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ticket 4711")]
    why: Option<&'a str>,
    /// The transfer: `transfer.*`, `payment.settled`, and a `payment.resolved` that settled. That of
    /// `transfer.expired` has the pending transfer's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferView<'a>>,
    /// The payment afterwards: `payment.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentView<'a>>,
    /// What an operator decided: `payment.resolved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<ResolutionView<'a>>,
    /// How many accepted payments became refused: `payments.purged`.
    #[serde(skip_serializing_if = "Option::is_none")]
    payments_count: Option<u64>,
    /// What was refused, and why: `command.refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusedView<'a>>,
    /// The atomic batch: `batch.applied`, whose members' events come right before it, and `batch.failed`, which
    /// changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchDecidedView>,
}

/// A command that was refused upon the state of the ledger. Its id stays used.
#[derive(Serialize, utoipa::ToSchema)]
struct RefusedView<'a> {
    /// The command's name.
    #[schema(example = "transfer")]
    command: &'static str,
    /// The id that it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    debit_account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_account_id: Option<&'a str>,
    /// Of a payment: who was to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    /// Of a reversal: the transfer that was to be reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    reverses: Option<String>,
    /// In minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    /// Why, as it was answered.
    #[schema(value_type = crate::problem::ProblemBody)]
    problem: Problem,
}

/// An atomic batch that was decided.
#[derive(Serialize, utoipa::ToSchema)]
struct BatchDecidedView {
    #[schema(value_type = String, format = "uuid")]
    id: String,
    /// How many commands it had.
    commands_count: u32,
    /// Which command failed it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    /// Why that one did; `exists` where its id was used before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "insufficient_funds")]
    code: Option<&'static str>,
}

/// What a webhook sends about an event: `data` is what the feed has.
#[derive(Serialize)]
struct MessageView<'a> {
    r#type: &'static str,
    timestamp: Nanos,
    data: EventView<'a>,
}

/// The body of a message about the event.
pub(super) fn message(placed: &PlacedEvent) -> Vec<u8> {
    let data = view(placed);
    let message = MessageView {
        r#type: data.r#type,
        timestamp: data.timestamp,
        data,
    };
    serde_json::to_vec(&message).expect("an event is plain data, and memory takes it")
}

/// Appends the event's JSON.
pub(super) fn write(placed: &PlacedEvent, to: &mut Vec<u8>) {
    let written = serde_json::to_writer(to, &view(placed));
    written.expect("an event is plain data, and memory takes it");
}

fn view(placed: &PlacedEvent) -> EventView<'_> {
    let event = &placed.event;
    let (who, why) = limits::texts(event.by());
    let mut view = EventView {
        position: placed.position.to_string(),
        r#type: EventKind::of(event).name(),
        timestamp: Nanos(event.timestamp()),
        account: None,
        who,
        why,
        transfer: event.transfer().map(TransferView::new),
        payment: event.payment().map(PaymentView::from),
        resolution: event.resolution().map(ResolutionView::from),
        payments_count: None,
        refused: None,
        batch: None,
    };
    match event {
        Event::AccountOpened { id, account }
        | Event::LimitChanged { id, account, .. }
        | Event::AccountClosed { id, account, .. }
        | Event::FreezeChanged { id, account, .. } => {
            view.account = Some(AccountView::new(id, account));
        }
        Event::PaymentsPurged { payments_count, .. } => {
            view.payments_count = Some(*payments_count);
        }
        Event::Refused {
            command, refusal, ..
        } => view.refused = Some(refused(command, refusal)),
        Event::Batch(batch) => {
            let failure = batch.failure.as_ref();
            view.batch = Some(BatchDecidedView {
                id: batch.id.to_string(),
                commands_count: batch.members_count,
                index: failure.map(|failure| failure.index),
                code: failure.map(|failure| failure.outcome.code()),
            });
        }
        Event::Transfer(_)
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentResolved(_) => {}
    }
    view
}

fn refused<'a>(command: &'a Command, refusal: &Refusal) -> RefusedView<'a> {
    let mut view = RefusedView {
        command: command.name(),
        id: match command.used_id() {
            Some(UsedId::Transfer(id)) => Some(id.to_string()),
            Some(UsedId::Payment(id)) => Some(id.to_string()),
            None => None,
        },
        debit_account_id: None,
        credit_account_id: None,
        account_id: None,
        reverses: None,
        amount: None,
        problem: Problem::from(refusal),
    };
    if let Some(MoveMoney {
        debit_account_id,
        credit_account_id,
        amount,
        ..
    }) = command.move_money()
    {
        view.debit_account_id = Some(debit_account_id.as_str());
        view.credit_account_id = Some(credit_account_id.as_str());
        view.amount = Some(*amount);
    } else if let Command::AcceptPayment(accept) = command {
        view.account_id = accept.account_id.as_ref().map(ledger::AccountId::as_str);
        view.amount = Some(accept.amount);
    } else if let Command::Reverse(reverse) = command {
        view.reverses = Some(reverse.reverses.to_string());
        view.amount = reverse.amount;
    }
    view
}
