//! The questions to processors about payments of unknown outcome: when each is due, and how many are
//! asked at once.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::PaymentId;

use super::doubled::doubled;
use crate::policy::ProcessorIndex;

/// How many payments one processor is asked for at once while it answers.
const ASKS_MAX: usize = 8;
/// How long a processor that did not say is not asked; doubled each time.
const ASK_WAIT_MIN: Duration = Duration::from_millis(100);
const ASK_WAIT_MAX: Duration = Duration::from_secs(5);

/// The questions to all processors.
#[derive(Debug)]
pub(super) struct Questions {
    timetables: Vec<Timetable>,
    /// How many were asked, probes among them.
    count: u64,
}

/// The questions to one processor.
#[derive(Debug, Default)]
struct Timetable {
    due: BTreeSet<(Duration, PaymentId)>,
    asking_count: usize,
    failed_count: u32,
    ask_after: Duration,
}

impl Questions {
    pub(super) fn new(processors_count: usize) -> Self {
        Self {
            timetables: (0..processors_count)
                .map(|_| Timetable::default())
                .collect(),
            count: 0,
        }
    }

    /// A processor is to be asked for a payment.
    pub(super) fn put(&mut self, processor: ProcessorIndex, due_at: Duration, id: PaymentId) {
        self.timetables[processor.get()].due.insert((due_at, id));
    }

    /// It needs not be asked any more.
    pub(super) fn take_back(&mut self, processor: ProcessorIndex, id: PaymentId) {
        let due = &mut self.timetables[processor.get()].due;
        due.retain(|(_, questioned)| *questioned != id);
    }

    /// The next payment that a processor may be asked for now, the longest due first.
    pub(super) fn pop_due(
        &mut self,
        processor: ProcessorIndex,
        now: Duration,
    ) -> Option<PaymentId> {
        let timetable = &mut self.timetables[processor.get()];
        if timetable.next_at()? > now {
            return None;
        }
        timetable.due.pop_first().map(|(_, id)| id)
    }

    /// A question goes out: its number.
    pub(super) fn ask(&mut self, processor: ProcessorIndex) -> u64 {
        self.timetables[processor.get()].asking_count += 1;
        self.probe()
    }

    /// A question goes out that finds out whether a processor is back: it waits for no other.
    pub(super) const fn probe(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A question is over; whether the processor said anything.
    pub(super) fn over(&mut self, processor: ProcessorIndex, is_answered: bool, now: Duration) {
        let timetable = &mut self.timetables[processor.get()];
        timetable.asking_count -= 1;
        if is_answered {
            timetable.failed_count = 0;
            timetable.ask_after = Duration::ZERO;
        } else {
            let wait = doubled(ASK_WAIT_MIN, timetable.failed_count).min(ASK_WAIT_MAX);
            timetable.ask_after = now + wait;
            timetable.failed_count += 1;
        }
    }

    /// When the next question of any processor may be asked.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.timetables.iter().filter_map(Timetable::next_at).min()
    }

    /// Each payment that is to be asked for, and when.
    pub(super) fn all(&self) -> impl Iterator<Item = (PaymentId, Duration)> {
        let of = |timetable: &Timetable| {
            let ask_after = timetable.ask_after;
            let due = timetable.due.clone().into_iter();
            due.map(move |(at, id)| (id, at.max(ask_after)))
        };
        self.timetables.iter().flat_map(of)
    }

    #[cfg(test)]
    pub(super) fn asking_count(&self, processor: ProcessorIndex) -> usize {
        self.timetables[processor.get()].asking_count
    }
}

impl Timetable {
    /// When the next question may be asked; `None` while enough are.
    fn next_at(&self) -> Option<Duration> {
        let asks_max = if self.failed_count == 0 { ASKS_MAX } else { 1 };
        let (due_at, _) = *self.due.first()?;
        (self.asking_count < asks_max).then_some(due_at.max(self.ask_after))
    }
}
