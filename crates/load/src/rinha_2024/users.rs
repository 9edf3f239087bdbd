//! The first two steps: the concurrency check and the validation users.

use std::rc::Rc;
use std::time::Instant;

use crate::http::{Answer, Client};
use crate::pacer::InFlight;
use crate::recorder::{Fault, Verdict};

use super::ACCOUNTS;
use super::arrival::VALIDATION;
use super::checks::{
    Line, Statement, Transaction, expect_balance, expect_newest, expect_status, judge_statement,
    judge_transaction, verdict,
};
use super::lab::{Lab, Traffic};
use super::requests::body;

const AT_ONCE: usize = 25;

/// What these steps ask in all: 25 + 1 + 25 + 1, five users with 14 each, and one unknown account.
pub(super) const REQUESTS_COUNT: u64 = 52 + 5 * 14 + 1;

/// The bodies that must be refused.
const INVALID: [&str; 5] = [
    r#"{"valor": 1.2, "tipo": "d", "descricao": "devolve"}"#,
    r#"{"valor": 1, "tipo": "x", "descricao": "devolve"}"#,
    r#"{"valor": 1, "tipo": "c", "descricao": "123456789 e mais um pouco"}"#,
    r#"{"valor": 1, "tipo": "c", "descricao": ""}"#,
    r#"{"valor": 1, "tipo": "c", "descricao": null}"#,
];

/// 25 debits at once, -25; 25 credits at once, 0.
pub(super) async fn concurrency_check(lab: &Rc<Lab>) {
    for (kind, expected) in [('d', -25), ('c', 0)] {
        let users = InFlight::new(AT_ONCE);
        let planned = Instant::now();
        for _ in 0..AT_ONCE {
            let lab = Rc::clone(lab);
            users
                .spawn(async move {
                    let user = User::new(&lab, 1);
                    user.moves(planned, kind, "validacao").await;
                })
                .await;
        }
        users.drain().await;
        let user = User::new(lab, 1);
        user.states(Instant::now(), |statement| {
            expect_balance(statement, expected)
        })
        .await;
    }
}

/// Starts the five users; they go on beside the load.
pub(super) async fn start_validations(lab: &Rc<Lab>) {
    for account in 1..=ACCOUNTS.len() {
        let lab_of_user = Rc::clone(lab);
        lab.in_flight
            .spawn(async move { validate(&User::new(&lab_of_user, account)).await })
            .await;
    }
}

/// The check that account 6 is unknown.
pub(super) async fn unknown_account(lab: &Rc<Lab>) {
    let client = lab.user_client();
    let request = lab.requests.statement(6);
    lab.ask(&client, VALIDATION, Instant::now(), &request, |answer| {
        let verdict = verdict(expect_status(answer, &[404]), "unknown account");
        (verdict, None::<()>)
    })
    .await;
}

async fn validate(user: &User<'_>) {
    let since = user.mark_from_the_start();
    user.states(Instant::now(), |statement| {
        user.unless_disturbed(&since, || expect_balance(statement, 0))
    })
    .await;
    user.moves(Instant::now(), 'c', "toma").await;
    user.moves(Instant::now(), 'd', "devolve").await;
    user.states(Instant::now(), |statement| {
        expect_newest(
            statement,
            &[("d", "devolve"), ("c", "toma")],
            is_of_the_load,
        )
    })
    .await;

    let since = user.mark();
    let moved = user.moves(Instant::now(), 'c', "danada").await;
    let planned = Instant::now();
    let look = || {
        user.states(planned, |statement| {
            if let Some(moved) = moved {
                user.unless_disturbed(&since, || expect_balance(statement, moved.balance))?;
            }
            expect_newest(statement, &[("c", "danada")], is_of_the_load)
        })
    };
    tokio::join!(look(), look(), look(), look());

    for body in INVALID {
        user.is_refused(Instant::now(), body).await;
    }
}

/// The load's descriptions have ten letters and digits, those of the validations fewer.
fn is_of_the_load(line: &Line<'_>) -> bool {
    line.description.len() == 10
}

/// A user of one account, with a connection of its own.
struct User<'a> {
    lab: &'a Lab,
    client: Rc<Client>,
    account: usize,
}

/// How much of the load's traffic on the account was known at some moment.
struct Mark {
    started: u64,
    in_flight: u64,
}

impl<'a> User<'a> {
    fn new(lab: &'a Lab, account: usize) -> Self {
        Self {
            lab,
            client: lab.user_client(),
            account,
        }
    }

    fn traffic(&self) -> &Traffic {
        &self.lab.traffic[self.account - 1]
    }

    fn mark(&self) -> Mark {
        Mark {
            started: self.traffic().started.get(),
            in_flight: self.traffic().in_flight.get(),
        }
    }

    /// From before the load's first request.
    const fn mark_from_the_start(&self) -> Mark {
        Mark {
            started: 0,
            in_flight: 0,
        }
    }

    /// Checks, unless the load had something to do with the account since then.
    fn unless_disturbed(
        &self,
        since: &Mark,
        check: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if since.in_flight > 0 || self.traffic().started.get() > since.started {
            return Ok(());
        }
        check()
    }

    /// A credit or debit of 1 that must be done.
    async fn moves(&self, planned: Instant, kind: char, description: &str) -> Option<Transaction> {
        let request = self
            .lab
            .requests
            .transaction(self.account, &body(1, kind, description));
        self.ask(planned, &request, |answer| {
            match judge_transaction(answer, self.account, false) {
                Ok(transaction) => (Verdict::Right("moved"), transaction),
                Err(fault) => (Verdict::Wrong(fault), None),
            }
        })
        .await
    }

    /// A statement that must pass a check.
    async fn states(
        &self,
        planned: Instant,
        check: impl FnOnce(&Statement<'_>) -> Result<(), Fault>,
    ) {
        let request = self.lab.requests.statement(self.account);
        self.ask(planned, &request, |answer| {
            let judged = judge_statement(answer, self.account);
            let judged = judged.and_then(|statement| check(&statement));
            (verdict(judged, "statement"), None::<()>)
        })
        .await;
    }

    /// A body that must be refused.
    async fn is_refused(&self, planned: Instant, body: &str) {
        let request = self.lab.requests.transaction(self.account, body);
        self.ask(planned, &request, |answer| {
            let judged = expect_status(answer, &[422, 400]);
            (verdict(judged, "invalid refused"), None::<()>)
        })
        .await;
    }

    async fn ask<T>(
        &self,
        planned: Instant,
        request: &[u8],
        judge: impl FnOnce(&Answer<'_>) -> (Verdict, Option<T>),
    ) -> Option<T> {
        self.lab
            .ask(&self.client, VALIDATION, planned, request, judge)
            .await
    }
}
