//! What operators see of payments on their way.

use ledger::{UnsettledQuery, UnsettledState};

use super::super::Seen;
use super::*;

impl Desk {
    fn page(&self, conflicts_only: bool, after: Option<&Seen>, limit: usize) -> Vec<Seen> {
        self.dispatcher.unsettled(&UnsettledQuery {
            id: None,
            conflicts_only,
            after: after.map(|seen| seen.place),
            limit,
        })
    }

    fn seen(&self, id: u128) -> Vec<Seen> {
        self.dispatcher.unsettled(&UnsettledQuery {
            id: Some(PaymentId::from_u128(id)),
            conflicts_only: false,
            after: None,
            limit: 100,
        })
    }
}

fn states(page: &[Seen]) -> Vec<(u128, UnsettledState)> {
    page.iter()
        .map(|seen| (seen.place.id.to_u128(), seen.state))
        .collect()
}

#[test]
fn what_is_unknown_is_listed_with_its_next_question_and_conflicts_as_such() {
    let mut desk = Desk::new();
    // Refused by an operator while its processor records it.
    desk.accept(1);
    let first = desk.sent[0];
    let expected = desk.payment(1).unwrap().standing();
    let (id, code) = (first.id, RefusedCode::OperatorRefused);
    desk.apply(Command::RefusePayment { id, expected, code });
    desk.tell(Input::Changed(id));
    desk.answer(AttemptAnswer::Recorded);
    // Recorded with another amount.
    desk.accept(2);
    let requested_at = desk.sent[0].requested_at;
    desk.answer(AttemptAnswer::AlreadyRecorded);
    let amount = Some(1);
    desk.found(Found::Recorded {
        amount,
        requested_at,
    });
    // Unknown, and under way.
    desk.now += ms(7);
    for id in 3..=4 {
        desk.accept(id);
        desk.answer(AttemptAnswer::Unknown);
        desk.found(Found::Unclear);
    }
    desk.accept(5);
    let all = desk.page(false, None, 100);
    assert_eq!(
        states(&all),
        [
            (1, UnsettledState::RecordedElsewhere),
            (2, UnsettledState::OtherAmount),
            (3, UnsettledState::Unknown),
            (4, UnsettledState::Unknown),
        ]
    );
    assert_eq!((all[0].processor, all[0].attempt), (Some(DEFAULT), 1));
    assert_eq!(all[2].unknown_since, Some(ms(7)));
    assert!(all[2].question_at > Some(ms(57)), "{all:?}");
    assert_eq!(all[0].question_at, None);
    let conflicts = desk.page(true, None, 100);
    assert_eq!(conflicts, all[..2]);
    // Page by page: each once.
    let mut pages: Vec<Seen> = Vec::new();
    loop {
        let page = desk.page(false, pages.last(), 1);
        if page.is_empty() {
            break;
        }
        pages.extend(page);
    }
    assert_eq!(pages, all);
    // One that is under way is not listed, and is shown where it is asked for.
    assert_eq!(states(&desk.seen(5)), [(5, UnsettledState::UnderWay)]);
    assert_eq!(
        states(&desk.seen(1)),
        [(1, UnsettledState::RecordedElsewhere)]
    );
    assert!(desk.seen(6).is_empty());
}

#[test]
fn what_was_sent_to_a_processor_that_is_gone_stays_sent() {
    let mut desk = Desk::new();
    let accepted = desk.apply_acceptance(1);
    let gone = || ProcessorName::new("gone").unwrap();
    desk.apply(Command::SendPayment {
        id: accepted.id,
        expected: accepted.standing(),
        processor: gone(),
        requested_at: Millis(7),
    });
    // Longer than any wait, and than the pause between two walks through what is due.
    for _ in 0..180 {
        desk.tick(1_000);
    }
    let sent = PaymentState::Sent {
        processor: gone(),
        requested_at: Millis(7),
    };
    assert_eq!(desk.state(1), sent);
    assert!(desk.sent.is_empty() && desk.asked.is_empty() && desk.probed.is_empty());
    assert_eq!(desk.dispatcher.standing(desk.now).orphans_count, 1);
}
