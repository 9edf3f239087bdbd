//! Claims of payments: each belongs to one node at a time, and is never left without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_postgres::{PaymentClaims, PostgresEngine};
use ledger::{
    AcceptPayment, Batch, Claims, ClaimsLease, Command, Currency, DueQuery, Engine, HealthReport,
    HealthTurn, Millis, Note, Payment, PaymentExpected, PaymentId, PaymentStateName, ProcessorName,
    Record, Refusal, ResolutionKind, ResolvePayment, UsedPayment,
};
use testkit::bank::in_seconds;
use testkit::servers::Postgres;
use tokio_postgres::NoTls;

use crate::subject::open;

const LONG: Duration = Duration::from_secs(600);

fn with_postgres(test: impl AsyncFnOnce(&Postgres, String)) {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("claims").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(test(&postgres, url));
}

async fn accept(engine: &PostgresEngine, ids: std::ops::Range<u128>) {
    let command = |id| {
        Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(id),
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        })
    };
    let batch = Batch::independent(ids.map(command).collect()).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
}

async fn send(engine: &PostgresEngine, id: u128) {
    let command = Command::SendPayment {
        id: PaymentId::from_u128(id),
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt: 0,
        },
        processor: ProcessorName::new("default").unwrap(),
        requested_at: Millis(1),
    };
    let outcomes = engine.submit(vec![Batch::one(command)], in_seconds(20));
    assert!(outcomes.await.unwrap()[0][0].result.is_ok());
}

async fn renew(claims: &PaymentClaims) -> ClaimsLease {
    claims.renew(in_seconds(20)).await.unwrap()
}

async fn due(claims: &PaymentClaims, after: Option<&Payment>, limit: usize) -> Vec<Payment> {
    let after = after.map(Payment::place);
    let query = DueQuery { after, limit };
    claims.payments_due(query, in_seconds(20)).await.unwrap()
}

