//! The audit: each accepted payment is on exactly one processor, with its amount, and the backend's
//! summary says so.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use processor::Decimal;
use serde::{Deserialize, Serialize};

use super::checks::Beside;
use super::face::{BackendSummary, CONNECTIONS_MAX, Face, Money, Pair, Side};
use super::users::{Answered, Posted};
use crate::pacer::InFlight;

/// How often it is looked whether everything is paid.
const PAUSE: Duration = Duration::from_millis(200);
/// Unchanged for so long, nothing more is coming.
const QUIET: Duration = Duration::from_millis(600);
/// How often a question about a payment is tried.
const TRIES: u32 = 3;

/// What was found. The names are stable.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audit {
    /// How long the backend took, after the script, to pay what it had accepted.
    pub drain_s: f64,
    /// Payments that were posted.
    pub posted_count: u64,
    /// Those answered 2xx.
    pub accepted_count: u64,
    /// Those without an answer, or with a 5xx, that were paid all the same. They may be.
    pub unknown_paid_count: u64,
    /// Payments on each processor.
    pub paid: Pair<u64>,
    /// Accepted, but on no processor.
    pub lost_count: u64,
    /// On both processors.
    pub doubled_count: u64,
    /// With another amount than was posted.
    pub wrong_amount_count: u64,
    /// Refused, but paid.
    pub refused_paid_count: u64,
    /// Recorded, but never posted.
    pub foreign_count: u64,
    /// The processors did not say whether they have it.
    pub unread_count: u64,
    /// What is wrong, in words.
    pub findings: Vec<String>,
}

