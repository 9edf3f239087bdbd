//! One operation, from its planned arrival to its outcome.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::operation::{Fate, Movement, Operation, Sent, Side};
use super::servers::{Answered, Servers};
use crate::recorder::{Fault, Recorder, Sample, Verdict};

/// The kinds of operations, in the order of their reports.
pub(super) const KINDS: &[&str] = &[
    "deposits",
    "withdrawals",
    "transfers",
    "balances",
    "outcomes",
];

/// The last kind: an asynchronous operation's way from its planned arrival to its outcome.
const OUTCOME: usize = 4;

/// Between two questions for an outcome.
const POLL: Duration = Duration::from_millis(20);

/// The outside.
pub(super) const WORLD: &str = "world:BRL";

/// An account of the run.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) credit_limit: i64,
    /// The highest entry number that any answer told.
    pub(super) entries_count: Cell<u64>,
}

/// What the clients share.
pub(super) struct Teller {
    pub(super) servers: Servers,
    pub(super) recorder: Rc<RefCell<Recorder>>,
    pub(super) accounts: Vec<Account>,
    pub(super) operations: RefCell<Vec<Sent>>,
    pub(super) deadline: Duration,
    pub(super) is_async: bool,
    /// Set when the servers know no asynchronous operations.
    pub(super) not_served: Cell<bool>,
}

#[derive(Deserialize)]
struct TransferAnswer {
    id: Uuid,
    amount: i64,
    debit: Option<After>,
    credit: Option<After>,
}

#[derive(Deserialize)]
struct After {
    entry_number: u64,
    balance_after: i64,
}

#[derive(Deserialize)]
struct AccountAnswer {
    credit_limit: i64,
    balance: i64,
    available: i64,
    entry_count: u64,
}

#[derive(Deserialize)]
struct OperationAnswer {
    state: String,
}

/// The code of a refusal.
#[derive(Deserialize)]
struct ProblemAnswer {
    code: String,
}

type Judged = (Verdict, Fate);

impl Teller {
    /// Opens an account.
    pub(super) async fn open(&self, account: &Account) -> anyhow::Result<()> {
        let body = json!({
            "id": account.id, "currency": "BRL", "credit_limit": account.credit_limit,
        });
        let deadline = Instant::now() + self.deadline;
        let answered = self
            .servers
            .ask(None, "POST", "/v1/accounts", &body.to_string(), deadline)
            .await
            .context("no server answers")?;
        if !matches!(answered.status, 200 | 201) {
            let body = String::from_utf8_lossy(&answered.body);
            bail!("the answer was {}: {body}", answered.status);
        }
        Ok(())
    }

    /// Does what a client wants, and records it.
    pub(super) async fn serve(&self, planned: Instant, operation: Operation) {
        let started = Instant::now();
        let deadline = started + self.deadline;
        match operation {
            Operation::Ask(account) => {
                let verdict = self.balance(account, deadline).await;
                self.record(3, planned, started, verdict);
            }
            Operation::Move(movement) => {
                let kind = kind(&movement);
                let fate = if self.is_async {
                    self.move_later(planned, started, &movement, deadline).await
                } else {
                    let (verdict, fate) = self.move_now(&movement, deadline).await;
                    self.record(kind, planned, started, verdict);
                    fate
                };
                let sent = Sent { movement, fate };
                self.operations.borrow_mut().push(sent);
            }
        }
    }

    fn record(&self, kind: usize, planned: Instant, started: Instant, verdict: Verdict) {
        self.recorder.borrow_mut().record(Sample {
            kind,
            planned,
            started,
            ended: Instant::now(),
            verdict,
        });
    }

