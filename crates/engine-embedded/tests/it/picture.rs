//! All that an engine can be read, as text.

use std::fmt::{Debug, Write};
use std::time::{Duration, Instant};

use ledger::{
    AccountId, Answer, DueQuery, Engine, Millis, PaymentId, StatementQuery, Timestamp, TransferId,
};

/// All payments due in one page.
pub(crate) const EVERY_DUE: DueQuery = DueQuery {
    after: None,
    limit: usize::MAX,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) transfers: Vec<TransferId>,
    pub(crate) payments: Vec<PaymentId>,
}

/// Every read of these ids, one to a line.
pub(crate) fn picture(engine: &dyn Engine, ids: &Ids) -> String {
    let mut text = String::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    for id in &ids.accounts {
        let account = read(engine.account(id.clone(), deadline));
        line(&mut text, &format!("account {id}"), account);
        statement(engine, id, &mut text);
    }
    for id in &ids.transfers {
        let used = read(engine.transfer(*id, deadline));
        line(&mut text, &format!("transfer {id}"), used);
        if let Some(end) = read(engine.pending_end(*id, deadline)) {
            line(&mut text, "  ended", end);
        }
    }
    for id in &ids.payments {
        let used = read(engine.payment(*id, deadline));
        line(&mut text, &format!("payment {id}"), used);
        for resolution in read(engine.resolutions(*id, deadline)) {
            line(&mut text, "  resolution", resolution);
        }
    }
    let due = read(engine.payments_due(EVERY_DUE, deadline));
    line(&mut text, "due", due);
    for second in 0..4 {
        let from = Some(Millis(1_767_225_600_000 + second * 1_000));
        let summary = read(engine.payments_summary(from, None, deadline));
        line(&mut text, &format!("summary from {second} s"), summary);
    }
    text
}

fn statement(engine: &dyn Engine, id: &AccountId, text: &mut String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut before = None;
    loop {
        let query = StatementQuery {
            account_id: id.clone(),
            before,
            limit: 7,
        };
        let Some(page) = read(engine.statement(query, deadline)) else {
            return;
        };
        before = page.next_before();
        for entry in page.entries {
            let at = Timestamp::from_nanos(entry.timestamp.as_nanos() - 1);
            let balance = read(engine.balance_at(id.clone(), at, deadline));
            line(text, "  entry", entry);
            line(text, "  right before", balance);
        }
        if before.is_none() {
            return;
        }
    }
}

fn read<T>(answer: Answer<'_, T>) -> T {
    // What is not in memory is read by another thread, within the deadline.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    runtime.block_on(answer).unwrap()
}

fn line(text: &mut String, what: &str, answer: impl Debug) {
    writeln!(text, "{what}: {answer:?}").unwrap();
}
