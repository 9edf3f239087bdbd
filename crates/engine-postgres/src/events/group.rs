//! Keeps the events of an atomic batch together.
//!
//! A batch is sorted in twice: its head at the time of its first member, and with it all that is
//! needed to know its members by; each member at its own time. Members have consecutive times, so when the
//! head has come, they all come within as many nanoseconds.

use std::collections::VecDeque;
use std::io;

use ledger::{BatchDecided, Event, Outcome, Record, Timestamp};

use super::error::EventsError;
use super::sort::{Item, Sorted};
use crate::codec::{decode, encode};
use crate::error::Failure;

/// The rank of a batch's head: before the events of its time.
const HEAD: u8 = 0;
/// That of an event.
const EVENT: u8 = 1;

/// An event, to be sorted.
pub(super) fn item_of_event(event: &Event) -> Item {
    Item {
        time: event.timestamp().as_nanos(),
        rank: EVENT,
        bytes: encode(event).into(),
    }
}

/// The head of a batch that was applied, to be sorted: its members' outcomes say what to look for.
pub(super) fn item_of_head(batch: &BatchDecided, outcomes: &[Outcome]) -> Item {
    Item {
        time: first_at(batch),
        rank: HEAD,
        bytes: encode(&(batch, outcomes)).into(),
    }
}

/// When the first member of an applied batch was decided: they take a nanosecond each, then the batch.
fn first_at(batch: &BatchDecided) -> u64 {
    let at = batch.timestamp.as_nanos();
    at.saturating_sub(u64::from(batch.members_count))
}

pub(super) fn next(
    sorted: &mut Sorted,
    held: &mut VecDeque<Item>,
) -> Result<Option<Vec<Event>>, EventsError> {
    let item = match held.pop_front() {
        Some(item) => item,
        None => match sorted.next()? {
            Some(item) => item,
            None => return Ok(None),
        },
    };
    if item.rank == EVENT {
        return Ok(Some(vec![read(&item)?]));
    }
    let (batch, outcomes): (BatchDecided, Vec<Outcome>) = decode(&item.bytes).map_err(unread)?;
    let mut together = members(sorted, held, &batch, &outcomes)?;
    together.push(Event::Batch(batch));
    Ok(Some(together))
}

/// Takes the members' events out of what comes next; all others are held.
fn members(
    sorted: &mut Sorted,
    held: &mut VecDeque<Item>,
    batch: &BatchDecided,
    outcomes: &[Outcome],
) -> Result<Vec<Event>, EventsError> {
    let mut members = Vec::with_capacity(outcomes.len() + 1);
    let mut place = 0;
    for (at, outcome) in (first_at(batch)..).zip(outcomes) {
        loop {
            if place == held.len() {
                held.extend(sorted.next()?);
            }
            // Two members have different times, so a later one is not before this place.
            let Some(item) = held.get(place).filter(|item| item.time <= at) else {
                members.push(change_of(batch, outcome, at)?);
                break;
            };
            if item.time == at && item.rank == EVENT {
                let event = read(item)?;
                if event.clone().into_outcome().as_ref() == Some(outcome) {
                    held.remove(place);
                    members.push(event);
                    break;
                }
            }
            place += 1;
        }
    }
    Ok(members)
}

/// The event of a member that no table has, because it was decided before changes of accounts were
/// kept: its outcome says what it was, and its place in the batch when.
fn change_of(batch: &BatchDecided, outcome: &Outcome, at: u64) -> Result<Event, EventsError> {
    let timestamp = Timestamp::from_nanos(at);
    match &outcome.result {
        Ok(Record::Account { id, account }) if account.timestamp != timestamp => {
            let (id, account) = (id.clone(), *account);
            Ok(match account.closed {
                true => Event::AccountClosed {
                    id,
                    account,
                    timestamp,
                },
                false => Event::LimitChanged {
                    id,
                    account,
                    timestamp,
                },
            })
        }
        _ => Err(EventsError::Damaged {
            row: format!(
                "batch {}: the event of its member at {at} is missing",
                batch.id
            ),
        }),
    }
}

