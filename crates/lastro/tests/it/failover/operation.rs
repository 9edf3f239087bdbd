//! What a client asks for, and how it may be answered.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

/// Few enough for every call to meet another one.
pub(super) const ACCOUNTS: [&str; 4] = ["bank:1", "bank:2", "bank:3", "bank:4"];
pub(super) const CREDIT_LIMIT: i64 = 2_000;
pub(super) const WORLD: &str = "world:BRL";
const HOLD_S: u64 = 86_400;

/// Money from one account to another, under the id of what moves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Movement {
    pub(super) id: Uuid,
    pub(super) debit: &'static str,
    pub(super) credit: &'static str,
    pub(super) amount: i64,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) path: String,
    pub(super) body: Value,
    /// What it moves if it is applied.
    pub(super) movements: Vec<Movement>,
    /// What it reserves if it is applied.
    pub(super) hold: Option<Movement>,
}

/// How it was answered.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    Applied(Value),
    /// With this code.
    Refused(String),
    /// Not at all: that is a fault.
    Unanswered,
}

impl Movement {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        let sides = [&ACCOUNTS[..], &[WORLD]].concat();
        let drawn: Vec<&str> = sides.choose_multiple(rng, 2).copied().collect();
        Self {
            id: Uuid::new_v4(),
            debit: drawn[0],
            credit: drawn[1],
            amount: rng.random_range(1..400),
        }
    }

    fn body(&self) -> Value {
        json!({
            "id": self.id, "debit_account_id": self.debit, "credit_account_id": self.credit,
            "amount": self.amount, "description": "failover",
        })
    }
}

impl Operation {
    pub(super) fn transfer(rng: &mut impl Rng) -> Self {
        let movement = Movement::random(rng);
        Self {
            path: "/v1/transfers".to_owned(),
            body: movement.body(),
            movements: vec![movement],
            hold: None,
        }
    }

    pub(super) fn hold(rng: &mut impl Rng) -> Self {
        let movement = Movement::random(rng);
        let mut body = movement.body();
        body["timeout_s"] = json!(HOLD_S);
        Self {
            path: "/v1/transfers".to_owned(),
            body,
            movements: Vec::new(),
            hold: Some(movement),
        }
    }

    /// Ends a reservation.
    pub(super) fn end(hold: &Movement, posts: bool) -> Self {
        let id = Uuid::new_v4();
        let verb = if posts { "post" } else { "void" };
        let movement = Movement { id, ..hold.clone() };
        Self {
            path: format!("/v1/transfers/{}/{verb}", hold.id),
            body: json!({"id": id}),
            movements: if posts { vec![movement] } else { Vec::new() },
            hold: None,
        }
    }

    /// All or nothing.
    pub(super) fn batch(rng: &mut impl Rng) -> Self {
        let movements: Vec<_> = (0..3).map(|_| Movement::random(rng)).collect();
        let command = |movement: &Movement| {
            let mut body = movement.body();
            body["kind"] = json!("transfer");
            body
        };
        let commands: Vec<_> = movements.iter().map(command).collect();
        Self {
            path: "/v1/batches".to_owned(),
            body: json!({"atomic": true, "id": Uuid::new_v4(), "commands": commands}),
            movements,
            hold: None,
        }
    }
}
