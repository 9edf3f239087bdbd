//! What lists of transfers and payments have in common: a window of time, pages of the engine's that make one of the
//! API's, and cursors.

use ledger::{ListOrder, ListPage, ListPlace, Timestamp};

use super::statement::{Order, Window};
use super::token;
use crate::problem::Problem;

/// How many a page looks at, at most.
const EXAMINED_MAX: usize = 1_000;
/// How many the ledger is asked for at once.
const EXAMINED_AT_ONCE: usize = 250;
const PLACE_LENGTH: usize = 8 + 16;

/// The cursor of the page behind this place, of a list that was asked for so.
pub(super) fn encode(kind: &'static str, place: ListPlace, asked: &[Vec<u8>]) -> String {
    let mut bytes = [0; PLACE_LENGTH];
    bytes[..8].copy_from_slice(&place.at.as_nanos().to_be_bytes());
    bytes[8..].copy_from_slice(&place.id.to_be_bytes());
    let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    token::seal(kind, &bytes, &asked)
}

/// The place behind which the page begins; `None` if the cursor was not given for this query.
pub(super) fn decode(kind: &'static str, cursor: &str, asked: &[Vec<u8>]) -> Option<ListPlace> {
    let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let place: [u8; PLACE_LENGTH] = token::unseal(kind, cursor, &asked)?.try_into().ok()?;
    Some(ListPlace {
        at: Timestamp::from_nanos(u64::from_be_bytes(place[..8].try_into().ok()?)),
        id: u128::from_be_bytes(place[8..].try_into().ok()?),
    })
}

/// What a cursor is bound to of a window.
pub(super) fn window_parts(window: &Window) -> [Vec<u8>; 3] {
    let bound = |bound: Option<Timestamp>| match bound {
        Some(at) => at.as_nanos().to_be_bytes().to_vec(),
        None => Vec::new(),
    };
    [
        bound(window.from),
        bound(window.to),
        window.order.as_str().as_bytes().to_vec(),
    ]
}

impl Window {
    /// A page of what the list has in the window; `None` if there is no time in it.
    fn page(&self, limit: usize) -> Option<ListPage> {
        let before = |at: Timestamp| Some(Timestamp::from_nanos(at.as_nanos().checked_sub(1)?));
        Some(match self.order {
            Order::Descending => ListPage {
                order: ListOrder::Descending,
                // Before all that may be at that time.
                after: self.to.map(|at| ListPlace { at, id: 0 }),
                until: self.from,
                limit,
            },
            Order::Ascending => ListPage {
                order: ListOrder::Ascending,
                after: self
                    .from
                    .and_then(before)
                    .map(|at| ListPlace { at, id: u128::MAX }),
                until: match self.to {
                    Some(to) => Some(before(to)?),
                    None => None,
                },
                limit,
            },
        })
    }
}

/// A page that is being filled, from pages of the engine's.
pub(super) struct Walk<T> {
    /// What is asked for next; `None` once the list is over.
    page: Option<ListPage>,
    limit: usize,
    filters: bool,
    examined_count: usize,
    wanted: Vec<T>,
    /// The last place that was looked at.
    last: Option<ListPlace>,
    is_full: bool,
}

impl<T> Walk<T> {
    /// Begins with what comes behind a place; `filters` says that some may be left out.
    pub(super) fn new(
        window: &Window,
        after: Option<ListPlace>,
        limit: usize,
        filters: bool,
    ) -> Self {
        let page = window.page(limit).map(|page| ListPage {
            after: after.or(page.after),
            ..page
        });
        Self {
            page,
            limit,
            filters,
            examined_count: 0,
            wanted: Vec::new(),
            last: after,
            is_full: false,
        }
    }

    /// What the engine is to be asked for next; `None` where no more is needed.
    pub(super) fn next_page(&mut self) -> Option<ListPage> {
        if self.is_full {
            return None;
        }
        let page = self.page.as_mut()?;
        // One more shows whether there are more.
        let room = self.limit - self.wanted.len() + 1;
        page.limit = match self.filters {
            true => EXAMINED_AT_ONCE,
            false => room.min(EXAMINED_AT_ONCE),
        };
        Some(*page)
    }

    /// Takes in what the engine gave for [`next_page`](Self::next_page).
    pub(super) fn take_in(
        &mut self,
        given: Vec<T>,
        place: impl Fn(&T) -> ListPlace,
        is_wanted: impl Fn(&T) -> bool,
    ) {
        let Some(page) = &mut self.page else { return };
        let is_last = given.len() < page.limit;
        for one in given {
            if self.wanted.len() == self.limit || self.examined_count == EXAMINED_MAX {
                self.is_full = true;
                return;
            }
            self.examined_count += 1;
            let at = place(&one);
            (page.after, self.last) = (Some(at), Some(at));
            if is_wanted(&one) {
                self.wanted.push(one);
            }
        }
        if is_last {
            self.page = None;
        }
    }

    /// Ends the page with what it has, if it has looked at something and there is more: there is no time for it.
    pub(super) const fn end_early(&mut self) {
        if self.page.is_some() && self.examined_count > 0 {
            self.is_full = true;
        }
    }

