//! Accounts that were frozen, and moved money against that.

use ledger::{Event, Frozen};

use super::check_upon;
use super::history::History;

fn freeze(history: &mut History, to: Frozen) -> &mut Frozen {
    let is_it = |event: &Event| matches!(event, Event::FreezeChanged { account, .. } if account.frozen == to);
    match &mut history.find(is_it).event {
        Event::FreezeChanged { account, .. } => &mut account.frozen,
        other => panic!("no freeze: {other:?}"),
    }
}

#[test]
fn a_history_with_freezes_is_clean() {
    let audit = History::frozen().audit();
    assert_eq!(audit.findings, []);
    assert!(audit.balances.values().all(|sum| *sum == 0));
}

/// Who decided, and why, are believed, whatever they are.
#[test]
fn a_history_with_reasons_is_clean() {
    assert_eq!(History::reasoned().audit().findings, []);
    let mut other = History::reasoned();
    let is_it = |event: &Event| matches!(event, Event::LimitChanged { by: Some(_), .. });
    if let Event::LimitChanged { by, .. } = &mut other.find(is_it).event {
        *by = None;
    }
    assert_eq!(other.audit().findings, []);
}

#[test]
fn freezes_that_are_wrong_are_found() {
    check_upon(
        &History::frozen(),
        &[
            ("a frozen account was credited", |h| {
                *freeze(h, Frozen::Debits) = Frozen::Both;
            }),
            ("a frozen account was debited", |h| {
                *freeze(h, Frozen::Credits) = Frozen::Debits;
            }),
            ("a frozen account was debited", |h| {
                *freeze(h, Frozen::None) = Frozen::Both;
            }),
            ("a frozen account differs from its entries", |h| {
                let is_it = |event: &Event| matches!(event, Event::FreezeChanged { .. });
                if let Event::FreezeChanged { account, .. } = &mut h.find(is_it).event {
                    account.debits_posted += 1;
                }
            }),
            ("a changed account differs from its entries", |h| {
                // The limit was changed while it was frozen.
                if let Event::LimitChanged { account, .. } = &mut h.limit_changed().event {
                    account.frozen = Frozen::None;
                }
            }),
            ("a closed or a system account was frozen", |h| {
                let is_it = |event: &Event| matches!(event, Event::FreezeChanged { .. });
                if let Event::FreezeChanged { id, .. } = &mut h.find(is_it).event {
                    *id = ledger::AccountId::new("world:BRL").unwrap();
                }
            }),
            ("an account that is not open was frozen", |h| {
                let is_it = |event: &Event| matches!(event, Event::FreezeChanged { .. });
                if let Event::FreezeChanged { id, .. } = &mut h.find(is_it).event {
                    *id = ledger::AccountId::new("nobody").unwrap();
                }
            }),
        ],
    );
}
