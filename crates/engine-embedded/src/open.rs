//! Recovery: from the journal's records to the state they lead to.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{Journal, Locked, Opened, Storage, Visited, read_segment_start, segment_number};
use ledger::Timestamp;
use parking_lot::RwLock;

use crate::beside::{Pace, Stop, remove_if_there};
use crate::books::Books;
use crate::draft::Draft;
use crate::ids::{Ids, Sealed, TableSet};
use crate::progress::OpeningProgress;
use crate::replay::{Replay, ReplayError, ids_of_segment, sums_of_segment};
use crate::snapshot::{self, Begun, NewestSnapshot, SnapshotSums, Taker};
use crate::sums::SumTables;

/// Why the engine could not be opened. The journal is as it was; tables may have been made of it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal could not be opened.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<ReplayError>),
    /// The files beside the journal could not be looked through.
    #[error("the tables of ids and the snapshots in the data folder could not be opened")]
    Beside(#[source] io::Error),
    /// A segment that has no table could not be read from the journal.
    #[error("the ids that the ledger has used, or the sums of its payments, could not be read")]
    Tables(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A thread could not be started.
    #[error("a thread of the engine could not be started")]
    Thread(#[source] io::Error),
}

/// What was found and replayed at the opening.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// What the journal says of itself.
    pub journal: Opened,
    /// The segment from which on records were read; 0 without a snapshot.
    pub from_segment: u64,
    /// How long it took.
    pub elapsed: Duration,
}

pub(crate) struct Recovered<S: Storage> {
    pub(crate) journal: Journal<S>,
    pub(crate) tables: Arc<TableSet<S>>,
    pub(crate) sums: Arc<SumTables<S>>,
    pub(crate) newest_snapshot: NewestSnapshot,
    pub(crate) books: Books,
    pub(crate) draft: Draft,
    /// The newest event's time.
    pub(crate) last: Timestamp,
    pub(crate) recovery: Recovery,
}

pub(crate) fn recover<S: Storage>(
    storage: S,
    options: journal::JournalOptions,
    snapshot_bytes: u64,
    progress: Option<&OpeningProgress>,
) -> Result<Recovered<S>, OpenError> {
    let started = Instant::now();
    let unseen = OpeningProgress::default();
    let progress = progress.unwrap_or(&unseen);
    let locked = Locked::lock(storage, options)?;
    let storage = Arc::clone(locked.storage());
    let (tables, mut useless) = TableSet::open(&storage).map_err(OpenError::Beside)?;
    let tables = Arc::new(tables);
    let (snapshot, others) = snapshot::newest(&*storage).map_err(OpenError::Beside)?;
    useless.extend(others);
    let (sums, others) =
        SumTables::open(&storage, tables.stop().clone()).map_err(OpenError::Beside)?;
    useless.extend(others);
    let sums = Arc::new(sums);
    let from = snapshot.as_ref().map(|snapshot| snapshot.start);
    let mut newest_snapshot = snapshot
        .as_ref()
        .map_or_else(NewestSnapshot::default, |snapshot| NewestSnapshot {
            segment: snapshot.start.number,
            length: snapshot.length,
        });
    let mut replay = match snapshot {
        None => Replay::default(),
        Some(mut snapshot) => {
            match std::mem::take(&mut snapshot.sums) {
                SnapshotSums::Whole(before) => sums.begin_with(snapshot.start.number, before),
                SnapshotSums::InTables { first, end } => sums.begin((first, end)),
            }
            Replay::from(Some(snapshot))
        }
    };
    replay.books.summary.layers = sums.layers();
    replay.books.ids = Ids::from(from.map_or(0, |from| from.number));
    let missing = tables.missing(replay.books.ids.segment());
    let missing_count = missing.len() + sums.missing().len();
    progress.begin(&*storage, replay.books.ids.segment(), missing_count as u64);
    for segment in missing {
        let ids = ids_of_segment(&*storage, segment, tables.stop())
            .map_err(|error| OpenError::Tables(error.into()))?;
        tables.seal(Sealed { segment, ids });
        make_owed(&tables);
        progress.segment_read();
    }
    let is_due = |newest: NewestSnapshot, segment, segment_bytes| {
        let grown = newest.grown(segment, segment_bytes);
        grown > 0 && grown >= newest.due(snapshot_bytes)
    };
    let mut is_at_last = false;
    let last_segment = last_segment(&*storage).map_err(OpenError::Beside)?;
    let (journal, opened) = locked.open(from, |visited: Visited<'_>| {
        seal_until(visited.segment, &mut replay.books, &tables, &sums);
        if visited.segment == last_segment && !is_at_last {
            is_at_last = true;
            let (segment, segment_bytes) = (visited.segment, visited.segment_bytes);
            if is_due(newest_snapshot, segment, segment_bytes) {
                replay.snapshot(&storage, segment, &mut newest_snapshot);
            }
        }
        if visited.last_in_frame {
            progress.reach(visited.frame);
        }
        replay.take_in(visited)
    })?;
    let segment = journal.segment_start().number;
    seal_until(segment, &mut replay.books, &tables, &sums);
    replay.books.tell_purge(&sums);
    make_missing_sums(&*storage, &replay.books, &sums, progress)?;
    progress.finish();
    // One that was made anew meanwhile may have the name of one of no use.
    useless.retain(|name| {
        !tables.has(name)
            && !sums.has(name)
            && *name != snapshot::file_name(newest_snapshot.segment)
    });
    remove_useless(&*storage, &useless).map_err(OpenError::Beside)?;
    if !is_at_last && is_due(newest_snapshot, segment, journal.segment_bytes()) {
        replay.snapshot(&storage, segment, &mut newest_snapshot);
    }
    replay.books.ids.layers = tables.layers();
    replay.books.summary.layers = sums.layers();
    let Replay {
        books,
        draft,
        newest,
    } = replay;
    let recovery = Recovery {
        journal: opened,
        from_segment: from.map_or(0, |from| from.number),
        elapsed: started.elapsed(),
    };
    Ok(Recovered {
        journal,
        tables,
        sums,
        newest_snapshot,
        books,
        draft,
        last: newest,
        recovery,
    })
}

