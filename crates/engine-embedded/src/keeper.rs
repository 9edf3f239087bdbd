//! What is kept beside the journal and made from it: the tables of ids and of sums, and snapshots. In threads of
//! its own, so that the writer never waits for any of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use journal::{SegmentStart, Storage};
use ledger::{Expiries, TimedPending, Timestamp};
use metrics::{Gauge, gauge};
use parking_lot::RwLock;
use stdx::{ErrorChain, StopOnPanic, Throttle};

use crate::beside::{Pace, Stop};
use crate::books::Books;
use crate::ids::{MakeError, TableSet};
use crate::replay::{ids_of_segment, sums_of_segment};
use crate::snapshot::{Begun, NewestSnapshot, Taker};
use crate::sums::SumTables;

#[cfg(test)]
mod tests;

/// After how long it is tried again what could not be written.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked for tables in which a page did not check.
const DAMAGE_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is told what is owed.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The writer's end.
pub(crate) struct Keeper<S: Storage> {
    pub(crate) tables: Arc<TableSet<S>>,
    /// The version of the tables that are published.
    published: u64,
    pub(crate) sums: Arc<SumTables<S>>,
    /// The version of the sums' tables that are published.
    published_sums: u64,
    snapshots: Arc<Snapshots<S>>,
    /// After so many bytes of journal a snapshot is taken.
    snapshot_bytes: u64,
    /// Where the pending transfers of the snapshot in hand go.
    pendings: Option<Sender<Part>>,
    work: Work<S>,
}

/// A part of a snapshot's pending transfers; `None` says that there are no more.
type Part = Option<Vec<TimedPending>>;

/// What takes snapshots.
struct Snapshots<S: Storage> {
    taker: Taker<S>,
    /// One is being taken.
    is_taking: AtomicBool,
    /// The segment of the newest one.
    newest: AtomicU64,
    /// Its length in bytes.
    length: AtomicU64,
    warnings: Throttle,
}

/// How many pending transfers the writer hands over at once, and how many such parts may wait.
const PENDINGS_AT_ONCE: usize = 1_024;
const PARTS_WAITING_MAX: usize = 8;

impl<S: Storage> Snapshots<S> {
    /// Takes what was begun. Whatever becomes of it, another may be begun then.
    fn take(&self, begun: Begun, pendings: impl FnMut() -> io::Result<Part>) {
        let segment = begun.segment();
        match self.taker.take(begun, pendings) {
            Ok(length) => {
                self.newest.store(segment, Ordering::Relaxed);
                self.length.store(length, Ordering::Relaxed);
            }
            Err(_) if self.taker.stop.is_asked() => {}
            Err(error) => {
                if let Some(held_back) = self.warnings.pass() {
                    tracing::warn!(
                        %error,
                        held_back,
                        "a snapshot could not be written: {error}. The ledger goes on, and it is \
                         tried again at the journal's next segment; until then a start takes longer"
                    );
                }
            }
        }
        self.is_taking.store(false, Ordering::Release);
    }
}

enum Work<S: Storage> {
    Threads {
        jobs: Option<Sender<Job>>,
        begun: Option<Sender<(Begun, Receiver<Part>)>>,
        stop: Stop,
        threads: Vec<JoinHandle<()>>,
    },
    /// The writer does it itself: at the same moment in every run, for simulations.
    Here {
        builder: Box<Builder<S>>,
        to_take: Option<Box<Begun>>,
    },
}

enum Job {
    /// A segment was sealed.
    Sealed,
    /// What nobody asks any more, to be freed.
    Free(Box<dyn Send>),
}

