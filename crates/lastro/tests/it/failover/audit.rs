//! What was answered, held against what is there.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use uuid::Uuid;

use super::clients::Book;
use super::operation::{ACCOUNTS, CREDIT_LIMIT, Fate, Movement, Operation};

/// How many refusals are asked for again: each is a request.
const REFUSALS_ASKED: usize = 100;

/// Fails unless every answer is true.
pub(super) async fn audit(book: &Book) {
    let wrong = std::mem::take(&mut *book.wrong.lock());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let fates = std::mem::take(&mut *book.fates.lock());
    let mut applied: HashMap<Uuid, (&Movement, &Value)> = HashMap::new();
    let (mut refused, mut holds) = (Vec::new(), Vec::new());
    for (operation, fate) in &fates {
        match fate {
            Fate::Applied(answer) => {
                holds.extend(operation.hold.as_ref());
                for movement in &operation.movements {
                    let twice = applied.insert(movement.id, (movement, answer));
                    assert!(twice.is_none(), "an id was drawn twice");
                }
            }
            Fate::Refused(code) => refused.push((operation, code)),
            Fate::Unanswered => panic!("never answered: {operation:?}"),
        }
    }
    println!(
        "{} applied movements, {} holds, {} refusals, {} payments, {} reads; not answered at first: {:?}",
        applied.len(),
        holds.len(),
        refused.len(),
        book.accepted.lock().len(),
        book.reads.lock().len(),
        book.troubles.lock()
    );
    let mut found: HashMap<Uuid, u32> = HashMap::new();
    for account in ACCOUNTS {
        check_statement(book, account, &applied, &mut found).await;
    }
    for (id, (movement, _)) in &applied {
        let sides = [movement.debit, movement.credit];
        let expected = sides.iter().filter(|side| ACCOUNTS.contains(side)).count();
        let times = found.get(id).copied().unwrap_or(0);
        assert_eq!(
            times as usize, expected,
            "{movement:?} was answered, and is there {times} times"
        );
    }
    for hold in holds {
        let there = book.get(&format!("/v1/transfers/{}", hold.id)).await;
        assert_eq!(there["amount"], hold.amount, "{hold:?}: {there}");
    }
    check_refusals(book, &refused).await;
}

/// Every entry is of an operation that was answered as applied, as it was asked for and answered; numbers
/// have no gaps, balances add up and keep the limit.
async fn check_statement(
    book: &Book,
    account: &str,
    applied: &HashMap<Uuid, (&Movement, &Value)>,
    found: &mut HashMap<Uuid, u32>,
) {
    let entries = statement(book, account).await;
    let mut balance = 0;
    for (number, entry) in (1..).zip(&entries) {
        assert_eq!(entry["number"], number, "{account}: {entry}");
        let id: Uuid = entry["transfer_id"].as_str().unwrap().parse().unwrap();
        let Some((movement, answer)) = applied.get(&id) else {
            panic!("{account}: nobody was answered this: {entry}");
        };
        let as_asked = (
            &entry["debit_account_id"],
            &entry["credit_account_id"],
            &entry["amount"],
        );
        let asked = (movement.debit, movement.credit, movement.amount);
        assert!(
            as_asked.0 == asked.0 && as_asked.1 == asked.1 && as_asked.2 == asked.2,
            "{movement:?}: {entry}"
        );
        let is_debit = movement.debit == account;
        balance += if is_debit {
            -movement.amount
        } else {
            movement.amount
        };
        assert_eq!(entry["balance_after"], balance, "{account}: {entry}");
        assert!(
            balance >= -CREDIT_LIMIT,
            "{account}: the limit was passed by {entry}"
        );
        let told = &answer[if is_debit { "debit" } else { "credit" }];
        // A batch's answer has its members' elsewhere.
        if !told.is_null() {
            assert_eq!(told["entry_number"], number, "{answer}");
            assert_eq!(told["balance_after"], balance, "{answer}");
        }
        *found.entry(id).or_default() += 1;
    }
    let read = book.get(&format!("/v1/accounts/{account}")).await;
    assert_eq!(read["balance"], balance, "{read}");
    assert_eq!(read["entry_count"], entries.len(), "{read}");
}

/// All entries of an account, the oldest first.
async fn statement(book: &Book, account: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("/v1/accounts/{account}/statement?limit=100{cursor}");
        let page = book.get(&page).await;
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    entries.reverse();
    entries
}

/// Who was refused is refused again, for the same reason.
async fn check_refusals(book: &Book, refused: &[(&Operation, &String)]) {
    let mut codes: BTreeMap<&str, u32> = BTreeMap::new();
    for (operation, code) in refused.iter().take(REFUSALS_ASKED) {
        let again = book.repeat(operation).await;
        let is_same = matches!(&again, Fate::Refused(again) if again == *code);
        assert!(is_same, "{code} at first, then {again:?}: {operation:?}");
        *codes.entry(code).or_default() += 1;
    }
    println!("refused again for the same reasons: {codes:?}");
}