impl Audit {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A payment as a processor has it.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Record {
    amount: Decimal,
}

/// What the processors have of one payment; `None` when one of them did not say.
type Found = Option<Pair<Option<Record>>>;

/// Waits until what was accepted is paid and nothing more comes, or the bound has passed. Returns how
/// long the last payment took.
pub(super) async fn drain(beside: &Beside, bound: Duration) -> Duration {
    let began = Instant::now();
    // A processor may work so long on what it took before.
    let patience = beside.script.delay_max() + QUIET;
    let accepted = beside.users.accepted_count.get();
    let (mut recorded, mut changed) = (0, Duration::ZERO);
    loop {
        if let Ok(totals) = beside.sides.totals("").await {
            let now = totals.default.side.count + totals.fallback.side.count;
            if now != recorded {
                (recorded, changed) = (now, began.elapsed());
            }
        }
        let passed = began.elapsed();
        let is_quiet = passed > patience && passed > changed + QUIET;
        if (is_quiet && recorded >= accepted) || passed > bound.max(patience) {
            return changed;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks both processors for every payment, and the backend for its summary.
pub(super) async fn audit(beside: &Rc<Beside>, began_at: Timestamp, drain: Duration) -> Audit {
    let posted = beside.users.posted.borrow().clone();
    let found = Rc::new(RefCell::new(vec![None; posted.len()]));
    let in_flight = InFlight::new(CONNECTIONS_MAX);
    for (index, payment) in posted.iter().copied().enumerate() {
        let (beside, found) = (Rc::clone(beside), Rc::clone(&found));
        in_flight
            .spawn(async move {
                let both = find(&beside, payment).await;
                found.borrow_mut()[index] = both;
            })
            .await;
    }
    in_flight.drain().await;
    let mut audit = judge(&posted, &found.borrow(), beside.script.amount);
    audit.drain_s = drain.as_secs_f64();
    let totals = beside.sides.totals("").await.ok();
    let backend = beside.backend_since(began_at).await;
    let recent = beside.processors_since(began_at).await;
    match totals {
        Some(totals) => {
            let recorded = totals.default.side.count + totals.fallback.side.count;
            audit.foreign_count = recorded.saturating_sub(audit.paid.sum());
        }
        None => audit
            .findings
            .push("the processors do not answer".to_owned()),
    }
    audit.findings.extend(counted(&audit));
    if let Some(recent) = recent {
        let processors = BackendSummary {
            default: recent.default.side,
            fallback: recent.fallback.side,
        };
        audit.findings.extend(compared(backend, processors));
    }
    audit
}

async fn find(beside: &Beside, payment: Posted) -> Found {
    let path = format!("/payments/{}", payment.id);
    let faces = &beside.sides.faces;
    let (default, fallback) = tokio::join!(
        find_on(&faces.default, &path),
        find_on(&faces.fallback, &path)
    );
    Some(Pair {
        default: default?,
        fallback: fallback?,
    })
}

async fn find_on(face: &Face, path: &str) -> Option<Option<Record>> {
    for _ in 0..TRIES {
        match face.get::<Record>(path).await {
            Ok((404, _)) => return Some(None),
            Ok((200, Some(record))) => return Some(Some(record)),
            Ok(_) | Err(_) => {}
        }
    }
    None
}

fn judge(posted: &[Posted], found: &[Found], amount: Decimal) -> Audit {
    let mut audit = Audit {
        posted_count: posted.len() as u64,
        ..Audit::default()
    };
    for (payment, found) in posted.iter().zip(found) {
        let is_accepted = payment.answered == Answered::Accepted;
        audit.accepted_count += u64::from(is_accepted);
        let Some(found) = found else {
            audit.unread_count += 1;
            continue;
        };
        let is_on = Pair {
            default: found.default.is_some(),
            fallback: found.fallback.is_some(),
        };
        let is_paid = is_on.default || is_on.fallback;
        audit.paid.default += u64::from(is_on.default);
        audit.paid.fallback += u64::from(is_on.fallback);
        audit.doubled_count += u64::from(is_on.default && is_on.fallback);
        audit.lost_count += u64::from(is_accepted && !is_paid);
        audit.refused_paid_count += u64::from(payment.answered == Answered::Refused && is_paid);
        audit.unknown_paid_count += u64::from(payment.answered == Answered::Unknown && is_paid);
        let mut records = found.default.iter().chain(&found.fallback);
        let is_wrong = records.any(|record| record.amount != amount);
        audit.wrong_amount_count += u64::from(is_wrong);
    }
    audit
}

/// The counts that must be nothing, in words.
fn counted(audit: &Audit) -> Vec<String> {
    let counts = [
        (audit.lost_count, "accepted, but paid by no processor"),
        (audit.doubled_count, "paid by both processors"),
        (audit.wrong_amount_count, "paid with another amount"),
        (audit.refused_paid_count, "refused, but paid"),
        (audit.foreign_count, "recorded, but never posted"),
        (audit.unread_count, "not told of by a processor"),
    ];
    let wrong = counts.into_iter().filter(|(count, _)| *count > 0);
    wrong
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}

/// How the backend's summary differs from the processors'.
fn compared(backend: Option<BackendSummary>, processors: BackendSummary) -> Vec<String> {
    let Some(backend) = backend else {
        return vec!["the backend's summary cannot be read".to_owned()];
    };
    let mut findings = Vec::new();
    for (name, said, is) in [
        ("default", backend.default, processors.default),
        ("fallback", backend.fallback, processors.fallback),
    ] {
        if said != is {
            let text = |side: Side| format!("{} with {}", side.count, money(side.amount));
            let (said, is) = (text(said), text(is));
            findings.push(format!("the backend says {said} by {name}, which has {is}"));
        }
    }
    findings
}

fn money(money: Money) -> String {
    let inexact = if money.is_inexact {
        "… (not exact)"
    } else {
        ""
    };
    format!("{}{inexact}", money.value)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_kind_of_wrong_is_counted() {
        let amount = Decimal::hundredths(1_990);
        let right = Some(Record { amount });
        let wrong = Some(Record {
            amount: Decimal::hundredths(1_991),
        });
        let both = |default, fallback| Some(Pair { default, fallback });
        let cases = [
            (Answered::Accepted, both(right, None)),
            (Answered::Accepted, both(None, right)),
            (Answered::Accepted, both(None, None)),
            (Answered::Accepted, both(right, right)),
            (Answered::Accepted, both(wrong, None)),
            (Answered::Refused, both(right, None)),
            (Answered::Refused, both(None, None)),
            (Answered::Unknown, both(None, right)),
            (Answered::Unknown, both(None, None)),
            (Answered::Accepted, None),
        ];
        let (posted, found): (Vec<Posted>, Vec<Found>) = cases
            .into_iter()
            .map(|(answered, found)| {
                let id = Uuid::nil();
                (Posted { id, answered }, found)
            })
            .unzip();
        let audit = judge(&posted, &found, amount);
        let expected = Audit {
            posted_count: 10,
            accepted_count: 6,
            unknown_paid_count: 1,
            paid: Pair {
                default: 4,
                fallback: 3,
            },
            lost_count: 1,
            doubled_count: 1,
            wrong_amount_count: 1,
            refused_paid_count: 1,
            unread_count: 1,
            ..Audit::default()
        };
        assert_eq!(audit, expected);
        assert_eq!(counted(&audit).len(), 5);
    }

    #[test]
    fn the_backend_must_say_the_same_to_the_cent() {
        let side = |count, text: &str| -> Side {
            serde_json::from_str(&format!(
                r#"{{"totalRequests": {count}, "totalAmount": {text}}}"#
            ))
            .unwrap()
        };
        let processors = BackendSummary {
            default: side(3, "59.7"),
            fallback: side(0, "0"),
        };
        let with = |default| BackendSummary {
            default,
            ..processors
        };
        assert!(compared(Some(with(side(3, "59.70"))), processors).is_empty());
        for said in [
            Some(with(side(2, "59.7"))),
            Some(with(side(3, "59.71"))),
            Some(with(side(3, "59.699999999999996"))),
            None,
        ] {
            assert_eq!(compared(said, processors).len(), 1, "{said:?}");
        }
        let swapped = BackendSummary {
            default: processors.fallback,
            fallback: processors.default,
        };
        assert_eq!(compared(Some(swapped), processors).len(), 2);
    }
}
