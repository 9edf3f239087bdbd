//! Pages of lists. What is in a list is found by its places in the segments and their tables, and what made an entry in a
//! limited account's statement by the statement.

use std::time::Instant;

use journal::{Reader, Storage};
use ledger::{
    AccountId, Event, LIST_PAGE_MAX, LimitChange, ListName, ListOrder, ListPage, ListPlace,
    ListedTransfer, Payment, PaymentId, PaymentList, PendingState, StatementQuery, Timestamp,
    Transfer, TransferId, TransferList, Unavailable, UsedPayment, UsedTransfer,
};

use crate::ids::{Ids, PlacesQuery, Space, list_keys};
use crate::lookup::{self, LookupError, Records};
use crate::read::{NotRead, waiting};
use crate::shared::Shared;

/// From the oldest place to the newest.
type Bounds = (ListPlace, ListPlace);

impl<S: Storage> Shared<S> {
    pub(crate) fn transfers(
        &self,
        reader: &Reader<S>,
        list: &TransferList,
        page: &ListPage,
        deadline: Instant,
    ) -> Result<Vec<ListedTransfer>, NotRead> {
        let Some(bounds) = self.visible(page) else {
            return Ok(Vec::new());
        };
        let mut places = self.listed(reader, list.name(), page, bounds, deadline)?;
        if let TransferList::Of(account_id) = list {
            places.extend(self.entered(reader, account_id, page, bounds, deadline)?);
        }
        let places = page.of(places, |place| *place);
        let stands = |place: ListPlace| {
            in_time(deadline)?;
            self.listed_transfer(reader, TransferId::from_u128(place.id))
        };
        places.into_iter().map(stands).collect()
    }

    pub(crate) fn payments(
        &self,
        reader: &Reader<S>,
        list: &PaymentList,
        page: &ListPage,
        deadline: Instant,
    ) -> Result<Vec<Payment>, NotRead> {
        let Some(bounds) = self.visible(page) else {
            return Ok(Vec::new());
        };
        let places = self.listed(reader, list.name(), page, bounds, deadline)?;
        let places = page.of(places, |place| *place);
        let stands = |place: ListPlace| {
            in_time(deadline)?;
            match self.payment(reader, PaymentId::from_u128(place.id))? {
                Some(UsedPayment::Accepted(payment)) => Ok(payment),
                Some(UsedPayment::Refused(..)) | None => {
                    Err(NotRead::Unavailable(Unavailable::StorageDamaged))
                }
            }
        };
        places.into_iter().map(stands).collect()
    }

    pub(crate) fn limits(
        &self,
        reader: &Reader<S>,
        account_id: &AccountId,
        page: &ListPage,
        deadline: Instant,
    ) -> Result<Vec<LimitChange>, NotRead> {
        let Some((oldest, newest)) = self.visible(page) else {
            return Ok(Vec::new());
        };
        let mut changes = Vec::new();
        let opened = {
            let books = self.books.read();
            books
                .accounts
                .slot(account_id)
                .and_then(|slot| books.accounts.kept(slot).opened)
        };
        if let Some(opened) = opened {
            let recorded = reader.recorded(opened);
            let recorded = recorded.map_err(|error| self.not_read(&error))?;
            changes.extend(LimitChange::of(&recorded.event).map(|(_, change)| change));
        }
        let name = ListName::LimitsOf(account_id);
        let query = PlacesQuery {
            keys: list_keys(name, oldest.at, newest.at),
            newest_first: page.order == ListOrder::Descending,
            limit: page.limit(),
        };
        let mut found = 0;
        self.each_recorded(reader, query, deadline, |event| {
            // Another list may have the same hash, and another place the same time.
            let is_listed = event
                .limit_list()
                .is_some_and(|(of, place)| of == name && page.asks_for(place));
            if let Some((_, change)) = LimitChange::of(event).filter(|_| is_listed) {
                changes.push(change);
                found += 1;
            }
            found < query.limit
        })?;
        Ok(page.of(changes, ListPlace::of_limit))
    }

    /// The bounds of what the page may have of what is published now. Its parts are read one after the other: what is
    /// published meanwhile is in none of them.
    fn visible(&self, page: &ListPage) -> Option<Bounds> {
        let (oldest, mut newest) = page.bounds()?;
        newest.at = newest.at.min(self.books.read().newest);
        (oldest.at <= newest.at).then_some((oldest, newest))
    }

    /// What the tables and the newest segments have of a list: at least as many of what is asked for as the page may
    /// have, if there are.
    fn listed(
        &self,
        reader: &Reader<S>,
        name: ListName<'_>,
        page: &ListPage,
        (oldest, newest): Bounds,
        deadline: Instant,
    ) -> Result<Vec<ListPlace>, NotRead> {
        let mut places = Vec::new();
        let query = PlacesQuery {
            keys: list_keys(name, oldest.at, newest.at),
            newest_first: page.order == ListOrder::Descending,
            limit: page.limit(),
        };
        self.each_recorded(reader, query, deadline, |event| {
            // Another list may have the same hash, and another place the same time.
            let place = event.place_in(name);
            places.extend(place.filter(|place| page.asks_for(*place)));
            places.len() < query.limit
        })?;
        Ok(places)
    }

