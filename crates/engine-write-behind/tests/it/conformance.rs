//! The same outcomes as the reference engine, restarts, wipes and rebuilds included. There are no
//! payments yet: the suite draws none, and the engine says so.

use std::time::Duration;

use engine_write_behind::WriteBehindOptions;
use ledger::{
    AcceptPayment, Batch, Command, Currency, DueQuery, Engine, PaymentId, ReverseTransfer,
    TransferId, Unavailable,
};
use testkit::conformance;
use testkit::servers::Postgres;

use crate::subject::{WriteBehindSubject, open_with, redis};

fn options() -> conformance::Options {
    conformance::Options {
        audit_every: 10,
        reads_every: 200,
        restart_every: 300,
        ..conformance::Options::default()
    }
}

#[test]
fn the_write_behind_engine_conforms() {
    let postgres = Postgres::start().unwrap();
    conformance::check(&options(), 1, async |seed| {
        let url = postgres.create_database(&format!("seed{seed}")).unwrap();
        WriteBehindSubject::open(url, WriteBehindOptions::default()).await
    });
}

#[test]
fn it_conforms_also_where_redis_forgets_at_once() {
    let postgres = Postgres::start().unwrap();
    let forgetful = WriteBehindOptions {
        ids_kept: Duration::ZERO,
        ..WriteBehindOptions::default()
    };
    // Half as long: only where ids come from is another.
    let options = conformance::Options {
        steps: 900,
        occurrences_min: 5,
        ..options()
    };
    conformance::check(&options, 1, async |seed| {
        let url = postgres.create_database(&format!("seed{seed}")).unwrap();
        WriteBehindSubject::open(url, forgetful.clone()).await
    });
}

#[test]
fn what_an_earlier_version_recorded_is_answered_again() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // From Redis, and from the database.
        for (name, ids_kept) in [
            ("kept", Duration::from_secs(3_600)),
            ("let_go", Duration::ZERO),
        ] {
            let url = postgres.create_database(name).unwrap();
            let options = WriteBehindOptions {
                ids_kept,
                ..WriteBehindOptions::default()
            };
            let mut subject = WriteBehindSubject::open(url, options).await;
            conformance::check_aged(&mut subject).await;
        }
    });
}

#[test]
fn payments_reversals_parts_and_freezes_are_refused_and_nothing_beside_them_is_done() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        let command = Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(1),
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1,
            description: "refused".into(),
            notes: ledger::Notes::NONE,
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let purge = Command::PurgePayments {
            expected_accepted_at: None,
        };
        let reverse = Command::Reverse(ReverseTransfer {
            id: TransferId::from_u128(1),
            reverses: TransferId::from_u128(2),
            amount: None,
            description: "refused".into(),
            notes: ledger::Notes::NONE,
        });
        let part = Command::PostPart {
            id: TransferId::from_u128(1),
            pending_id: TransferId::from_u128(2),
            amount: 1,
        };
        let freeze = Command::ChangeFreeze {
            account_id: ledger::AccountId::new("a").unwrap(),
            frozen: ledger::Frozen::Debits,
            expected_frozen: None,
            by: None,
        };
        for command in [command, purge, reverse, part, freeze] {
            let answer = engine.submit(vec![Batch::one(command)], deadline).await;
            assert_eq!(answer, Err(Unavailable::NotSupported));
        }
        let query = DueQuery {
            after: None,
            limit: 1,
        };
        let due = engine.payments_due(query, deadline).await;
        assert_eq!(due, Err(Unavailable::NotSupported));
    });
}

#[test]
fn totals_are_exact_beyond_what_a_double_holds() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = WriteBehindOptions::default;
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options()).await;
        conformance::check_large_totals(&engine).await;
        drop(engine);
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options()).await;
        conformance::check_large_totals_read(&engine).await;
    });
}

/// Who decided is only in the log; why would be lost.
#[test]
fn a_reason_is_refused_and_who_decided_is_not_kept() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let id = ledger::AccountId::new("a").unwrap();
        let open = Command::OpenAccount(ledger::OpenAccount {
            id: id.clone(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 0,
        });
        let change = |why: Option<&str>| Command::ChangeLimit {
            account_id: id.clone(),
            credit_limit: 5,
            expected_credit_limit: None,
            by: ledger::By::new(
                ledger::Note::new("ana").ok(),
                why.and_then(|why| ledger::Note::new(why).ok()),
            ),
        };
        for (command, expected) in [
            (open, Ok("created")),
            (change(Some("ticket 4711")), Err(Unavailable::NotSupported)),
            (change(None), Ok("created")),
        ] {
            let answer = engine.submit(vec![Batch::one(command)], deadline).await;
            assert_eq!(answer.map(|outcomes| outcomes[0][0].code()), expected);
        }
        let page = ledger::ListPage::first(ledger::ListOrder::Descending, 1);
        let limits = engine.limits(id, page, deadline).await;
        assert_eq!(limits, Err(Unavailable::NotSupported));
    });
}
