//! Which ids an event uses and which lists it adds to: the one place that says so.

use ledger::{Event, TransferId, TransferKind, UsedId};

use super::{Space, list_key};

/// Hands over each id that the event uses: from now on its record is the newest about them.
pub(crate) fn used_ids(event: &Event, mut use_id: impl FnMut(Space, u128)) {
    if let Some(transfer) = event.transfer() {
        use_id(Space::Transfers, transfer.id.to_u128());
        if let Some((changed_id, _)) = transfer.changes() {
            use_id(Space::Transfers, changed_id.to_u128());
        }
    }
    if let Some(payment) = event.payment() {
        use_id(Space::Payments, payment.id.to_u128());
    }
    match event {
        Event::PaymentAccepted(payment) => {
            use_id(
                Space::Transfers,
                TransferId::of_payment(payment.id).to_u128(),
            );
        }
        Event::Refused { command, .. } => match command.used_id() {
            Some(UsedId::Transfer(id)) => use_id(Space::Transfers, id.to_u128()),
            Some(UsedId::Payment(id)) => use_id(Space::Payments, id.to_u128()),
            None => {}
        },
        Event::Batch(batch) => use_id(Space::Batches, batch.id.to_u128()),
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::FreezeChanged { .. }
        | Event::Transfer(_)
        | Event::PaymentSent(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentReleased(_)
        | Event::PaymentRefused(_)
        | Event::PaymentResolved(_)
        | Event::PaymentsPurged { .. } => {}
    }
}

/// Hands over each key under which the event's record is looked up: its ids, and its places in lists.
pub(crate) fn table_keys(event: &Event, mut use_key: impl FnMut(Space, u128)) {
    used_ids(event, &mut use_key);
    event.lists(|name, place| use_key(Space::Lists, list_key(name, place.at)));
    if let Some((name, place)) = event.limit_list() {
        use_key(Space::Lists, list_key(name, place.at));
    }
}

/// Whether no event before it has used the id of its transfer.
pub(crate) fn uses_new_transfer_id(event: &Event) -> bool {
    match event {
        // An expiry has the id of its pending transfer.
        Event::Transfer(transfer) => transfer.kind != TransferKind::Expire,
        // It takes the id of its settlement.
        Event::PaymentAccepted(_) => true,
        Event::Refused { command, .. } => {
            matches!(command.used_id(), Some(UsedId::Transfer(_)))
        }
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::FreezeChanged { .. }
        | Event::PaymentSent(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentReleased(_)
        | Event::PaymentRefused(_)
        | Event::PaymentResolved(_)
        | Event::PaymentsPurged { .. }
        | Event::Batch(_) => false,
    }
}
