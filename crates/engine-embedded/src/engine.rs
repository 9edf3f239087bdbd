//! The engine as callers hold it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use journal::{FileStorage, Reader, Storage};
use ledger::{
    Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch, BatchId, Clock,
    DueQuery, Engine, EventPage, EventQuery, EventsFrom, LimitChange, ListPage, ListedTransfer,
    Millis, Outcome, Payment, PaymentId, PaymentList, PendingEnd, ProcessorSummary, Resolution,
    Statement, StatementQuery, Timestamp, TransferId, TransferList, Unavailable, UsedPayment,
    UsedTransfer,
};
use stdx::StopOnPanic;

use crate::beside::Pace;
use crate::history::History;
use crate::keeper::{Keeper, Kept};
use crate::open::{OpenError, Recovered, Recovery, recover};
use crate::options::EmbeddedOptions;
use crate::published::Published;
use crate::queue::{Intent, Queue, queue};
use crate::read::NotRead;
use crate::shared::{Shared, Status};
use crate::snapshot::Taker;
use crate::sums::Range;
use crate::syncer::Syncer;
use crate::traced::Traced;
use crate::writer::{Beginning, Writer};

/// The rules in memory over a journal, with one writer thread.
///
/// Its futures need a tokio runtime with time. Dropping it lets the writer finish what is queued.
pub struct EmbeddedEngine<S: Storage = FileStorage> {
    shared: Arc<Shared<S>>,
    history: History,
    queue: Option<Queue>,
    writer: Option<JoinHandle<()>>,
}

impl<S: Storage> EmbeddedEngine<S> {
    /// Opens the journal in `storage`, replays it and starts the writer.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(
        storage: S,
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), OpenError> {
        let frame_bytes_max = options.journal.frame_bytes_max;
        let Recovered {
            journal,
            tables,
            sums,
            newest_snapshot,
            books,
            draft,
            last,
            recovery,
        } = {
            let progress = options.progress.as_deref();
            recover(storage, options.journal, options.snapshot_bytes, progress)?
        };
        let published = Published::up_to(journal.end()).map_err(OpenError::Thread)?;
        let shared = Arc::new(Shared::new(books, published, journal.reader()));
        let kept = Kept {
            taker: Taker {
                storage: Arc::clone(journal.storage()),
                books: Arc::clone(&shared.books),
                stop: tables.stop().clone(),
            },
            tables,
            sums,
            newest_snapshot,
            snapshot_bytes: options.snapshot_bytes,
            merge_pace: Pace::of(options.merge_bytes_per_s),
        };
        let keeper = Keeper::start(kept, options.overlaps).map_err(OpenError::Thread)?;
        let history = History::start().map_err(OpenError::Thread)?;
        let (queue, waiting) = queue(options.queue_bytes_max);
        let syncer = if options.overlaps {
            Syncer::thread().map_err(OpenError::Thread)?
        } else {
            Syncer::late()
        };
        let writer = Writer::new(Beginning {
            journal,
            keeper,
            draft,
            syncer,
            shared: Arc::clone(&shared),
            waiting,
            clock,
            clock_bounds: options.clock,
            newest: last,
            frame_bytes_max,
        });
        let writer = std::thread::Builder::new()
            .name("lastro-writer".to_owned())
            .spawn(move || {
                let _stop = StopOnPanic("writer");
                writer.run();
            })
            .map_err(OpenError::Thread)?;
        Ok((
            Self {
                shared,
                history,
                queue: Some(queue),
                writer: Some(writer),
            },
            recovery,
        ))
    }

    /// Whether it can take writes.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// How far the clock is ahead of what was expected, in seconds, while it is not believed.
    #[must_use]
    pub fn clock_ahead_s(&self) -> Option<u64> {
        let ahead_s = self.shared.clock_ahead_s.load(Ordering::Relaxed);
        (ahead_s > 0).then_some(ahead_s)
    }

    /// How many rounds the writer has brought to an end: it moves on while the writer and its disk work. A
    /// writer that nobody asks anything rests, and so does the count.
    #[must_use]
    pub fn rounds_count(&self) -> u64 {
        self.shared.rounds_count()
    }

    /// How many accounts there are, the system's included.
    #[must_use]
    pub fn accounts_count(&self) -> usize {
        self.shared.books.read().accounts.len()
    }

    /// How many ids of transfers were used, refused ones included.
    #[must_use]
    pub fn transfer_ids_count(&self) -> u64 {
        self.shared.books.read().transfer_ids_count
    }

    async fn give(
        &self,
        batches: Vec<Batch>,
        intent: Intent,
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unavailable> {
        if self.status() == Status::StorageFailed {
            return Err(Unavailable::StorageFailed);
        }
        if deadline <= Instant::now() {
            return Err(Unavailable::Overloaded);
        }
        let queue = self.queue.as_ref().ok_or(Unavailable::LedgerUnavailable)?;
        let traced = Traced::begin();
        let notes = traced.as_ref().map(Traced::notes);
        let answered = queue.push(batches, intent, deadline, notes)?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => {
                if let Some(traced) = traced {
                    traced.end();
                }
                answer
            }
            Ok(Err(_)) => Err(Unavailable::LedgerUnavailable),
            Err(_) => Err(Unavailable::Timeout),
        }
    }
}

