//! The challenge's ledger in memory, right or with one planted flaw.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::double::{Handler, Reply, Request};

const LIMITS: [i64; 5] = [100_000, 80_000, 1_000_000, 10_000_000, 500_000];

/// What is wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// One debit and one credit of the concurrency check are answered, but not kept.
    LostUpdate,
    /// After a "danada", statements still show what was before.
    StaleStatement,
    /// Statements are oldest first.
    WrongOrder,
    /// Debits are never refused.
    LimitPassed,
    /// Each answer's limit is one too high.
    WrongLimit,
    /// Each tenth answer takes 300 ms.
    SlowTenth,
    /// Each tenth request's connection is reset.
    ResetTenth,
    /// Each tenth answer is a 500.
    StatusTenth,
    /// Invalid bodies are done as if they were valid.
    AcceptsInvalid,
    /// An unknown account has an empty statement.
    KnowsEverybody,
    /// Answers are no JSON.
    Gibberish,
}

/// The ledger.
pub(crate) struct LedgerDouble {
    flaw: Flaw,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: [Account; 5],
    requests_count: u64,
    invalid_count: u64,
    lost: [bool; 2],
    flawed_count: u64,
}

#[derive(Default, Clone)]
struct Account {
    balance: i64,
    entries: Vec<Value>,
}

impl LedgerDouble {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            flaw,
            state: Mutex::default(),
        }
    }

    /// How many answers were flawed.
    pub(crate) fn flawed_count(&self) -> u64 {
        self.state.lock().flawed_count
    }

    fn answer(&self, state: &mut State, request: &Request<'_>) -> (u16, Value) {
        let id = request.path.split('/').nth(2).unwrap();
        let index = id.parse::<usize>().unwrap() - 1;
        if index >= LIMITS.len() {
            return if self.flaw == Flaw::KnowsEverybody {
                let balance = json!({"total": 0, "limite": 0});
                (200, json!({"saldo": balance, "ultimas_transacoes": []}))
            } else {
                (404, Value::Null)
            };
        }
        if request.method == "GET" {
            (200, self.statement(state, index))
        } else {
            self.transact(state, index, request.body)
        }
    }

    fn transact(&self, state: &mut State, index: usize, body: &[u8]) -> (u16, Value) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let description = body["descricao"].as_str().unwrap_or_default();
        let amount = body["valor"].as_i64();
        let sign = match body["tipo"].as_str() {
            Some("c") => Some(1),
            Some("d") => Some(-1),
            _ => None,
        };
        let is_valid = (1..=10).contains(&description.chars().count());
        let (Some(amount), Some(sign), true) = (amount, sign, is_valid) else {
            state.invalid_count += 1;
            let status = if self.flaw == Flaw::AcceptsInvalid {
                200
            } else {
                422
            };
            return (status, json!({"limite": LIMITS[index], "saldo": 0}));
        };
        let balance = state.accounts[index].balance + sign * amount;
        if sign < 0 && balance < -LIMITS[index] {
            if self.flaw != Flaw::LimitPassed {
                return (422, Value::Null);
            }
            state.flawed_count += 1;
        } else if balance < -LIMITS[index] {
            state.flawed_count += 1;
        }
        let lost = &mut state.lost[usize::from(sign > 0)];
        if self.flaw == Flaw::LostUpdate && description == "validacao" && !*lost {
            *lost = true;
        } else {
            let account = &mut state.accounts[index];
            account.balance = balance;
            let mut entry = body.clone();
            entry["realizada_em"] = json!("2024-01-17T02:34:38.543030Z");
            account.entries.insert(0, entry);
        }
        (200, json!({"limite": self.limit(index), "saldo": balance}))
    }

    fn statement(&self, state: &mut State, index: usize) -> Value {
        let mut account = state.accounts[index].clone();
        if account.balance < -LIMITS[index] {
            state.flawed_count += 1;
        }
        let newest = account.entries.first();
        if self.flaw == Flaw::StaleStatement
            && newest.is_some_and(|entry| entry["descricao"] == "danada")
        {
            state.flawed_count += 1;
            account.balance -= 1;
            account.entries.remove(0);
        }
        if self.flaw == Flaw::WrongOrder {
            account.entries.reverse();
        }
        account.entries.truncate(10);
        json!({
            "saldo": {
                "total": account.balance,
                "data_extrato": "2024-01-17T02:34:41.217753Z",
                "limite": self.limit(index),
            },
            "ultimas_transacoes": account.entries,
        })
    }

    fn limit(&self, index: usize) -> i64 {
        LIMITS[index] + i64::from(self.flaw == Flaw::WrongLimit)
    }
}

impl Handler for LedgerDouble {
    fn reply(&self, request: &Request<'_>) -> Reply {
        let mut state = self.state.lock();
        state.requests_count += 1;
        let is_tenth = state.requests_count.is_multiple_of(10);
        if is_tenth && self.flaw == Flaw::ResetTenth {
            state.flawed_count += 1;
            return Reply::Reset;
        }
        if is_tenth && self.flaw == Flaw::StatusTenth {
            state.flawed_count += 1;
            return Reply::Now(500, String::new());
        }
        let (status, body) = self.answer(&mut state, request);
        let mut body = body.to_string();
        if self.flaw == Flaw::Gibberish && status == 200 {
            state.flawed_count += 1;
            body = "<html>".to_owned();
        }
        if is_tenth && self.flaw == Flaw::SlowTenth {
            state.flawed_count += 1;
            return Reply::After(Duration::from_millis(300), status, body);
        }
        if status == 404 {
            // The load begins with this answer. A while, and the validation users are done: what
            // they see is then the same in every run.
            return Reply::After(Duration::from_millis(150), status, body);
        }
        Reply::Now(status, body)
    }
}
