//! The checks of answers.

use std::borrow::Cow;

use serde::Deserialize;

use crate::http::Answer;
use crate::recorder::{Fault, Verdict};

/// The five accounts' limits, in centavos: account `n` is at `n - 1`.
pub(crate) const ACCOUNTS: [i64; 5] = [100_000, 80_000, 1_000_000, 10_000_000, 500_000];

/// What a transaction answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Transaction {
    #[serde(rename = "limite")]
    pub(crate) limit: i64,
    #[serde(rename = "saldo")]
    pub(crate) balance: i64,
}

/// What a statement answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Statement<'a> {
    #[serde(rename = "saldo")]
    pub(crate) balance: Balance,
    #[serde(rename = "ultimas_transacoes", borrow)]
    pub(crate) entries: Vec<Line<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Balance {
    pub(crate) total: i64,
    #[serde(rename = "limite")]
    pub(crate) limit: i64,
}

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(rename = "valor")]
    pub(crate) amount: i64,
    #[serde(rename = "tipo", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(rename = "descricao", borrow)]
    pub(crate) description: Cow<'a, str>,
}

/// The most lines of a statement.
const LINES_MAX: usize = 10;

pub(crate) fn fault(code: &'static str, detail: String) -> Fault {
    Fault {
        code,
        detail,
        is_inconsistent: false,
    }
}

fn inconsistency(code: &'static str, detail: String) -> Fault {
    Fault {
        code,
        detail,
        is_inconsistent: true,
    }
}

/// Judges a transaction of the load or of a user: 200 with a balance within the right limit, or,
/// for a debit of the load, 422.
pub(crate) fn judge_transaction(
    answer: &Answer<'_>,
    account: usize,
    may_be_refused: bool,
) -> Result<Option<Transaction>, Fault> {
    if answer.status == 422 && may_be_refused {
        return Ok(None);
    }
    expect_200(answer)?;
    let transaction: Transaction = read(answer)?;
    check_balance(account, transaction.limit, transaction.balance)?;
    Ok(Some(transaction))
}

/// Judges a statement: 200, a balance within the right limit, at most ten well-formed lines.
pub(crate) fn judge_statement<'a>(
    answer: &Answer<'a>,
    account: usize,
) -> Result<Statement<'a>, Fault> {
    expect_200(answer)?;
    let statement: Statement<'a> = read(answer)?;
    check_balance(account, statement.balance.limit, statement.balance.total)?;
    let entries = &statement.entries;
    if entries.len() > LINES_MAX {
        let detail = format!("a statement has {} lines", entries.len());
        return Err(fault("statement_too_long", detail));
    }
    let is_good = |line: &Line<'_>| {
        line.amount > 0
            && matches!(&*line.kind, "c" | "d")
            && (1..=10).contains(&line.description.chars().count())
    };
    match entries.iter().find(|line| !is_good(line)) {
        Some(line) => Err(fault("statement_line_invalid", describe(line))),
        None => Ok(statement),
    }
}

/// Checks the balance that a statement must show exactly.
pub(crate) fn expect_balance(statement: &Statement<'_>, expected: i64) -> Result<(), Fault> {
    let total = statement.balance.total;
    if total == expected {
        return Ok(());
    }
    let detail = format!("a statement shows {total} where {expected} was due");
    Err(inconsistency("balance_wrong", detail))
}

/// Checks that a statement's newest lines are these credits and debits of 1, newest first.
/// `past` tells which lines are looked past.
pub(crate) fn expect_newest(
    statement: &Statement<'_>,
    expected: &[(&str, &str)],
    past: impl Fn(&Line<'_>) -> bool,
) -> Result<(), Fault> {
    let mut lines = statement.entries.iter().filter(|line| !past(line));
    for (kind, description) in expected {
        let line = lines.next();
        let is_as_expected = line.is_some_and(|line| {
            line.amount == 1 && line.kind == *kind && line.description == *description
        });
        if !is_as_expected {
            let shown = line.map_or_else(|| "nothing".to_owned(), describe);
            let detail = format!("{kind} 1 {description:?} was due, the statement has {shown}");
            return Err(fault("statement_wrong", detail));
        }
    }
    Ok(())
}

/// Judges an answer by its status alone.
pub(crate) fn expect_status(answer: &Answer<'_>, expected: &[u16]) -> Result<(), Fault> {
    if expected.contains(&answer.status) {
        return Ok(());
    }
    Err(status_fault(answer.status))
}

pub(crate) fn verdict<T>(judged: Result<T, Fault>, outcome: &'static str) -> Verdict {
    match judged {
        Ok(_) => Verdict::Right(outcome),
        Err(fault) => Verdict::Wrong(fault),
    }
}

fn expect_200(answer: &Answer<'_>) -> Result<(), Fault> {
    expect_status(answer, &[200])
}

/// The wrong status's fault, by its class or its number where that is common.
fn status_fault(status: u16) -> Fault {
    let code = match status {
        400 => "status_400",
        404 => "status_404",
        408 => "status_408",
        422 => "status_422",
        429 => "status_429",
        500 => "status_500",
        502 => "status_502",
        503 => "status_503",
        504 => "status_504",
        200 => "status_200",
        201..=299 => "status_2xx",
        300..=399 => "status_3xx",
        401..=499 => "status_4xx",
        _ => "status_5xx",
    };
    fault(code, format!("the status was {status}"))
}

fn check_balance(account: usize, limit: i64, balance: i64) -> Result<(), Fault> {
    let expected = ACCOUNTS[account - 1];
    if limit != expected {
        let detail = format!("account {account} shows the limit {limit}, its limit is {expected}");
        return Err(inconsistency("limit_wrong", detail));
    }
    if balance < -limit {
        let detail = format!("account {account} stands at {balance}, its limit is {limit}");
        return Err(inconsistency("limit_passed", detail));
    }
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(answer: &Answer<'a>) -> Result<T, Fault> {
    serde_json::from_slice(answer.body).map_err(|error| {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(120)]);
        fault("answer_unreadable", format!("{error}: {body}"))
    })
}

fn describe(line: &Line<'_>) -> String {
    format!("{} {} {:?}", line.kind, line.amount, line.description)
}