    /// Visits every transfer in the list of an unlimited account that was decided between two times, both included.
    pub(crate) fn each_listed_transfer(
        &self,
        reader: &Reader<S>,
        account_id: &AccountId,
        (from, to): (Timestamp, Timestamp),
        deadline: Instant,
        mut visit: impl FnMut(&Transfer),
    ) -> Result<(), NotRead> {
        let name = ListName::TransfersOf(account_id);
        let query = PlacesQuery {
            keys: list_keys(name, from, to),
            newest_first: false,
            limit: LIST_PAGE_MAX,
        };
        self.each_recorded(reader, query, deadline, |event| {
            let is_listed = event.place_in(name).is_some_and(|place| {
                // Places are kept by time alone.
                place.at >= from && place.at <= to
            });
            if let Some(transfer) = event.transfer().filter(|_| is_listed) {
                visit(transfer);
            }
            true
        })
    }

    /// Visits the events at the places that are asked for, so many at a time, until one ends a page whose visit wanted no
    /// more.
    fn each_recorded(
        &self,
        reader: &Reader<S>,
        mut query: PlacesQuery,
        deadline: Instant,
        mut wants_more: impl FnMut(&Event) -> bool,
    ) -> Result<(), NotRead> {
        loop {
            let (newest, layers) = {
                let books = self.books.read();
                (books.ids.newest_places(&query), books.ids.layers.clone())
            };
            let found = Ids::places(&newest, &layers, query, waiting(reader));
            let found = found.map_err(|error| self.not_read(&error.into()))?;
            let mut is_wanted = true;
            for (_, address) in &found {
                in_time(deadline)?;
                let recorded = reader.recorded(*address);
                let recorded = recorded.map_err(|error| self.not_read(&error))?;
                is_wanted = wants_more(&recorded.event);
            }
            let next = match found.last() {
                Some((last, _)) if found.len() == query.limit && is_wanted => query.behind(*last),
                Some(_) | None => None,
            };
            match next {
                Some(next) => query = next,
                None => return Ok(()),
            }
        }
    }

    /// Likewise, of the transfers that made entries in a limited account's statement.
    fn entered(
        &self,
        reader: &Reader<S>,
        account_id: &AccountId,
        page: &ListPage,
        (oldest, newest): Bounds,
        deadline: Instant,
    ) -> Result<Vec<ListPlace>, NotRead> {
        let mut places = Vec::new();
        let entries_until = |at| {
            let balance = self.balance_at(reader, account_id, at, deadline)?;
            Ok(balance.map_or(0, |balance| balance.entry_number))
        };
        let mut last = entries_until(newest.at)?;
        // Not one of those is asked for.
        let mut before = match oldest.at.as_nanos().checked_sub(1) {
            Some(nanos) => entries_until(Timestamp::from_nanos(nanos))?,
            None => 0,
        };
        let limit = page.limit();
        while places.len() < limit && before < last {
            let count = (last - before).min(limit as u64);
            let end = match page.order {
                ListOrder::Descending => last + 1,
                ListOrder::Ascending => before + count + 1,
            };
            let query = StatementQuery {
                account_id: account_id.clone(),
                before: Some(end),
                limit: usize::try_from(count).unwrap_or(limit),
            };
            let Some(statement) = self.statement(reader, &query, deadline)? else {
                return Ok(places);
            };
            let entered = statement.entries.iter().map(|entry| ListPlace {
                at: entry.timestamp,
                id: entry.transfer_id.to_u128(),
            });
            places.extend(entered.filter(|place| page.asks_for(*place)));
            match page.order {
                ListOrder::Descending => last -= count,
                ListOrder::Ascending => before += count,
            }
        }
        Ok(places)
    }

    fn listed_transfer(
        &self,
        reader: &Reader<S>,
        id: TransferId,
    ) -> Result<ListedTransfer, NotRead> {
        let newest = self.newest(reader, Space::Transfers, id.to_u128())?;
        // A record said that it is there.
        let newest = newest.ok_or(NotRead::Unavailable(Unavailable::StorageDamaged))?;
        let read = || {
            let used = lookup::transfer(reader, id, newest)?;
            let UsedTransfer::Created(transfer, standing) = used else {
                return Err(LookupError::Mismatch(newest.to_u64()));
            };
            let has_ended = standing.pending_state().is_some_and(PendingState::is_ended);
            let end = match has_ended {
                true => lookup::pending_end(reader, id, newest)?,
                false => None,
            };
            Ok(ListedTransfer {
                transfer,
                standing,
                end,
            })
        };
        read().map_err(|error| self.not_read(&error))
    }
}

fn in_time(deadline: Instant) -> Result<(), NotRead> {
    if deadline <= Instant::now() {
        return Err(NotRead::Unavailable(Unavailable::Timeout));
    }
    Ok(())
}