impl<S: Storage> Keeper<S> {
    /// Goes on from these tables and from the newest snapshot. `has_threads` says whether it works
    /// in threads of its own.
    ///
    /// # Errors
    ///
    /// When a thread could not be started.
    pub(crate) fn start(kept: Kept<S>, has_threads: bool) -> io::Result<Self> {
        let Kept {
            taker,
            tables,
            sums,
            newest_snapshot,
            snapshot_bytes,
            merge_pace,
        } = kept;
        let storage = Arc::clone(&taker.storage);
        let snapshots = Arc::new(Snapshots {
            taker,
            is_taking: AtomicBool::new(false),
            newest: AtomicU64::new(newest_snapshot.segment),
            length: AtomicU64::new(newest_snapshot.length),
            warnings: Throttle::new(WARNING_INTERVAL),
        });
        let builder = Builder {
            storage,
            books: Arc::clone(&snapshots.taker.books),
            tables: Arc::clone(&tables),
            sums: Arc::clone(&sums),
            warnings: Throttle::new(WARNING_INTERVAL),
            gauges: Gauges::new(),
        };
        if !has_threads {
            let mut keeper = Self {
                published: tables.version(),
                tables,
                published_sums: sums.version(),
                sums,
                snapshots,
                snapshot_bytes,
                pendings: None,
                work: Work::Here {
                    builder: Box::new(builder),
                    to_take: None,
                },
            };
            keeper.work_here();
            return Ok(keeper);
        }
        let (published, published_sums) = (tables.version(), sums.version());
        let (jobs, to_do) = unbounded();
        let (wake, woken) = bounded(1);
        let merger = Merger {
            tables: Arc::clone(&tables),
            sums: Arc::clone(&sums),
            pace: merge_pace,
            warnings: Throttle::new(WARNING_INTERVAL),
        };
        let (begun, to_take) = bounded::<(Begun, Receiver<Part>)>(1);
        let taking = Arc::clone(&snapshots);
        let threads = vec![
            spawn("lastro-merge", move || merger.run(&woken))?,
            spawn("lastro-tables", move || builder.run(&to_do, &wake))?,
            spawn("lastro-snapshot", move || {
                for (begun, pendings) in to_take {
                    taking.take(begun, || pendings.recv().map_err(|_| closed()));
                }
            })?,
        ];
        let stop = tables.stop().clone();
        Ok(Self {
            published,
            tables,
            published_sums,
            sums,
            snapshots,
            snapshot_bytes,
            pendings: None,
            work: Work::Threads {
                jobs: Some(jobs),
                begun: Some(begun),
                stop,
                threads,
            },
        })
    }

    /// A segment was sealed: its ids and sums become tables.
    pub(crate) fn sealed(&mut self) {
        self.give(Job::Sealed);
        self.work_here();
    }