impl Replay {
    /// Takes a snapshot of the state before this segment, which is the state now: the next start
    /// need not replay what led here.
    fn snapshot<S: Storage>(
        &mut self,
        storage: &Arc<S>,
        segment: u64,
        newest: &mut NewestSnapshot,
    ) {
        let start = match read_segment_start(&**storage, segment) {
            Ok(Some(start)) => start,
            // The walk has read it: a later start will take its snapshot.
            Ok(None) | Err(_) => return,
        };
        let begun = Begun::of(&mut self.books, start, self.newest);
        let expiries = &mut self.draft.expiries;
        expiries.begin_copy();
        let books = Arc::new(RwLock::new(std::mem::take(&mut self.books)));
        let taker = Taker {
            storage: Arc::clone(storage),
            books: Arc::clone(&books),
            stop: Stop::default(),
        };
        match taker.take(begun, || Ok(expiries.copy_next(PENDINGS_AT_ONCE))) {
            Ok(length) => *newest = NewestSnapshot { segment, length },
            Err(error) => tracing::warn!(
                %error,
                "a snapshot could not be written: {error}. The next start takes as long as this one"
            ),
        }
        drop(taker);
        expiries.end_copy();
        match Arc::into_inner(books) {
            Some(books) => self.books = books.into_inner(),
            None => unreachable!("the taker is gone"),
        }
    }
}

/// How many pending transfers a block of a snapshot has.
const PENDINGS_AT_ONCE: usize = 1_024;

/// The last segment there is; 0 for a new journal.
pub(crate) fn last_segment<S: Storage>(storage: &S) -> io::Result<u64> {
    let names = storage.list()?;
    let numbers = names.iter().filter_map(|name| segment_number(name));
    Ok(numbers.max().unwrap_or(0))
}

/// Seals the ids and sums of all segments before this one. Those that no table covers get one at once,
/// so that memory stays small however many there are.
fn seal_until<S: Storage>(
    segment: u64,
    books: &mut Books,
    tables: &TableSet<S>,
    sums: &SumTables<S>,
) {
    while books.ids.segment() < segment {
        let sealed = books.ids.seal();
        books.tell_purge(sums);
        sums.seal(sealed.segment, books.summary.seal());
        make_owed_sums(sums);
        // What a snapshot says of the tables.
        books.summary.layers = sums.layers();
        if tables.covers(sealed.segment) {
            continue;
        }
        tables.seal(sealed);
        make_owed(tables);
    }
}

/// Makes tables of the sums that no table has any more, and no snapshot.
fn make_missing_sums<S: Storage>(
    storage: &S,
    books: &Books,
    sums: &SumTables<S>,
    progress: &OpeningProgress,
) -> Result<(), OpenError> {
    let purged_at = books.purges.last().copied();
    let missing = sums.missing();
    for (place, segment) in missing.iter().enumerate() {
        let found = sums_of_segment(storage, *segment, purged_at, sums.stop())
            .map_err(|error| OpenError::Tables(error.into()))?;
        let is_last = missing.get(place + 1) != Some(&(segment + 1));
        sums.seal_missing(*segment, found, is_last);
        make_owed_sums(sums);
        progress.segment_read();
    }
    Ok(())
}

/// As [`make_owed`].
fn make_owed_sums<S: Storage>(sums: &SumTables<S>) {
    if sums.make_owed().is_ok() {
        let _ = sums.merge_all(Pace::default());
    }
}

/// Makes tables, and few out of many. What cannot be made stays in memory or as it is: the keeper
/// tries again, and says so.
fn make_owed<S: Storage>(tables: &TableSet<S>) {
    if tables.make_owed().is_ok() {
        let _ = tables.merge_all(Pace::default());
    }
}

/// Removes files beside the journal that are of no use.
fn remove_useless<S: Storage>(storage: &S, names: &[String]) -> io::Result<()> {
    for name in names {
        tracing::info!(
            file = name,
            "{name} is removed: it was never finished, is part of a larger table, or cannot be \
             used; what it held is in the journal"
        );
        remove_if_there(storage, name)?;
    }
    Ok(())
}
