//! How long a call goes on asking, and what becomes of it after each attempt.

use std::time::Duration;

use rand::Rng;
use stdx::BackOff;
use tokio::time::Instant;

use crate::call::{Call, Effect};
use crate::code::Code;
use crate::error::{Error, OutcomeUnknown, Unavailable};
use crate::problem::Problem;

/// How long a call goes on asking, and how it waits in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The time for all attempts of a call together. When it is over, the call ends, whatever the server does.
    pub within: Duration,
    /// The time for one attempt.
    pub attempt: Duration,
    /// The longest first pause; it doubles with every attempt. Pauses are shortened by chance by up to half, so that
    /// callers who failed together do not come back together.
    pub first_pause: Duration,
    /// No pause is longer, but for what the server asks for (`Retry-After`), which is kept whole.
    pub pause_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(30),
            attempt: Duration::from_secs(10),
            first_pause: Duration::from_millis(50),
            pause_max: Duration::from_secs(5),
        }
    }
}

/// No time is longer: it can be added to any other.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why an attempt was not the last word.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no connection: the request did not leave.
    NotSent(String),
    /// No complete answer came: the request may have arrived.
    Lost(String),
    /// The server answered that it did not decide.
    Undecided(Box<Problem>, Option<Duration>),
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    call: &'a Call,
    retry: &'a Retry,
    deadline: Instant,
    back_off: BackOff,
    /// Whether no attempt so far can have changed anything.
    nothing_done: bool,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(call: &'a Call, retry: &'a Retry) -> Self {
        Self {
            call,
            retry,
            deadline: Instant::now() + retry.within.min(LONGEST) + call.wait,
            back_off: BackOff::new(retry.first_pause, retry.pause_max),
            nothing_done: true,
        }
    }

    /// The time for the next attempt.
    pub(crate) fn time_for_one(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left.min(self.retry.attempt + self.call.wait)
    }

    /// The pause before the next attempt, or what the call ends with.
    pub(crate) fn failed(&mut self, failure: Failure) -> Result<Duration, Error> {
        let (cause, problem, nothing_done, asked) = match failure {
            Failure::NotSent(cause) => (cause, None, true, None),
            Failure::Lost(cause) => (cause, None, false, None),
            Failure::Undecided(problem, asked) => {
                let nothing_done = problem.is_nothing_done();
                (problem.to_string(), Some(*problem), nothing_done, asked)
            }
        };
        self.nothing_done &= nothing_done || self.call.effect == Effect::Nothing;
        let asked = asked.unwrap_or_default().min(LONGEST);
        let pause = asked + self.draw_pause();
        let may_repeat = match self.call.effect {
            Effect::Nothing | Effect::Once => true,
            Effect::EachTime => self.nothing_done,
        };
        let is_passing = problem
            .as_ref()
            .is_none_or(|problem| is_passing(problem.status));
        if may_repeat && is_passing && Instant::now() + pause < self.deadline {
            return Ok(pause);
        }
        let about = self.call.about.clone();
        Err(match self.nothing_done {
            true => Error::Unavailable(Box::new(Unavailable {
                about,
                cause,
                problem,
            })),
            false => Error::OutcomeUnknown(Box::new(OutcomeUnknown {
                id: self.call.id,
                about,
                cause,
                problem,
            })),
        })
    }

    /// What the call ends with when an attempt was answered so. Where an earlier attempt may have changed something,
    /// only an answer out of what the ledger remembers of the id is a decision about that one, too.
    pub(crate) fn decided(&self, error: Error) -> Error {
        let is_unknown = |problem: &&Problem| !self.nothing_done && !tells_of_the_id(problem);
        match error.problem().filter(is_unknown) {
            Some(problem) => Error::OutcomeUnknown(Box::new(OutcomeUnknown {
                id: self.call.id,
                about: self.call.about.clone(),
                cause: problem.to_string(),
                problem: Some(problem.clone()),
            })),
            None => error,
        }
    }

    fn draw_pause(&mut self) -> Duration {
        let longest = self.back_off.pause();
        longest.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// Whether a problem is the ledger's word about the id of a call: not that of a proxy, or about the caller.
fn tells_of_the_id(problem: &Problem) -> bool {
    match problem.status {
        409 | 422 => true,
        404 => !matches!(problem.code, Code::RouteNotFound | Code::Other(_)),
        _ => false,
    }
}

/// Whether an answer of this status is a decision about the call.
pub(crate) const fn is_decision(status: u16) -> bool {
    (status < 500 && !is_passing(status)) || status == 501
}

/// Whether the same request may succeed later; 502 is a proxy's.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUICK: Retry = Retry {
        within: Duration::from_secs(30),
        attempt: Duration::from_secs(10),
        first_pause: Duration::from_millis(100),
        pause_max: Duration::from_millis(400),
    };

    fn call(effect: Effect) -> Call {
        let id = uuid::Uuid::from_u128(7);
        Call {
            effect,
            ..Call::post(&["v1", "transfers"], format!("transfer {id}"), &json!({}))
        }
        .under(Some(id))
    }

    fn problem(status: u16, nothing_done: bool) -> Box<Problem> {
        let body = json!({"status": status, "code": "overloaded", "detail": "d", "nothing_done": nothing_done});
        Box::new(Problem::read(status, body.to_string().as_bytes()))
    }

    fn lost() -> Failure {
        Failure::Lost("cut".to_owned())
    }

    #[test]
    fn pauses_grow_to_their_bound_and_keep_what_the_server_asks() {
        let call = call(Effect::Once);
        let mut attempts = Attempts::new(&call, &QUICK);
        for longest_ms in [100, 200, 400, 400] {
            let pause = attempts.failed(lost()).unwrap();
            let longest = Duration::from_millis(longest_ms);
            assert!((longest / 2..=longest).contains(&pause), "{pause:?}");
        }
        let asked = Some(Duration::from_secs(7));
        let pause = attempts.failed(Failure::Undecided(problem(503, true), asked));
        assert!(pause.unwrap() >= Duration::from_secs(7));
    }

    #[test]
    fn what_happens_once_is_sent_until_the_deadline_and_then_names_its_id() {
        let call = call(Effect::Once);
        let mut attempts = Attempts::new(&call, &QUICK);
        attempts.failed(lost()).unwrap();
        let asked = Some(Duration::from_secs(3_600));
        let error = attempts.failed(Failure::Undecided(problem(503, true), asked));
        let Err(Error::OutcomeUnknown(unknown)) = error else {
            panic!("{error:?}")
        };
        assert_eq!(unknown.id, call.id);
        let about = "the outcome of transfer 00000000-0000-0000-0000-000000000007 is unknown: d (overloaded)";
        assert_eq!(unknown.to_string(), about);
    }

    #[test]
    fn attempts_that_changed_nothing_leave_nothing_unknown() {
        let call = call(Effect::Once);
        let mut attempts = Attempts::new(&call, &QUICK);
        attempts
            .failed(Failure::NotSent("no connection".to_owned()))
            .unwrap();
        let asked = Some(Duration::from_secs(3_600));
        let error = attempts.failed(Failure::Undecided(problem(503, true), asked));
        assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
    }

    /// The first attempt was lost; the next is answered by something that knows nothing of it.
    #[test]
    fn after_a_lost_attempt_only_the_ledger_s_word_about_the_id_is_a_decision() {
        let call = call(Effect::Once);
        let read = |status, code: &str| {
            let body = json!({"status": status, "code": code, "detail": "d"});
            Problem::read(status, body.to_string().as_bytes())
        };
        for (status, code, is_decision) in [
            (422, "insufficient_funds", true),
            (409, "exists_with_different_amount", true),
            (404, "account_not_found", true),
            (404, "http_404", false),
            (404, "route_not_found", false),
            (400, "json_invalid", false),
            (401, "unauthenticated", false),
            (403, "scope_missing", false),
            (413, "http_413", false),
            (501, "not_supported", false),
        ] {
            let error = || Error::Refused(Box::new(read(status, code)));
            let mut attempts = Attempts::new(&call, &QUICK);
            assert_eq!(attempts.decided(error()), error(), "alone: {code}");
            attempts.failed(lost()).unwrap();
            let decided = attempts.decided(error());
            assert_eq!(decided == error(), is_decision, "{decided:?}");
            if let Error::OutcomeUnknown(unknown) = decided {
                assert_eq!(unknown.id, call.id);
            }
        }
    }

    #[test]
    fn no_time_is_too_long_to_be_added() {
        let call = call(Effect::Once);
        let endless = Retry {
            within: Duration::MAX,
            ..QUICK
        };
        let mut attempts = Attempts::new(&call, &endless);
        let asked = Some(Duration::from_secs(u64::MAX));
        let ended = attempts.failed(Failure::Undecided(problem(503, true), asked));
        assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    }

    #[test]
    fn what_may_happen_each_time_is_not_sent_again_after_an_unknown_outcome() {
        let call = call(Effect::EachTime);
        for failure in [lost(), Failure::Undecided(problem(504, false), None)] {
            let mut attempts = Attempts::new(&call, &QUICK);
            let first = Failure::Undecided(problem(503, true), None);
            attempts.failed(first).unwrap();
            let error = attempts.failed(failure);
            assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
        }
    }

    #[test]
    fn an_error_of_the_server_itself_ends_the_call() {
        let call = call(Effect::Once);
        let error =
            Attempts::new(&call, &QUICK).failed(Failure::Undecided(problem(500, false), None));
        assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
        assert!(!is_decision(500) && is_decision(501) && is_decision(404) && !is_decision(429));
    }
}
