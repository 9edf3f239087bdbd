//! What happens beside the users: stages are set, sums compared, samples taken.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::face::{BackendSummary, Face, Pair, ProcessorSummary};
use super::processors::{Sides, Total, range};
use super::requests::{ADMIN, SUMMARY};
use super::script::Script;
use super::users::Users;
use crate::http::Answer;
use crate::pacer::PreciseTimer;
use crate::recorder::{Fault, Recorder, Verdict};
use crate::user;

/// One comparison of backend and processors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Check {
    /// When, after the start.
    pub at_s: f64,
    /// How many payments the backend counts.
    pub backend: Pair<u64>,
    /// How many the processors count.
    pub processors: Pair<u64>,
    /// By how many they differ, processor by processor.
    pub difference: u64,
    /// Whether the backend's summary came in time.
    pub is_answered: bool,
}

/// How much was done at some second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Point {
    /// After the start.
    pub second: u64,
    /// Payments accepted until then.
    pub accepted: u64,
    /// Payments recorded by the processors until then.
    pub recorded: Pair<u64>,
}

/// What works beside the users.
pub(super) struct Beside {
    pub(super) script: Script,
    pub(super) start: Instant,
    pub(super) backend: Face,
    pub(super) sides: Sides,
    pub(super) users: Rc<Users>,
    pub(super) recorder: Rc<RefCell<Recorder>>,
    pub(super) checks: RefCell<Vec<Check>>,
    pub(super) points: RefCell<Vec<Point>>,
    /// Stages that the processors did not take.
    pub(super) stages_failed: RefCell<Vec<u64>>,
}

impl Beside {
    /// Sets each stage at its time.
    pub(super) async fn set_stages(&self) -> std::io::Result<()> {
        let timer = PreciseTimer::new()?;
        for stage in &self.script.stages {
            timer
                .wait_until(self.start + Duration::from_secs(stage.at_s))
                .await?;
            if !self.sides.set(stage).await {
                self.stages_failed.borrow_mut().push(stage.at_s);
            }
        }
        Ok(())
    }

    /// Compares the counts every so often until the script's end.
    pub(super) async fn compare(&self) -> std::io::Result<()> {
        let timer = PreciseTimer::new()?;
        let mut at = self.script.check_every;
        while at <= self.script.duration {
            timer.wait_until(self.start + at).await?;
            let check = self.check(at).await;
            self.checks.borrow_mut().push(check);
            at += self.script.check_every;
        }
        Ok(())
    }

    async fn check(&self, at: Duration) -> Check {
        let now = Timestamp::now();
        let range = range(now - self.script.window_from, now - self.script.window_to);
        let ours = format!("/payments-summary{range}");
        let theirs = format!("/admin/payments-summary{range}");
        let faces = &self.sides.faces;
        let (backend, default, fallback) = tokio::join!(
            self.ask::<BackendSummary>(&self.backend, SUMMARY, &ours),
            self.ask::<ProcessorSummary>(&faces.default, ADMIN, &theirs),
            self.ask::<ProcessorSummary>(&faces.fallback, ADMIN, &theirs),
        );
        // An error, or an answer that takes too long, counts as zeros.
        let counted = backend.unwrap_or_default();
        let backend_counts = Pair {
            default: counted.default.count,
            fallback: counted.fallback.count,
        };
        let processors = Pair {
            default: default.unwrap_or_default().side().count,
            fallback: fallback.unwrap_or_default().side().count,
        };
        let difference = backend_counts.default.abs_diff(processors.default)
            + backend_counts.fallback.abs_diff(processors.fallback);
        Check {
            at_s: at.as_secs_f64(),
            backend: backend_counts,
            processors,
            difference,
            is_answered: backend.is_some(),
        }
    }

    /// Asks for a summary, as a request of the test.
    pub(super) async fn ask<T: for<'a> serde::Deserialize<'a>>(
        &self,
        face: &Face,
        kind: usize,
        path: &str,
    ) -> Option<T> {
        let request = face.request("GET", path, "");
        let planned = Instant::now();
        user::ask(&face.client, &self.recorder, kind, planned, &request, judge).await
    }

    /// Every second, how much is accepted and recorded; from the script's start on, until aborted.
    pub(super) async fn sample(&self) -> std::io::Result<()> {
        let timer = PreciseTimer::new()?;
        for second in 0.. {
            timer
                .wait_until(self.start + Duration::from_secs(second))
                .await?;
            self.sample_once(second).await;
        }
        Ok(())
    }

    async fn sample_once(&self, second: u64) {
        let accepted = self.users.accepted_count.get();
        // One that cannot be had is missing in the picture.
        if let Ok(totals) = self.sides.totals("").await {
            self.points.borrow_mut().push(Point {
                second,
                accepted,
                recorded: Pair {
                    default: totals.default.side.count,
                    fallback: totals.fallback.side.count,
                },
            });
        }
    }

    /// What the backend says about everything since `from`, outside of the test.
    pub(super) async fn backend_since(&self, from: Timestamp) -> Option<BackendSummary> {
        let path = format!("/payments-summary{}", range(from, Timestamp::now()));
        self.backend.get(&path).await.ok()?.1
    }

    /// What the processors say about everything since `from`.
    pub(super) async fn processors_since(&self, from: Timestamp) -> Option<Pair<Total>> {
        self.sides.totals(&range(from, Timestamp::now())).await.ok()
    }
}

fn judge<T: for<'a> serde::Deserialize<'a>>(answer: &Answer<'_>) -> (Verdict, Option<T>) {
    let wrong = |code, detail| {
        let is_inconsistent = false;
        (
            Verdict::Wrong(Fault {
                code,
                detail,
                is_inconsistent,
            }),
            None,
        )
    };
    if answer.status != 200 {
        let detail = format!("a summary was answered {}", answer.status);
        return wrong("summary_refused", detail);
    }
    match serde_json::from_slice(answer.body) {
        Ok(read) => (Verdict::Right("summed up"), Some(read)),
        Err(error) => wrong("summary_unreadable", error.to_string()),
    }
}