    /// Begins a snapshot, if it is time for one: of the books as they are now, before the first
    /// record of a segment, with `expiries` as they belong to them.
    pub(crate) fn snapshot(
        &mut self,
        start: SegmentStart,
        books: &mut Books,
        expiries: &mut Expiries,
        newest: Timestamp,
    ) {
        let before = NewestSnapshot {
            segment: self.snapshots.newest.load(Ordering::Relaxed),
            length: self.snapshots.length.load(Ordering::Relaxed),
        };
        let grown = before.grown(start.number, start.segment_bytes);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a disk has fewer than 2^52 bytes"
        )]
        gauge!("lastro_replay_bytes").set(grown as f64);
        if grown < before.due(self.snapshot_bytes)
            || self.snapshots.is_taking.swap(true, Ordering::Acquire)
        {
            return;
        }
        expiries.begin_copy();
        let begun = Begun::of(books, start, newest);
        let (parts, pendings) = bounded(PARTS_WAITING_MAX);
        match &mut self.work {
            Work::Threads {
                begun: Some(sender),
                ..
            } => {
                // A panic of the thread stops the process.
                let _ = sender.send((begun, pendings));
                self.pendings = Some(parts);
            }
            Work::Threads { begun: None, .. } => unreachable!("it is closed by its drop"),
            Work::Here { to_take, .. } => *to_take = Some(Box::new(begun)),
        }
    }

    /// Whether a snapshot in hand takes more pending transfers now.
    pub(crate) fn takes_pendings(&self) -> bool {
        self.pendings
            .as_ref()
            .is_some_and(|pendings| !pendings.is_full())
    }

    /// Hands over the next pending transfers of the snapshot in hand, if it takes more now.
    pub(crate) fn copy_pendings(&mut self, expiries: &mut Expiries) {
        let Some(pendings) = &self.pendings else {
            return;
        };
        // Only the writer sends: there is room, and nobody is waited for.
        if pendings.is_full() {
            return;
        }
        let part = expiries.copy_next(PENDINGS_AT_ONCE);
        let is_last = part.is_none();
        // Where it could not be written nobody takes them any more.
        if pendings.send(part).is_err() || is_last {
            expiries.end_copy();
            self.pendings = None;
        }
    }

    /// Takes the snapshot that was begun, where there is no thread for it.
    pub(crate) fn take_here(&mut self, expiries: &mut Expiries) {
        if let Work::Here { to_take, .. } = &mut self.work
            && let Some(begun) = to_take.take()
        {
            self.snapshots
                .take(*begun, || Ok(expiries.copy_next(PENDINGS_AT_ONCE)));
            expiries.end_copy();
        }
    }

    /// Takes in new tables, if there are any, and tells those of sums what the books have forgotten.
    pub(crate) fn publish(&mut self, books: &mut Books) {
        let version = self.tables.version();
        if version != self.published {
            self.published = version;
            let before = std::mem::replace(&mut books.ids.layers, self.tables.layers());
            // A segment's ids take a while to be freed: not here.
            self.give(Job::Free(Box::new(before)));
        }
        books.tell_purge(&self.sums);
        let version = self.sums.version();
        if version != self.published_sums {
            self.published_sums = version;
            let before = std::mem::replace(&mut books.summary.layers, self.sums.layers());
            self.give(Job::Free(Box::new(before)));
        }
    }

    fn give(&self, job: Job) {
        if let Work::Threads {
            jobs: Some(jobs), ..
        } = &self.work
        {
            // A panic of the thread stops the process.
            let _ = jobs.send(job);
        }
    }

    fn work_here(&mut self) {
        if let Work::Here { builder, .. } = &mut self.work {
            // What could not be done is owed until the next segment.
            let _ = builder.make();
            let merged = builder.tables.merge_all(Pace::default());
            if let Err(error) = merged.and(builder.sums.merge_all(Pace::default())) {
                builder.warn(&error);
            }
        }
    }
}

impl<S: Storage> Drop for Keeper<S> {
    fn drop(&mut self) {
        if let Work::Threads {
            jobs,
            begun,
            stop,
            threads,
        } = &mut self.work
        {
            stop.ask();
            drop((self.pendings.take(), jobs.take(), begun.take()));
            for thread in threads.drain(..) {
                // A panic of the thread has stopped the process already.
                let _ = thread.join();
            }
        }
    }
}

/// What a keeper goes on from.
pub(crate) struct Kept<S: Storage> {
    pub(crate) taker: Taker<S>,
    pub(crate) tables: Arc<TableSet<S>>,
    pub(crate) sums: Arc<SumTables<S>>,
    pub(crate) newest_snapshot: NewestSnapshot,
    /// After so many bytes of journal a snapshot is taken.
    pub(crate) snapshot_bytes: u64,
    /// How fast tables are merged in a thread.
    pub(crate) merge_pace: Pace,
}

fn closed() -> io::Error {
    io::Error::other("the ledger is closing")
}

fn spawn(name: &'static str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(move || {
        let _stop = StopOnPanic(name);
        run();
    })
}

/// Makes the table of each sealed segment, and those that were found damaged.
struct Builder<S: Storage> {
    storage: Arc<S>,
    books: Arc<RwLock<Books>>,
    tables: Arc<TableSet<S>>,
    sums: Arc<SumTables<S>>,
    warnings: Throttle,
    gauges: Gauges,
}

