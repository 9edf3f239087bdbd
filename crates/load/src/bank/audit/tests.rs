//! Each finding, planted alone.

use super::*;
use crate::bank::operation::Side;

fn movement(number: u128, debit: Side, credit: Side, amount: i64) -> Movement {
    Movement {
        id: Uuid::from_u128(number),
        debit,
        credit,
        amount,
    }
}

/// A deposit of 100 to A, a transfer of 30 from A to B, a refused withdrawal from B.
fn clean() -> (Vec<Sent>, Seen) {
    let (a, b) = (Side::Account(0), Side::Account(1));
    let sent = |movement, fate| Sent { movement, fate };
    let operations = vec![
        sent(movement(1, Side::World, a, 100), Fate::Applied),
        sent(movement(2, a, b, 30), Fate::Applied),
        sent(movement(3, b, Side::World, 500), Fate::Refused),
    ];
    let entry = |number, id, debit: &str, credit: &str, amount, balance_after| Entry {
        number,
        transfer_id: Uuid::from_u128(id),
        debit_account_id: debit.to_owned(),
        credit_account_id: credit.to_owned(),
        amount,
        balance_after,
    };
    let account = |id: &str, balance, entries: Vec<Entry>| SeenAccount {
        id: id.to_owned(),
        credit_limit: 50,
        balance,
        entries_count: entries.len() as u64,
        entries,
    };
    let seen = Seen {
        accounts: vec![
            account(
                "a",
                70,
                vec![
                    entry(2, 2, "a", "b", 30, 70),
                    entry(1, 1, "world:BRL", "a", 100, 100),
                ],
            ),
            account("b", 30, vec![entry(1, 2, "a", "b", 30, 30)]),
        ],
        unanswered: HashMap::new(),
    };
    (operations, seen)
}

/// What the audit finds after a change to what is seen.
fn after(change: impl FnOnce(&mut Vec<Sent>, &mut Seen)) -> BankAudit {
    let (mut operations, mut seen) = clean();
    change(&mut operations, &mut seen);
    audit(&operations, &seen, -100)
}

#[test]
fn a_right_ledger_is_clean() {
    let audit = after(|_, _| {});
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!((audit.applied_count, audit.refused_count), (2, 1));
    assert_eq!(audit.entries_count, 3);
}

#[test]
fn what_others_move_meanwhile_is_no_fault_of_the_runs() {
    let (operations, seen) = clean();
    let audit = audit(&operations, &seen, -100 + 7);
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!(audit.world_difference, 7);
}

#[test]
fn a_lost_entry_is_missed() {
    let audit = after(|_, seen| {
        seen.accounts[1].entries.clear();
        seen.accounts[1].entries_count = 0;
        seen.accounts[1].balance = 0;
    });
    assert_eq!((audit.lost_count, audit.money_difference), (1, -30));
    assert!(!audit.is_clean());
}

#[test]
fn a_doubled_entry_is_seen() {
    let audit = after(|_, seen| {
        let account = &mut seen.accounts[1];
        let mut again = account.entries[0].clone();
        again.number = 2;
        again.balance_after = 60;
        account.entries.insert(0, again);
        account.entries_count = 2;
        account.balance = 60;
    });
    assert_eq!((audit.doubled_count, audit.money_difference), (1, 30));
}

#[test]
fn an_altered_amount_is_seen() {
    let audit = after(|operations, _| operations[1].movement.amount = 31);
    assert_eq!((audit.altered_count, audit.lost_count), (2, 0));
    let audit = after(|operations, _| {
        let movement = &mut operations[1].movement;
        (movement.debit, movement.credit) = (movement.credit, movement.debit);
    });
    assert_eq!(audit.altered_count, 2);
}

#[test]
fn what_was_refused_or_never_sent_is_invented() {
    let audit = after(|operations, _| operations[1].fate = Fate::Refused);
    assert_eq!(audit.invented_count, 2);
    let audit = after(|operations, _| {
        operations.remove(0);
    });
    assert_eq!(audit.invented_count, 1);
}

#[test]
fn statements_must_add_up() {
    for change in [
        |seen: &mut Seen| seen.accounts[0].entries[0].number = 3,
        |seen: &mut Seen| seen.accounts[0].entries[0].balance_after = 71,
        |seen: &mut Seen| seen.accounts[0].entries_count = 3,
        |seen: &mut Seen| seen.accounts[0].entries.reverse(),
    ] {
        let audit = after(|_, seen| change(seen));
        assert_eq!(audit.broken_statements_count, 1, "{audit:?}");
    }
}

#[test]
fn a_limit_that_was_passed_is_seen_even_when_it_was_made_good() {
    let audit = after(|_, seen| seen.accounts[0].credit_limit = -80);
    assert_eq!(audit.limits_passed_count, 1);
}

#[test]
fn the_unanswered_are_either_way_but_known() {
    let unanswered = |is_there: Option<bool>| {
        after(|operations, seen| {
            operations[0].fate = Fate::Unknown;
            let id = operations[0].movement.id;
            seen.unanswered
                .extend(is_there.map(|is_there| (id, is_there)));
        })
    };
    let audit = unanswered(Some(true));
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!(audit.resolved_count, 1);
    // Told to be absent, but in a statement.
    assert_eq!(unanswered(Some(false)).invented_count, 1);
    let audit = unanswered(None);
    assert_eq!(audit.unknown_count, 1);
    assert!(!audit.is_clean());
}
