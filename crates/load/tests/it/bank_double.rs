//! A bank in memory, right or with one trick.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::double::{Handler, Reply, Request};

/// What the bank does to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    None,
    /// Of ten requests, one is reset before and one after its work is done, one is answered 503.
    Fails,
    /// As a node that asks its ledger again by itself: first answers are repetitions.
    RepeatsByItself,
    /// Like `Fails`, and ids are not remembered.
    ForgetsIds,
    /// One operation is answered, but not kept.
    LosesOne,
    /// One operation is applied twice.
    DoublesOne,
    /// One transfer is debited and not credited.
    HalfTransfer,
    /// Debits are never refused.
    NoLimits,
    /// Refused operations are done.
    RefusesButDoes,
    /// Accounts are shown as they were at first.
    StaleReads,
    /// There is no `/v1/operations`.
    NoOperations,
}

/// The bank.
pub(crate) struct BankDouble {
    trick: Trick,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, Account>,
    outcomes: HashMap<String, (u16, Value)>,
    requests_count: u64,
    moves_count: u64,
    tricked: bool,
}

#[derive(Default, Clone)]
struct Account {
    limit: Option<i64>,
    balance: i64,
    entries: Vec<Value>,
}

impl BankDouble {
    pub(crate) fn new(trick: Trick) -> Self {
        let mut state = State::default();
        state
            .accounts
            .insert("world:BRL".to_owned(), Account::default());
        Self {
            trick,
            state: Mutex::new(state),
        }
    }

    fn answer(&self, state: &mut State, request: &Request<'_>) -> (u16, Value) {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let parts: Vec<&str> = path.split('/').skip(2).collect();
        let body = serde_json::from_slice(request.body).unwrap_or(Value::Null);
        match (request.method, &*parts) {
            ("POST", ["accounts"]) => open(state, &body),
            ("POST", ["transfers"]) => self.transfer(state, &body),
            ("GET", ["accounts", id]) => (200, self.account(state, id)),
            ("GET", ["accounts", id, "statement"]) => (200, statement(state, id, query)),
            ("GET", ["transfers", id]) => match state.outcomes.get(*id) {
                Some((201, transfer)) => (200, transfer.clone()),
                _ => (404, Value::Null),
            },
            ("POST", ["operations"]) if self.trick != Trick::NoOperations => {
                self.transfer(state, &body);
                (202, Value::Null)
            }
            ("GET", ["operations", id]) => match state.outcomes.get(*id) {
                Some((201, _)) => (200, json!({"state": "applied"})),
                Some(_) => (
                    200,
                    json!({"state": "refused", "code": "insufficient_funds"}),
                ),
                None => (404, Value::Null),
            },
            _ => (404, Value::Null),
        }
    }

    fn transfer(&self, state: &mut State, body: &Value) -> (u16, Value) {
        let id = body["id"].as_str().unwrap().to_owned();
        let forgets = self.trick == Trick::ForgetsIds;
        if let Some((status, outcome)) = state.outcomes.get(&id).filter(|_| !forgets) {
            let status = if *status == 201 { 200 } else { *status };
            return (status, outcome.clone());
        }
        let outcome = self.decide(state, body);
        state.outcomes.insert(id, outcome.clone());
        match outcome {
            (201, outcome) if self.trick == Trick::RepeatsByItself => (200, outcome),
            outcome => outcome,
        }
    }