fn read(item: &Item) -> Result<Event, EventsError> {
    decode(&item.bytes).map_err(unread)
}

fn unread(_: Failure) -> EventsError {
    EventsError::Sort(io::Error::other(
        "the file does not give back what was written",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::sort::Sorter;
    use super::*;
    use ledger::{Account, AccountId, BatchId, Currency, Digest, Limit, MemberFailure, Refusal};

    fn opened(name: &str, at: u64) -> Event {
        let at = Timestamp::from_nanos(at);
        Event::AccountOpened {
            id: AccountId::new(name).unwrap(),
            account: Account::new(Currency::new("BRL").unwrap(), Limit::Credit(0), at),
        }
    }

    fn batch(id: u128, members_count: u32, at: u64) -> BatchDecided {
        BatchDecided {
            id: BatchId::from_u128(id),
            digest: Digest([7; 32]),
            members_count,
            failure: None,
            timestamp: Timestamp::from_nanos(at),
        }
    }

    /// What comes out of these events and applied batches.
    fn grouped(events: &[Event], batches: &[(BatchDecided, &[Event])]) -> Vec<Vec<Event>> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path()).unwrap();
        for event in events {
            sorter.push(item_of_event(event)).unwrap();
        }
        for (batch, members) in batches {
            let outcomes: Vec<Outcome> = members
                .iter()
                .map(|event| event.clone().into_outcome().unwrap())
                .collect();
            sorter.push(item_of_head(batch, &outcomes)).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let (mut held, mut all) = (VecDeque::new(), Vec::new());
        while let Some(together) = next(&mut sorted, &mut held).unwrap() {
            all.push(together);
        }
        all
    }

    #[test]
    fn two_batches_at_once_are_not_mixed() {
        let first = [opened("a", 100), opened("b", 101), opened("c", 102)];
        let second = [opened("d", 101), opened("e", 102)];
        let (alone, later) = (opened("x", 102), opened("y", 104));
        let batches = [
            (batch(1, 3, 103), first.as_slice()),
            (batch(2, 2, 103), second.as_slice()),
        ];
        let mut events = vec![later.clone(), alone.clone()];
        events.extend(second.iter().chain(&first).cloned());
        let with = |members: &[Event], (batch, _): &(BatchDecided, &[Event])| {
            let own = Event::Batch(batch.clone());
            members.iter().cloned().chain([own]).collect::<Vec<_>>()
        };
        let expected = vec![
            with(&first, &batches[0]),
            with(&second, &batches[1]),
            vec![alone],
            vec![later],
        ];
        assert_eq!(grouped(&events, &batches), expected);
    }

    #[test]
    fn a_failed_batch_is_an_event_like_others() {
        let failed = Event::Batch(BatchDecided {
            failure: Some(MemberFailure {
                index: 0,
                outcome: Outcome::refused(Refusal::CurrencyMismatch).into(),
            }),
            ..batch(3, 2, 50)
        });
        let opened = opened("a", 49);
        let grouped = grouped(&[failed.clone(), opened.clone()], &[]);
        assert_eq!(grouped, [vec![opened], vec![failed]]);
    }

    #[test]
    fn a_change_in_an_old_batch_is_made_from_its_outcome() {
        let Event::AccountOpened { id, account } = opened("a", 10) else {
            unreachable!("it was just made");
        };
        let changed = Event::LimitChanged {
            id,
            account: Account {
                limit: Limit::Credit(5),
                ..account
            },
            timestamp: Timestamp::from_nanos(20),
        };
        let batch = batch(4, 1, 21);
        let grouped = grouped(&[], &[(batch.clone(), std::slice::from_ref(&changed))]);
        assert_eq!(grouped, [vec![changed, Event::Batch(batch)]]);
    }
}
