//! Commands that the ledger refuses, since a record that they need is damaged.

use ledger::Unavailable;

use super::*;

impl Desk {
    /// The ledger refuses the only command among these effects for damage. Returns what follows.
    fn refuse_for_damage(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let mut submitted = effects.iter().filter_map(|effect| match effect {
            Effect::Submit { id, .. } => Some(*id),
            _ => None,
        });
        let (Some(id), None) = (submitted.next(), submitted.next()) else {
            panic!("{effects:?}");
        };
        self.hand(Input::Outcome {
            id,
            result: Err(Unavailable::StorageDamaged),
        })
    }

    /// Reads the next page of the ledger's list. Returns what is to be done now.
    fn read_page(&mut self) -> Vec<Effect> {
        let effects = self.hand(Input::Accepted);
        let [Effect::ReadDue(query)] = effects.as_slice() else {
            panic!("{effects:?}");
        };
        let page = self.books.payments_due(*query);
        self.hand(Input::Due(Ok(page)))
    }

    fn default_standing(&self) -> super::super::ProcessorStanding {
        self.dispatcher.standing(self.now).processors.remove(0)
    }
}

#[test]
fn a_payment_that_cannot_be_recorded_as_sent_holds_no_room_and_counts_in_no_delay() {
    let mut desk = Desk::new();
    desk.apply_acceptance(1);
    let effects = desk.read_page();
    assert_eq!(desk.default_standing().sent_count, 1);
    desk.refuse_for_damage(&effects);
    assert!(desk.dispatcher.is_quiet());
    desk.tick(5_000);
    assert_eq!(desk.default_standing().sent_count, 0);
    assert_eq!(desk.default_standing().delay_expected, ms(0));
    for id in 2..=5 {
        desk.accept(id);
    }
    assert_eq!(desk.places(), [(2, 0), (3, 0), (4, 0), (5, 0)]);
    for _ in 2..=5 {
        desk.answer(AttemptAnswer::Recorded);
    }
    // Restored meanwhile, it is found by the next walk through the list.
    desk.tick(60_000);
    assert_eq!(desk.places(), [(1, 0)]);
    desk.answer(AttemptAnswer::Recorded);
    assert!(desk.is_settled_at(1, "default"));
}

#[test]
fn a_probe_that_cannot_be_recorded_as_sent_is_none() {
    let mut desk = Desk::new();
    desk.break_default();
    desk.now += ms(110);
    let effects = desk.hand(Input::Tick);
    assert_eq!(desk.default_standing().breaker, "probing");
    desk.refuse_for_damage(&effects);
    assert_eq!(desk.default_standing().breaker, "open");
    // The next one finds out.
    desk.accept(1);
    desk.tick(800);
    assert_eq!(desk.places(), [(1, 0)]);
    desk.answer(AttemptAnswer::Recorded);
    assert_eq!(desk.default_standing().breaker, "closed");
}

#[test]
fn a_payment_that_cannot_be_sent_again_is_asked_for_on() {
    let mut desk = Desk::new();
    desk.accept(1);
    let requested_at = desk.sent[0].requested_at;
    desk.answer(AttemptAnswer::Unknown);
    let question = desk.asked.remove(0);
    let found = Found::Absent;
    let effects = desk.hand(Input::Asked { question, found });
    assert_eq!(desk.default_standing().sent_count, 1);
    desk.refuse_for_damage(&effects);
    assert_eq!(desk.default_standing().sent_count, 0);
    assert_eq!(desk.default_standing().unknown_count, 1);
    desk.tick(5_000);
    assert_eq!(desk.default_standing().delay_expected, ms(0));
    let found = desk.recorded(requested_at);
    desk.found(found);
    assert!(desk.is_settled_at(1, "default"));
}

#[test]
fn a_stop_does_not_wait_for_what_is_damaged() {
    let mut desk = Desk::new();
    desk.accept(1);
    let request = desk.sent.remove(0);
    let answer = AttemptAnswer::Recorded;
    let effects = desk.hand(Input::Answered { request, answer });
    desk.hand(Input::Stop);
    assert!(!desk.dispatcher.is_quiet(), "the ledger may answer");
    desk.refuse_for_damage(&effects);
    assert!(desk.dispatcher.is_quiet());
    // It is given again as long as this goes on.
    desk.now += ms(1_000);
    let effects = desk.hand(Input::Tick);
    assert!(
        matches!(effects.as_slice(), [Effect::Submit { .. }]),
        "{effects:?}"
    );
}
