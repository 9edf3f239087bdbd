//! What processors said last, of a bounded number of payments.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use ledger::{Clock, LastAnswer, PaymentId};
use parking_lot::Mutex;

use crate::policy::ProcessorIndex;

/// Of how many payments; the ones that were asked for first go first. About a kilobyte each.
const KEPT_MAX: usize = 4_096;

pub(super) struct LastAnswers {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<(PaymentId, ProcessorIndex), LastAnswer>,
    in_order: VecDeque<(PaymentId, ProcessorIndex)>,
}

/// How an exchange with a processor ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended<'a> {
    /// With a whole answer.
    Answered(u16, &'a [u8]),
    /// Without one.
    Failed(&'a str),
}

impl LastAnswers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    /// Keeps what a processor said of a payment.
    pub(super) fn keep(
        &self,
        id: PaymentId,
        processor: ProcessorIndex,
        was_question: bool,
        ended: Ended<'_>,
    ) {
        let (status, failure, body) = match ended {
            Ended::Answered(status, body) => (Some(status), String::new(), LastAnswer::text(body)),
            Ended::Failed(why) => (None, LastAnswer::text(why.as_bytes()), String::new()),
        };
        let answer = LastAnswer {
            at: self.clock.now(),
            was_question,
            status,
            failure,
            body,
        };
        let mut kept = self.kept.lock();
        let key = (id, processor);
        if kept.answers.insert(key, answer).is_some() {
            return;
        }
        kept.in_order.push_back(key);
        if kept.in_order.len() > KEPT_MAX
            && let Some(oldest) = kept.in_order.pop_front()
        {
            kept.answers.remove(&oldest);
        }
    }

    /// What that processor said last; the newest of any where none is named.
    pub(super) fn of(
        &self,
        id: PaymentId,
        processor: Option<ProcessorIndex>,
        processors_count: usize,
    ) -> Option<LastAnswer> {
        let kept = self.kept.lock();
        let of = |processor| kept.answers.get(&(id, processor));
        let all = (0..processors_count).map(ProcessorIndex::new);
        match processor {
            Some(processor) => of(processor).cloned(),
            None => all.filter_map(of).max_by_key(|answer| answer.at).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger::Timestamp;

    use super::*;

    struct Standstill;

    impl Clock for Standstill {
        fn now(&self) -> Timestamp {
            Timestamp::from_nanos(7)
        }
    }

    #[test]
    fn a_bounded_number_is_kept_the_newest_of_each() {
        let answers = LastAnswers::new(Arc::new(Standstill));
        let id = |number: usize| PaymentId::from_u128(number as u128);
        answers.keep(
            id(0),
            ProcessorIndex::new(1),
            false,
            Ended::Failed("the connection broke"),
        );
        answers.keep(
            id(0),
            ProcessorIndex::new(1),
            true,
            Ended::Answered(502, b"<html>"),
        );
        let kept = answers.of(id(0), None, 2).unwrap();
        assert_eq!((kept.status, &*kept.body), (Some(502), "<html>"));
        assert!(kept.was_question && kept.failure.is_empty());
        assert_eq!(answers.of(id(0), Some(ProcessorIndex::new(0)), 2), None);
        for number in 1..=KEPT_MAX {
            answers.keep(
                id(number),
                ProcessorIndex::new(0),
                false,
                Ended::Answered(500, b""),
            );
        }
        assert_eq!(answers.of(id(0), None, 2), None);
        assert!(answers.of(id(KEPT_MAX), None, 2).is_some());
        assert_eq!(answers.kept.lock().answers.len(), KEPT_MAX);
    }
}