/// Waits until a node has claimed all of these.
async fn until_claimed(claims: &PaymentClaims, expected: &[u128]) {
    let patience = in_seconds(30);
    loop {
        renew(claims).await;
        let claimed = ids(&due(claims, None, 1_000_000).await);
        if claimed == expected {
            return;
        }
        assert!(Instant::now() < patience, "{claimed:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn ids(payments: &[Payment]) -> Vec<u128> {
    payments
        .iter()
        .map(|payment| payment.id.to_u128())
        .collect()
}

/// An operator gives a payment up on a node that sends nothing itself.
async fn release(engine: &PostgresEngine, id: u128) -> Result<Record, Refusal> {
    let command = Command::ResolvePayment(ResolvePayment {
        id: PaymentId::from_u128(id),
        expected: PaymentExpected {
            state: PaymentStateName::Sent,
            attempt: 1,
        },
        kind: ResolutionKind::Release,
        who: Note::new("ana").unwrap(),
        why: Note::new("she asked them").unwrap(),
        send_lease: Duration::ZERO,
    });
    let outcomes = engine.submit(vec![Batch::one(command)], in_seconds(20));
    outcomes.await.unwrap().remove(0).remove(0).result
}

#[test]
fn an_operator_on_any_node_waits_for_the_longest_lease_of_all() {
    with_postgres(async |postgres, url| {
        let (one, other) = (open(&url).await, open(&url).await);
        let (short, long) = (one.claims(Duration::from_secs(6)), one.claims(LONG));
        renew(&long).await;
        renew(&short).await;
        accept(&one, 1..2).await;
        send(&one, 1).await;
        let sent_at = match other.payment(PaymentId::from_u128(1), in_seconds(20)).await {
            Ok(Some(UsedPayment::Accepted(payment))) => payment.timestamp,
            other => panic!("{other:?}"),
        };
        let until = sent_at.plus(LONG);
        let refused = Err(Refusal::PaymentUnderWay { until });
        assert_eq!(release(&other, 1).await, refused);
        // One that was begun by an older node lasts for as long as it is known to.
        postgres
            .psql_in("claims", "UPDATE lastro.leases SET lasts = NULL")
            .unwrap();
        assert!(matches!(
            release(&other, 1).await,
            Err(Refusal::PaymentUnderWay { .. })
        ));
        renew(&long).await;
        assert_eq!(release(&other, 1).await, refused);
        // Who leaves has nothing under way any more.
        long.leave(in_seconds(20)).await.unwrap();
        short.leave(in_seconds(20)).await.unwrap();
        assert!(release(&other, 1).await.is_ok());
    });
}

#[test]
fn many_that_claim_at_once_share_the_payments() {
    with_postgres(async |postgres, url| {
        let engine = Arc::new(open(&url).await);
        let count = 2_000;
        for first in (0..count).step_by(500) {
            accept(&engine, first..first + 500).await;
        }
        let mut tasks = Vec::new();
        for node in 0..6 {
            let claims = engine.claims(LONG);
            tasks.push(tokio::spawn(async move {
                renew(&claims).await;
                let mut mine = Vec::<Payment>::new();
                loop {
                    let page = due(&claims, mine.last(), 7 + node).await;
                    if page.is_empty() {
                        return (claims, mine);
                    }
                    mine.extend(page);
                }
            }));
        }
        let mut claimed = BTreeSet::new();
        for task in tasks {
            let (claims, mine) = task.await.unwrap();
            for id in ids(&mine) {
                assert!(claimed.insert(id), "{id} is claimed twice");
            }
            // A walk from the beginning tells of the same again, in order.
            let again = due(&claims, None, 10_000).await;
            let mut places: Vec<_> = mine.iter().map(Payment::place).collect();
            places.sort();
            assert_eq!(again.iter().map(Payment::place).collect::<Vec<_>>(), places);
        }
        assert_eq!(claimed.len(), usize::try_from(count).unwrap());
        let deadlocks = postgres.psql("SELECT sum(deadlocks) FROM pg_stat_database");
        assert_eq!(deadlocks.unwrap(), "0");
    });
}

#[test]
fn a_page_has_what_is_claimed_and_fills_up_with_the_oldest_that_are_free() {
    with_postgres(async |_, url| {
        let engine = open(&url).await;
        let (one, other) = (engine.claims(LONG), engine.claims(LONG));
        let (first, second) = (renew(&one).await, renew(&other).await);
        assert!(first.until > Some(Instant::now()) && second.number == first.number);
        assert_eq!(renew(&one).await.number, first.number);
        accept(&engine, 1..6).await;
        assert_eq!(ids(&due(&one, None, 2).await), [1, 2]);
        assert_eq!(ids(&due(&other, None, 2).await), [3, 4]);
        let page = due(&one, None, 10).await;
        assert_eq!(ids(&page), [1, 2, 5]);
        assert_eq!(ids(&due(&one, Some(&page[0]), 1).await), [2]);
        accept(&engine, 6..8).await;
        send(&engine, 6).await;
        // What was sent is claimed as well: to be resolved.
        assert_eq!(ids(&due(&other, Some(&page[2]), 1).await), [6]);
        other.leave(in_seconds(20)).await.unwrap();
        assert_eq!(ids(&due(&other, None, 10).await), Vec::<u128>::new());
        assert_eq!(ids(&due(&one, Some(&page[2]), 10).await), [3, 4, 6, 7]);
    });
}

/// Damages the rows of these payments, each in another way, as far as there are ways.
fn damage(postgres: &Postgres, ids: &[u128]) {
    let ways = [
        "record = '\\xffff'",
        // Of another payment.
        "record = (SELECT record FROM lastro.payments
            WHERE payment_id = '00000000-0000-0000-0000-000000000004')",
        "accepted_at = accepted_at + 1",
    ];
    for (id, way) in ids.iter().zip(ways.iter().cycle()) {
        let id = uuid::Uuid::from_u128(*id);
        let damage = format!("UPDATE lastro.payments SET {way} WHERE payment_id = '{id}'");
        postgres.psql_in("claims", &damage).unwrap();
    }
}

#[test]
fn pages_are_filled_up_from_behind_damaged_rows() {
    with_postgres(async |postgres, url| {
        let engine = open(&url).await;
        // One by one, so that each has a time of its own, apart from the next.
        for id in 1..13 {
            accept(&engine, id..id + 1).await;
        }
        damage(postgres, &[1, 2, 3, 5, 8, 9, 12]);
        let intact = [4, 6, 7, 10, 11];
        for limit in 1..15 {
            let claims = engine.claims(LONG);
            renew(&claims).await;
            for walk in ["of anybody", "that claims", "of what is claimed"] {
                let mut read = Vec::<Payment>::new();
                loop {
                    let after = read.last().map(Payment::place);
                    let query = DueQuery { after, limit };
                    let page = match walk {
                        "of anybody" => engine.payments_due(query, in_seconds(20)).await,
                        _ => claims.payments_due(query, in_seconds(20)).await,
                    };
                    let page = page.unwrap();
                    let is_last = page.len() < limit;
                    read.extend(page);
                    if is_last {
                        break;
                    }
                }
                assert_eq!(ids(&read), intact, "{limit} a page, a walk {walk}");
            }
            claims.leave(in_seconds(20)).await.unwrap();
        }
    });
}

#[test]
fn a_lease_that_is_over_is_ended_with_all_that_was_claimed_under_it() {
    with_postgres(async |postgres, url| {
        let engine = open(&url).await;
        accept(&engine, 1..4).await;
        let (short, long) = (
            engine.claims(Duration::from_millis(300)),
            engine.claims(LONG),
        );
        let lease = renew(&short).await;
        assert_eq!(ids(&due(&short, None, 2).await), [1, 2]);
        // Over, and nobody has taken it: it is renewed, with all that it had.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(lease.is_over(Instant::now()));
        let again = renew(&short).await;
        assert!(again.number == lease.number && !again.is_over(Instant::now()));
        renew(&long).await;
        assert_eq!(ids(&due(&long, None, 10).await), [3]);
        tokio::time::sleep(Duration::from_millis(400)).await;
        until_claimed(&long, &[1, 2, 3]).await;
        // The node that lost it gets nothing, and then begins under another.
        assert!(due(&short, None, 10).await.is_empty());
        assert_eq!(renew(&short).await.number, lease.number + 1);
        assert!(due(&short, None, 10).await.is_empty());
        let orphans = "SELECT count(*) FROM lastro.payments WHERE claimed_by NOT IN
            (SELECT lease_id FROM lastro.leases)";
        assert_eq!(postgres.psql_in("claims", orphans).unwrap(), "0");
    });
}

#[test]
fn what_a_dead_node_keeps_locked_keeps_nobody_from_renewing() {
    with_postgres(async |_, url| {
        let engine = open(&url).await;
        accept(&engine, 1..3).await;
        let (dead, alive) = (
            engine.claims(Duration::from_millis(50)),
            engine.claims(Duration::from_secs(1)),
        );
        renew(&dead).await;
        assert_eq!(ids(&due(&dead, None, 10).await), [1, 2]);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let lock = "BEGIN; SELECT FROM lastro.payments FOR UPDATE";
        client.batch_execute(lock).await.unwrap();
        let first = renew(&alive).await;
        let locked_until = Instant::now() + Duration::from_millis(2_500);
        while Instant::now() < locked_until {
            let deadline = Instant::now() + Duration::from_millis(900);
            assert_eq!(alive.renew(deadline).await.unwrap().number, first.number);
            assert!(due(&alive, None, 10).await.is_empty());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        client.batch_execute("COMMIT").await.unwrap();
        until_claimed(&alive, &[1, 2]).await;
    });
}

#[test]
fn claims_and_ends_that_meet_leave_nothing_behind() {
    with_postgres(async |postgres, url| {
        let engine = Arc::new(open(&url).await);
        let stop_at = Instant::now() + Duration::from_millis(1_500);
        let mut tasks = Vec::new();
        for node in 0..4 {
            let claims = engine.claims(Duration::from_millis(5 * (node + 1)));
            tasks.push(tokio::spawn(async move {
                let mut lost = BTreeMap::new();
                while Instant::now() < stop_at {
                    let lease = renew(&claims).await;
                    due(&claims, None, 20).await;
                    *lost.entry(lease.number).or_insert(0) += 1;
                    tokio::time::sleep(Duration::from_millis(7)).await;
                }
                claims.leave(in_seconds(20)).await.unwrap();
                lost.len()
            }));
        }
        let mut next = 0;
        while Instant::now() < stop_at {
            accept(&engine, next..next + 10).await;
            next += 10;
        }
        let mut leases = 0;
        for task in tasks {
            leases += task.await.unwrap();
        }
        assert!(leases > 4, "none was ended by another");
        let last = engine.claims(LONG);
        until_claimed(&last, &(0..next).collect::<Vec<_>>()).await;
        let deadlocks = postgres.psql("SELECT sum(deadlocks) FROM pg_stat_database");
        assert_eq!(deadlocks.unwrap(), "0");
    });
}

#[test]
fn one_node_asks_for_a_processors_health_and_all_learn_of_it() {
    with_postgres(async |_, url| {
        let engine = open(&url).await;
        let (one, other) = (engine.claims(LONG), engine.claims(LONG));
        let name = || ProcessorName::new("default").unwrap();
        let turn = async |claims: &PaymentClaims, interval_ms| {
            let interval = Duration::from_millis(interval_ms);
            let turn = claims.health_turn(name(), interval, in_seconds(20)).await;
            turn.unwrap()
        };
        let (first, second) = tokio::join!(turn(&one, 60_000), turn(&other, 60_000));
        let turns = [first, second];
        assert!(turns.contains(&HealthTurn::Ours), "{turns:?}");
        assert!(turns.contains(&HealthTurn::Theirs(None)), "{turns:?}");
        let report = HealthReport {
            failing: true,
            delay_min: Duration::from_millis(70),
            age: Duration::from_millis(2_000),
        };
        one.report_health(name(), report, in_seconds(20))
            .await
            .unwrap();
        let HealthTurn::Theirs(Some(heard)) = turn(&other, 60_000).await else {
            panic!("nothing was heard");
        };
        assert_eq!((heard.failing, heard.delay_min), (true, report.delay_min));
        assert!(heard.age >= report.age);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(turn(&other, 10).await, HealthTurn::Ours);
        assert!(matches!(
            turn(&one, 60_000).await,
            HealthTurn::Theirs(Some(_))
        ));
    });
}