impl<S: Storage> EmbeddedEngine<S> {
    /// Reads what is in memory at once, and what is not where nobody waits for the disk.
    async fn read<T: Send + 'static>(
        &self,
        deadline: Instant,
        read: impl Fn(&Shared<S>, &Reader<S>) -> Result<T, NotRead> + Send + 'static,
    ) -> Result<T, Unavailable> {
        match read(&self.shared, &self.shared.at_hand) {
            Ok(answer) => Ok(answer),
            Err(NotRead::Unavailable(unavailable)) => Err(unavailable),
            Err(NotRead::NotAtHand) => {
                let shared = Arc::clone(&self.shared);
                let read = move || read(&shared, &shared.reader);
                self.history.read(deadline, read).await
            }
        }
    }
}

impl<S: Storage> EmbeddedEngine<S> {
    /// A page of events; where there is none yet, the first that come until the query's time is over.
    async fn read_events(
        &self,
        mut query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        let wait_until = query.wait_until.map(|until| until.min(deadline));
        let mut waiting = None;
        loop {
            let read = move |shared: &Shared<S>, reader: &Reader<S>| {
                shared.events(reader, &query, deadline)
            };
            let page = self.read(deadline, read).await?;
            let is_empty = page.as_ref().is_some_and(|page| page.events.is_empty());
            let until = wait_until.filter(|until| is_empty && Instant::now() < *until);
            let (Some(begun), Some(until)) = (&page, until) else {
                return Ok(page);
            };
            query.from = EventsFrom::After(begun.next);
            match &mut waiting {
                // What was published before this was begun is looked for once more.
                None => waiting = Some(self.shared.published.wait()),
                Some(waiting) => waiting.woken(until).await,
            }
        }
    }
}

impl<S: Storage> Drop for EmbeddedEngine<S> {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has stopped the process already.
            let _ = writer.join();
        }
    }
}

fn ready<T: Send + 'static>(answer: Result<T, Unavailable>) -> Answer<'static, T> {
    Box::pin(std::future::ready(answer))
}

impl<S: Storage> Engine for EmbeddedEngine<S> {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(self.give(batches, Intent::Apply, deadline))
    }

    fn preview(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(self.give(batches, Intent::Preview, deadline))
    }

    fn account(&self, id: AccountId, _: Instant) -> Answer<'_, Option<Account>> {
        ready(Ok(self.shared.account(&id)))
    }

    fn statement(&self, query: StatementQuery, deadline: Instant) -> Answer<'_, Option<Statement>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.statement(reader, &query, deadline)
        }))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.balance_at(reader, &id, at, deadline)
        }))
    }

    fn safe_time(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        Box::pin(self.read(deadline, move |shared, _| Ok(shared.safe_time())))
    }

    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>> {
        Box::pin(self.read(deadline, move |shared, reader| shared.transfer(reader, id)))
    }

    fn pending_end(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<PendingEnd>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.pending_end(reader, id)
        }))
    }

    fn payment(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Option<UsedPayment>> {
        Box::pin(self.read(deadline, move |shared, reader| shared.payment(reader, id)))
    }

    fn resolutions(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Vec<Resolution>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.resolutions(reader, id)
        }))
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        let range = Range::new(from, to);
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.payments_summary(reader, range)
        }))
    }

    fn payments_due(&self, query: DueQuery, _: Instant) -> Answer<'_, Vec<Payment>> {
        ready(Ok(self.shared.payments_due(query)))
    }

    fn newest_payment_accepted_at(&self, _: Instant) -> Answer<'_, Timestamp> {
        ready(Ok(self.shared.books.read().payment_accepted_at))
    }

    fn accounts(&self, query: AccountsQuery, deadline: Instant) -> Answer<'_, AccountsPage> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.accounts(reader, &query, deadline)
        }))
    }

    fn batch(&self, id: BatchId, deadline: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        Box::pin(self.read(deadline, move |shared, reader| shared.batch(reader, id)))
    }

    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.transfers(reader, &list, &page, deadline)
        }))
    }

    fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<Payment>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.payments(reader, &list, &page, deadline)
        }))
    }

    fn limits(
        &self,
        id: AccountId,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<LimitChange>> {
        Box::pin(self.read(deadline, move |shared, reader| {
            shared.limits(reader, &id, &page, deadline)
        }))
    }

    fn events(&self, query: EventQuery, deadline: Instant) -> Answer<'_, Option<EventPage>> {
        Box::pin(self.read_events(query, deadline))
    }
}