impl<S: Storage> Builder<S> {
    fn run(mut self, jobs: &Receiver<Job>, wake: &Sender<()>) {
        loop {
            let wait = match self.make() {
                Ok(()) => DAMAGE_INTERVAL,
                Err(_) if self.tables.stop().is_asked() => return,
                Err(_) => RETRY_AFTER,
            };
            // The merger may have been woken already.
            let _ = wake.try_send(());
            match jobs.recv_timeout(wait) {
                Ok(Job::Free(unused)) => drop(unused),
                Ok(Job::Sealed) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Makes what is owed, as far as it can be.
    fn make(&mut self) -> Result<(), MakeError> {
        let made = self.tables.make_owed().and(self.sums.make_owed());
        let made = made.and_then(|()| self.mend());
        if let Err(error) = &made {
            self.warn(error);
        }
        self.gauges.set(&self.tables, &self.sums);
        made
    }

    fn mend(&self) -> Result<(), MakeError> {
        let stop = self.tables.stop();
        while self.tables.is_damaged() {
            let made = self
                .tables
                .make_damaged_anew(|segment| ids_of_segment(&*self.storage, segment, stop))?;
            if made {
                tracing::info!("a damaged table of ids was made anew from the journal");
            }
        }
        while self.sums.is_damaged() {
            let purged_at = self.books.read().purges.last().copied();
            let made = self.sums.make_damaged_anew(|segment| {
                sums_of_segment(&*self.storage, segment, purged_at, stop)
            })?;
            if made {
                tracing::info!("a damaged table of sums was made anew from the journal");
            }
        }
        Ok(())
    }

    fn warn(&self, error: &MakeError) {
        warn(&self.warnings, &self.tables, &self.sums, error);
    }
}

/// Merges tables.
struct Merger<S: Storage> {
    tables: Arc<TableSet<S>>,
    sums: Arc<SumTables<S>>,
    pace: Pace,
    warnings: Throttle,
}

impl<S: Storage> Merger<S> {
    fn run(self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            let merged = self.tables.merge_all(self.pace);
            match merged.and_then(|()| self.sums.merge_all(self.pace)) {
                Ok(()) => {}
                Err(_) if self.tables.stop().is_asked() => return,
                // It is tried again with the next table, or when the builder looks for damage.
                Err(error) => warn(&self.warnings, &self.tables, &self.sums, &error),
            }
        }
    }
}

fn warn<S: Storage>(
    warnings: &Throttle,
    tables: &TableSet<S>,
    sums: &SumTables<S>,
    error: &MakeError,
) {
    if tables.stop().is_asked() {
        // What is not wanted any more has not failed.
        return;
    }
    if let Some(held_back) = warnings.pass() {
        let (owed, sums_owed) = (tables.owed(), sums.owed());
        tracing::warn!(
            error = %ErrorChain(error),
            owed,
            sums_owed,
            held_back,
            "a table of ids or of sums could not be made, merged or mended; it is tried again. The \
             ledger goes on; the ids of {owed} segments and the sums of {sums_owed} are in memory \
             for want of a table"
        );
    }
}

struct Gauges {
    tables: Gauge,
    memory_bytes: Gauge,
    segments_owed: Gauge,
    sum_tables: Gauge,
    sum_segments_owed: Gauge,
}

impl Gauges {
    fn new() -> Self {
        Self {
            tables: gauge!("lastro_id_tables"),
            memory_bytes: gauge!("lastro_id_tables_memory_bytes"),
            segments_owed: gauge!("lastro_id_segments_in_memory"),
            sum_tables: gauge!("lastro_sum_tables"),
            sum_segments_owed: gauge!("lastro_sum_segments_in_memory"),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "memory holds far fewer than 2^52 bytes"
    )]
    fn set<S: Storage>(&self, tables: &TableSet<S>, sums: &SumTables<S>) {
        let (tables_count, memory_bytes) = tables.size();
        self.tables.set(tables_count as f64);
        self.memory_bytes.set(memory_bytes as f64);
        self.segments_owed.set(tables.owed() as f64);
        self.sum_tables.set(sums.count() as f64);
        self.sum_segments_owed.set(sums.owed() as f64);
    }
}