    /// What the engine gave. Where it did not answer in time and the page has looked at something, the page ends with that:
    /// `None`.
    pub(super) fn or_end_early(
        &mut self,
        given: Result<Vec<T>, Problem>,
    ) -> Result<Option<Vec<T>>, Problem> {
        match given {
            Ok(given) => Ok(Some(given)),
            Err(problem) if problem.status.is_server_error() && self.examined_count > 0 => {
                self.end_early();
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }

    /// The page, and what the next one comes behind, where there is one.
    pub(super) fn finish(self) -> (Vec<T>, Option<ListPlace>) {
        let next = self.last.filter(|_| self.is_full);
        (self.wanted, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Window = Window::WHOLE;

    fn place(at: u64) -> ListPlace {
        ListPlace {
            at: Timestamp::from_nanos(at),
            id: 1,
        }
    }

    /// A page of places from an engine that has so many, and which places the next one begins behind.
    fn walked(
        window: &Window,
        after: Option<u64>,
        limit: usize,
        has: u64,
        is_wanted: Option<&dyn Fn(u64) -> bool>,
    ) -> (Vec<u64>, Option<u64>) {
        let filters = is_wanted.is_some();
        let mut walk = Walk::new(window, after.map(place), limit, filters);
        while let Some(page) = walk.next_page() {
            let given = page.of((1..=has).map(place).collect(), |place| *place);
            let wanted = |place: &ListPlace| match is_wanted {
                Some(is_wanted) => is_wanted(place.at.as_nanos()),
                None => true,
            };
            walk.take_in(given, |place| *place, wanted);
        }
        let (places, next) = walk.finish();
        let places = places.iter().map(|place| place.at.as_nanos());
        (places.collect(), next.map(|place| place.at.as_nanos()))
    }

    #[test]
    fn a_page_has_a_next_one_only_where_there_is_more() {
        assert_eq!(walked(&WHOLE, None, 3, 0, None), (vec![], None));
        assert_eq!(walked(&WHOLE, None, 3, 3, None), (vec![3, 2, 1], None));
        assert_eq!(walked(&WHOLE, None, 3, 4, None), (vec![4, 3, 2], Some(2)));
        assert_eq!(walked(&WHOLE, Some(2), 3, 4, None), (vec![1], None));
        let (places, next) = walked(&WHOLE, None, 1_000, 1_000, None);
        assert_eq!((places.len(), next), (1_000, None));
        let (places, next) = walked(&WHOLE, None, 1_000, 1_001, None);
        assert_eq!((places.len(), next), (1_000, Some(2)));
    }

    #[test]
    fn a_page_that_has_looked_at_enough_is_short() {
        let never = |_| false;
        assert_eq!(walked(&WHOLE, None, 3, 1_000, Some(&never)), (vec![], None));
        assert_eq!(
            walked(&WHOLE, None, 3, 1_001, Some(&never)),
            (vec![], Some(2))
        );
        let even = |at: u64| at.is_multiple_of(2);
        assert_eq!(
            walked(&WHOLE, None, 3, 9, Some(&even)),
            (vec![8, 6, 4], Some(4))
        );
        assert_eq!(walked(&WHOLE, Some(4), 3, 9, Some(&even)), (vec![2], None));
    }

    #[test]
    fn a_page_that_ends_early_goes_on_where_it_was() {
        let wanted = |_: &ListPlace| true;
        let given = |page: ListPage| page.of((1..=600).map(place).collect(), |place| *place);
        let late = || Err(Problem::of_read(ledger::Unavailable::Timeout));
        let walk = || Walk::new(&WHOLE, None, 1_000, false);
        // With nothing looked at there is nothing to end with.
        let mut first = walk();
        let page = first.next_page().unwrap();
        assert!(first.or_end_early(late()).is_err());
        first.end_early();
        first.take_in(given(page), |place| *place, wanted);
        first.next_page().unwrap();
        assert_eq!(first.or_end_early(late()).unwrap(), None);
        assert_eq!(first.next_page(), None);
        let (places, next) = first.finish();
        assert_eq!((places.len(), next), (250, Some(place(351))));
        // One that is over has no next one.
        let mut last = Walk::new(&WHOLE, Some(place(3)), 10, false);
        let page = last.next_page().unwrap();
        last.take_in(given(page), |place| *place, wanted);
        last.end_early();
        let (places, next) = last.finish();
        assert_eq!((places.len(), next), (2, None));
    }

    #[test]
    fn a_window_has_what_is_from_its_beginning_to_before_its_end() {
        let window = |from: Option<u64>, to: Option<u64>, order| Window {
            from: from.map(Timestamp::from_nanos),
            to: to.map(Timestamp::from_nanos),
            order,
        };
        for (from, to, expected) in [
            (Some(2), Some(4), vec![2, 3]),
            (Some(0), Some(2), vec![1]),
            (Some(3), None, vec![3, 4, 5]),
            (None, Some(0), vec![]),
            (None, Some(u64::MAX), vec![1, 2, 3, 4, 5]),
        ] {
            let (found, next) = walked(&window(from, to, Order::Ascending), None, 9, 5, None);
            assert_eq!((&found, next), (&expected, None), "{from:?} {to:?}");
            let (mut found, _) = walked(&window(from, to, Order::Descending), None, 9, 5, None);
            found.reverse();
            assert_eq!(found, expected, "{from:?} {to:?}");
        }
    }
}