    async fn balance(&self, account: usize, deadline: Instant) -> Verdict {
        let account = &self.accounts[account];
        let known = account.entries_count.get();
        let path = format!("/v1/accounts/{}", account.id);
        let Some(answered) = self.servers.ask(None, "GET", &path, "", deadline).await else {
            return wrong("no_answer", "a balance was never answered".to_owned());
        };
        let answer: AccountAnswer = match read(&answered, &[200]) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        };
        let (balance, limit) = (answer.balance, account.credit_limit);
        if answer.credit_limit != limit || answer.available != balance + limit {
            let detail = format!(
                "{}: balance {balance}, limit {}, available {}",
                account.id, answer.credit_limit, answer.available
            );
            return inconsistent("balance_wrong", detail);
        }
        if balance < -limit {
            return limit_passed(account, balance);
        }
        if answer.entry_count < known {
            let detail = format!(
                "{} has {} entries after the answer of number {known}",
                account.id, answer.entry_count
            );
            return wrong("stale_read", detail);
        }
        account
            .entries_count
            .set(account.entries_count.get().max(answer.entry_count));
        Verdict::Right("balance")
    }

    async fn move_now(&self, movement: &Movement, deadline: Instant) -> Judged {
        let body = self.body(movement);
        let asked = self
            .servers
            .ask(None, "POST", "/v1/transfers", &body, deadline);
        let Some(answered) = asked.await else {
            let detail = format!("{} was never answered", movement.id);
            return (wrong("no_answer", detail), Fate::Unknown);
        };
        match answered.status {
            200 | 201 => (self.judge_moved(movement, &answered), Fate::Applied),
            422 => refused(&answered),
            status => {
                let detail = format!("{status}: {}", text(&answered));
                (wrong("status_wrong", detail), Fate::Unknown)
            }
        }
    }

    fn judge_moved(&self, movement: &Movement, answered: &Answered) -> Verdict {
        let answer: TransferAnswer = match read(answered, &[200, 201]) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        };
        if answer.id != movement.id || answer.amount != movement.amount {
            return wrong("answer_of_another", text(answered));
        }
        for (side, after) in [
            (movement.debit, &answer.debit),
            (movement.credit, &answer.credit),
        ] {
            let (Side::Account(account), Some(after)) = (side, after) else {
                continue;
            };
            let account = &self.accounts[account];
            let known = account.entries_count.get().max(after.entry_number);
            account.entries_count.set(known);
            if after.balance_after < -account.credit_limit {
                return limit_passed(account, after.balance_after);
            }
        }
        Verdict::Right("moved")
    }

    /// Sends an operation to be applied later, and asks the same server for its outcome.
    async fn move_later(
        &self,
        planned: Instant,
        started: Instant,
        movement: &Movement,
        deadline: Instant,
    ) -> Fate {
        let body = self.body(movement);
        let asked = self
            .servers
            .ask(None, "POST", "/v1/operations", &body, deadline);
        let Some(answered) = asked.await else {
            let detail = format!("{} was never accepted", movement.id);
            self.record(kind(movement), planned, started, wrong("no_answer", detail));
            return Fate::Unknown;
        };
        match answered.status {
            200 | 202 => {
                let verdict = Verdict::Right("accepted");
                self.record(kind(movement), planned, started, verdict);
                let (verdict, fate) = self.outcome(movement, answered.server, deadline).await;
                self.record(OUTCOME, planned, started, verdict);
                fate
            }
            status => {
                self.not_served.set(self.not_served.get() || status == 404);
                let detail = format!("{status}: {}", text(&answered));
                self.record(
                    kind(movement),
                    planned,
                    started,
                    wrong("status_wrong", detail),
                );
                Fate::Unknown
            }
        }
    }

    async fn outcome(&self, movement: &Movement, server: usize, deadline: Instant) -> Judged {
        let path = format!("/v1/operations/{}", movement.id);
        while Instant::now() < deadline {
            let asked = self.servers.ask(Some(server), "GET", &path, "", deadline);
            let Some(answered) = asked.await else { break };
            let answer: OperationAnswer = match read(&answered, &[200]) {
                Ok(answer) => answer,
                Err(verdict) => return (verdict, Fate::Unknown),
            };
            match &*answer.state {
                "applied" => return (Verdict::Right("applied"), Fate::Applied),
                "refused" => return (Verdict::Right("refused"), Fate::Refused),
                "queued" => tokio::time::sleep(POLL).await,
                _ => return (wrong("state_unknown", text(&answered)), Fate::Unknown),
            }
        }
        let detail = format!("{} was accepted and has no outcome", movement.id);
        (wrong("no_outcome", detail), Fate::Unknown)
    }

    fn body(&self, movement: &Movement) -> String {
        json!({
            "id": movement.id,
            "debit_account_id": self.name(movement.debit),
            "credit_account_id": self.name(movement.credit),
            "amount": movement.amount,
            "description": KINDS[kind(movement)],
        })
        .to_string()
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::World => WORLD,
            Side::Account(account) => &self.accounts[account].id,
        }
    }
}

fn kind(movement: &Movement) -> usize {
    match (movement.debit, movement.credit) {
        (Side::World, _) => 0,
        (_, Side::World) => 1,
        _ => 2,
    }
}

fn refused(answered: &Answered) -> Judged {
    match serde_json::from_slice::<ProblemAnswer>(&answered.body) {
        Ok(problem) if problem.code == "insufficient_funds" => {
            (Verdict::Right("refused"), Fate::Refused)
        }
        _ => (wrong("refusal_wrong", text(answered)), Fate::Refused),
    }
}

fn limit_passed(account: &Account, balance: i64) -> Verdict {
    let (id, limit) = (&account.id, account.credit_limit);
    inconsistent(
        "limit_passed",
        format!("{id} stands at {balance}, its limit is {limit}"),
    )
}

fn inconsistent(code: &'static str, detail: String) -> Verdict {
    Verdict::Wrong(Fault {
        code,
        detail,
        is_inconsistent: true,
    })
}

fn wrong(code: &'static str, detail: String) -> Verdict {
    Verdict::Wrong(Fault {
        code,
        detail,
        is_inconsistent: false,
    })
}

fn read<T: for<'a> Deserialize<'a>>(answered: &Answered, expected: &[u16]) -> Result<T, Verdict> {
    if !expected.contains(&answered.status) {
        let detail = format!("{}: {}", answered.status, text(answered));
        return Err(wrong("status_wrong", detail));
    }
    serde_json::from_slice(&answered.body)
        .map_err(|error| wrong("answer_unreadable", format!("{error}: {}", text(answered))))
}

fn text(answered: &Answered) -> String {
    let body = &answered.body[..answered.body.len().min(200)];
    String::from_utf8_lossy(body).into_owned()
}
