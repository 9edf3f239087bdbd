//! Payments whose outcomes stay unknown, as the log reports them: one line for each processor, and again once in
//! a while for as long as it lasts.

use std::fmt::Write as _;
use std::time::Duration;

use ledger::{LastAnswer, PaymentId};

use crate::dispatcher::{ProcessorStanding, Standing};
use crate::policy::{Policy, ProcessorIndex};

/// A request that timed out is nearly always found out about sooner.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// How often the log says so again.
const INTERVAL: Duration = Duration::from_secs(60);

/// What was reported of each processor.
pub(super) struct UnknownOutcomes {
    processors: Vec<Reported>,
}

struct Reported {
    name: String,
    /// Since when the oldest outcome was unknown, and when the next line is due.
    last: Option<(Duration, Duration)>,
}

/// A line that is due.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Unknown {
        count: usize,
        oldest: PaymentId,
        lasts: Duration,
    },
    Known {
        lasted: Duration,
    },
}

impl UnknownOutcomes {
    pub(super) fn new(policy: &Policy) -> Self {
        let processors = policy.processors.iter().map(|processor| Reported {
            name: processor.name.as_str().to_owned(),
            last: None,
        });
        Self {
            processors: processors.collect(),
        }
    }

    /// Reports what is due; `last_answer` is what a processor answered last about a payment.
    pub(super) fn report(
        &mut self,
        at: Duration,
        standing: &Standing,
        last_answer: impl Fn(PaymentId, ProcessorIndex) -> Option<LastAnswer>,
    ) {
        let processors = self.processors.iter_mut().zip(&standing.processors);
        for (index, (reported, standing)) in processors.enumerate() {
            let due = reported.due(at, standing);
            let name = &reported.name;
            match due {
                None => {}
                Some(Line::Unknown {
                    count,
                    oldest,
                    lasts,
                }) => {
                    let answer = last_answer(oldest, ProcessorIndex::new(index));
                    let (unknown_s, answer) = (lasts.as_secs(), shown(answer.as_ref()));
                    tracing::warn!(
                        processor = name,
                        payments_count = count,
                        unknown_s,
                        payment_id = %oldest,
                        last_answer = answer,
                        "the outcome of {count} payments at processor {name} is unknown, of {oldest} for {unknown_s} s. \
                         About that one it answered last: {answer}. They stay bound to it, and it is asked again; if it \
                         stays so, look at the processor, and resolve those that it cannot tell about: `GET \
                         /v1/payments?state=unknown` lists them"
                    );
                }
                Some(Line::Known { lasted }) => {
                    let unknown_s = lasted.as_secs();
                    tracing::info!(
                        processor = name,
                        unknown_s,
                        "the outcome of no payment at processor {name} is unknown any more, after {unknown_s} s"
                    );
                }
            }
        }
    }
}

impl Reported {
    fn due(&mut self, at: Duration, standing: &ProcessorStanding) -> Option<Line> {
        let Some((since, oldest)) = standing.unknown_oldest else {
            let (since, _) = self.last.take()?;
            let lasted = at.saturating_sub(since);
            return Some(Line::Known { lasted });
        };
        let lasts = at.saturating_sub(since);
        let is_due = match self.last {
            None => lasts >= FIRST_AFTER,
            Some((_, next_at)) => at >= next_at,
        };
        if !is_due {
            return None;
        }
        let began = self.last.map_or(since, |(began, _)| began);
        self.last = Some((began, at + INTERVAL));
        Some(Line::Unknown {
            count: standing.unknown_count,
            oldest,
            lasts,
        })
    }
}

/// An answer in a few words.
fn shown(answer: Option<&LastAnswer>) -> String {
    let Some(answer) = answer else {
        return "nothing that this node knows of".to_owned();
    };
    let mut shown = match answer.was_question {
        true => "asked for it, ".to_owned(),
        false => "sent it, ".to_owned(),
    };
    match answer.status {
        Some(status) => {
            // Writing to a text cannot fail.
            let _ = write!(shown, "status {status}");
        }
        None => shown.push_str(&answer.failure),
    }
    if !answer.body.is_empty() {
        let _ = write!(shown, ", `{}`", answer.body);
    }
    shown
}

#[cfg(test)]
mod tests {
    use ledger::Timestamp;

    use super::*;

    fn standing(unknown: Option<(u64, usize)>) -> ProcessorStanding {
        let oldest = |since_s| (Duration::from_secs(since_s), PaymentId::from_u128(7));
        ProcessorStanding {
            sent_count: 0,
            limit: 1,
            unknown_count: unknown.map_or(0, |(_, count)| count),
            unknown_oldest: unknown.map(|(since_s, _)| oldest(since_s)),
            settled_count: 0,
            settled_amount: 0,
            refusals_count: 0,
            breaker: "closed",
            delay_expected: Duration::ZERO,
        }
    }

    #[test]
    fn what_stays_unknown_is_reported_once_a_minute_until_it_is_known() {
        let mut reported = Reported {
            name: "one".to_owned(),
            last: None,
        };
        let mut due = |at_s, unknown| reported.due(Duration::from_secs(at_s), &standing(unknown));
        let line = |count, lasts_s| {
            Some(Line::Unknown {
                count,
                oldest: PaymentId::from_u128(7),
                lasts: Duration::from_secs(lasts_s),
            })
        };
        assert_eq!(due(9, None), None);
        assert_eq!(due(14, Some((10, 1))), None, "it may be found out about");
        assert_eq!(due(15, Some((10, 1))), line(1, 5));
        assert_eq!(due(16, Some((10, 9))), None);
        assert_eq!(due(75, Some((11, 9))), line(9, 64), "another is the oldest");
        let lasted = Duration::from_secs(70);
        assert_eq!(due(80, None), Some(Line::Known { lasted }));
        assert_eq!(due(81, None), None);
        assert_eq!(due(86, Some((82, 1))), None);
    }

    #[test]
    fn an_answer_is_shown_in_a_few_words() {
        let mut answer = LastAnswer {
            at: Timestamp::from_nanos(1),
            was_question: true,
            status: Some(502),
            failure: String::new(),
            body: "<html>".to_owned(),
        };
        assert_eq!(shown(Some(&answer)), "asked for it, status 502, `<html>`");
        answer.was_question = false;
        answer.status = None;
        answer.failure = "the connection broke".to_owned();
        answer.body.clear();
        assert_eq!(shown(Some(&answer)), "sent it, the connection broke");
        assert_eq!(shown(None), "nothing that this node knows of");
    }
}
