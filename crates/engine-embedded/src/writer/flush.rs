//! From a gathered frame to its answers.
//!
//! A frame that nothing waits behind is written by the writer itself: nobody else need be woken.
//! Where more waits, the syncer writes it, and the writer decides meanwhile what goes into the
//! next one. That one is written after it, and so answered after it: what it was decided upon is
//! durable first.

use journal::{BeginError, CommitError, Storage, Written};
use ledger::Unavailable;

use super::Writer;
use crate::metrics::LedgerSize;
use crate::shared::Status;

impl<S: Storage> Writer<S> {
    /// Makes sure that the open frame has room for these bytes. Called before anything is decided.
    pub(super) fn make_room(&mut self, bytes: usize, records: usize) -> Result<(), Unavailable> {
        if self.pipeline.journal.failure().is_none()
            && self.pipeline.journal.open_frame_records() > 0
        {
            if self.pipeline.journal.fits(bytes, records) {
                return Ok(());
            }
            self.flush(true);
        }
        if self.pipeline.journal.would_roll(bytes, records) {
            self.land();
        }
        if self.pipeline.journal.failure().is_some() {
            // The frame that failed is never committed, nor is any other.
            return Err(Unavailable::StorageFailed);
        }
        match self.pipeline.journal.begin(bytes, records) {
            Ok(()) => {
                self.shared.set_status(Status::Ready);
                self.seal_segments();
                Ok(())
            }
            Err(BeginError::Full) => {
                self.shared.set_status(Status::StorageFull);
                Err(Unavailable::StorageFull)
            }
            Err(BeginError::Failed(failure)) => {
                self.shared.fail(&failure);
                Err(Unavailable::StorageFailed)
            }
            Err(error @ BeginError::Short { .. }) => {
                self.shared.set_status(Status::Overloaded);
                if let Some(held_back) = self.shared.warnings.no_room.pass() {
                    tracing::warn!(%error, held_back, "writes are refused: {error}");
                }
                Err(Unavailable::Overloaded)
            }
            Err(error @ (BeginError::Late | BeginError::TooLarge { .. })) => {
                if let Some(held_back) = self.shared.warnings.no_room.pass() {
                    tracing::warn!(%error, held_back, "no room for a frame");
                }
                Err(Unavailable::Overloaded)
            }
        }
    }

    /// Seals the ids and sums of the segment that the journal has moved on from. It moves on only when all
    /// that was decided is published.
    fn seal_segments(&mut self) {
        let segment = self.pipeline.journal.segment_start().number;
        if self.shared.books.read().ids.segment() == segment {
            return;
        }
        {
            // At once: a reader must find ids and sums in the one place or in the other, and never in both.
            let mut books = self.shared.books.write();
            let sealed = books.ids.seal();
            self.keeper.sums.seal(sealed.segment, books.summary.seal());
            self.keeper.tables.seal(sealed);
            self.keeper.publish(&mut books);
            let start = self.pipeline.journal.segment_start();
            let expiries = &mut self.pipeline.draft.expiries;
            let newest = self.ticker.last();
            self.keeper.snapshot(start, &mut books, expiries, newest);
        }
        self.keeper.take_here(&mut self.pipeline.draft.expiries);
        self.keeper.sealed();
    }

    /// Sends the open frame to the disk once the one before it is there, and with it the answers
    /// that wait for it. `has_more` says that there is something to decide meanwhile; otherwise
    /// everybody has been answered when it returns.
    pub(super) fn flush(&mut self, has_more: bool) {
        self.land();
        self.keeper.copy_pendings(&mut self.pipeline.draft.expiries);
        self.metrics
            .expiries(&self.pipeline.draft.expiries, || self.clock.now());
        let journal = &self.pipeline.journal;
        if journal.open_frame_records() == 0 || journal.failure().is_some() {
            self.pipeline.answer_without_frame();
            self.shared.round_ended();
            return;
        }
        let sealed = self.pipeline.seal(self.ticker.last());
        if has_more {
            self.pipeline.syncer.start(sealed);
        } else {
            self.landed(sealed.write());
        }
    }

    /// Waits for the frame in flight, if one is.
    pub(super) fn land(&mut self) {
        if self.pipeline.is_in_flight() {
            let written = self.pipeline.syncer.wait();
            self.landed(written);
        }
    }

    /// Takes in that the frame in flight is durable, if it is by now.
    pub(super) fn land_if_written(&mut self) {
        if self.pipeline.is_in_flight()
            && let Some(written) = self.pipeline.syncer.poll()
        {
            self.landed(written);
        }
    }

    /// Publishes what is durable now, and answers everybody who waits for it.
    pub(super) fn landed(&mut self, written: Written) {
        let elapsed = written.elapsed();
        let (shared, keeper, metrics) = (&self.shared, &mut self.keeper, &self.metrics);
        self.pipeline.land(written, |landed, changes| match landed {
            Ok(info) => {
                let mut books = shared.books.write();
                books.publish(changes);
                keeper.publish(&mut books);
                let size = LedgerSize::of(&books);
                drop(books);
                shared.published.move_to(info.end());
                metrics.frame(info, elapsed);
                metrics.ledger(info.sequence, size);
            }
            Err(CommitError::Failed(failure)) => shared.fail(failure),
        });
        self.shared.round_ended();
    }
}