    fn decide(&self, state: &mut State, body: &Value) -> (u16, Value) {
        let name = |side: &str| body[side].as_str().unwrap().to_owned();
        let (debit, credit) = (name("debit_account_id"), name("credit_account_id"));
        let amount = body["amount"].as_i64().unwrap();
        let payer = &state.accounts[&debit];
        let lacks = payer
            .limit
            .is_some_and(|limit| payer.balance - amount < -limit);
        if lacks && self.trick != Trick::NoLimits {
            if self.trick == Trick::RefusesButDoes {
                post(state, &debit, body, -amount);
                post(state, &credit, body, amount);
            }
            return (422, json!({"code": "insufficient_funds"}));
        }
        state.moves_count += 1;
        // Something to lose that is no first credit: the debits after it would not add up.
        let is_now = !state.tricked && state.moves_count > 100 && !credit.starts_with("world");
        let both = !debit.starts_with("world") && is_now;
        let mut times = 1;
        match self.trick {
            Trick::LosesOne if is_now => times = 0,
            Trick::DoublesOne if is_now && !both => times = 2,
            Trick::HalfTransfer if both => {
                state.tricked = true;
                let debit = post(state, &debit, body, -amount);
                return (201, moved(body, &debit, &Value::Null));
            }
            _ => {}
        }
        if times == 0 && both {
            times = 1;
        }
        state.tricked |= times != 1;
        let mut after = (Value::Null, Value::Null);
        for _ in 0..times {
            after = (
                post(state, &debit, body, -amount),
                post(state, &credit, body, amount),
            );
        }
        (201, moved(body, &after.0, &after.1))
    }

    fn account(&self, state: &State, id: &str) -> Value {
        let account = &state.accounts[id];
        let Some(limit) = account.limit else {
            return json!({"balance": account.balance, "credit_limit": null});
        };
        let (balance, entry_count) = if self.trick == Trick::StaleReads {
            (0, 0)
        } else {
            (account.balance, account.entries.len())
        };
        json!({
            "balance": balance,
            "credit_limit": limit,
            "available": balance + limit,
            "entry_count": entry_count,
        })
    }
}

fn open(state: &mut State, body: &Value) -> (u16, Value) {
    let id = body["id"].as_str().unwrap().to_owned();
    state.accounts.entry(id).or_default().limit = body["credit_limit"].as_i64();
    (201, Value::Null)
}

fn moved(body: &Value, debit: &Value, credit: &Value) -> Value {
    json!({"id": body["id"], "amount": body["amount"], "debit": debit, "credit": credit})
}

fn post(state: &mut State, id: &str, body: &Value, change: i64) -> Value {
    let account = state.accounts.get_mut(id).unwrap();
    account.balance += change;
    if account.limit.is_none() {
        return Value::Null;
    }
    let number = account.entries.len() + 1;
    account.entries.push(json!({
        "number": number,
        "transfer_id": body["id"],
        "debit_account_id": body["debit_account_id"],
        "credit_account_id": body["credit_account_id"],
        "amount": body["amount"],
        "balance_after": account.balance,
    }));
    json!({"entry_number": number, "balance_after": account.balance})
}

/// Pages of ten lines: the cursor is the number that the page comes before.
fn statement(state: &State, id: &str, query: &str) -> Value {
    let account = &state.accounts[id];
    let cursor = query
        .split('&')
        .find_map(|part| part.strip_prefix("cursor="));
    let before: usize = cursor.map_or(account.entries.len() + 1, |text| text.parse().unwrap());
    let entries: Vec<&Value> = account.entries[..before - 1]
        .iter()
        .rev()
        .take(10)
        .collect();
    let oldest = before - entries.len();
    json!({
        "account": {"balance": account.balance, "entry_count": account.entries.len()},
        "entries": entries,
        "next_cursor": (oldest > 1).then(|| oldest.to_string()),
    })
}

impl Handler for BankDouble {
    fn reply(&self, request: &Request<'_>) -> Reply {
        let mut state = self.state.lock();
        state.requests_count += 1;
        let fails = matches!(self.trick, Trick::Fails | Trick::ForgetsIds);
        let turn = if fails { state.requests_count % 10 } else { 5 };
        match turn {
            0 => return Reply::Reset,
            1 => return Reply::Now(503, String::new()),
            _ => {}
        }
        let (status, body) = self.answer(&mut state, request);
        if turn == 2 {
            return Reply::Reset;
        }
        Reply::Now(status, body.to_string())
    }
}
